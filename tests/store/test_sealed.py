"""Envelope encryption."""

import pytest

from proofkey.errors import ConfigurationError
from proofkey.findings import Finding
from proofkey.store.sealed import Sealer

KEY = b"k" * 32


def test_a_sealed_value_opens_in_its_place() -> None:
    sealed = Sealer(KEY).seal(b"private", "key-1")
    assert b"private" not in sealed.encode()
    assert Sealer(KEY).open(sealed, "key-1") == b"private"


def test_equal_values_are_sealed_differently() -> None:
    assert Sealer(KEY).seal(b"private", "key-1") != Sealer(KEY).seal(b"private", "key-1")


@pytest.mark.parametrize(
    ("key", "context", "change"),
    [
        (b"x" * 32, "key-1", str),
        (KEY, "key-2", str),
        (KEY, "key-1", lambda sealed: sealed[:-2] + ("AA" if sealed[-2:] != "AA" else "BA")),
        (KEY, "key-1", lambda sealed: sealed[:8]),
        (KEY, "key-1", lambda sealed: ""),
        (KEY, "key-1", lambda sealed: "not base64url!"),
    ],
    ids=["another key", "another place", "altered", "cut", "empty", "not base64url"],
)
def test_a_sealed_value_does_not_open_with(key: bytes, context: str, change) -> None:
    sealed = change(Sealer(KEY).seal(b"private", "key-1"))
    with pytest.raises(ConfigurationError) as raised:
        Sealer(key).open(sealed, context)
    assert raised.value.finding is Finding.MASTER_KEY_WRONG
