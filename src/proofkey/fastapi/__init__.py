"""FastAPI: `Protect` for APIs, `Login` for web applications."""

from typing import TYPE_CHECKING, Any

from proofkey.errors import missing_extra

try:
    import fastapi as _fastapi
except ModuleNotFoundError as error:
    raise missing_extra("fastapi", error.name) from None

from proofkey.fastapi.guards import Guard
from proofkey.fastapi.protect import Protect
from proofkey.fastapi.refusal import Refused
from proofkey.fastapi.routes import OpenRoute, public
from proofkey.protocol.access_token import AccessToken
from proofkey.protocol.text import Secret
from proofkey.runtime.introspection import Introspection
from proofkey.runtime.trust import TrustedIssuer

if TYPE_CHECKING:
    from proofkey.client.session import Session
    from proofkey.fastapi.downstream import Downstream
    from proofkey.runtime.token_exchange import TokenExchange
    from proofkey.web.login import Login

__all__ = [
    "AccessToken",
    "Downstream",
    "Guard",
    "Introspection",
    "Login",
    "OpenRoute",
    "Protect",
    "Refused",
    "Secret",
    "Session",
    "TokenExchange",
    "TrustedIssuer",
    "public",
]

del _fastapi


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the module has
    """What only some APIs need is loaded when somebody asks for it, so that an API alone stays light."""
    if name == "Login":
        from proofkey.web.login import Login

        return Login
    if name == "Session":
        from proofkey.client.session import Session

        return Session
    if name == "Downstream":
        from proofkey.fastapi.downstream import Downstream

        return Downstream
    if name == "TokenExchange":
        from proofkey.runtime.token_exchange import TokenExchange

        return TokenExchange
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
