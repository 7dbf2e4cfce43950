"""Remembers verified tokens, so that the same token is not verified for every request. Off unless asked for."""

import hashlib
from contextlib import suppress

from proofkey.protocol.access_token import AccessToken
from proofkey.protocol.key_set import KeySet
from proofkey.protocol.text import Instant


class TokenMemory:
    """At most `size` tokens, the one used longest ago is forgotten first; refusals are never remembered.

    A token is known by the SHA-256 of its exact characters, is never returned at or after its end, and goes with
    the key set that proved it: every refresh of the keys proves every token anew.
    """

    __slots__ = ("_kept", "_size")

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: dict[bytes, tuple[KeySet, AccessToken]] = {}

    def find(self, token: str, keys: KeySet, now: Instant) -> AccessToken | None:
        """The claims, if exactly these characters were proven with exactly this key set and are good at `now`."""
        digest = _digest(token)
        entry = self._kept.pop(digest, None)
        if entry is None or entry[0] is not keys or not entry[1].iat <= now < entry[1].exp:
            return None
        self._kept[digest] = entry
        return entry[1]

    def keep(self, token: str, keys: KeySet, proven: AccessToken) -> None:
        """`token` was just verified with `keys`."""
        self._kept[_digest(token)] = (keys, proven)
        if len(self._kept) > self._size:
            with suppress(StopIteration, RuntimeError):  # another thread was quicker
                self._kept.pop(next(iter(self._kept)), None)

    def __len__(self) -> int:
        return len(self._kept)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
