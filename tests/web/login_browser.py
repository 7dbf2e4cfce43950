"""An application with a login, and browsers that keep cookies as browsers do."""

from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import urlsplit

import httpx2
from fastapi import Depends, FastAPI, WebSocket
from fastapi.responses import JSONResponse
from starlette.requests import HTTPConnection

from proofkey.client.session import Session
from proofkey.client.stores import SessionStore
from proofkey.store.memory import MemorySessionStore
from proofkey.testing.clock import TurnedClock
from proofkey.testing.entropy import CountingEntropy
from proofkey.testing.headless import read_page
from proofkey.testing.provider import ScriptedProvider
from proofkey.web.login import Login
from tests.client.login_kit import API, CLIENT_SECRET, ISSUER, RP

NAVIGATION = {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document", "accept": "text/html"}


class App:
    """The application under test, its provider and its clock."""

    def __init__(self, public_url: str = RP, store: SessionStore | None = None, **options: Any) -> None:
        self.url = public_url
        self.clock = TurnedClock()
        self.provider = ScriptedProvider(
            ISSUER, client_secret=CLIENT_SECRET, clock=self.clock, entropy=CountingEntropy("provider")
        )
        self.store = store or MemorySessionStore()
        self.login = Login(
            issuer=ISSUER,
            client_id="web",
            client_secret=CLIENT_SECRET,
            public_url=public_url,
            audience=API,
            store=self.store,
            transport=self.provider,
            clock=self.clock,
            entropy=CountingEntropy("client"),
            **options,
        )
        self.handled: list[str] = []
        self.asgi = build_app(self.login, self.handled)

    def browser(self) -> "Browser":
        return Browser(self)


def build_app(login: Login, handled: list[str]) -> FastAPI:
    app = FastAPI()
    login.mount(app)

    @app.get("/me")
    async def me(session: Annotated[Session, Depends(login.user)]) -> dict[str, Any]:
        return {"sub": session.sub}

    @app.get("/maybe")
    async def maybe(session: Annotated[Session | None, Depends(login.optional_user)]) -> dict[str, Any]:
        return {"sub": session.sub if session else None}

    @app.get("/token-life")
    async def token_life(session: Annotated[Session, Depends(login.user)]) -> dict[str, Any]:
        tokens = await login.core.access_token(session.id)
        return {"expires_at": tokens.access_expires_at}

    @app.api_route("/things", methods=["POST", "PUT", "PATCH", "DELETE"], include_in_schema=False)
    async def things(session: Annotated[Session | None, Depends(login.optional_user)]) -> JSONResponse:
        handled.append("things")
        return JSONResponse({"done": True})

    @app.post("/needs-user")
    async def needs_user(session: Annotated[Session, Depends(login.user)]) -> None: ...

    @app.websocket("/ws")
    async def ws(socket: WebSocket, session: Annotated[Session, Depends(login.user)]) -> None:
        await socket.accept()
        await socket.send_text(session.sub)
        await socket.close()

    @app.get("/{path:path}")
    async def everything(path: str, connection: HTTPConnection) -> dict[str, str]:
        return {"path": path}

    return app


class Browser:
    """Cookies of one person at one application."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.http = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app.asgi), base_url=app.url, follow_redirects=False
        )

    async def get(self, path: str, headers: Mapping[str, str] = NAVIGATION) -> httpx2.Response:
        return await self.http.get(path, headers=headers)

    async def post(self, path: str, headers: Mapping[str, str] | None = None) -> httpx2.Response:
        return await self.http.post(path, headers=headers or {"origin": self.app.url})

    async def start(self, next_path: str = "/me") -> str:
        """The URL that comes back from the provider."""
        answer = await self.get(f"/auth/login?next={next_path}")
        assert answer.status_code == 303, answer.text
        return self.app.provider.authorize(answer.headers["location"])

    async def back(self, url: str) -> httpx2.Response:
        """Follows the provider's redirect."""
        parts = urlsplit(url)
        return await self.get(f"{parts.path}?{parts.query}")

    async def sign_in(self, next_path: str = "/me") -> httpx2.Response:
        answer = await self.back(await self.start(next_path))
        assert answer.status_code == 303, answer.text
        return answer

    def cookie_names(self) -> list[str]:
        return sorted(cookie.name for cookie in self.http.cookies.jar)

    def session_cookie(self) -> str | None:
        return self.http.cookies.get(self.app.login.cookie.name)


def set_cookies(answer: httpx2.Response) -> dict[str, str]:
    """The Set-Cookie lines by the cookie's name."""
    return {line.partition("=")[0]: line for line in answer.headers.get_list("set-cookie")}


def page_of(answer: httpx2.Response) -> str:
    """Which page it is."""
    return read_page(answer.text)[0]
