"""Where a provider tells a client that a session is over (OIDC Back-Channel Logout §2.5, §2.8)."""

from collections.abc import Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from proofkey.errors import InvalidRequest, ProofkeyError, TooManyRequests, Unavailable
from proofkey.findings import Finding
from proofkey.protocol.text import Secret, single
from proofkey.runtime import events
from proofkey.runtime.login_core import LoginCore
from proofkey.web.forms import read_form
from proofkey.web.peer import TrustedProxies

BACKCHANNEL_LOGOUT: Final = "backchannel-logout"
"""Its path below the prefix."""
_NO_STORE: Final = {"Cache-Control": "no-store"}
_NO_PROXIES: Final = TrustedProxies()


async def receive_logout(request: Request, core: Callable[[], LoginCore]) -> Response:
    """200 once the sessions have ended; 400 for what is no good logout token; 503 while keys or store are away.

    The token is the proof: no cookie, no Origin. It raises nothing of ours.
    """
    try:
        await _receive(request, core)
    except ProofkeyError as error:
        events.refused("login.backchannel_refused", error)
        return _refusal(error)
    return Response(status_code=200, headers=_NO_STORE)


async def _receive(request: Request, core: Callable[[], LoginCore]) -> None:
    token = single(await read_form(request)).get("logout_token")
    if token is None:
        raise InvalidRequest(Finding.PARAMETER_MISSING, parameter="logout_token")
    await core().receive_logout(Secret(token), peer=_NO_PROXIES.peer(request))


def _refusal(error: ProofkeyError) -> Response:
    headers = dict(_NO_STORE)
    if isinstance(error, InvalidRequest):
        return JSONResponse({"error": error.error, "error_description": error.description}, 400, headers)
    if isinstance(error, Unavailable | TooManyRequests):
        headers["Retry-After"] = str(error.retry_after)
    status = 429 if isinstance(error, TooManyRequests) else 503
    document = {"error": "temporarily_unavailable", "error_description": error.finding.sentence}
    return JSONResponse(document, status, headers)
