"""Starlette: `Login` for web applications, `Server` for an identity provider of one's own, `Settings` for both."""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from proofkey.errors import missing_extra

if TYPE_CHECKING:
    from proofkey.authorization_server.hooks import ClaimsQuestion, ConsentQuestion, Person
    from proofkey.authorization_server.signer import Signer, SignerKey
    from proofkey.runtime.hooks import UserStore
    from proofkey.runtime.settings import Settings
    from proofkey.web.login import Login
    from proofkey.web.server import Server

__all__ = [
    "ClaimsQuestion",
    "ConsentQuestion",
    "Login",
    "Person",
    "Server",
    "Settings",
    "Signer",
    "SignerKey",
    "UserStore",
]

_PLACES: Final = {
    "Login": ("proofkey.web.login", "fastapi"),
    "Server": ("proofkey.web.server", "server"),
    "Settings": ("proofkey.runtime.settings", ""),
    "ClaimsQuestion": ("proofkey.authorization_server.hooks", "server"),
    "ConsentQuestion": ("proofkey.authorization_server.hooks", "server"),
    "Person": ("proofkey.authorization_server.hooks", "server"),
    "Signer": ("proofkey.authorization_server.signer", "server"),
    "SignerKey": ("proofkey.authorization_server.signer", "server"),
    "UserStore": ("proofkey.runtime.hooks", "server"),
}
"""By name: its module, and the extra that brings what it needs."""


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the module has
    """Each is loaded when somebody asks for it: a client does not need what the server needs."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, extra = _PLACES[name]
    try:
        return getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        raise missing_extra(extra, error.name) from None
