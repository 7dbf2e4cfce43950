"""Whom a page asks about its user: one small interface, one implementation at a time."""

from typing import Protocol

from proofkey.client.session import Session, SessionTokens
from proofkey.errors import NotSignedIn
from proofkey.findings import Finding
from proofkey.protocol.text import Instant


class Backend(Protocol):
    """Synchronous and safe in any thread. A session is named by its id, which is no credential."""

    @property
    def logout_url(self) -> str: ...

    def login_url(self, next_path: str | None) -> str: ...

    def session(self, id_: str) -> Session | None:
        """The live session, without counting as activity."""
        ...

    def tokens(self, id_: str, min_ttl: int) -> SessionTokens:
        """Tokens that last `min_ttl` seconds more. Raises: NotSignedIn, RefreshFailed, Unavailable."""
        ...

    def check_api(self, base_url: str) -> None:
        """Raises: ProofkeyError when the access token is not for that address."""
        ...

    def now(self) -> Instant: ...


_installed: Backend | None = None


def install(backend: Backend | None) -> Backend | None:
    """Makes it the one that pages ask; gives the one before."""
    global _installed
    before, _installed = _installed, backend
    return before


def installed() -> Backend:
    """Raises: NotSignedIn when no guard runs here."""
    if _installed is None:
        raise NotSignedIn(Finding.STREAMLIT_NO_GUARD)
    return _installed
