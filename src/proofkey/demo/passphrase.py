"""Passphrases that a person can read from a screen and type: four words of a list and a number."""

import hashlib
from collections.abc import Callable
from importlib.resources import files

WORDS = tuple(files("proofkey.demo").joinpath("words.txt").read_text(encoding="utf-8").split())


def passphrase(entropy: Callable[[], str]) -> str:
    """`brave-otter-river-basil-41`: about 35 bits, for a demonstration on loopback that ends with the process."""
    drawn = hashlib.sha256(entropy().encode()).digest()
    words = [WORDS[int.from_bytes(drawn[2 * i : 2 * i + 2]) % len(WORDS)] for i in range(4)]
    return "-".join([*words, str(10 + drawn[8] % 90)])
