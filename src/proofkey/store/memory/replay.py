"""What was used, in the memory of one process."""

import heapq
import threading
from typing import Final

from proofkey.errors import Unavailable
from proofkey.findings import Finding
from proofkey.protocol.replay import key_digest
from proofkey.protocol.text import Instant

MOST_KEYS: Final = 500_000
"""About 100 MB. A full memory refuses: forgetting a live key would let its proof in again."""


class MemoryReplay:
    """`ReplayMemory` in memory: it ends with the process, and no other process sees it."""

    def __init__(self, *, most: int = MOST_KEYS) -> None:
        self._lock = threading.Lock()
        self._until: dict[str, Instant] = {}
        self._order: list[tuple[Instant, str]] = []
        self._most = most

    async def add(self, key: str, *, now: Instant, until: Instant, made: Instant | None = None) -> bool:
        """As `ReplayMemory.add`. Raises: Unavailable when there is no room for another live key."""
        digest = key_digest(key)
        with self._lock:
            known = self._until.get(digest)
            if known is not None and known > now:
                return False
            self._forget(now, 2)
            if len(self._order) >= self._most:
                self._forget(now, self._most)
                if len(self._order) >= self._most:
                    raise Unavailable(Finding.STORE_UNAVAILABLE, store="memory:", reason="full")
            self._until[digest] = until
            heapq.heappush(self._order, (until, digest))
        return True

    async def purge(self, now: Instant) -> int:
        with self._lock:
            return self._forget(now, self._most)

    async def aclose(self) -> None:
        with self._lock:
            self._until.clear()
            self._order.clear()

    def _forget(self, now: Instant, most: int) -> int:
        """Drops at most that many keys whose time is over; a key that was added again stays."""
        gone = 0
        while self._order and self._order[0][0] <= now and gone < most:
            until, digest = heapq.heappop(self._order)
            if self._until.get(digest) == until:
                del self._until[digest]
            gone += 1
        return gone
