"""A refusal on its way out of FastAPI: raised as an exception, sent as RFC 6750 says."""

from collections.abc import Callable
from inspect import isawaitable
from typing import Any, Final

from fastapi import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from proofkey.errors import ExchangeFailed, ProofkeyError, Unavailable
from proofkey.findings import Finding
from proofkey.resource_server.challenge import Refusal
from proofkey.web.api_guard import POLICY_VIOLATION, can_answer

_HANDLERS: Final = "starlette.exception_handlers"


class Refused(HTTPException):
    """What `Protect` raises. `finding` says why, for the log; the caller sees the status and the challenge.

    An application that wants other answers registers an exception handler for this class.
    """

    def __init__(self, refusal: Refusal, error: ProofkeyError) -> None:
        super().__init__(refusal.status, detail=refusal.body, headers=dict(refusal.headers))
        self.refusal = refusal
        self.finding: Finding = error.finding


def announce(scope: Scope) -> None:
    """Tells the application that handles this request how a refusal is sent, unless it has a way of its own.

    The table of handlers that Starlette puts into the scope belongs to the application nearest to the route, so
    this works for mounted applications too, and nobody has to register anything.
    """
    handlers = scope.get(_HANDLERS)
    if handlers is not None:
        handlers[0].setdefault(Refused, send_refusal)


Refuse = Callable[[HTTPConnection, ProofkeyError], Refused]
_OF_EXCHANGE: Final = (ExchangeFailed, Unavailable)


def announce_exchange(scope: Scope, refuse: Refuse) -> None:
    """Tells that application how a token exchange that failed in a handler is answered: by what `refuse` makes of
    it, unless the application has a way of its own for such errors."""
    handlers: tuple[dict[Any, Any], Any] | None = scope.get(_HANDLERS)
    if handlers is None or ProofkeyError in handlers[0]:
        return
    table = handlers[0]
    announce(scope)

    async def answer(connection: HTTPConnection, error: ProofkeyError) -> Response | None:
        sent: Any = table[Refused](connection, refuse(connection, error))
        response: Response | None = await sent if isawaitable(sent) else sent
        return response

    for kind in _OF_EXCHANGE:
        table.setdefault(kind, answer)


async def send_refusal(connection: HTTPConnection, error: Exception) -> Response | None:
    """The answer; a websocket that cannot be answered by HTTP is closed before it is accepted (code 1008)."""
    if not isinstance(error, Refused):
        raise error
    if isinstance(connection, WebSocket) and not can_answer(connection.scope):
        await connection.close(code=POLICY_VIOLATION)
        return None
    refusal = error.refusal
    headers = dict(refusal.headers)
    if refusal.body is None:
        return Response(status_code=refusal.status, headers=headers)
    return JSONResponse(dict(refusal.body), status_code=refusal.status, headers=headers)


async def answer_outside(refused: Refused, scope: Scope, receive: Receive, send: Send) -> None:
    """Sends a refusal from middleware, where no exception handler is around: by the application's own handler for
    `Refused` all the same, if it has one."""
    own: dict[Any, Any] = getattr(scope.get("app"), "exception_handlers", {})
    handler: Any = own.get(Refused, send_refusal)
    connection = Request(scope, receive, send) if scope["type"] == "http" else WebSocket(scope, receive, send)
    answer: Any = handler(connection, refused)
    response: Response | None = await answer if isawaitable(answer) else answer
    if response is not None:
        await response(scope, receive, send)
