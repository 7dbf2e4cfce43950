"""A guard believes the marks of what stands behind it, and of nothing else."""

from typing import Any

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Host, Mount, Route, Router
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Receive, Scope, Send

from proofkey.fastapi import Protect, public
from proofkey.testing.tokens_for import bearer
from tests.fastapi.api import World


async def secret(request: Request) -> PlainTextResponse:
    return PlainTextResponse("secret")


ROUTES = [Route("/open", secret), Route("/any/{name}", secret)]


def outer_with(route: BaseRoute) -> FastAPI:
    """Its own public operations have the same paths as the closed ones inside of the mount."""
    outer = FastAPI()
    outer.get("/open")(public(lambda: "outer"))
    outer.get("/any/{name}")(public(lambda: "outer"))
    outer.router.routes.insert(0, route)
    return outer


def mounted(api: Protect) -> dict[str, tuple[BaseRoute, str]]:
    return {
        "an application": (Mount("/v2", api.middleware(Starlette(routes=ROUTES))), "http://api.test/v2"),
        "a router": (Mount("/v2", api.middleware(Router(routes=ROUTES))), "http://api.test/v2"),
        "middleware of the mount": (
            Mount("/v2", routes=ROUTES, middleware=[Middleware(api.middleware)]),
            "http://api.test/v2",
        ),
        "a host": (Host("inner.test", api.middleware(Router(routes=ROUTES))), "http://inner.test"),
        "a mount in a mount": (
            Mount("/a", routes=[Mount("/b", api.middleware(Router(routes=ROUTES)))]),
            "http://api.test/a/b",
        ),
        "a function": (Mount("/v2", api.middleware(lambda *step: secret_app(*step))), "http://api.test/v2"),
    }


async def secret_app(*step: Any) -> None:
    await PlainTextResponse("secret")(*step)


@pytest.mark.spec("X-failclosed")
@pytest.mark.parametrize("place", list(mounted(World().api)))
def test_a_public_path_outside_opens_nothing_inside(place: str) -> None:
    world = World()
    route, url = mounted(world.api)[place]
    client = TestClient(outer_with(route))
    for path in ("/open", "/any/thing"):
        assert client.get(url + path).status_code == 401, path
        assert client.get(url + path, headers=bearer(world.issuer.token_for())).text == "secret"
        if place != "a host":
            assert client.get(path).text == '"outer"'


def test_marks_inside_of_a_guarded_mount_count() -> None:
    world = World()
    inner = FastAPI()
    inner.get("/open")(public(lambda: "inner"))
    outer = FastAPI()
    outer.get("/open")(lambda: "outer")
    outer.mount("/v2", world.api.middleware(inner))
    assert TestClient(outer).get("/v2/open").json() == "inner"
    assert TestClient(world.api.middleware(inner)).get("/open").json() == "inner"


@pytest.mark.spec("X-failclosed")
def test_a_root_path_of_the_application_is_no_way_around_a_guard_outside() -> None:
    app = FastAPI()
    app.root_path = "/api"
    app.get("/open")(lambda: "secret")
    app.get("/api/open")(public(lambda: "open"))
    client = TestClient(World().api.middleware(app))
    assert client.get("/api/open").status_code == 401
    assert client.get("/api/api/open").json() == "open"


def test_the_challenge_of_a_guarded_mount_names_no_other_operations_scopes() -> None:
    world = World()
    outer = FastAPI()
    outer.mount("/v2", world.api.middleware(Router(routes=[Route("/orders", secret)])))
    outer.include_router(world.app.router)
    assert "scope" not in TestClient(outer).get("/v2/orders").headers["www-authenticate"]


@public
class Open(HTTPEndpoint):
    async def get(self, request: Request) -> PlainTextResponse:
        return PlainTextResponse("open")


class Closed(Open):
    pass


@pytest.mark.spec("X-failclosed")
def test_a_class_that_extends_a_public_one_is_not_public() -> None:
    world = World()
    app = Starlette(routes=[Route("/open", Open), Route("/closed", Closed)])
    world.api.guard(app)
    assert TestClient(app).get("/open").text == "open"
    assert TestClient(app).get("/closed").status_code == 401
    assert [str(route) for route in world.api.unprotected(app)] == ["* /open"]


@pytest.mark.spec("X-failclosed")
def test_a_mark_that_cannot_be_found_opens_nothing() -> None:
    world = World()
    app = FastAPI()
    app.get("/open")(public(lambda: "open"))

    def opaque(wrapped: ASGIApp) -> ASGIApp:
        async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
            await wrapped(scope, receive, send)

        return middleware

    client = TestClient(world.api.middleware(opaque(app)))
    assert client.get("/open").status_code == 401
    assert TestClient(world.api.middleware(opaque(app), public=["/open"])).get("/open").json() == "open"
