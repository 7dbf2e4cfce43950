"""The scripted provider over ASGI, and its switches: one that does nothing would make tests pass for nothing."""

import time
from urllib.parse import parse_qsl, urlsplit

import httpx2
import pytest

from proofkey.errors import LoginFailed, Unavailable
from proofkey.protocol.exchange import Answer, Ask
from proofkey.runtime.login_core import LoginCore
from proofkey.store.memory import MemorySessionStore
from proofkey.testing.provider import ScriptedProvider
from proofkey.testing.transport import AsgiTransport
from tests.client.login_kit import CLIENT_SECRET, ISSUER, config_for


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.parametrize("secret", [CLIENT_SECRET, None], ids=["confidential", "public"])
async def test_a_login_and_a_refresh_work_over_asgi(secret: object) -> None:
    provider = ScriptedProvider(ISSUER, client_secret=CLIENT_SECRET if secret else None)
    config = config_for(client_secret=CLIENT_SECRET if secret else None)
    core = LoginCore(config, MemorySessionStore(), AsgiTransport({ISSUER: provider}))
    started = await core.start("/")
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(provider)) as browser:
        back = (await browser.get(started.url)).headers["location"]
    pairs = tuple((name, value) for name, value in parse_qsl(urlsplit(back).query))
    finished = await core.finish(pairs, {started.flow: started.browser})
    tokens = await core.access_token(finished.handle, min_ttl=10_000)
    assert tokens.access_token != finished.session.tokens.access_token
    assert [form["grant_type"] for form in provider.token_requests()] == [
        ["authorization_code"],
        ["refresh_token"],
    ]


@pytest.mark.parametrize(
    "form",
    [
        (("grant_type", "authorization_code"), ("code", "none"), ("client_id", "web")),
        (("grant_type", "refresh_token"), ("refresh_token", "none"), ("client_id", "web")),
    ],
    ids=["code", "refresh token"],
)
async def test_unknown_grants_are_refused(form: tuple[tuple[str, str], ...]) -> None:
    answer = await ScriptedProvider(ISSUER).send(Ask("POST", f"{ISSUER}/token", {}, form))
    assert (answer.status, answer.body) == (400, b'{"error": "invalid_grant"}')


async def test_a_wrong_client_is_refused() -> None:
    provider = ScriptedProvider(ISSUER, client_secret=CLIENT_SECRET)
    form = (("grant_type", "authorization_code"), ("client_id", "web"), ("client_secret", "wrong"))
    assert (await provider.send(Ask("POST", f"{ISSUER}/token", {}, form))).status == 401


async def test_a_spent_refresh_token_kills_its_family() -> None:
    provider = ScriptedProvider(ISSUER, client_secret=CLIENT_SECRET)
    core = LoginCore(config_for(), MemorySessionStore(), provider)
    started = await core.start("/")
    pairs = tuple((name, value) for name, value in parse_qsl(urlsplit(provider.authorize(started.url)).query))
    finished = await core.finish(pairs, {started.flow: started.browser})
    old = finished.session.tokens.refresh_token
    new = (await core.access_token(finished.handle, min_ttl=10_000)).refresh_token
    assert old is not None
    assert new is not None
    for token in (old, new):
        form = (
            ("grant_type", "refresh_token"),
            ("refresh_token", token.reveal()),
            ("client_id", "web"),
            ("client_secret", CLIENT_SECRET.reveal()),
        )
        assert (await provider.send(Ask("POST", f"{ISSUER}/token", {}, form))).status == 400


async def test_endpoints_are_down_overridden_slow_or_missing_as_switched() -> None:
    provider = ScriptedProvider(ISSUER)
    discovery = Ask("GET", f"{ISSUER}/.well-known/openid-configuration")
    provider.faults.down = {"discovery"}
    with pytest.raises(Unavailable):
        await provider.send(discovery)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(provider)) as client:
        assert (await client.get(discovery.url)).status_code == 503
    provider.faults.down = set()
    provider.faults.overrides = {"discovery": Answer(418)}
    assert (await provider.send(discovery)).status == 418
    assert (await provider.send(Ask("GET", f"{ISSUER}/nowhere"))).status == 404
    provider.faults.delay = 0.02
    before = time.monotonic()
    await provider.send(discovery)
    assert time.monotonic() - before >= 0.02


@pytest.mark.parametrize(
    "switch",
    ["id_token_unsigned", "id_token_hmac", "id_token_foreign_key"],
)
async def test_a_spoilt_id_token_differs_from_an_honest_one(switch: str) -> None:
    provider = ScriptedProvider(ISSUER, client_secret=CLIENT_SECRET)
    honest = provider.id_token("n", "at", {})
    setattr(provider.faults, switch, True)
    spoilt = provider.id_token("n", "at", {})
    assert spoilt.count(".") == 2
    assert spoilt.rpartition(".")[2] != honest.rpartition(".")[2]


async def test_big_claims_still_log_in() -> None:
    provider = ScriptedProvider(ISSUER, client_secret=CLIENT_SECRET, claims={"groups": ["g" * 60] * 100})
    core = LoginCore(config_for(), MemorySessionStore(), provider)
    started = await core.start("/")
    pairs = tuple((name, value) for name, value in parse_qsl(urlsplit(provider.authorize(started.url)).query))
    finished = await core.finish(pairs, {started.flow: started.browser})
    assert len(finished.handle.reveal()) == 43
    provider.claims = {"groups": ["g" * 200] * 100}
    started = await core.start("/")
    pairs = tuple((name, value) for name, value in parse_qsl(urlsplit(provider.authorize(started.url)).query))
    with pytest.raises(LoginFailed):
        await core.finish(pairs, {started.flow: started.browser})
