"""What a client asks of a store. One contract suite runs over every implementation."""

from typing import Protocol

from proofkey.client.session import PendingLogin, Session, SessionTokens
from proofkey.protocol.text import Instant, Issuer, Subject


class PendingLogins(Protocol):
    async def insert_pending(self, pending: PendingLogin) -> None: ...

    async def find_pending(self, state_digest: str) -> PendingLogin | None:
        """Without using it up."""
        ...

    async def take_pending(self, state_digest: str) -> PendingLogin | None:
        """Removes and returns it: exactly one caller gets it."""
        ...


class Sessions(Protocol):
    async def insert_session(self, session: Session) -> None: ...

    async def find_session(self, id_: str) -> Session | None: ...

    async def sessions_of_sub(self, issuer: Issuer, sub: Subject) -> tuple[Session, ...]:
        """All of that person at that provider, the oldest first; of every client that shares the store."""
        ...

    async def sessions_of_sid(self, issuer: Issuer, sid: str) -> tuple[Session, ...]:
        """All that belong to that session of the provider, likewise."""
        ...

    async def touch_session(self, id_: str, now: Instant) -> None:
        """Moves `seen_at` forward, never back."""
        ...

    async def replace_tokens(self, id_: str, version: int, tokens: SessionTokens, now: Instant) -> bool:
        """Stores new tokens and version+1 where `version` is current: one caller wins."""
        ...

    async def end_session(self, id_: str) -> bool:
        """Deletes it; True for one caller."""
        ...

    async def acquire_refresh(self, id_: str, holder: str, now: Instant, lease: int) -> bool:
        """Takes the session's refresh lock for `lease` seconds: True for one holder until released or over."""
        ...

    async def release_refresh(self, id_: str, holder: str) -> None: ...


class LogoutTokens(Protocol):
    """Logout tokens that were acted on, shared by all workers of one store."""

    async def is_logout_token_used(self, digest: str) -> bool: ...

    async def use_logout_token(self, digest: str, expires_at: Instant) -> bool:
        """Remembers it at least until `expires_at`; True for one caller."""
        ...


class SessionStore(PendingLogins, Sessions, LogoutTokens, Protocol):
    async def purge_sessions(self, now: Instant, *, batch: int = 500) -> int:
        """Deletes at most `batch` rows whose time is over; how many."""
        ...

    async def ping(self) -> None:
        """Raises: Unavailable."""
        ...

    async def aclose(self) -> None: ...
