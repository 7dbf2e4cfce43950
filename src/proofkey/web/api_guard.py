"""A guard around a whole application: nobody gets in without a token, but where the application says so.

Pure ASGI, for HTTP, websockets and whatever is mounted inside; a refusal is sent before a byte of the body is
read. What is public is decided by comparing strings, never by a pattern: a path that is spelt in another way
(`//open`, `/open/`, `/OPEN`, `/x/../open`) is another path and stays closed.

A preflight of CORS carries no token (Fetch §3.3), so it is refused like everything else: the middleware that
answers preflights has its place outside of the guard.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from proofkey.errors import ConfigurationError, ProofkeyError
from proofkey.findings import Finding

POLICY_VIOLATION = 1008
"""RFC 6455 §7.4.1."""

AdmitNow = Callable[[Scope], bool]
"""Proves the request's token if that needs no waiting; False when it does. Raises: ProofkeyError."""
Admit = Callable[[Scope], Awaitable[object]]
"""Proves the request's token. Raises: ProofkeyError, HTTPException."""
Answer = Callable[[ASGIApp, Scope, ProofkeyError], ASGIApp]
"""The refusal as an ASGI application; tells of it. The first argument is what stands behind the guard."""
IsDeclared = Callable[[ASGIApp, Scope], bool]
"""Whether the operation that would take this request, of what stands behind the guard, is marked as public."""


@dataclass(frozen=True, slots=True)
class GuardFactory:
    """Makes guards; what an API gives to `app.add_middleware`."""

    admit_now: AdmitNow
    admit: Admit
    answer: Answer
    is_declared: IsDeclared
    always: frozenset[str] = frozenset()
    """Paths that are public wherever the guard is, such as the API's metadata."""

    def __call__(self, app: ASGIApp, *, public: Iterable[str] = ()) -> "ApiGuard":
        """Raises: ConfigurationError when a public path is a pattern or does not begin with a slash."""
        return ApiGuard(app, self, self.paths(public))

    def paths(self, public: Iterable[str] = ()) -> frozenset[str]:
        """Every public path of such a guard. Raises: ConfigurationError."""
        if isinstance(public, str):
            raise ConfigurationError(Finding.CONFIG_VALUE, key="public", value=public[:200], fix="a list of paths")
        paths = frozenset(public)
        for path in paths:
            if not path.startswith("/") or "{" in path or "*" in path:
                fix = "whole paths; mark an operation with parameters by @public"
                raise ConfigurationError(Finding.CONFIG_VALUE, key="public", value=path[:200], fix=fix)
        return paths | self.always


class ApiGuard:
    """Lets a request through when its token is proven, its path is public, or its operation is marked so.

    Marks are found behind middleware that keeps what it wraps as its `app`; behind another they count for nothing.
    """

    def __init__(self, app: ASGIApp, rules: GuardFactory, public: frozenset[str]) -> None:
        """`public` are whole paths as the routes of `app` spell them, without the server's root path."""
        self.app = app
        self.public = public
        self._rules = rules
        self._admit_now = rules.admit_now

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        if route_path(scope) not in self.public:
            try:
                if not self._admit_now(scope):
                    await self._rules.admit(scope)
            except (ProofkeyError, HTTPException) as error:
                if not self._rules.is_declared(self.app, scope):
                    await self._refuse(error, scope, receive, send)
                    return
        await self.app(scope, receive, send)

    async def _refuse(
        self, error: ProofkeyError | HTTPException, scope: Scope, receive: Receive, send: Send
    ) -> None:
        if isinstance(error, ProofkeyError):
            await self._rules.answer(self.app, scope, error)(scope, receive, send)
        elif can_answer(scope):  # the application's own hook wants that answer
            response = JSONResponse({"detail": error.detail}, error.status_code, headers=error.headers)
            await response(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": ""})


def can_answer(scope: Scope) -> bool:
    """Whether the caller can be given an HTTP answer: a websocket only where the server knows how."""
    return scope["type"] == "http" or "websocket.http.response" in scope.get("extensions", {})


def route_path(scope: Scope) -> str:
    """The path that the routes of an application are compared with: what is left of it behind the root path."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    if root and path.startswith(root) and path[len(root) : len(root) + 1] in ("", "/"):
        return path[len(root) :]
    return path
