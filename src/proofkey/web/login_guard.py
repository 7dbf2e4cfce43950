"""What stands between a browser and the routes of the application: who is signed in, and who sent the request."""

from typing import Final
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException, WebSocketException
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from proofkey.errors import AccessDenied, ProofkeyError, Unavailable
from proofkey.findings import Finding
from proofkey.protocol.redirect_uri import safe_return_path
from proofkey.runtime import events
from proofkey.web.cookies import CookieJar
from proofkey.web.origin import check_same_site

_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_POLICY_VIOLATION: Final = 1008
_TRY_AGAIN_LATER: Final = 1013
_NO_STORE: Final = {"Cache-Control": "no-store"}


class LoginAnswer(HTTPException):
    """A refusal of a dependency that is an answer already; `Login.mount` installs its handler."""

    def __init__(self, response: Response) -> None:
        kept = {name: response.headers[name] for name in ("location", "retry-after") if name in response.headers}
        super().__init__(response.status_code, headers=kept)
        self.response = response


async def give_answer(request: Request, error: Exception) -> Response:
    """The exception handler of `LoginAnswer`."""
    if not isinstance(error, LoginAnswer):
        raise error
    return error.response


def is_navigation(connection: HTTPConnection) -> bool:
    """True when a person's browser opens a page, so that a redirect to the login makes sense."""
    mode = connection.headers.get("sec-fetch-mode")
    if mode is not None:
        return mode == "navigate"
    return "text/html" in connection.headers.get("accept", "")


def build_login_path(connection: HTTPConnection, login_path: str) -> str:
    """The login's path with the way back to this page; a form cannot be sent again, so `/` for it."""
    if connection.scope.get("method", "GET") not in ("GET", "HEAD"):
        return login_path
    raw = connection.scope.get("raw_path") or quote(connection.scope["path"]).encode()
    query = connection.scope.get("query_string", b"")
    path = (raw + (b"?" + query if query else b"")).decode("latin-1")
    return f"{login_path}?next={quote(safe_return_path(path), safe='/')}"


def refuse_anonymous(connection: HTTPConnection, login_path: str) -> HTTPException | WebSocketException:
    """303 to the login for a navigating browser, 401 for a program, a closed socket for a websocket."""
    if connection.scope["type"] == "websocket":
        return WebSocketException(_POLICY_VIOLATION, Finding.SESSION_NONE.sentence)
    if is_navigation(connection):
        return LoginAnswer(RedirectResponse(build_login_path(connection, login_path), 303, _NO_STORE))
    document = {
        "error": "login_required",
        "error_description": Finding.SESSION_NONE.sentence,
        "login": login_path,
    }
    return LoginAnswer(JSONResponse(document, 401, _NO_STORE))


def refuse_unavailable(connection: HTTPConnection, error: Unavailable) -> HTTPException | WebSocketException:
    """503 with Retry-After: a store that cannot be asked signs nobody out."""
    events.refused("login.session_unavailable", error)
    if connection.scope["type"] == "websocket":
        return WebSocketException(_TRY_AGAIN_LATER, error.finding.sentence)
    return LoginAnswer(unavailable_answer(error))


async def end_socket(socket: WebSocket, error: ProofkeyError) -> None:
    """The same for a websocket whose handler finds it out, accepted or not."""
    code = _TRY_AGAIN_LATER if isinstance(error, Unavailable) else _POLICY_VIOLATION
    await socket.close(code, error.finding.sentence)


def unavailable_answer(error: Unavailable) -> Response:
    """The 503 of a program."""
    document = {"error": "temporarily_unavailable", "error_description": error.finding.sentence}
    return JSONResponse(document, 503, {**_NO_STORE, "Retry-After": str(error.retry_after)})


def cross_site_answer(error: ProofkeyError) -> Response:
    """The 403 of a state-changing request from elsewhere."""
    document = {"error": "access_denied", "error_description": error.finding.sentence}
    return JSONResponse(document, 403, _NO_STORE)


def check_cross_site(connection: HTTPConnection, cookie: CookieJar, origin: str) -> None:
    """A state-changing request, or a websocket, that carries the session's cookie comes from our own pages.

    Raises: AccessDenied.
    """
    scope = connection.scope
    if scope["type"] == "http" and scope["method"] in _SAFE:
        return
    headers = Headers(scope=scope)
    if cookie.read(headers) is not None:
        check_same_site(headers, origin)


class SameSiteGuard:
    """Pure ASGI middleware: refuses cross-site POST, PUT, PATCH, DELETE and websockets that carry the cookie."""

    __slots__ = ("_app", "_cookie", "_origin")

    def __init__(self, app: ASGIApp, *, cookie: CookieJar, origin: str) -> None:
        self._app = app
        self._cookie = cookie
        self._origin = origin

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            try:
                check_cross_site(HTTPConnection(scope), self._cookie, self._origin)
            except AccessDenied as error:
                events.refused("login.cross_site", error)
                await self._refuse(error, scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def _refuse(self, error: AccessDenied, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": ""})
            return
        await cross_site_answer(error)(scope, receive, send)
