"""An MCP server of the official Python SDK, behind `Protect`, at one path of a FastAPI application.

The SDK would take a verifier of tokens too; the guard stands in front of it instead, for the challenges of RFC
6750 and RFC 9728, for scopes per tool, for bound tokens, and so that the received token never reaches the tools.
"""

import json
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from difflib import get_close_matches
from typing import Any, ClassVar, Final, cast

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from proofkey.errors import ConfigurationError, missing_extra
from proofkey.fastapi.protect import Protect
from proofkey.fastapi.refusal import Refused, answer_outside
from proofkey.findings import Finding
from proofkey.protocol.access_token import AccessToken
from proofkey.protocol.metadata import choose_resource
from proofkey.protocol.text import Secret
from proofkey.protocol.uri import origin_of

try:
    from mcp.server.auth.middleware.auth_context import AuthContextMiddleware
    from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
    from mcp.server.auth.provider import AccessToken as SdkToken
    from mcp.server.mcpserver import Context, MCPServer
    from mcp.server.transport_security import DEFAULT_MAX_REQUEST_BODY_SIZE, TransportSecuritySettings
except ModuleNotFoundError as error:
    raise missing_extra("", error.name) from None

__all__ = ["ProtectedMcp", "received_token", "token_of"]

_TOKEN: Final = "proofkey.mcp.token"
_RECEIVED: Final = "proofkey.mcp.received"
_WITHHELD: Final = frozenset({b"authorization", b"dpop"})
_PARSE_ERROR: Final = -32700
_INVALID_REQUEST: Final = -32600
"""JSON-RPC 2.0 §5.1."""


class ProtectedMcp:
    """Serves `server` at `path`, for callers whose token has `scopes`, and for a tool what `tools` says of it.

    With `tools`, every tool is named there (an empty list asks for nothing more), which the start checks. A call
    without a scope is answered 403 before the server sees it; the SDK's client then asks its user for more.
    """

    protects_itself: ClassVar[bool] = True
    """For the listing of open routes."""

    def __init__(
        self,
        api: Protect,
        server: MCPServer,
        *,
        path: str = "/mcp",
        scopes: Sequence[str] = (),
        tools: Mapping[str, Sequence[str]] | None = None,
        transport_security: TransportSecuritySettings | None = None,
        stateless_http: bool = False,
        json_response: bool = False,
    ) -> None:
        """The API's audience, or its `public_url`, is the address of the MCP server, `path` included.

        `transport_security` is the SDK's defence against DNS rebinding; by default the host of that address alone
        is answered. Raises: ConfigurationError when neither audience nor public URL is a URL.
        """
        address = choose_resource(api.audience, api.public_url)
        if address is None:
            fix = f'public_url="https://mcp.example{path}", the address that clients are given'
            raise ConfigurationError(Finding.CONFIG_MISSING, key="public_url", fix=fix)
        self.path = path
        self._api, self._server = api, server
        self._scopes, self._tools = tuple(scopes), tools
        self._security = transport_security or _own_host_only(api.public_url or address)
        self._stateless, self._json = stateless_http, json_response
        self._served: ASGIApp | None = None

    def mount(self, app: Starlette) -> None:
        """Adds the route, for every method, without a redirect for a slash at the end."""
        app.router.routes[:0] = [Route(self.path, self), Route(f"{self.path}/", self)]

    @asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncGenerator[None]:
        """Runs the SDK's sessions: `FastAPI(lifespan=api.lifespan_with(protected.lifespan))`.

        Raises: ConfigurationError when `tools` and the tools of the server differ.
        """
        if self._tools is not None:
            _check_tools(self._tools, [tool.name for tool in await self._server.list_tools()])
        served = self._server.streamable_http_app(
            streamable_http_path=self.path,
            json_response=self._json,
            stateless_http=self._stateless,
            transport_security=self._security,
        )
        async with self._server.session_manager.run():
            self._served = AuthContextMiddleware(served)
            try:
                yield
            finally:
                self._served = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._served is None:
            raise RuntimeError("the lifespan of the MCP server does not run: lifespan_with(protected.lifespan)")
        request = Request(scope, receive)
        try:
            token = await self._api.admit(request, self._scopes)
            if self._tools is not None and scope["method"] == "POST":
                body = await _read_body(request)
                needed = _scopes_for(body, self._tools)
                if needed:
                    token = await self._api.admit(request, (*self._scopes, *needed))
                receive = _again(body, receive)
        except Refused as refused:
            await answer_outside(refused, scope, receive, send)
        except _NotTaken as fault:
            await fault.answer(scope, receive, send)
        else:
            received = self._api.received_token(request)
            await self._served(_without_credentials(scope, token, received, self.path), receive, send)


def token_of(context: Context[Any, Any]) -> AccessToken:
    """The proven token of the message that a tool, a prompt or a resource answers.

    Raises: LookupError when the message did not come through `ProtectedMcp`.
    """
    found: AccessToken = _from_scope(context, _TOKEN)
    return found


def received_token(context: Context[Any, Any]) -> Secret:
    """The same token as it was sent, for `TokenExchange.exchange` alone: no other API may get it.

    Raises: LookupError as `token_of` does.
    """
    found: Secret = _from_scope(context, _RECEIVED)
    return found


def _from_scope(context: Context[Any, Any], name: str) -> Any:  # noqa: ANN401 - the callers know
    request: Request | None = context.request_context.request
    if request is None or name not in request.scope:
        raise LookupError("no token: the message did not come through ProtectedMcp")
    return request.scope[name]


def _without_credentials(scope: Scope, token: AccessToken, received: Secret, path: str) -> Scope:
    """What the SDK sees: who calls, so that it binds the session to them, and nothing that could be passed on."""
    user = AuthenticatedUser(
        SdkToken(
            token="",
            client_id=token.client_id,
            scopes=list(token.scope),
            expires_at=token.exp,
            subject=token.sub,
            claims={"iss": token.iss},
        )
    )
    headers = [(name, value) for name, value in scope["headers"] if name not in _WITHHELD]
    known = {name: value for name, value in scope.items() if not name.startswith("proofkey.")}
    return {
        **known,
        "path": scope.get("root_path", "") + path,
        "headers": headers,
        "user": user,
        _TOKEN: token,
        _RECEIVED: received,
    }


class _NotTaken(Exception):
    """A message that is answered here, since what it asks for cannot be told for sure."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        error = {"code": code, "message": message}
        self.answer: Response = JSONResponse({"jsonrpc": "2.0", "id": None, "error": error}, status_code=status)


async def _read_body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > DEFAULT_MAX_REQUEST_BODY_SIZE:
            raise _NotTaken(413, _INVALID_REQUEST, "The message is too large.")
    return bytes(body)


def _scopes_for(body: bytes, tools: Mapping[str, Sequence[str]]) -> Sequence[str]:
    """What the tool needs that the message calls. Read strictly, for the SDK reads the message again: what two
    parsers could read in two ways is not taken (RFC 8259 §4)."""
    try:
        message: object = json.loads(body.decode(), object_pairs_hook=_each_once)
    except (ValueError, RecursionError):
        raise _NotTaken(400, _PARSE_ERROR, "The message is no JSON.") from None
    if not isinstance(message, dict):
        raise _NotTaken(400, _INVALID_REQUEST, "One message, and no batch.")
    told = cast("dict[str, object]", message)
    parameters = told.get("params")
    if told.get("method") != "tools/call" or not isinstance(parameters, dict):
        return ()
    name = cast("dict[str, object]", parameters).get("name")
    return tools.get(name, ()) if isinstance(name, str) else ()


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member name stands twice")
    return members


def _again(body: bytes, receive: Receive) -> Receive:
    """The body that has been read, as if it came now; then whatever the server says."""
    left = [body]

    async def replay() -> Message:
        if left:
            return {"type": "http.request", "body": left.pop(), "more_body": False}
        return await receive()

    return replay


def _check_tools(named: Mapping[str, Sequence[str]], there: Iterable[str]) -> None:
    existing = set(there)
    unknown, unnamed = sorted(set(named) - existing), sorted(existing - set(named))
    if not unknown and not unnamed:
        return
    name = (unknown or unnamed)[0]
    near = get_close_matches(name, existing if unknown else set(named), 1)
    reason = "no tool of the server" if unknown else "a tool without an entry; an empty list asks for no scope"
    facts = {"did_you_mean": near[0]} if near else {}
    raise ConfigurationError(Finding.CONFIG_VALUE, key="tools", value=name, reason=reason, **facts)


def _own_host_only(address: str) -> TransportSecuritySettings:
    origin = origin_of(address)
    host = origin.partition("://")[2]
    default = "443" if origin.startswith("https:") else "80"
    return TransportSecuritySettings(allowed_hosts=[host, f"{host}:{default}"], allowed_origins=[origin])
