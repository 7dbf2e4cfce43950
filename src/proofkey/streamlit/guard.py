"""The guard in front of a Streamlit app: pure ASGI, for HTTP and for the websocket.

Nothing reaches Streamlit unless a live session of the login stands behind it; what browsers send that could pass
for identity is taken out first. The identity that Streamlit sees (`st.user`) is put in here and nowhere else.
"""

from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from proofkey.client.session import Session
from proofkey.errors import AccessDenied, NotSignedIn, ProofkeyError, Unavailable
from proofkey.findings import Finding
from proofkey.protocol.redirect_uri import safe_return_path
from proofkey.protocol.text import Secret
from proofkey.runtime.events import refused
from proofkey.streamlit import paths
from proofkey.streamlit.frames import redirect_frame
from proofkey.streamlit.gate import Gate
from proofkey.streamlit.identity import configured_trusted_headers, user_info_of
from proofkey.streamlit.scrub import RawHeaders, scrub_headers, with_headers
from proofkey.streamlit.sockets import SESSION_ENDED, Socket
from proofkey.web.headers import build_content_policy
from proofkey.web.origin import check_same_site

_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_NO_STORE: Final = {"Cache-Control": "no-store"}
_PAGE_HEADERS: Final = {**_NO_STORE, "Content-Security-Policy": build_content_policy()}
_POLICY: Final = "object-src 'none'; base-uri 'self'; frame-ancestors 'self'"


class Guard:
    """Middleware for `st.App`; everything that pages share with it is in `gate`."""

    def __init__(self, app: ASGIApp, gate: Gate) -> None:
        self._app = app
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self._gate.start()
            await self._http(scope, receive, self._with_policy(send))
        elif scope["type"] == "websocket":
            self._gate.start()
            await self._websocket(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    # --- HTTP ----------------------------------------------------------------------------------------------------
    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        root, path = paths.split_mount(scope)
        if self._gate.login.has_route(str(scope["path"])):
            headers = self._scrubbed(scope, hide_own=False)
            await self._app({**scope, "headers": headers}, receive, send)
            return
        path = paths.below(path, self._gate.base_path(root))
        answer = await self._at_own_address(scope, path)
        if answer is None and not paths.is_open(path, scope["method"]):
            answer = await self._check(scope, path)
        if answer is not None:
            await answer(scope, receive, send)
            return
        headers = self._scrubbed(scope, hide_own=path.startswith("/_stcore/"))
        if path.startswith(("/media/", "/_stcore/upload_file/")):
            send = _private(send)
        await self._app({**scope, "headers": headers}, receive, send)

    async def _signed_out(self, scope: Scope) -> Response:
        """Where tabs go whose session has ended; one whose browser signed in anew meanwhile goes back to work."""
        home = _home(scope)
        if await self._find(scope) is not None:
            return RedirectResponse(home, 303, headers=_NO_STORE)
        return self._gate.pages.render_template(
            "login_signed_out", {"home_url": home, "stays_at": None}, 200, _PAGE_HEADERS
        )

    async def _at_own_address(self, scope: Scope, path: str) -> Response | None:
        """The guard's page; and Streamlit's own login routes never run: `st.login`, `st.logout` land on ours."""
        if path == paths.GOODBYE and scope["method"] in {"GET", "HEAD"}:
            return await self._signed_out(scope)
        if path == paths.STREAMLIT_LOGIN:
            return RedirectResponse(self._gate.login_url(_home(scope)), 303, headers=_NO_STORE)
        if path == paths.STREAMLIT_LOGOUT:
            return RedirectResponse(self._gate.logout_path, 303, headers=_NO_STORE)
        if path == paths.STREAMLIT_CALLBACK:
            return Response("Not Found", 404, media_type="text/plain")
        return None

    async def _check(self, scope: Scope, path: str) -> Response | None:
        """None when the request may pass."""
        headers, method = Headers(scope=scope), str(scope["method"])
        navigates = paths.is_navigation(path, method, headers)
        try:
            handle = self._gate.handle_of(headers)
            session = await (self._gate.seen(handle) if navigates else self._gate.find(handle))
            if session is None:
                raise NotSignedIn(Finding.SESSION_NONE)
            if method not in _SAFE:
                check_same_site(headers, self._gate.origin)
            if path.startswith(paths.UPLOAD) and method not in _SAFE:
                self._check_upload(path, session)
        except ProofkeyError as error:
            if isinstance(error, NotSignedIn) and navigates:
                return self._to_login(scope, headers)
            refused("streamlit.refused", error, path=path[:100])
            return _refusal(error)
        return None

    def _check_upload(self, path: str, session: Session) -> None:
        streamlit_session = path.removeprefix(paths.UPLOAD).partition("/")[0]
        if self._gate.sockets.owner_of(streamlit_session) != session.id:
            raise AccessDenied(Finding.STREAMLIT_UPLOAD_FOREIGN, session=session.id)

    def _to_login(self, scope: Scope, headers: Headers) -> Response:
        """Relative, unless the browser came by another name than the public one: cookies would not follow."""
        target = self._gate.login_url(paths.target_of(scope))
        known = headers.get("host", "").lower() == self._gate.netloc.lower()
        return RedirectResponse(target if known else self._gate.origin + target, 303, headers=_NO_STORE)

    def _with_policy(self, send: Send) -> Send:
        https = self._gate.origin.startswith("https:")

        async def send_with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("X-Content-Type-Options", "nosniff")
                headers.setdefault("Referrer-Policy", "same-origin")
                headers.setdefault("Content-Security-Policy", _POLICY)
                if https:
                    headers.setdefault("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
            await send(message)

        return send_with_policy

    # --- websocket -----------------------------------------------------------------------------------------------
    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        handle = self._gate.handle_of(headers)
        try:
            if headers.getlist("origin") != [self._gate.origin]:
                raise AccessDenied(Finding.STREAMLIT_ORIGIN, origin=headers.get("origin", "none")[:200])
            session = await self._gate.find(handle)
            if session is None:
                raise NotSignedIn(Finding.SESSION_NONE)
        except ProofkeyError as error:
            refused("streamlit.socket.refused", error)
            await self._refuse_socket(error, headers, handle, scope, send)
            return
        identified = self._identified(scope, session)
        socket = Socket(session.id, send, goodbye=self._goodbye(scope))
        self._gate.sockets.add(socket)
        try:
            await self._app({**scope, "headers": identified}, *self._through(socket, handle, receive))
        finally:
            self._gate.sockets.discard(socket)

    def _identified(self, scope: Scope, session: Session) -> RawHeaders:
        """Streamlit compares Host with Origin, and that is checked already: a proxy may have rewritten Host."""
        headers = with_headers(self._scrubbed(scope, hide_own=True), {"host": self._gate.netloc})
        return self._gate.writer(headers, user_info_of(session))

    def _through(self, socket: Socket, handle: Secret | None, receive: Receive) -> tuple[Receive, Send]:
        async def interacted() -> None:
            try:
                if await self._gate.seen(handle) is None:
                    self._gate.sockets.end_soon(socket.handle)
            except Unavailable as error:
                refused("streamlit.session.unknown", error, session=socket.handle)

        async def receive_checked() -> Message:
            return await socket.receive(receive, self._gate.clock, interacted)

        async def send_checked(message: Message) -> None:
            await socket.send(message, self._gate.logout_path, paths.STREAMLIT_LOGOUT)

        return receive_checked, send_checked

    async def _refuse_socket(
        self, error: ProofkeyError, headers: Headers, handle: Secret | None, scope: Scope, send: Send
    ) -> None:
        """403, but for a tab that comes back with a session that is over: it still shows what it showed, so it is
        sent to the signed-out page."""
        entries = [entry.strip() for entry in headers.get("sec-websocket-protocol", "").split(",")]
        if isinstance(error, NotSignedIn) and handle is not None and len(entries) > 2:
            await send({"type": "websocket.accept", "subprotocol": entries[0] or None})
            await send({"type": "websocket.send", "bytes": redirect_frame(self._goodbye(scope))})
            await send({"type": "websocket.close", "code": SESSION_ENDED, "reason": "session ended"})
            return
        code = 1013 if isinstance(error, Unavailable) else 1008
        await send({"type": "websocket.close", "code": code, "reason": "not signed in"})

    def _goodbye(self, scope: Scope) -> str:
        return _home(scope).rstrip("/") + paths.GOODBYE

    # --- both ----------------------------------------------------------------------------------------------------
    async def _find(self, scope: Scope) -> Session | None:
        try:
            return await self._gate.find(self._gate.handle_of(Headers(scope=scope)))
        except Unavailable:
            return None

    def _scrubbed(self, scope: Scope, *, hide_own: bool) -> RawHeaders:
        return scrub_headers(scope["headers"], configured_trusted_headers(), hide_own=hide_own)


def _home(scope: Scope) -> str:
    """Where the app begins, as the browser sees it."""
    path = str(scope["path"])
    for ending in (paths.STREAM, paths.STREAMLIT_LOGIN, paths.GOODBYE):
        path = path.removesuffix(ending)
    return safe_return_path(path or "/")


def _private(send: Send) -> Send:
    """What belongs to one user is kept by no cache."""

    async def send_private(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message)["Cache-Control"] = "private, no-store"
        await send(message)

    return send_private


def _refusal(error: ProofkeyError) -> Response:
    headers = dict(_NO_STORE)
    if isinstance(error, Unavailable):
        headers["Retry-After"] = str(error.retry_after)
        return JSONResponse(_document("temporarily_unavailable", error), 503, headers=headers)
    if isinstance(error, NotSignedIn):
        return JSONResponse(_document("login_required", error), 401, headers=headers)
    return JSONResponse(_document("access_denied", error), 403, headers=headers)


def _document(code: str, error: ProofkeyError) -> dict[str, str]:
    return {"error": code, "error_description": error.finding.sentence}
