"""The address of a request, on real Starlette and FastAPI mounts and a real uvicorn (RFC 9449 §4.3 no. 9)."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest
import uvicorn
from fastapi import FastAPI, Request, WebSocket
from starlette.applications import Starlette
from starlette.requests import Request as StarletteRequest
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Receive, Scope, Send

from proofkey.web.request_url import request_url


async def told(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the address for each public URL that the request asks about."""
    asked = StarletteRequest(scope).headers["x-public-url"]
    await PlainTextResponse(request_url(asked, scope))(scope, receive, send)


async def endpoint(request: StarletteRequest) -> PlainTextResponse:
    return PlainTextResponse(request_url(request.headers["x-public-url"], request.scope))


def plain() -> Starlette:
    return Starlette(routes=[Route("/{path:path}", endpoint, methods=["GET"])])


def mounted(*prefixes: str) -> Starlette:
    app = plain()
    for prefix in reversed(prefixes):
        app = Starlette(routes=[Mount(prefix, app)])
    return app


def ask(app: ASGIApp, public_url: str, path: str, root_path: str = "", **headers: str) -> str:
    with TestClient(app, root_path=root_path, base_url="http://inside:8000") as client:
        response = client.get(path, headers={"x-public-url": public_url, **headers})
    assert response.status_code == 200, response.text
    return response.text


@pytest.mark.spec("X-htu")
@pytest.mark.parametrize(
    ("public_url", "path", "url"),
    [
        ("https://api.test", "/orders", "https://api.test/orders"),
        ("https://api.test/", "/orders", "https://api.test/orders"),
        ("https://API.test:443", "/orders?a=1", "https://api.test/orders"),
        ("https://api.test:8443", "/", "https://api.test:8443/"),
        ("https://api.test/base", "/orders", "https://api.test/base/orders"),
        ("https://api.test/base/", "/", "https://api.test/base/"),
        ("https://api.test/base", "/base/orders", "https://api.test/base/base/orders"),
        ("https://api.test", "/a%2Fb", "https://api.test/a%2Fb"),
        ("https://api.test", "/a%2fb%7e", "https://api.test/a%2Fb~"),
        ("https://api.test", "/caf%C3%A9", "https://api.test/caf%C3%A9"),
        ("https://api.test", "/%FF", "https://api.test/%FF"),
        ("https://api.test", "/a%3Fb%23c", "https://api.test/a%3Fb%23c"),
        ("https://api.test", "//a//b", "https://api.test//a//b"),
        ("https://api.test", "/a%5Cb", "https://api.test/a%5Cb"),
        ("https://api.test", "/a;b=c,d@e:f!$&'()*+=~", "https://api.test/a;b=c,d@e:f!$&'()*+=~"),
        ("https://api.test", "/100%25", "https://api.test/100%25"),
    ],
)
def test_the_address_is_the_public_one_and_the_path_of_the_request(public_url: str, path: str, url: str) -> None:
    target = f"http://inside:8000{path}" if path.startswith("//") else path
    assert ask(plain(), public_url, target) == url


@pytest.mark.spec("X-htu", "threats-2-35")
@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.test"},
        {"host": "evil.test:444", "x-forwarded-host": "evil.test"},
        {"x-forwarded-proto": "http", "x-forwarded-prefix": "/evil"},
        {"forwarded": "host=evil.test;proto=http"},
        {"x-original-url": "/evil", "x-rewrite-url": "/evil"},
    ],
    ids=lambda headers: " ".join(headers),
)
def test_no_header_changes_the_address(headers: dict[str, str]) -> None:
    assert ask(plain(), "https://api.test/base", "/orders", **headers) == "https://api.test/base/orders"


@pytest.mark.spec("X-htu")
@pytest.mark.parametrize(
    ("prefixes", "root_path", "public_url", "path", "url"),
    [
        # the sub-application's own address, and the whole application's
        (("/sub",), "", "https://api.test", "/sub/x", "https://api.test/sub/x"),
        (("/sub",), "", "https://api.test/sub", "/sub/x", "https://api.test/sub/x"),
        (("/sub",), "", "https://api.test/base", "/sub/x", "https://api.test/base/sub/x"),
        (("/sub",), "", "https://api.test/base/sub", "/sub/x", "https://api.test/base/sub/x"),
        (("/a", "/b"), "", "https://api.test", "/a/b/x", "https://api.test/a/b/x"),
        (("/a", "/b"), "", "https://api.test/a/b", "/a/b/x", "https://api.test/a/b/x"),
        (("/{tenant}",), "", "https://api.test", "/acme/x", "https://api.test/acme/x"),
        (("/caf\u00e9",), "", "https://api.test/caf%c3%a9", "/caf%C3%A9/x", "https://api.test/caf%C3%A9/x"),
        (("/sub",), "", "https://api.test/sub", "/sub/", "https://api.test/sub/"),
        # a root path that the server knows
        ((), "/base", "https://api.test/base", "/base/x", "https://api.test/base/x"),
        ((), "/base/", "https://api.test/base", "/base/x", "https://api.test/base/x"),
        ((), "/base", "https://api.test", "/base/x", "https://api.test/base/x"),
        ((), "/base", "https://api.test/outer/base", "/base/x", "https://api.test/outer/base/x"),
        ((), "/base", "https://api.test/database", "/base/x", "https://api.test/database/base/x"),
        # a root path that is not part of the path
        ((), "/base", "https://api.test/base", "/x", "https://api.test/base/x"),
        ((), "/base", "https://api.test", "/x", "https://api.test/base/x"),
        ((), "/base", "https://api.test", "/basement", "https://api.test/base/basement"),
        # both
        (("/sub",), "/base", "https://api.test/base", "/base/sub/x", "https://api.test/base/sub/x"),
        (("/sub",), "/base", "https://api.test/base/sub", "/base/sub/x", "https://api.test/base/sub/x"),
        (("/sub",), "/base", "https://api.test", "/base/sub/x", "https://api.test/base/sub/x"),
    ],
)
def test_mounts_and_root_paths_give_the_address_that_the_caller_used(
    prefixes: tuple[str, ...], root_path: str, public_url: str, path: str, url: str
) -> None:
    assert ask(mounted(*prefixes), public_url, path, root_path) == url


def test_fastapi_mounts_count_too() -> None:
    sub, app = FastAPI(), FastAPI()

    @sub.get("/orders/{number}")
    async def order(request: Request) -> str:
        return request_url("https://api.test/base", request.scope)

    app.mount("/v1", sub)
    with TestClient(app, root_path="/base") as client:
        assert client.get("/base/v1/orders/7%2F8?a=1").status_code == 404  # the route takes no slash
        assert client.get("/base/v1/orders/7?a=1").json() == "https://api.test/base/v1/orders/7"


@pytest.mark.spec("X-htu")
def test_a_websocket_has_the_https_form_of_its_address() -> None:
    async def tell(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text(request_url("https://api.test", socket.scope))
        await socket.close()

    app = Starlette(routes=[Mount("/live", Starlette(routes=[WebSocketRoute("/ws", tell)]))])
    with TestClient(app) as client, client.websocket_connect("/live/ws?a=1") as socket_:
        assert socket_.receive_text() == "https://api.test/live/ws"


@pytest.mark.parametrize(
    ("scope", "url"),
    [
        ({"path": "/a b"}, "https://api.test/a%20b"),
        ({"path": "/100%"}, "https://api.test/100%25"),
        ({"path": "/é"}, "https://api.test/%C3%A9"),
        ({"path": "/x", "raw_path": None}, "https://api.test/x"),
        ({"path": "/x", "raw_path": b"/y"}, "https://api.test/x"),
        ({"path": "/x", "raw_path": b"/%78?a=1"}, "https://api.test/x"),
        ({"path": "/a/b", "raw_path": b"/a%2Fb"}, "https://api.test/a%2Fb"),
        ({"path": "/a|b", "raw_path": b"/a|b"}, "https://api.test/a%7Cb"),
        ({"path": "/a\\b", "raw_path": b"/a\\b"}, "https://api.test/a%5Cb"),
        ({"path": ""}, "https://api.test/"),
    ],
)  # fmt: skip
def test_a_server_may_send_the_path_as_it_was_or_not(scope: dict[str, Any], url: str) -> None:
    assert request_url("https://api.test", scope) == url


@pytest.mark.parametrize(
    "scope", [{"path": "*"}, {"path": "evil.test:443"}, {"path": "x", "raw_path": b"http://evil.test/x"}]
)
def test_what_is_no_path_is_refused(scope: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="slash"):
        request_url("https://api.test", scope)


@contextmanager
def served(app: ASGIApp, root_path: str) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(
            uvicorn.Config(app, root_path=root_path, log_config=None, access_log=False, proxy_headers=True)
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            while not server.started:
                thread.join(0.01)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(10)


@pytest.mark.spec("X-htu")
@pytest.mark.parametrize(
    ("root_path", "public_url", "path", "url"),
    [
        ("", "https://api.test/base", "/sub/a%2Fb?x=1", "https://api.test/base/sub/a%2Fb"),
        ("/base", "https://api.test/base", "/sub/x", "https://api.test/base/sub/x"),
        ("/base", "https://api.test", "/sub/a%2Fb", "https://api.test/base/sub/a%2Fb"),
        ("/base", "https://api.test/base/sub", "/sub/x", "https://api.test/base/sub/x"),
    ],
)
def test_uvicorn_with_a_root_path(root_path: str, public_url: str, path: str, url: str) -> None:
    forwarded = {"x-forwarded-proto": "http", "x-forwarded-host": "evil.test", "host": "evil.test"}
    with served(mounted("/sub"), root_path) as address, httpx2.Client() as client:
        response = client.get(f"{address}{path}", headers={"x-public-url": public_url, **forwarded})
    assert response.text == url
