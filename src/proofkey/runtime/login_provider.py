"""What a client knows of its provider: the metadata, fetched when needed and kept for an hour."""

from typing import Final

import anyio

from proofkey.errors import Unavailable
from proofkey.findings import Finding
from proofkey.protocol.exchange import Transport
from proofkey.protocol.metadata import ServerMetadata
from proofkey.protocol.text import Issuer
from proofkey.runtime import events
from proofkey.runtime.clock import Clock
from proofkey.runtime.discovery import fetch_metadata

FRESH: Final = 3600.0
STALE: Final = 86400.0
"""Seconds: metadata is asked again after the first and never used after the second."""
RETRY: Final = 2.0
RETRY_STALE: Final = 30.0
"""Seconds between two attempts at a provider that does not answer: with nothing, and with older metadata."""


class LoginProvider:
    """The provider's metadata. A provider that is down at the start is asked again by the next login."""

    __slots__ = (
        "_clock",
        "_failure",
        "_fetched_at",
        "_issuer",
        "_lock",
        "_metadata",
        "_published",
        "_transport",
        "_tried_at",
    )

    def __init__(
        self, issuer: Issuer, transport: Transport, clock: Clock, *, published: frozenset[str] = frozenset()
    ) -> None:
        """`published` as in `parse_server_metadata`."""
        self._issuer = issuer
        self._published = published
        self._transport = transport
        self._clock = clock
        self._metadata: ServerMetadata | None = None
        self._fetched_at = 0.0
        self._tried_at: float | None = None
        self._failure: Unavailable | None = None
        self._lock = anyio.Lock()

    async def metadata(self) -> ServerMetadata:
        """OIDC Discovery §4.3, RFC 8414 §3.3: only a document whose issuer is the configured one.

        Raises: Unavailable.
        """
        known = self._known(FRESH)
        if known is not None:
            return known
        async with self._lock:
            known = self._known(FRESH)
            if known is not None:
                return known
            if self._may_try():
                await self._renew()
        known = self._known(STALE)
        if known is None:
            raise self._failed()
        return known

    def known(self) -> ServerMetadata | None:
        """The metadata if it is here, without asking anybody."""
        return self._known(STALE)

    def _known(self, age: float) -> ServerMetadata | None:
        young = self._clock.monotonic() - self._fetched_at < age
        return self._metadata if self._metadata is not None and young else None

    def _may_try(self) -> bool:
        pause = RETRY if self._known(STALE) is None else RETRY_STALE
        return self._tried_at is None or self._clock.monotonic() - self._tried_at >= pause

    def _failed(self) -> Unavailable:
        failure = self._failure
        if failure is None:
            return Unavailable(Finding.OUTGOING_FAILED, issuer=self._issuer)
        return Unavailable(failure.finding, retry_after=failure.retry_after, **failure.facts)

    async def _renew(self) -> None:
        try:
            self._metadata = await fetch_metadata(self._issuer, self._transport, published=self._published)
        except Unavailable as error:
            self._failure = error
            self._tried_at = self._clock.monotonic()
            events.refused("login.provider_unavailable", error, issuer=self._issuer)
        else:
            self._failure = self._tried_at = None
            self._fetched_at = self._clock.monotonic()
