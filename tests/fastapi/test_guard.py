"""A guard around the whole application: everything is closed, but what the application says is public."""

import logging
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, FastAPI, Request, Security, WebSocket
from fastapi.responses import PlainTextResponse
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette._utils import get_route_path
from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Mount, Route
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.types import Message, Scope

from proofkey.errors import ConfigurationError
from proofkey.fastapi import AccessToken, Refused, public
from proofkey.testing.tokens_for import bearer
from proofkey.web.api_guard import route_path
from tests.fastapi.api import INVALID_TOKEN, World, challenge
from tests.web.asgi import ask

PUBLIC = ["/open", "/health", "/items/me", "/v1/open", "/ws/open"]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Guarded:
    """An application without a single dependency, and a guard."""

    def __init__(self, **options: Any) -> None:
        self.world = World(**options)
        self.ran: list[str] = []
        api = self.world.api
        self.app = FastAPI(lifespan=api.lifespan)
        api.guard(self.app, public=PUBLIC)
        for path in ("/open", "/secret", "/items/{id}", "/files/{rest:path}"):
            self.app.get(path)(self._handler(path))
        self.app.post("/secret")(self._handler("post /secret"))
        self.app.options("/secret")(self._handler("options /secret"))
        self.app.get("/share/{id}")(public(self._handler("/share")))
        self.app.get("/share/{id}/log")(self._handler("/share/log"))
        router = APIRouter(prefix="/router")
        router.get("/public/{id}")(public(self._handler("/router/public")))
        router.post("/public/{id}")(self._handler("post /router/public"))
        router.get("/secret")(self._handler("/router/secret"))
        self.app.include_router(router)
        inner = FastAPI()
        inner.get("/open")(self._handler("/v1/open"))
        inner.get("/secret")(self._handler("/v1/secret"))
        inner.get("/marked/{id}")(public(self._handler("/v1/marked")))
        self.app.mount("/v1", inner)
        self.app.mount("/plain", Starlette(routes=[Route("/x", self._starlette)]))

        @self.app.get("/token")
        async def token(request: Request) -> str:
            return api.token(request).sub

        @self.app.get("/scoped")
        async def scoped(token: Annotated[AccessToken, Security(api, scopes=["orders:read"])]) -> str:
            return token.sub

        @self.app.websocket("/ws")
        async def ws(socket: WebSocket) -> None:
            self.ran.append("/ws")
            await socket.accept()
            await socket.send_text(api.token(socket).sub)
            await socket.close()

        @self.app.websocket("/ws/open")
        async def ws_open(socket: WebSocket) -> None:
            await socket.accept()
            await socket.send_text("open")
            await socket.close()

    def _handler(self, name: str) -> Any:
        async def handler(request: Request) -> str:
            self.ran.append(name)
            return name

        return handler

    async def _starlette(self, request: Request) -> PlainTextResponse:
        self.ran.append("/plain/x")
        return PlainTextResponse("plain")

    def token(self, **claims: Any) -> dict[str, str]:
        return bearer(self.world.issuer.token_for(**claims))


@pytest.fixture(scope="module")
def guarded() -> Guarded:
    return Guarded()


CLOSED = [
    "/secret", "/items/5", "/files/a/b", "/share/5/log", "/router/secret", "/v1/secret", "/v1", "/plain/x",
    "/token", "/nowhere", "/", "/openapi.json", "/docs", "/open/", "//open", "/OPEN", "/Open", "/open/x",
    "/./open", "/x/../open", "/open/../secret", "/open%2F..%2Fsecret", "/open;x", "/open\\", "/v1//open",
    "/v1/open/", "/items/me/", "/ws/open/", "/share/", "/share", "/share/5/", "/share//5", "/v1/marked",
    "/router/public", "/.well-known/oauth-protected-resource/x",
]  # fmt: skip
OPEN = ["/open", "/share/5", "/router/public/5", "/v1/open", "/v1/marked/5", "/items/me"]


@pytest.mark.spec("6750-3-a", "X-failclosed")
@pytest.mark.parametrize("path", CLOSED)
async def test_nothing_else_is_open_however_it_is_spelt(guarded: Guarded, path: str) -> None:
    guarded.ran.clear()
    reply = await ask(guarded.app, "GET", path, (b"host", b"api.test"))
    assert reply.status == 401
    assert reply.headers["www-authenticate"].startswith("Bearer")
    assert reply.body == b""
    assert guarded.ran == []


@pytest.mark.parametrize("path", OPEN)
@pytest.mark.parametrize(
    "headers", [{}, bearer("bad"), {"authorization": "Basic YTpi"}], ids=["none", "bad", "basic"]
)
def test_what_is_declared_public_takes_strangers(guarded: Guarded, path: str, headers: dict[str, str]) -> None:
    assert TestClient(guarded.app).get(path, headers=headers).status_code == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "HEAD", "OPTIONS", "BREW"])
def test_a_mark_counts_for_its_own_operation_only(guarded: Guarded, method: str) -> None:
    client = TestClient(guarded.app)
    assert client.request(method, "/router/public/5").status_code == 401
    assert client.request(method, "/share/5").status_code == 401


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/secret", 200),
        ("/items/5", 200),
        ("/v1/secret", 200),
        ("/plain/x", 200),
        ("/nowhere", 404),
        ("/docs", 200),
    ],
)
def test_a_token_opens_the_rest(guarded: Guarded, path: str, status: int) -> None:
    assert TestClient(guarded.app).get(path, headers=guarded.token()).status_code == status


def test_dependencies_read_what_the_guard_has_proven(guarded: Guarded) -> None:
    client = TestClient(guarded.app)
    assert client.get("/token", headers=guarded.token(sub="ann")).json() == "ann"
    assert client.get("/scoped", headers=guarded.token(sub="ann", scope="orders:read")).json() == "ann"
    assert client.get("/scoped", headers=guarded.token(scope="x")).status_code == 403
    token = guarded.token(scope="orders:read")
    verifier = guarded.world.api.verifier
    before = verifier.accepted[guarded.world.issuer.url]
    client.get("/scoped", headers=token)
    assert verifier.accepted[guarded.world.issuer.url] == before + 1


def test_the_proven_token_is_no_other_apis() -> None:
    guarded, other = Guarded(), World(scheme_name="other")

    @guarded.app.get("/two")
    async def two(token: Annotated[AccessToken, Security(other.api)]) -> str:
        return token.sub

    assert TestClient(guarded.app).get("/two", headers=guarded.token()).status_code == 401


async def test_a_refusal_comes_before_a_byte_of_the_body_is_read(guarded: Guarded) -> None:
    sent: list[Message] = []

    async def receive() -> Message:
        raise AssertionError("the body was read")

    async def send(message: Message) -> None:
        sent.append(message)

    scope: Scope = {
        "type": "http", "method": "POST", "path": "/secret", "raw_path": b"/secret", "query_string": b"",
        "headers": [], "root_path": "", "scheme": "https", "server": ("api.test", 443), "client": ("192.0.2.1", 5),
    }  # fmt: skip
    await guarded.app(scope, receive, send)
    assert sent[0]["status"] == 401


@pytest.mark.spec("6750-3-a")
def test_websockets_are_guarded_too(guarded: Guarded) -> None:
    client = TestClient(guarded.app)
    with client.websocket_connect("/ws", headers=guarded.token(sub="ann")) as socket:
        assert socket.receive_text() == "ann"
    with client.websocket_connect("/ws/open") as socket:
        assert socket.receive_text() == "open"
    guarded.ran.clear()
    for path in ("/ws", "/ws/", "/ws/open/"):
        with pytest.raises(WebSocketDenialResponse) as caught, client.websocket_connect(path):
            pytest.fail("the socket was accepted")
        assert caught.value.status_code == 401
    assert guarded.ran == []


async def test_a_websocket_that_cannot_be_answered_is_closed(guarded: Guarded) -> None:
    sent: list[Message] = []
    scope: Scope = {
        "type": "websocket", "path": "/ws", "raw_path": b"/ws", "query_string": b"", "headers": [],
        "subprotocols": [], "root_path": "", "scheme": "wss", "server": ("api.test", 443),
        "client": ("192.0.2.1", 5), "extensions": {},
    }  # fmt: skip

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    await guarded.app(scope, receive, send)
    assert [(message["type"], message.get("code")) for message in sent] == [("websocket.close", 1008)]


@pytest.mark.spec("6750-3-a", "MCP26-scopes")
def test_the_challenge_is_the_dependencies_own(guarded: Guarded) -> None:
    with TestClient(guarded.app) as client:
        assert client.get("/scoped").headers["www-authenticate"] == challenge(scope="orders:read")
        bad = client.get("/secret", headers=bearer("bad"))
        assert (bad.status_code, bad.headers["www-authenticate"]) == (401, challenge(INVALID_TOKEN))
        metadata = client.get("/.well-known/oauth-protected-resource")
        assert metadata.json()["resource"] == "https://api.test"


def test_a_refusal_of_the_guard_is_one_event(guarded: Guarded, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "proofkey")
    client = TestClient(guarded.app)
    client.get("/secret")
    client.get("/share/5", headers=bearer("bad"))
    events = [vars(record)["proofkey"] for record in caplog.records if "api.refused" in record.getMessage()]
    assert [(event["finding"], event["path"]) for event in events] == [("RS-01", "/secret")]


def test_an_application_may_answer_the_guards_refusals_itself() -> None:
    guarded = Guarded()

    @guarded.app.exception_handler(Refused)
    async def mine(request: Request, error: Refused) -> PlainTextResponse:
        return PlainTextResponse("mine", error.status_code, error.headers)

    answer = TestClient(guarded.app).get("/secret")
    assert (answer.status_code, answer.text) == (401, "mine")


PREFLIGHT = {"origin": "https://app.test", "access-control-request-method": "GET"}


def test_a_preflight_is_answered_by_what_stands_outside_of_the_guard_and_refused_else() -> None:
    guarded = Guarded()
    assert TestClient(guarded.app).options("/secret", headers=PREFLIGHT).status_code == 401
    assert guarded.ran == []
    guarded = Guarded()
    guarded.app.add_middleware(CORSMiddleware, allow_origins=["https://app.test"], allow_headers=["authorization"])
    client = TestClient(guarded.app)
    assert client.options("/secret", headers=PREFLIGHT).status_code == 200
    assert guarded.ran == []
    refused = client.get("/secret", headers={"origin": "https://app.test"})
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, "https://app.test")


@pytest.mark.spec("X-jwks-d")
def test_keys_that_cannot_be_had_open_nothing() -> None:
    guarded = Guarded()
    guarded.world.wire.down = True
    client = TestClient(guarded.app)
    assert client.get("/secret", headers=guarded.token()).status_code == 503
    assert client.get("/share/5", headers=guarded.token()).status_code == 200


def test_a_guard_may_stand_where_middleware_stands_and_inside_of_a_mount() -> None:
    world = World()
    inner = FastAPI()
    inner.add_middleware(world.api.middleware, public=["/open"])

    @inner.get("/open")
    async def open_() -> str:
        return "open"

    @inner.get("/secret")
    async def secret() -> str:
        return "secret"

    outer = FastAPI()
    outer.mount("/v1", inner)
    outer.mount("/v2", world.api.middleware(inner, public=["/open"]))
    outer.router.routes.append(Mount("/v3", app=world.api.middleware(PlainTextResponse("all"))))
    client = TestClient(outer)
    for path, status in {"/v1/open": 200, "/v2/open": 200, "/open": 404, "/v1/v1/open": 401}.items():
        assert client.get(path).status_code == status, path
    for path in ("/v1/secret", "/v2/secret", "/v3", "/v3/x", "/v1/open/", "/v1//open"):
        assert client.get(path).status_code == 401, path
        headers = bearer(world.issuer.token_for())
        assert client.get(path, headers=headers).status_code in (200, 404), path


async def test_the_servers_root_path_is_no_part_of_a_public_path(guarded: Guarded) -> None:
    for root, path, status in (
        ("/api", "/open", 200),
        ("/api", "/secret", 401),
        ("/api", "/api/open", 401),
        ("/open", "", 401),
        ("/open", "/secret", 401),
        ("/secret", "/open", 200),
    ):
        reply = await ask(guarded.app, "GET", path, (b"host", b"api.test"), root_path=root)
        assert reply.status == status, (root, path)


@settings(max_examples=300)
@given(st.text("/ap%.i", max_size=8), st.text("/ap%.i", max_size=5))
def test_guard_and_routes_look_at_the_same_path(path: str, root: str) -> None:
    scope: Scope = {"type": "http", "path": path, "root_path": root}
    assert route_path(scope) == get_route_path(scope)


@pytest.mark.spec("X-failclosed")
@settings(max_examples=300, deadline=None)
@given(
    path=st.text(st.sampled_from("/openshariv1.%2FOPEN;\\ \x00é"), max_size=14).map(lambda tail: "/" + tail),
    method=st.sampled_from(["GET", "POST", "OPTIONS", "HEAD"]),
)
async def test_no_path_opens_anything_that_is_not_declared(path: str, method: str) -> None:
    guarded = FUZZED
    guarded.ran.clear()
    reply = await ask(guarded.app, method, path, (b"host", b"api.test"))
    assert reply.status < 500
    if path not in PUBLIC and not guarded.ran:
        assert reply.status == 401
    assert set(guarded.ran) <= {"/open", "/share", "/router/public", "/v1/open", "/v1/marked", "/items/{id}"}
    assert "/items/{id}" not in guarded.ran or path == "/items/me"


FUZZED = Guarded()


@pytest.mark.spec("X-failclosed")
@pytest.mark.parametrize("paths", [["open"], ["/items/{id}"], ["/files/*"], [""], "/open"])
def test_a_pattern_is_no_public_path(paths: Any) -> None:
    with pytest.raises(ConfigurationError):
        World().api.guard(FastAPI(), public=paths)


def test_an_application_that_runs_is_not_guarded_by_halves(guarded: Guarded) -> None:
    with TestClient(guarded.app), pytest.raises(RuntimeError, match="before"):
        guarded.world.api.guard(guarded.app)


def test_the_documentation_pages_can_be_left_open() -> None:
    world = World(docs_client_id="docs")
    app = FastAPI(lifespan=world.api.lifespan)
    world.api.guard(app, docs=True)

    @app.get("/secret")
    async def secret() -> str:
        return "secret"

    with TestClient(app) as client:
        for path in ("/docs", "/openapi.json", "/docs/oauth2-redirect", "/docs/assets/swagger-ui.css", "/redoc"):
            assert client.get(path).status_code == 200, path
        assert client.get("/docs/assets/../../secret").status_code == 401
        assert client.get("/docs/assets/").status_code == 401
        assert client.get("/secret").status_code == 401
        document = client.get("/openapi.json").json()
    assert document["paths"]["/secret"]["get"]["security"] == [{"oauth2": []}]
    assert "oauth2" in document["components"]["securitySchemes"]


def test_a_lookup_without_a_proven_token_fails() -> None:
    world = World()
    app = FastAPI()

    @app.get("/")
    async def handler(request: Request) -> str:
        with pytest.raises(LookupError):
            world.api.token(request)
        with pytest.raises(LookupError):
            world.api.received_token(request)
        return "none"

    assert TestClient(app).get("/").json() == "none"
