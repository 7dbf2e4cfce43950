"""Randomness that tests can foresee."""

import hashlib

from proofkey.protocol.text import encode_base64url


class CountingEntropy:
    """Gives distinct strings of 43 base64url characters, the same ones in every run with the same seed.

    Implements `proofkey.runtime.entropy.Entropy`.
    """

    __slots__ = ("_seed", "count")

    def __init__(self, seed: str = "proofkey") -> None:
        self._seed = seed
        self.count = 0
        """How many were given so far."""

    def __call__(self) -> str:
        self.count += 1
        return encode_base64url(hashlib.sha256(f"{self._seed} {self.count}".encode()).digest())
