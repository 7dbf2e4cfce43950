"""How a login is configured, mounted and used by the routes of an application."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import httpx2
import pytest
from fastapi import Depends, FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from proofkey.errors import ConfigurationError, NotSignedIn, ProofkeyError, Unavailable
from proofkey.findings import Finding
from proofkey.protocol.text import Secret
from proofkey.runtime.settings_model import LoginSettings
from proofkey.store.memory import MemorySessionStore
from proofkey.testing.provider import ScriptedProvider
from proofkey.testing.tokens import key_for_tests
from proofkey.transport.bearer import async_bearer_client
from proofkey.web.login import Login
from tests.client.login_kit import API, CLIENT_SECRET, ISSUER, RP, pairs_of
from tests.web.login_browser import App, build_app

PLAIN: dict[str, Any] = {
    "issuer": ISSUER,
    "client_id": "web",
    "client_secret": CLIENT_SECRET,
    "public_url": RP,
    "transport": ScriptedProvider(ISSUER, client_secret=CLIENT_SECRET),
}


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


# --- configuration -------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("changes", "finding", "named"),
    [
        pytest.param({"public_url": "http://rp.test"}, Finding.CONFIG_VALUE, "public_url", id="http off loopback"),
        pytest.param(
            {"public_url": f"{RP}?x=1"}, Finding.CONFIG_VALUE, "public_url", id="public_url with a query"
        ),
        pytest.param(
            {"issuer": "http://op.test"}, Finding.ISSUER_INSECURE, "issuer", id="http issuer off loopback"
        ),
        pytest.param({"client_id": ""}, Finding.CONFIG_MISSING, "client_id", id="no client_id"),
        pytest.param({"client_secret": "short"}, Finding.SECRET_WEAK, "client_secret", id="short secret"),
        pytest.param({"client_secret": "changeme" * 5}, Finding.SECRET_WEAK, "client_secret", id="placeholder"),
        pytest.param(
            {"session_secret": "short"}, Finding.SECRET_WEAK, "session_secret", id="short session secret"
        ),
        pytest.param({"client_secret_file": "x"}, Finding.CONFIG_VALUE, "client_secret", id="secret given twice"),
        pytest.param(
            {"client_secret": None, "client_secret_file": "/nowhere/x"},
            Finding.CONFIG_VALUE,
            "client_secret_file",
            id="a file that is not there",
        ),
        pytest.param({"scope": "profile"}, Finding.CONFIG_VALUE, "scope", id="no openid"),
        pytest.param({"scope": "openid\nx"}, Finding.CONFIG_VALUE, "scope", id="malformed scope"),
        pytest.param({"path_prefix": "auth"}, Finding.CONFIG_VALUE, "path_prefix", id="prefix without slash"),
        pytest.param(
            {"path_prefix": "/auth/"}, Finding.CONFIG_VALUE, "path_prefix", id="prefix with a slash more"
        ),
        pytest.param({"path_prefix": "/{x}"}, Finding.CONFIG_VALUE, "path_prefix", id="prefix with a parameter"),
        pytest.param({"store": "mysql://x"}, Finding.CONFIG_VALUE, "store", id="a store of no known kind"),
        pytest.param({"store": "nonsense"}, Finding.CONFIG_VALUE, "store", id="no store"),
        pytest.param(
            {"store": "sqlite:///x.db", "client_secret": None},
            Finding.CONFIG_MISSING,
            "session_secret",
            id="nothing to seal with",
        ),
    ],
)
def test_construction_is_refused_in_one_line_with(changes: dict[str, Any], finding: Finding, named: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        Login(**{**PLAIN, **changes})
    assert refused.value.finding is finding
    assert named in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.spec("V10-10.2.3")
@pytest.mark.parametrize(
    ("options", "scope"),
    [
        ({}, ("openid", "profile")),
        ({"audience": API}, ("openid", "profile", "offline_access")),
        ({"scope": "openid orders:read"}, ("openid", "orders:read")),
    ],
    ids=["least", "with an API", "as said"],
)
def test_the_scope_is(options: dict[str, Any], scope: tuple[str, ...]) -> None:
    assert Login(**PLAIN, **options).config.scope == scope


def test_the_secret_may_stand_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "web.secret"
    file.write_text(f"{CLIENT_SECRET.reveal()}\n")
    login = Login(**{**PLAIN, "client_secret": None, "client_secret_file": file})
    assert login.config.client_secret == CLIENT_SECRET


@pytest.mark.spec("9700-2.5-a / V10-10.4.16")
async def test_a_client_with_a_private_key_signs_in_by_assertions_and_sends_no_secret(tmp_path: Path) -> None:
    key = key_for_tests("ES256", "client-key")
    file = tmp_path / "client.jwk"
    file.write_text(json.dumps(key.private_jwk))
    settings = LoginSettings(
        issuer=ISSUER,
        client_id="web",
        private_key_file=file,
        public_url=RP,
        store=f"sqlite:///{tmp_path}/sessions.db",
        session_secret=CLIENT_SECRET,
    )
    provider = ScriptedProvider(ISSUER, client_key=key.verification_key)
    login = Login.from_settings(settings, transport=provider)
    try:
        started = await login.core.start("/me")
        back = pairs_of(provider.authorize(started.url))
        finished = await login.core.finish(back, {started.flow: started.browser})
    finally:
        await login.core.aclose()
    assert finished.session.sub == provider.sub
    assert provider.desk.methods == ["private_key_jwt"]
    assert [claims["aud"] for claims in provider.desk.assertions] == [ISSUER]


def test_a_private_key_leaves_no_place_for_a_secret(tmp_path: Path) -> None:
    file = tmp_path / "client.jwk"
    file.write_text(json.dumps(key_for_tests("ES256", "client-key").private_jwk))
    with pytest.raises(ConfigurationError, match="private key too"):
        Login(**PLAIN, private_key_file=file)
    with pytest.raises(ConfigurationError, match="private_key_file"):
        Login(**{**PLAIN, "client_secret": None}, private_key_file=tmp_path / "none.jwk")


def test_a_client_without_a_secret_is_a_public_one() -> None:
    assert Login(**{**PLAIN, "client_secret": None}).config.client_secret is None


def test_settings_make_a_login() -> None:
    settings = LoginSettings(
        issuer=ISSUER,
        client_id="web",
        client_secret=CLIENT_SECRET,
        public_url=f"{RP}/",
        audience=API,
        scope="openid email",
    )
    login = Login.from_settings(settings, scope="openid ignored")
    assert login.public_url == RP
    assert login.config.redirect_uri == f"{RP}/auth/callback"
    assert login.config.scope == ("openid", "email")
    assert login.config.resource == (API,)


async def test_another_prefix_moves_every_route() -> None:
    app = App(path_prefix="/konto")
    browser = app.browser()
    answer = await browser.get("/me")
    assert answer.headers["location"] == "/konto/login?next=/me"
    started = await browser.get(answer.headers["location"])
    back = app.provider.authorize(started.headers["location"])
    assert back.startswith(f"{RP}/konto/callback?")
    assert (await browser.back(back)).headers["location"] == "/me"


def test_the_paths_follow_the_prefix() -> None:
    login = Login(**PLAIN, path_prefix="/konto")
    assert (login.login_path, login.logout_path, login.signed_out_path) == (
        "/konto/login",
        "/konto/logout",
        "/konto/signed-out",
    )


# --- mounting ------------------------------------------------------------------------------------------------
def test_the_lifespan_of_the_application_still_runs_with_its_state(tmp_path: Path) -> None:
    login = Login(**PLAIN, store=f"sqlite:///{tmp_path}/sessions.db")
    events: list[str] = []

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[dict[str, str]]:
        events.append("up")
        yield {"mine": "yes"}
        events.append("down")

    app = FastAPI(lifespan=lifespan)
    login.mount(app)

    @app.get("/state")
    async def state(request: Request) -> dict[str, str]:
        return {"mine": request.state.mine}

    for _ in range(2):  # a second start opens the store anew
        with TestClient(app, base_url=RP) as client:
            assert client.get("/state").json() == {"mine": "yes"}
            assert client.get("/auth/login", follow_redirects=False).status_code == 303
    assert events == ["up", "down"] * 2


def test_a_database_that_cannot_be_written_refuses_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    login = Login(**PLAIN, store=f"sqlite:///{tmp_path}/file/sessions.db")
    app = FastAPI()
    login.mount(app)
    with pytest.raises(ConfigurationError), TestClient(app, base_url=RP):
        pass


def test_the_application_starts_while_the_provider_is_down() -> None:
    app = App()
    app.provider.faults.down = {"discovery", "jwks", "token"}
    with TestClient(app.asgi, base_url=RP) as client:
        assert client.get("/maybe").json() == {"sub": None}
        assert client.get("/auth/login", follow_redirects=False).status_code == 503


async def test_a_starlette_application_is_mounted_on_as_well() -> None:
    login = Login(**PLAIN, store=MemorySessionStore())

    async def me(request: Request) -> JSONResponse:
        session = await login.user(request)
        return JSONResponse({"sub": session.sub})

    app = Starlette(routes=[Route("/me", me)])
    login.mount(app)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url=RP) as client:
        assert (await client.get("/me", headers={"accept": "text/html"})).status_code == 303
        assert (await client.get("/me", headers={"accept": "application/json"})).status_code == 401


async def test_the_routes_do_not_show_in_the_api_documentation() -> None:
    assert not any(path.startswith("/auth") for path in App().asgi.openapi()["paths"])


async def test_the_dependency_can_refuse_cross_site_requests_by_itself() -> None:
    login = Login(**PLAIN, store=MemorySessionStore())
    app = FastAPI()
    app.add_exception_handler(*_handler())

    @app.post("/things", dependencies=[Depends(login.same_site)])
    async def things() -> dict[str, bool]:
        return {"done": True}

    headers = {"origin": "https://evil.test", "cookie": f"{login.cookie.name}=abc"}
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url=RP) as client:
        assert (await client.post("/things", headers=headers)).status_code == 403
        assert (await client.post("/things", headers={**headers, "origin": RP})).status_code == 200


def _handler() -> tuple[Any, Any]:
    from proofkey.web.login_guard import LoginAnswer, give_answer

    return LoginAnswer, give_answer


async def test_without_mount_the_dependency_still_redirects() -> None:
    login = Login(**PLAIN, store=MemorySessionStore())
    app = FastAPI()

    @app.get("/me")
    async def me(session: Annotated[object, Depends(login.user)]) -> None: ...

    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url=RP) as client:
        answer = await client.get("/me", headers={"accept": "text/html"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/auth/login?next=/me")


# --- websockets ------------------------------------------------------------------------------------------------
def test_a_websocket_is_closed_without_a_session_and_from_another_site() -> None:
    app = App()
    with TestClient(app.asgi, base_url=RP) as client:
        with pytest.raises(WebSocketDisconnect), client.websocket_connect("/ws"):
            pass
        started = client.get("/auth/login", follow_redirects=False)
        back = app.provider.authorize(started.headers["location"])
        client.get(back, follow_redirects=False)
        cookie = {"cookie": f"{app.login.cookie.name}={client.cookies[app.login.cookie.name]}"}
        with client.websocket_connect("/ws", headers={**cookie, "origin": RP}) as socket:
            assert socket.receive_text() == "u1"
        foreign = {**cookie, "origin": "https://evil.test"}
        with pytest.raises(WebSocketDisconnect), client.websocket_connect("/ws", headers=foreign):
            pass


class BrokenStore(MemorySessionStore):
    """A store that cannot be asked."""

    async def find_session(self, id_: str) -> Any:
        raise Unavailable(Finding.STORE_UNAVAILABLE)


def test_a_websocket_is_told_to_try_again_while_the_store_is_down() -> None:
    app = App(store=BrokenStore())
    cookie = {"cookie": f"{app.login.cookie.name}=abc"}
    with (
        TestClient(app.asgi, base_url=RP) as client,
        pytest.raises(WebSocketDisconnect) as closed,
        client.websocket_connect("/ws", headers=cookie),
    ):
        pass
    assert closed.value.code == 1013


# --- calls to an API -------------------------------------------------------------------------------------------
async def test_the_api_client_carries_a_fresh_token_and_only_to_that_origin(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app = App()
    seen: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request.headers["authorization"])
        return httpx2.Response(200, json=[])

    def in_process(base_url: str, token: Any, **_: Any) -> httpx2.AsyncClient:
        return async_bearer_client(base_url, token, transport=httpx2.MockTransport(answer))

    monkeypatch.setattr("proofkey.web.login.async_bearer_client", in_process)
    browser = app.browser()
    await browser.sign_in()
    session = await app.login.core.session(Secret(browser.session_cookie() or ""))
    assert session is not None
    async with await app.login.api(session, API) as client:
        await client.get("/orders")
        app.clock.turn(890)
        await client.get("/orders")
        with pytest.raises(ProofkeyError, match=Finding.OUTGOING_FOREIGN.id):
            await client.get("https://evil.test/orders")
        await app.login.core.log_out(Secret(browser.session_cookie() or ""))
        with pytest.raises(NotSignedIn):
            await client.get("/orders")
    first, second = seen
    assert first == f"Bearer {session.tokens.access_token.reveal()}"
    assert second.startswith("Bearer ")
    assert second != first


# --- two workers on one file -------------------------------------------------------------------------------------
async def test_a_login_started_at_one_worker_finishes_at_another_and_logout_counts_for_both(
    tmp_path: Path,
) -> None:
    first = App()
    url = f"sqlite:///{tmp_path}/sessions.db"
    options = {**PLAIN, "transport": first.provider, "clock": first.clock, "store": url}
    one, two = Login(**options), Login(**options)
    try:
        async with (
            httpx2.AsyncClient(transport=httpx2.ASGITransport(build_app(one, [])), base_url=RP) as a,
            httpx2.AsyncClient(transport=httpx2.ASGITransport(build_app(two, [])), base_url=RP) as b,
        ):
            b.cookies.jar = a.cookies.jar
            started = await a.get("/auth/login?next=/me")
            assert (await b.get(first.provider.authorize(started.headers["location"]))).status_code == 303
            assert (await a.get("/me")).json() == {"sub": "u1"}
            copied = {"cookie": f"{one.cookie.name}={a.cookies[one.cookie.name]}"}
            await b.post("/auth/logout", headers={"origin": RP})
            assert (await a.get("/me", headers=copied)).status_code == 401
    finally:
        await one.core.aclose()
        await two.core.aclose()
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    handed_out = [form["code_verifier"][0].encode() for form in first.provider.token_requests()]
    assert all(value not in stored for value in handed_out)
