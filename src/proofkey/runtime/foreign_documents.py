"""Documents at URLs that strangers name: fetched once for all who ask, kept for a while, within bounds."""

from dataclasses import dataclass
from typing import Final

from proofkey.authorization_server.remote import Check, Document, DocumentKind
from proofkey.errors import ProofkeyError, Unavailable
from proofkey.findings import Finding
from proofkey.protocol.exchange import Ask, Transport
from proofkey.resource_server.key_freshness import COOL_DOWN, read_max_age
from proofkey.runtime import events
from proofkey.runtime.answer_memory import digest_key
from proofkey.runtime.clock import Clock
from proofkey.runtime.discovery import check_answer
from proofkey.runtime.flights import Flights

SIZE: Final = 1000
"""Documents of a kind: those of one kind push none of another out."""
MOST_BYTES: Final = 16 * 1024 * 1024
AT_ONCE: Final = 16
"""Requests of a kind, so that no kind stands in another's way, nor in that of messages to clients."""
DEADLINE: Final = 10.0
"""Seconds; the transport's own is shorter."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """What is known of a URL; all times are monotonic seconds."""

    text: str | None = None
    fetched_at: float = 0.0
    lifetime: float = 0.0
    failed_at: float | None = None
    """Of the last attempt, if it was in vain."""

    def is_fresh(self, now: float) -> bool:
        return self.text is not None and now - self.fetched_at < self.lifetime

    def usable(self, now: float, stale: float) -> str | None:
        """The text, fresh or old."""
        return self.text if now - self.fetched_at < self.lifetime + stale else None

    def rests(self, now: float, seconds: float) -> bool:
        """True while its host is spared after an attempt in vain."""
        return self.failed_at is not None and now - self.failed_at < seconds

    def document(self, now: float) -> Document:
        return Document(self.text or "", max(self.fetched_at + self.lifetime - now, 0.0))


_NOTHING: Final = _Kept()


class _Shelf:
    """What is known of the URLs of one kind, and who is on the way; what was used longest ago goes first."""

    __slots__ = ("_bytes", "_kept", "_most_bytes", "_size", "flights")

    def __init__(self, size: int, most_bytes: int) -> None:
        self._size = size
        self._most_bytes = most_bytes
        self._kept: dict[bytes, _Kept] = {}
        self._bytes = 0
        self.flights: Final[Flights[Document]] = Flights("foreign_documents", most=AT_ONCE, deadline=DEADLINE)

    def __len__(self) -> int:
        return len(self._kept)

    def find(self, key: bytes) -> _Kept:
        kept = self._kept.pop(key, None)
        if kept is None:
            return _NOTHING
        self._kept[key] = kept
        return kept

    def keep(self, key: bytes, kept: _Kept) -> None:
        self._forget(key)
        self._kept[key] = kept
        self._bytes += len(kept.text or "")
        while len(self._kept) > self._size or (self._bytes > self._most_bytes and len(self._kept) > 1):
            self._forget(next(iter(self._kept)))

    def _forget(self, key: bytes) -> None:
        kept = self._kept.pop(key, None)
        if kept is not None:
            self._bytes -= len(kept.text or "")


class ForeignDocuments:
    """Implements `authorization_server.remote.Documents`.

    A document serves for its lifetime, and further while its host does not answer, as long as its kind says. A
    host that was asked in vain rests as long as its kind says, or 30 seconds while an old document serves; where a
    newer document is wanted, it is asked every 30 seconds at most. What was used longest ago is forgotten first.
    """

    __slots__ = ("_clock", "_most_bytes", "_shelves", "_size", "_transport")

    def __init__(
        self, transport: Transport, clock: Clock, *, size: int = SIZE, most_bytes: int = MOST_BYTES
    ) -> None:
        """`size` (documents) and `most_bytes` bound each kind."""
        self._transport = transport
        self._clock = clock
        self._size = size
        self._most_bytes = most_bytes
        self._shelves: dict[str, _Shelf] = {}

    async def get(self, url: str, kind: DocumentKind, check: Check, *, renew: bool = False) -> Document:
        """Raises: Unavailable."""
        shelf, key, now = self._shelf(kind), digest_key(url), self._clock.monotonic()
        kept = shelf.find(key)
        usable = kept.usable(now, kind.stale)
        if kept.is_fresh(now) and not (renew and now - kept.fetched_at >= COOL_DOWN):
            return kept.document(now)
        if kept.rests(now, kind.rest if usable is None else COOL_DOWN):
            if usable is None:
                raise Unavailable(Finding.OUTGOING_FAILED, kind=kind.name, reason="asked in vain a moment ago")
            return kept.document(now)
        try:
            return await shelf.flights.share(key, lambda: self._fetch(key, url, kind, check))
        except Unavailable:
            if usable is None:
                raise
            return kept.document(now)

    def __len__(self) -> int:
        return sum(map(len, self._shelves.values()))

    def _shelf(self, kind: DocumentKind) -> _Shelf:
        return self._shelves.setdefault(kind.name, _Shelf(self._size, self._most_bytes))

    async def _fetch(self, key: bytes, url: str, kind: DocumentKind, check: Check) -> Document:
        """One request. Raises: Unavailable, and remembers that it was in vain."""
        shelf, now = self._shelf(kind), self._clock.monotonic()
        try:
            answer = await self._transport.send(Ask("GET", url, max_bytes=kind.max_bytes))
            check_answer(answer, kind.name)
            text = _text_of(answer.body)
            check(text)
        except ProofkeyError as error:
            events.refused("foreign_documents.failed", error, kind=kind.name)
            before = shelf.find(key)
            shelf.keep(key, _Kept(before.text, before.fetched_at, before.lifetime, now))
            raise
        said = read_max_age(answer.headers.get("cache-control"), answer.headers.get("age"))
        lifetime = min(max(kind.usual if said is None else said, kind.shortest), kind.longest)
        shelf.keep(key, _Kept(text, now, lifetime))
        return Document(text, lifetime)


def _text_of(body: bytes) -> str:
    """Raises: Unavailable when it is not UTF-8."""
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise Unavailable(Finding.OUTGOING_FAILED, reason="not UTF-8") from error
