"""A whole login of a client, with somebody else in the place of the browser."""

from urllib.parse import parse_qsl, urlsplit

import httpx2
import pytest

from proofkey.client.config import LoginConfig
from proofkey.errors import LoginFailed
from proofkey.protocol.text import ClientId, Issuer, Pairs, Secret
from proofkey.testing.clock import TurnedClock
from proofkey.testing.headless import HeadlessBrowser
from proofkey.testing.provider import ScriptedProvider
from proofkey.testing.sign_in import NativeLogin, headless, sign_in

ISSUER = "https://op.test"
REDIRECT_URI = "http://127.0.0.1/callback"


def config() -> LoginConfig:
    return LoginConfig(issuer=Issuer(ISSUER), client_id=ClientId("cli"), redirect_uri=REDIRECT_URI)


@pytest.fixture
def clock() -> TurnedClock:
    return TurnedClock()


@pytest.fixture
def provider(clock: TurnedClock) -> ScriptedProvider:
    return ScriptedProvider(ISSUER, client_id="cli", sub="ann", clock=clock)


async def test_the_browser_s_answer_becomes_a_session(provider: ScriptedProvider, clock: TurnedClock) -> None:
    def browser(url: str) -> Pairs:
        return tuple(parse_qsl(urlsplit(provider.authorize(url)).query))

    signed_in = await sign_in(config(), browser, transport=provider, clock=clock)
    assert signed_in.url.startswith(f"{ISSUER}/authorize?")
    assert signed_in.answer == ("code", "state", "iss")
    assert signed_in.session.sub == "ann"
    assert signed_in.session.created_at == clock.now()


async def test_a_login_has_two_halves(provider: ScriptedProvider, clock: TurnedClock) -> None:
    login = NativeLogin(config(), transport=provider, clock=clock)
    back = provider.authorize(await login.start())
    pairs = tuple(parse_qsl(urlsplit(back).query))
    assert (await login.finish(pairs)).sub == "ann"
    with pytest.raises(LoginFailed):
        await login.finish(pairs)


async def test_an_answer_to_another_login_is_refused(provider: ScriptedProvider, clock: TurnedClock) -> None:
    one, other = (NativeLogin(config(), transport=provider, clock=clock) for _ in range(2))
    await other.start()
    back = provider.authorize(await one.start())
    with pytest.raises(LoginFailed):
        await other.finish(tuple(parse_qsl(urlsplit(back).query)))


def test_a_headless_browser_brings_the_parameters_back() -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(303, headers={"location": f"{REDIRECT_URI}?code=a%20b&state=&state=2"})

    with HeadlessBrowser(httpx2.Client(transport=httpx2.MockTransport(answer))) as window:
        walk = headless(window, redirect_uri=REDIRECT_URI, username="ann", password=Secret("x"))
        assert walk(f"{ISSUER}/authorize") == (("code", "a b"), ("state", ""), ("state", "2"))
