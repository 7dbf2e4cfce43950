"""What other servers said, remembered for a while and within bounds."""

import hashlib
from contextlib import suppress
from typing import Generic, TypeVar

ValueT = TypeVar("ValueT")


class AnswerMemory(Generic[ValueT]):
    """At most `size` answers, each until its monotonic second; the one used longest ago is forgotten first.

    Keys are digests (`digest_key`), so that the memory holds no token.
    """

    __slots__ = ("_kept", "_size")

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: dict[bytes, tuple[float, ValueT]] = {}

    def find(self, key: bytes, monotonic: float) -> ValueT | None:
        """The answer, if there is one whose time is not over."""
        entry = self._kept.pop(key, None)
        if entry is None or monotonic >= entry[0]:
            return None
        self._kept[key] = entry
        return entry[1]

    def keep(self, key: bytes, value: ValueT, until: float) -> None:
        """`until` is in monotonic seconds."""
        self._kept.pop(key, None)
        self._kept[key] = (until, value)
        if len(self._kept) > self._size:
            with suppress(StopIteration, RuntimeError):  # another thread was quicker
                self._kept.pop(next(iter(self._kept)), None)

    def forget(self, key: bytes) -> None:
        """As if it had never been kept."""
        self._kept.pop(key, None)

    def __len__(self) -> int:
        return len(self._kept)


def digest_key(*parts: str) -> bytes:
    """The SHA-256 of exactly these texts in this order; no other texts make the same key."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8))
        digest.update(data)
    return digest.digest()
