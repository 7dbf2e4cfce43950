"""Starlette: `Login` for web applications, `Server` for an identity provider of one's own, `Settings` for both."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from proofkey.runtime.settings import Settings
    from proofkey.web.login import Login
    from proofkey.web.server import Server

__all__ = ["Login", "Server", "Settings"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the module has
    """Each is loaded when somebody asks for it: a client does not need what the server needs."""
    if name == "Login":
        from proofkey.web.login import Login

        return Login
    if name == "Server":
        from proofkey.web.server import Server

        return Server
    if name == "Settings":
        from proofkey.runtime.settings import Settings

        return Settings
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
