"""Nonces of a server for DPoP proofs, without a store (RFC 9449 §8, §9)."""

import hashlib
import hmac
from typing import Final

from proofkey.errors import ConfigurationError
from proofkey.findings import Finding
from proofkey.protocol.text import Instant, Secret, encode_base64url
from proofkey.runtime.master_key import MasterKey

LABEL: Final = "dpop-nonce"
LIFETIME: Final = 300
"""Seconds after which no nonce is taken any more; one is given out for half of them."""
_SKEW: Final = 10
_SHORTEST_SECRET: Final = 32


class DpopNonces:
    """One nonce per span of time, computed from a key: all workers and nodes with one secret have the same ones.

    The nonces of this span and of the one before are good.
    """

    __slots__ = ("_key", "_made", "_span")

    def __init__(self, secret: Secret, *, lifetime: int = LIFETIME, label: str = LABEL) -> None:
        """`lifetime` in seconds. `label` keeps the nonces of different servers with one secret apart.

        Raises: ConfigurationError when the secret is shorter than 32 characters.
        """
        if len(secret.reveal()) < _SHORTEST_SECRET:
            raise ConfigurationError(Finding.CONFIG_VALUE, key="dpop_nonces", fix="a secret of `proofkey secret`")
        if lifetime < 4 * _SKEW:
            raise ConfigurationError(Finding.CONFIG_VALUE, key="dpop nonce lifetime", fix="40 seconds or more")
        self._key = MasterKey(secret).derive(label)
        self._span = lifetime // 2
        self._made: dict[int, str] = {}

    def current(self, now: Instant) -> str:
        """What to send in DPoP-Nonce."""
        return self._nonce(now // self._span)

    def began(self, nonce: str, now: Instant) -> Instant | None:
        """Since when the nonce could be known: this span's, the last one's, or one that another node has begun
        already. None when it is no nonce of ours, or an old one."""
        given = nonce.encode()
        span, ahead = now // self._span, (now + _SKEW) // self._span
        for each in (span, span - 1, ahead):
            if hmac.compare_digest(given, self._nonce(each).encode()):
                return Instant(each * self._span)
        return None

    def successor(self, nonce: str, now: Instant) -> str | None:
        """The nonce to tell a client that has used an older one; None while its own is the current one."""
        current = self.current(now)
        return None if hmac.compare_digest(nonce.encode(), current.encode()) else current

    def _nonce(self, span: int) -> str:
        made = self._made.get(span)
        if made is None:
            made = encode_base64url(hmac.digest(self._key, str(span).encode(), hashlib.sha256))
            if len(self._made) > 8:
                self._made.clear()
            self._made[span] = made
        return made

    @property
    def lifetime(self) -> int:
        """Seconds that a nonce can be good for at most, clocks of several nodes included."""
        return 2 * self._span + _SKEW

    def __repr__(self) -> str:
        return "DpopNonces('***')"
