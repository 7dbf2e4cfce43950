"""Remembers verified tokens, so that the same token is not verified for every request. Off unless asked for."""

import hashlib

from proofkey.protocol.access_token import AccessToken
from proofkey.protocol.key_set import KeySet
from proofkey.protocol.text import Instant


class TokenMemory:
    """At most `size` tokens, the one used longest ago is forgotten first; refusals are never remembered.

    A token is known by the SHA-256 of its exact characters, is never returned at or after its end, and is forgotten
    with the key set that proved it: every refresh of the keys proves every token anew.
    """

    __slots__ = ("_keys", "_kept", "_size")

    def __init__(self, size: int) -> None:
        self._size = size
        self._keys: KeySet | None = None
        self._kept: dict[bytes, AccessToken] = {}

    def find(self, token: str, keys: KeySet, now: Instant) -> AccessToken | None:
        """The claims, if exactly these characters were proven with exactly this key set and are good at `now`."""
        if keys is not self._keys:
            return None
        digest = _digest(token)
        known = self._kept.pop(digest, None)
        if known is None or not known.iat <= now < known.exp:
            return None
        self._kept[digest] = known
        return known

    def keep(self, token: str, keys: KeySet, proven: AccessToken) -> None:
        """`token` was just verified with `keys`."""
        if keys is not self._keys:
            self._kept, self._keys = {}, keys
        self._kept[_digest(token)] = proven
        if len(self._kept) > self._size:
            self._kept.pop(next(iter(self._kept)), None)

    def __len__(self) -> int:
        return len(self._kept)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
