"""What an attacker, or a second login beside the first, must not achieve."""

import asyncio
from urllib.parse import quote

import httpx2
import pytest
from fastapi import FastAPI, WebSocket
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from proofkey.client.stores import SessionStore
from proofkey.errors import ConfigurationError, NotSignedIn, ProofkeyError, RefreshFailed, Unavailable
from proofkey.findings import Finding
from proofkey.protocol.text import Instant, Secret
from proofkey.store.memory import MemorySessionStore
from proofkey.testing.clock import TurnedClock
from proofkey.testing.entropy import CountingEntropy
from proofkey.testing.provider import ScriptedProvider
from proofkey.web.login import Login
from tests.client.login_kit import CLIENT_SECRET, ISSUER, RP
from tests.web.login_browser import NAVIGATION, App

STAFF_ISSUER = "https://staff-op.test"


class TwoLogins:
    """Two logins, for customers and for staff, in one application and on one store."""

    def __init__(self, store: SessionStore) -> None:
        self.clock = TurnedClock()
        self.app = FastAPI()
        self.providers: dict[str, ScriptedProvider] = {}
        self.logins = {prefix: self._login(store, issuer, prefix) for prefix, issuer in PREFIXES.items()}
        self.http = httpx2.AsyncClient(transport=httpx2.ASGITransport(self.app), base_url=RP)

    def _login(self, store: SessionStore, issuer: str, prefix: str) -> Login:
        provider = self.providers[prefix] = ScriptedProvider(
            issuer, client_secret=CLIENT_SECRET, clock=self.clock, entropy=CountingEntropy(f"provider {prefix}")
        )
        login = Login(
            issuer=issuer,
            client_id="web",
            client_secret=CLIENT_SECRET,
            public_url=RP,
            path_prefix=prefix,
            store=store,
            transport=provider,
            clock=self.clock,
            entropy=CountingEntropy(f"client {prefix}"),
        )
        login.mount(self.app)
        return login

    async def start(self, prefix: str) -> str:
        """What comes back from the provider, below the host."""
        answer = await self.http.get(f"{prefix}/login", headers=NAVIGATION)
        return self.providers[prefix].authorize(answer.headers["location"]).removeprefix(RP)

    async def sign_in(self, prefix: str) -> None:
        answer = await self.http.get(await self.start(prefix), headers=NAVIGATION)
        assert answer.status_code == 303, answer.text

    def handle(self, prefix: str) -> Secret:
        return Secret(self.http.cookies[self.logins[prefix].cookie.name])


PREFIXES = {"/auth": ISSUER, "/staff": STAFF_ISSUER}


@pytest.fixture
def two() -> TwoLogins:
    return TwoLogins(MemorySessionStore())


@pytest.mark.spec("9700-4.4.2-a", "threats 1.4")
async def test_a_session_of_one_login_is_none_at_another_on_the_same_store(two: TwoLogins) -> None:
    await two.sign_in("/auth")
    staff = two.logins["/staff"].core
    handle = two.handle("/auth")
    assert await staff.session(handle) is None
    assert await staff.log_out(handle) is None
    assert await two.logins["/auth"].core.session(handle) is not None


@pytest.mark.spec("9700-4.4.2.2-a", "9700-4.4.2-a")
async def test_a_code_never_goes_to_the_provider_of_another_login(two: TwoLogins) -> None:
    back = await two.start("/auth")
    answer = await two.http.get(back.replace("/auth/", "/staff/", 1), headers=NAVIGATION)
    assert answer.status_code == 400
    assert two.providers["/staff"].token_requests("authorization_code") == []
    answer = await two.http.get(back, headers=NAVIGATION)  # and the login itself is not used up
    assert answer.status_code == 303


async def test_two_logins_of_one_origin_keep_both_sessions(two: TwoLogins) -> None:
    await two.sign_in("/auth")
    await two.sign_in("/staff")
    for prefix, login in two.logins.items():
        session = await login.core.session(two.handle(prefix))
        assert session is not None
        assert session.issuer == PREFIXES[prefix]


async def test_the_flows_of_one_login_do_not_push_out_those_of_another(two: TwoLogins) -> None:
    waiting = await two.start("/auth")
    for _ in range(12):
        await two.start("/staff")
    answer = await two.http.get(waiting, headers=NAVIGATION)
    assert answer.status_code == 303, answer.text


@pytest.mark.parametrize("prefix", ["/login", "/login-x", "/session", "/a/b", "/auth/login"])
async def test_no_prefix_makes_a_session_look_like_a_flow(prefix: str) -> None:
    usual = App()
    other = App(path_prefix=prefix)
    assert not other.login.cookie.name.startswith(f"{usual.login.cookie.name}-")
    assert not other.login.cookie.name.startswith(usual.login.cookie.name.replace("session", "login-"))


# --- the public URL ------------------------------------------------------------------------------------------
@pytest.mark.spec("V3-3.5.1")
@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://App.Example", "https://app.example"),
        ("https://app.example:443", "https://app.example"),
        ("HTTPS://app.example", "https://app.example"),
        ("http://localhost:80", "http://localhost"),
    ],
)
def test_a_public_url_that_no_browser_would_send_is_refused_with_the_right_one(url: str, expected: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        Login(issuer=ISSUER, client_id="web", client_secret=CLIENT_SECRET, public_url=url)
    assert refused.value.finding is Finding.CONFIG_VALUE
    assert refused.value.facts["expected"] == expected


# --- return paths --------------------------------------------------------------------------------------------
@pytest.mark.spec("9700-4.11.1-a")
@pytest.mark.parametrize("path", ["/%61uth/login?next=/x", "/%61%75th/logout", "/auth/logout", "/auth%2Flogin"])
async def test_no_spelling_of_a_return_path_leads_into_the_login(path: str) -> None:
    answer = await App().browser().sign_in(quote(path))
    assert answer.headers["location"] == "/"


# --- headers that browsers do not send ------------------------------------------------------------------------
@pytest.mark.spec("V3-3.5.1", "10017-6.1.3.3-a")
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param([("origin", RP)], 200, id="our origin"),
        pytest.param([], 200, id="a program"),
        pytest.param([("origin", "null")], 403, id="origin null alone"),
        pytest.param([("origin", "https://evil.test")], 403, id="foreign origin"),
        pytest.param([("origin", "https://RP.test")], 403, id="our origin in another spelling"),
        pytest.param([("origin", f"{RP}.evil.test")], 403, id="an origin that begins like ours"),
        pytest.param([("origin", RP), ("origin", "https://evil.test")], 403, id="two origins"),
        pytest.param([("sec-fetch-site", "same-site"), ("origin", RP)], 403, id="a sibling host"),
        pytest.param([("sec-fetch-site", "cross-site")], 403, id="cross-site"),
        pytest.param([("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")], 403, id="two sites"),
        pytest.param([("sec-fetch-site", "SAME-ORIGIN")], 403, id="another case"),
        pytest.param([("x-http-method-override", "GET"), ("origin", "https://evil.test")], 403, id="override"),
    ],
)
@pytest.mark.parametrize("method", ["POST", "DELETE", "FOO"])
async def test_a_request_that_changes_state(method: str, headers: list[tuple[str, str]], status: int) -> None:
    app = App()
    browser = app.browser()
    await browser.sign_in()
    answer = await browser.http.request(method, "/things", headers=headers)
    if status == 200 and method == "FOO":
        status = 405
    assert answer.status_code == status
    assert app.handled == (["things"] if status == 200 else [])


@pytest.mark.spec("10017-6.1.3.3-a")
async def test_a_mounted_application_is_guarded_too() -> None:
    app = App()
    inner = FastAPI()
    handled: list[str] = []

    @inner.post("/pay")
    async def pay() -> None:
        handled.append("pay")

    app.asgi.mount("/inner", inner)
    app.asgi.router.routes.insert(0, app.asgi.router.routes.pop())  # before the page that answers everything
    browser = app.browser()
    await browser.sign_in()
    assert (await browser.post("/inner/pay", headers={"origin": "https://evil.test"})).status_code == 403
    assert (await browser.post("/inner/pay")).status_code == 200
    assert handled == ["pay"]


@pytest.mark.spec("threats 2 row 22")
@pytest.mark.parametrize(
    "cookie",
    [
        pytest.param("x=" + "y" * 20_000, id="one of 20 kB"),
        pytest.param("; ".join(f"__Host-proofkey-login-{n}=x" for n in range(300)), id="300 flows"),
        pytest.param(";;;===;\x7f=;" * 50, id="nonsense"),
    ],
)
async def test_a_flood_of_cookies_is_nobody_and_no_fault(cookie: str) -> None:
    browser = App().browser()
    answer = await browser.get("/me", headers={"cookie": cookie, "accept": "application/json"})
    assert answer.status_code == 401
    answer = await browser.get("/auth/login", headers={**NAVIGATION, "cookie": cookie})
    assert answer.status_code == 303
    assert sum(map(len, answer.headers.get_list("set-cookie"))) < 4_000


# --- websockets ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("accepted", [True, False], ids=["after accept", "before accept"])
@pytest.mark.parametrize(
    ("error", "code"),
    [
        pytest.param(NotSignedIn(Finding.SESSION_NONE), 1008, id="not signed in"),
        pytest.param(RefreshFailed(final=True), 1008, id="refresh refused"),
        pytest.param(RefreshFailed(final=False), 1013, id="refresh failed"),
        pytest.param(Unavailable(Finding.OUTGOING_FAILED), 1013, id="unavailable"),
    ],
)
def test_a_websocket_whose_token_is_gone_is_closed(error: ProofkeyError, code: int, accepted: bool) -> None:
    app = App()

    @app.asgi.websocket("/live")
    async def live(socket: WebSocket) -> None:
        if accepted:
            await socket.accept()
        raise error

    with (
        TestClient(app.asgi, base_url=RP) as client,
        pytest.raises(WebSocketDisconnect) as closed,
        client.websocket_connect("/live") as socket,
    ):
        socket.receive_text()
    assert closed.value.code == code


# --- upkeep ----------------------------------------------------------------------------------------------------
async def test_upkeep_goes_on_after_any_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proofkey.web.login_upkeep.PURGE_EVERY", 0.001)
    calls: list[int] = []

    class Broken(MemorySessionStore):
        async def purge_sessions(self, now: Instant, *, batch: int = 500) -> int:
            calls.append(1)
            raise ValueError("broken")

    async with App(store=Broken()).login.lifespan():
        await asyncio.sleep(0.05)
    assert len(calls) > 2
