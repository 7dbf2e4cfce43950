"""Remembers verified tokens, so that the same token is not verified for every request. Off unless asked for."""

import hashlib
from contextlib import suppress
from typing import Generic, NamedTuple, TypeVar

from proofkey.protocol.access_token import AccessToken
from proofkey.protocol.jws import MAX_TOKEN
from proofkey.protocol.key_set import KeySet, VerificationKey
from proofkey.protocol.text import Instant

OwnerT = TypeVar("OwnerT")


class Remembered(NamedTuple, Generic[OwnerT]):
    """A token that was proven at `since`, by `key` of `keys`; after `end` it has to be looked at anew."""

    owner: OwnerT
    """Whose keys and rules proved it."""
    keys: KeySet
    key: VerificationKey
    since: Instant
    end: Instant
    bound: bool
    """Whether the caller had said that it demands the proof of a bound token."""
    proven: AccessToken


class TokenMemory(Generic[OwnerT]):
    """At most `size` tokens, the one used longest ago is forgotten first; refusals are never remembered.

    A token is known by the SHA-256 of its exact characters. It is never returned at or after its end, nor before
    the moment of its proof (a clock that went back), nor when its key has left the key set or has changed there.
    """

    __slots__ = ("_kept", "_size")

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: dict[bytes, Remembered[OwnerT]] = {}

    def find(self, token: str) -> Remembered[OwnerT] | None:
        """What is remembered of exactly these characters; the caller asks `is_good` before it believes it."""
        if len(token) > MAX_TOKEN:  # digesting junk would cost more than refusing it
            return None
        digest = _digest(token)
        entry = self._kept.pop(digest, None)
        if entry is not None:
            self._kept[digest] = entry
        return entry

    def is_good(
        self, token: str, entry: Remembered[OwnerT], keys: KeySet, now: Instant, *, bound: bool = False
    ) -> bool:
        """Whether the entry of `token` still stands, with the issuer's keys of now."""
        if not entry.since <= now < entry.end or (entry.bound and not bound):
            return False
        if entry.keys is not keys:
            if not keys.holds(entry.key):
                self._kept.pop(_digest(token), None)
                return False
            self._kept[_digest(token)] = entry._replace(keys=keys)
        return True

    def keep(
        self,
        token: str,
        owner: OwnerT,
        keys: KeySet,
        proven: AccessToken,
        now: Instant,
        *,
        bound: bool = False,
        until: Instant | None = None,
    ) -> None:
        """`token` was proven at `now` with `keys`; `until` ends it before its own end."""
        known = keys.headers.get(token.partition(".")[0])
        if known is None:  # another thread has just emptied the memo: the next time, then
            return
        end = proven.exp if until is None else min(proven.exp, until)
        self._kept[_digest(token)] = Remembered(owner, keys, known[2], now, end, bound, proven)
        if len(self._kept) > self._size:
            with suppress(StopIteration, RuntimeError):  # another thread was quicker
                self._kept.pop(next(iter(self._kept)), None)

    def __len__(self) -> int:
        return len(self._kept)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
