"""The listing of what strangers can reach: routers, mounts, websockets and frontends included."""

from pathlib import Path
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, Security, WebSocket
from fastapi.security import HTTPBearer
from starlette.applications import Starlette
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Host, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.testclient import TestClient

from proofkey.fastapi import AccessToken, Protect, public
from proofkey.testing.routes import assert_open_routes
from tests.fastapi.api import World

PAGES = ["GET HEAD /openapi.json", "GET HEAD /docs", "GET HEAD /docs/oauth2-redirect", "GET HEAD /redoc"]


def listed(api: Protect, app: FastAPI, *, pages: bool = False) -> list[str]:
    return [str(route) for route in api.unprotected(app) if pages or route.kind != "documentation"]


async def handler() -> str:
    return "x"


async def starlette_handler(request: object) -> PlainTextResponse:
    return PlainTextResponse("x")


async def socket_handler(socket: WebSocket) -> None:
    await socket.accept()


def test_what_has_no_dependency_is_listed_and_optional_is_no_protection() -> None:
    world = World()
    assert listed(world.api, world.app, pages=True) == [*PAGES, "GET /open", "GET /greeting"]
    kinds = {route.kind for route in world.api.unprotected(world.app)}
    assert kinds == {"documentation", "http"}


def test_every_dependency_of_an_api_protects() -> None:
    world = World()
    api = world.api

    async def load(token: AccessToken) -> str | None:
        return token.sub

    app = FastAPI(openapi_url=None)
    guards: list[Any] = [api, api.user, api.role("x"), api.step_up(max_age=1), api.users(load)]
    for number, guard in enumerate(guards):
        app.get(f"/{number}", dependencies=[Security(guard, scopes=["a"])])(handler)

    async def nested(token: Annotated[AccessToken, Depends(api)]) -> AccessToken:
        return token

    app.get("/nested", dependencies=[Depends(nested)])(handler)
    app.get("/foreign", dependencies=[Depends(HTTPBearer())])(handler)
    app.websocket("/ws", dependencies=[Depends(api)])(socket_handler)
    app.websocket("/ws/open")(socket_handler)
    assert listed(api, app) == ["GET /foreign", "WEBSOCKET /ws/open"]


def test_what_routers_and_applications_add_to_their_routes_counts() -> None:
    api = World().api
    bare, guarded, outer = APIRouter(prefix="/bare"), APIRouter(dependencies=[Depends(api)]), APIRouter()
    for router in (bare, guarded):
        router.get("/x/{id:int}")(handler)
        router.websocket("/ws")(socket_handler)
    outer.include_router(bare, prefix="/deep")
    outer.include_router(bare, prefix="/closed", dependencies=[Depends(api)])
    outer.include_router(guarded, prefix="/guarded")
    app = FastAPI(openapi_url=None)
    app.include_router(outer, prefix="/v1")
    app.include_router(outer, prefix="/v2", dependencies=[Depends(api)])
    assert listed(api, app) == ["GET /v1/deep/bare/x/{id}", "WEBSOCKET /v1/deep/bare/ws"]
    whole = FastAPI(openapi_url=None, dependencies=[Depends(api)])
    whole.get("/x")(handler)
    whole.include_router(bare)
    whole.websocket("/ws")(socket_handler)
    assert listed(api, whole) == []


def test_a_plain_route_gets_nothing_from_dependencies_around_it() -> None:
    api = World().api
    router = APIRouter()
    router.add_route("/plain", starlette_handler)
    app = FastAPI(openapi_url=None, dependencies=[Depends(api)])
    app.include_router(router, prefix="/r", dependencies=[Depends(api)])
    app.add_route("/own", starlette_handler, methods=["POST"])
    assert listed(api, app) == ["GET HEAD /r/plain", "POST /own"]
    assert TestClient(app).get("/r/plain").status_code == 200


def test_mounted_applications_are_looked_into(tmp_path: Path) -> None:
    api = World().api
    inner = FastAPI(openapi_url=None)
    inner.get("/open")(handler)
    inner.get("/closed", dependencies=[Depends(api)])(handler)
    inner.mount("/deeper", Starlette(routes=[Route("/x", starlette_handler)]))
    app = FastAPI(openapi_url=None, dependencies=[Depends(api)])
    app.mount("/v1", inner)
    app.mount("/v2", GZipMiddleware(inner))
    app.mount("/static", StaticFiles(directory=tmp_path))
    app.mount("/foreign", PlainTextResponse("x"))
    app.router.routes.append(Host("api.test", app=inner))
    app.router.routes.append(Mount("/in/{tenant}", routes=[Route("/y", starlette_handler)]))
    own = ["GET {0}/open", "GET HEAD {0}/deeper/x"]
    assert listed(api, app) == [
        *(line.format("/v1") for line in own),
        *(line.format("/v2") for line in own),
        "* /static/{path}",
        "* /foreign/{path}",
        *(line.format("//api.test") for line in own),
        "GET HEAD /in/{tenant}/y",
    ]


def test_frontends_are_listed(tmp_path: Path) -> None:
    api = World().api
    (tmp_path / "index.html").write_text("x")
    app = FastAPI(openapi_url=None)
    app.frontend("/app", directory=tmp_path)
    closed = FastAPI(openapi_url=None, dependencies=[Depends(api)])
    closed.frontend("/app", directory=tmp_path)
    app.mount("/closed", closed)
    router = APIRouter()
    router.frontend("/site", directory=tmp_path)
    app.include_router(router, prefix="/r", dependencies=[Depends(api)])
    app.include_router(router, prefix="/s")
    assert listed(api, app) == ["GET HEAD /app/{path}", "GET HEAD /s/site/{path}"]
    client = TestClient(app)
    statuses = [client.get(path).status_code for path in ("/app/", "/s/site/", "/closed/app/", "/r/site/")]
    assert statuses == [200, 200, 401, 401]


def test_a_guard_leaves_its_public_paths_and_marked_operations() -> None:
    api = World().api
    app = FastAPI()
    api.guard(app, public=["/open", "/v1/open", "/items/me", "/in/acme/y", "/nothing"])
    app.get("/open")(handler)
    app.post("/open")(handler)
    app.get("/secret")(handler)
    app.get("/items/{id}")(handler)
    app.get("/share/{id}")(public(_named()))
    app.websocket("/ws")(socket_handler)
    inner = FastAPI()
    inner.get("/open")(other := _named())
    inner.get("/secret")(other)
    app.mount("/v1", inner)
    app.mount("/in/{tenant}", Starlette(routes=[Route("/y", starlette_handler), Route("/z", starlette_handler)]))
    app.mount("/foreign", PlainTextResponse("x"))
    routes = api.unprotected(app)
    assert [str(route) for route in routes] == [
        "GET /open",
        "POST /open",
        "GET /items/{id}",
        "GET /share/{id}",
        "GET /v1/open",
        "GET HEAD /in/{tenant}/y",
    ]
    assert all(route.declared for route in routes)


def _named() -> Any:
    async def handler_of_its_own() -> str:
        return "x"

    return handler_of_its_own


def test_guards_inside_of_guards_both_have_to_leave_it() -> None:
    api = World().api
    inner = FastAPI(openapi_url=None)
    for path in ("/a", "/b"):
        inner.get(path)(_named())
    inner.add_middleware(api.middleware, public=["/a"])
    app = FastAPI(openapi_url=None)
    app.mount("/one", inner)
    app.mount("/two", api.middleware(FastAPI(), public=["/docs"]))
    assert listed(api, app, pages=True) == ["GET /one/a", "GET HEAD /two/docs"]
    api.guard(app, public=["/one/b", "/one/a"])
    assert listed(api, app) == ["GET /one/a"]


def test_a_mark_without_a_guard_says_that_it_is_meant() -> None:
    api = World().api
    app = FastAPI(openapi_url=None)
    app.get("/a")(public(_named()))
    app.get("/b")(_named())
    assert [(route.path, route.declared) for route in api.unprotected(app)] == [("/a", True), ("/b", False)]


def test_a_dependency_that_is_overridden_protects_nothing() -> None:
    world = World()
    before = len(world.api.unprotected(world.app))
    world.app.dependency_overrides[world.api] = lambda: None
    assert len(world.api.unprotected(world.app)) > before


def test_the_metadata_of_the_api_are_declared() -> None:
    world = World()
    with TestClient(world.app):
        routes = world.api.unprotected(world.app)
    declared = [route.path for route in routes if route.declared]
    assert declared == ["/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/"]


def test_a_test_can_say_what_may_be_open() -> None:
    world = World()
    assert_open_routes(world.app, ["GET /open", "GET /greeting"])
    with pytest.raises(AssertionError, match="GET /greeting"):
        assert_open_routes(world.app, ["GET /open"])
    with pytest.raises(AssertionError, match="GET /orders"):
        assert_open_routes(world.app, ["GET /open", "GET /greeting", "GET /orders"])
    with pytest.raises(AssertionError, match="GET HEAD /docs"):
        assert_open_routes(world.app, ["GET /open", "GET /greeting"], documentation=True)
    with TestClient(world.app):
        assert_open_routes(world.app, ["GET /open", "GET /greeting"])
