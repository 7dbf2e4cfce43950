"""What an API tells about its requests: one structured event per refusal, and per admission where asked for.

| field | in | holds |
| --- | --- | --- |
| `time`, `level`, `event` | both | UTC; `info`, or `warning` where keys or a store cannot be had; the name |
| `finding`, `reason` | `api.refused` | the finding's id and sentence; its further facts follow |
| `method`, `path`, `peer` | both | of the request, without the query; `peer` is the caller's address |
| `client_id`, `issuer`, `sub` | both | of a proven token alone: what a refused token claims is not believed |
| `scope`, `jti`, `bound` | `api.admitted` | what it allows, its id, and `dpop` or `mtls` for a bound token |

Never a token, a proof, a key or a secret (RFC 9700 §4.9.3). A caller's text is cut and escaped in `events`, so
that one event is one line.
"""

from collections.abc import Mapping
from typing import Any, Final

from proofkey.errors import ProofkeyError
from proofkey.protocol.access_token import AccessToken
from proofkey.runtime import events, telemetry
from proofkey.runtime.events import Fact

_LONGEST_PATH: Final = 200


def refused(scope: Mapping[str, Any], error: ProofkeyError, token: AccessToken[Any] | None = None) -> None:
    """Tells one refusal, to the log and to OpenTelemetry.

    `scope` is the request's ASGI scope; `token` the proven one, where the refusal came after its proof.
    """
    known = {} if token is None else _about(token)
    events.refused("api.refused", error, **_request(scope), **known)
    telemetry.refused(scope, error, token)


def admitted(
    scope: Mapping[str, Any], token: AccessToken[Any], *, logged: bool = False, user_ids: bool = False
) -> None:
    """Tells one admission: once per request, when its token has passed every check.

    OpenTelemetry is told always, the log where `logged`. `user_ids` tells OpenTelemetry who the person is.
    """
    telemetry.admitted(scope, token, user_ids=user_ids)
    if logged:
        facts: dict[str, Fact] = {
            **_request(scope),
            **_about(token),
            "scope": " ".join(token.scope),
            "jti": token.jti or None,
            "bound": _bound(token),
        }
        events.emit("api.admitted", level="info", finding=None, **facts)


def _request(scope: Mapping[str, Any]) -> dict[str, Fact]:
    peer = scope.get("client")
    return {
        "method": str(scope.get("method", "WEBSOCKET"))[:20],
        "path": str(scope.get("path", ""))[:_LONGEST_PATH],
        "peer": str(peer[0])[:_LONGEST_PATH] if peer else None,
    }


def _about(token: AccessToken[Any]) -> dict[str, Fact]:
    return {"client_id": token.client_id, "issuer": token.iss, "sub": token.sub}


def _bound(token: AccessToken[Any]) -> str | None:
    if token.cnf is None:
        return None
    return "dpop" if token.cnf.jkt is not None else "mtls"
