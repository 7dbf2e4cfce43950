"""What must be used once: the memory that several processes share."""

from typing import Protocol

from proofkey.protocol.text import Instant


class ReplayMemory(Protocol):
    """Remembers keys until their time is over; one answer for all workers that share it."""

    async def add(self, key: str, *, now: Instant, until: Instant) -> bool:
        """True for the first caller with that key, False for every other one until `until`; atomic.

        Raises: Unavailable when the store cannot tell: the caller refuses then.
        """
        ...

    async def purge(self, now: Instant) -> int:
        """Forgets what is over; how many."""
        ...

    async def aclose(self) -> None: ...
