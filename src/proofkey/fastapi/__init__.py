"""FastAPI: `Protect` for APIs, `Login` for web applications."""

from typing import TYPE_CHECKING, Any

from proofkey.errors import missing_extra

try:
    import fastapi as _fastapi
except ModuleNotFoundError as error:
    raise missing_extra("fastapi", error.name) from None

from proofkey.fastapi.protect import Guard, Protect
from proofkey.fastapi.refusal import Refused
from proofkey.protocol.access_token import AccessToken

if TYPE_CHECKING:
    from proofkey.client.session import Session
    from proofkey.web.login import Login

__all__ = ["AccessToken", "Guard", "Login", "Protect", "Refused", "Session"]

del _fastapi


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the module has
    """`Login` and `Session` are loaded when somebody asks for them, so that an API alone stays light."""
    if name == "Login":
        from proofkey.web.login import Login

        return Login
    if name == "Session":
        from proofkey.client.session import Session

        return Session
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
