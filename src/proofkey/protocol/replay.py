"""What must be used once: the memory that several processes share."""

import hashlib
from typing import Protocol

from proofkey.protocol.text import Instant, encode_base64url


def key_digest(key: str) -> str:
    """SHA-256 of the key, base64url: what memories hold, however long and strange the key is."""
    return encode_base64url(hashlib.sha256(key.encode(errors="surrogatepass")).digest())


class ReplayMemory(Protocol):
    """Remembers keys until their time is over; one answer for all workers that share it."""

    async def add(self, key: str, *, now: Instant, until: Instant, made: Instant | None = None) -> bool:
        """True for the first caller with that key, False for every other one until `until`; atomic.

        `made` is when the thing behind the key says that it was made. A memory that has lost what it held (a Redis
        server that was flushed) refuses what is older than itself, give or take a few seconds; without `made` it
        refuses everything for as long as a key is kept.
        Raises: Unavailable when the store cannot tell: the caller refuses then.
        """
        ...

    async def purge(self, now: Instant) -> int:
        """Forgets what is over; how many. Adding does a little of it each time: nobody has to call this."""
        ...

    async def aclose(self) -> None: ...
