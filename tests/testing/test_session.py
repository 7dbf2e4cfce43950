"""The cookie of a signed-in browser, without a provider."""

import pytest

from proofkey.client.session import Session
from proofkey.errors import RefreshFailed
from proofkey.protocol.text import Secret
from proofkey.store.memory import MemorySessionStore
from proofkey.testing.clock import TurnedClock
from proofkey.testing.entropy import CountingEntropy
from proofkey.testing.issuer import LocalIssuer
from proofkey.testing.session import LoginAs
from proofkey.web.login import Login

API = "https://api.example.com"


@pytest.fixture
def clock() -> TurnedClock:
    return TurnedClock()


@pytest.fixture
def login(clock: TurnedClock) -> Login:
    return Login(
        issuer="https://id.example.com",
        client_id="web",
        client_secret=Secret(CountingEntropy("secret")()),
        public_url="https://www.example.com",
        audience=API,
        store=MemorySessionStore(),
        clock=clock,
    )


@pytest.fixture
def login_as(clock: TurnedClock) -> LoginAs:
    return LoginAs(LocalIssuer(clock=clock))


async def session_of(login: Login, cookie: dict[str, str]) -> Session | None:
    assert list(cookie) == ["__Host-proofkey-session"]
    return await login.core.session(Secret(cookie[login.cookie.name]))


async def test_the_session_is_as_it_was_asked_for(login: Login, login_as: LoginAs, clock: TurnedClock) -> None:
    cookie = login_as(login, sub="ann", roles=["admin"], scopes=["openid", "x"], claims={"name": "Ann"})
    session = await session_of(login, cookie)
    assert session is not None
    assert (session.sub, session.name, session.roles) == ("ann", "Ann", ("admin",))
    assert session.issuer == "https://id.example.com"
    assert session.tokens.scope == ("openid", "x")
    assert session.tokens.access_expires_at == clock.now() + 900


async def test_each_session_is_one_of_its_own(login: Login, login_as: LoginAs) -> None:
    one, other = login_as(login), login_as(login)
    assert one != other
    first, second = await session_of(login, one), await session_of(login, other)
    assert first is not None
    assert second is not None
    assert first.id != second.id


async def test_an_access_token_that_is_over_cannot_be_refreshed(
    login: Login, login_as: LoginAs, clock: TurnedClock
) -> None:
    cookie = login_as(login, expires_in=60)
    session = await session_of(login, cookie)
    assert session is not None
    assert (await login.core.access_token(session.id)).access_token.reveal()
    clock.turn(61)
    with pytest.raises(RefreshFailed):
        await login.core.access_token(session.id)


async def test_a_session_ends_with_the_login_s_own_times(
    login: Login, login_as: LoginAs, clock: TurnedClock
) -> None:
    cookie = login_as(login, expires_in=10**6)
    clock.turn(login.config.idle + 1)
    assert await session_of(login, cookie) is None
