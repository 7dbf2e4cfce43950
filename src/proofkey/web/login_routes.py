"""The routes of a client's login: start, callback, logout, signed out, and what the provider's server says."""

from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import unquote

from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from proofkey.client.authorization import flow_name
from proofkey.client.logout import returns_state, sign_out_endpoint, stays_signed_in_at
from proofkey.errors import InvalidRequest, LoginFailed, ProofkeyError, Unavailable
from proofkey.findings import Finding
from proofkey.protocol.redirect_uri import safe_return_path
from proofkey.protocol.text import Secret, digest_of, single
from proofkey.runtime import events
from proofkey.runtime.entropy import Entropy
from proofkey.runtime.login_core import LoginCore
from proofkey.web.cookies import MAX_FLOWS, CookieJar
from proofkey.web.forms import read_query
from proofkey.web.headers import SecurityHeaders
from proofkey.web.login_backchannel import BACKCHANNEL_LOGOUT, receive_logout
from proofkey.web.login_options import cookie_purpose
from proofkey.web.login_pages import LoginPages
from proofkey.web.origin import check_same_site

Endpoint = Callable[[Request], Awaitable[Response]]
_STATE_AGE: Final = 600
_PLAIN: Final = frozenset({"login", "callback", "logout", "signed-out", BACKCHANNEL_LOGOUT})
"""The paths below the prefix, beside `static/…`."""


class LoginRoutes:
    """The endpoints under the prefix; `core` is asked for at each request, since it opens the store."""

    def __init__(
        self,
        core: Callable[[], LoginCore],
        *,
        public_url: str,
        prefix: str,
        session: CookieJar,
        entropy: Entropy,
    ) -> None:
        self._core = core
        self._public_url = public_url
        self._prefix = prefix
        self._session = session
        self._flow = CookieJar(public_url, cookie_purpose("login", prefix))
        self._logout_state = CookieJar(public_url, cookie_purpose("logout", prefix))
        self._entropy = entropy
        self._pages = LoginPages(public_url, prefix)

    def routes(self) -> list[Route]:
        """For the application's router."""
        middleware = [Middleware(SecurityHeaders, https=self._public_url.startswith("https:"))]
        endpoints: tuple[tuple[str, Endpoint, list[str]], ...] = (
            ("login", self.login, ["GET"]),
            ("callback", self.callback, ["GET"]),
            ("logout", self.logout, ["GET", "POST"]),
            ("signed-out", self.signed_out, ["GET"]),
            (BACKCHANNEL_LOGOUT, self.backchannel_logout, ["POST"]),
            ("static/{name}", self.static, ["GET"]),
        )
        return [
            Route(
                f"{self._prefix}/{path}",
                self._answering(endpoint),
                methods=methods,
                name=f"proofkey-{path.partition('/')[0]}",
                include_in_schema=False,
                middleware=middleware,
            )
            for path, endpoint, methods in endpoints
        ]

    def has(self, path: str) -> bool:
        """Whether one of the routes is for that path."""
        name = path.removeprefix(f"{self._prefix}/")
        file = name.removeprefix("static/")
        return name != path and (name in _PLAIN or (file != name and "/" not in file))

    def _answering(self, endpoint: Endpoint) -> Endpoint:
        """Every refusal becomes a page, and is written to the log once."""

        async def answer(request: Request) -> Response:
            try:
                return await endpoint(request)
            except ProofkeyError as error:
                events.refused("login.refused", error, path=request.scope["path"])
                return self._pages.error(error)

        return answer

    # --- start ---------------------------------------------------------------------------------------------------
    async def login(self, request: Request) -> Response:
        """Starts a login and sends the browser to the provider."""
        check_start(request)
        next_path = self._next_path(single(read_query(request)).get("next"))
        try:
            started = await self._core().start(next_path)
        except ProofkeyError as error:
            events.refused("login.not_started", error)
            return self._pages.error(error, next_path)
        response = RedirectResponse(started.url, 303)
        life = self._core().config.pending_life
        _set_cookie(response, self._flow.build(started.browser, started.flow, max_age=life))
        for flow in self._surplus(request.headers):
            _set_cookie(response, self._flow.build_removal(flow))
        return response

    def _next_path(self, asked: str | None) -> str:
        """Where the login leads: never into the login itself, however its path is spelled."""
        path = safe_return_path(asked)
        plain = unquote(path.partition("?")[0])
        return "/" if plain.startswith(f"{self._prefix}/") else path

    def _surplus(self, headers: Headers) -> list[str]:
        """The oldest flows' names, so that one browser holds a few of them at most; a flood goes bit by bit."""
        flows = list(self._flow.read_flows(headers))
        return flows[: min(max(0, len(flows) + 1 - MAX_FLOWS), 2 * MAX_FLOWS)]

    # --- callback ------------------------------------------------------------------------------------------------
    async def callback(self, request: Request) -> Response:
        """Finishes a login: a new session under a new id, and 303 to the clean stored path."""
        check_method(request)
        headers = request.headers
        try:
            finished = await self._core().finish(
                read_query(request), self._flow.read_flows(headers), previous=self._session.read(headers)
            )
        except (LoginFailed, InvalidRequest) as error:
            events.refused("login.failed", error)
            response = self._pages.error(error)
            self._forget_flow(request, response)
            return response
        response = RedirectResponse(finished.next_path, 303)
        _set_cookie(response, self._session.build(finished.handle))
        _set_cookie(response, self._flow.build_removal(finished.flow))
        return response

    def _forget_flow(self, request: Request, response: Response) -> None:
        states = request.query_params.getlist("state")
        flow = flow_name(digest_of(states[0])) if len(states) == 1 else ""
        if flow in self._flow.read_flows(request.headers):
            _set_cookie(response, self._flow.build_removal(flow))

    # --- logout --------------------------------------------------------------------------------------------------
    async def logout(self, request: Request) -> Response:
        """POST from our own pages signs out; so does a navigation of them (`st.logout`); other GETs ask first."""
        if request.method == "POST":
            check_same_site(request.headers, self._public_url)
        elif not is_own_navigation(request):
            return self._pages.confirm_logout(await self._end_session_endpoint())
        handle = self._session.read(request.headers)
        state = self._entropy()
        core = self._core()
        url = None if handle is None else await core.log_out(handle, state=state)
        alone = handle is not None and core.config.dialect.logout == "none"
        here = f"{self._prefix}/signed-out" if alone else "/"
        response = RedirectResponse(url or f"{self._public_url}{here}", 303)
        _set_cookie(response, self._session.build_removal())
        if url is not None and returns_state(core.config, core.provider.known()):
            _set_cookie(response, self._logout_state.build(Secret(state), max_age=_STATE_AGE))
        return response

    async def _end_session_endpoint(self) -> str | None:
        try:
            return sign_out_endpoint(self._core().config, await self._core().provider.metadata())
        except Unavailable:
            return None

    async def signed_out(self, request: Request) -> Response:
        """Where the provider sends the browser back to (OpenID RP-Initiated Logout §3)."""
        returned = single(read_query(request)).get("state")
        expected = self._logout_state.read(request.headers)
        if not _same(returned, expected):
            raise LoginFailed(Finding.LOGOUT_STATE)
        handle = self._session.read(request.headers)
        if handle is not None and await self._core().session(handle) is not None:
            return RedirectResponse(f"{self._public_url}/", 303)
        core = self._core()
        response = self._pages.signed_out(stays_signed_in_at(core.config, core.provider.known()))
        if expected is not None:
            _set_cookie(response, self._logout_state.build_removal())
        return response

    async def backchannel_logout(self, request: Request) -> Response:
        """What the provider's server says, with no browser in between."""
        return await receive_logout(request, self._core)

    async def static(self, request: Request) -> Response:
        """The style sheet and the icon of the pages."""
        return self._pages.pages.static(request.path_params["name"]) or Response(status_code=404)


def check_method(request: Request) -> None:
    """HEAD must not start or use up anything.

    Raises: InvalidRequest.
    """
    if request.method != "GET":
        raise InvalidRequest(Finding.METHOD_WRONG, allow="GET")


def check_start(request: Request) -> None:
    """A login starts by opening a page, never from an image, a frame or a script (FAPI 2.0 §5.3.3.1).

    Raises: LoginFailed, InvalidRequest.
    """
    check_method(request)
    destination = request.headers.get("sec-fetch-dest", "document")
    mode = request.headers.get("sec-fetch-mode", "navigate")
    if destination != "document" or mode != "navigate":
        raise LoginFailed(Finding.LOGIN_EMBEDDED, destination=destination[:32], mode=mode[:32])


def is_own_navigation(request: Request) -> bool:
    """True when one of our own pages, and nothing in it such as an image, opens this address."""
    headers = request.headers
    own = headers.getlist("sec-fetch-site") == ["same-origin"]
    return own and request.method == "GET" and headers.get("sec-fetch-dest", "document") == "document"


def _same(returned: str | None, expected: Secret | None) -> bool:
    if returned is None or expected is None:
        return returned is None and expected is None
    return Secret(returned).matches(expected)


def _set_cookie(response: Response, line: str) -> None:
    response.headers.append("Set-Cookie", line)
