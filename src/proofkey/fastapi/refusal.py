"""A refusal on its way out of FastAPI: raised as an exception, sent as RFC 6750 says."""

from typing import Final

from fastapi import HTTPException
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, Response
from starlette.types import Scope
from starlette.websockets import WebSocket

from proofkey.errors import ProofkeyError
from proofkey.findings import Finding
from proofkey.resource_server.challenge import Refusal

_HANDLERS: Final = "starlette.exception_handlers"
_POLICY_VIOLATION: Final = 1008
"""RFC 6455 §7.4.1."""


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


async def send_refusal(connection: HTTPConnection, error: Exception) -> Response | None:
    """The answer; a websocket that cannot be answered by HTTP is closed before it is accepted (code 1008)."""
    if not isinstance(error, Refused):
        raise error
    if isinstance(connection, WebSocket) and "websocket.http.response" not in connection.scope.get(
        "extensions", {}
    ):
        await connection.close(code=_POLICY_VIOLATION)
        return None
    refusal = error.refusal
    headers = dict(refusal.headers)
    if refusal.body is None:
        return Response(status_code=refusal.status, headers=headers)
    return JSONResponse(dict(refusal.body), status_code=refusal.status, headers=headers)
