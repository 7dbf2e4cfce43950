"""The small types that everything is made of: identifiers, instants, secrets, base64url, digests."""

import binascii
import hashlib
import hmac
from typing import Final, NewType, NoReturn

from proofkey.errors import InvalidRequest
from proofkey.findings import Finding

Issuer = NewType("Issuer", str)
Subject = NewType("Subject", str)
ClientId = NewType("ClientId", str)
KeyId = NewType("KeyId", str)
Instant = NewType("Instant", int)
"""Seconds since 1970-01-01T00:00:00Z."""
EPOCH: Final = Instant(0)

Pairs = tuple[tuple[str, str], ...]
"""Form or query parameters in the order of arrival; names may repeat."""


class Secret:
    """A value that never shows itself: stars in repr, str, f-string and format; refuses pickle.

    Compare with `matches`, which takes constant time; open it with `reveal`.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself; the reader of the calling line sees that it is opened there."""
        return self._value

    def matches(self, other: "Secret") -> bool:
        """True when both hold the same value; constant time."""
        return hmac.compare_digest(self._value.encode(), other._value.encode())

    def digest(self) -> str:
        """The form that a store may hold (`digest_of`)."""
        return digest_of(self._value)

    def __repr__(self) -> str:
        return "Secret('***')"

    def __str__(self) -> str:
        return "***"

    def __format__(self, spec: str) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self.matches(other)

    def __hash__(self) -> int:
        return hash(self.digest())

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is not pickled")


def encode_base64url(data: bytes) -> str:
    """RFC 7515 §2: base64url without padding."""
    return binascii.b2a_base64(data, newline=False).rstrip(b"=").translate(_TO_URL).decode()


def decode_base64url(text: str) -> bytes:
    """RFC 7515 §2, strictly: no padding, no foreign character, and only the canonical spelling.

    Raises: ValueError.
    """
    spare = len(text) % 4
    if spare == 1 or (spare and text[-1] not in _LAST[spare]) or "+" in text or "/" in text or "=" in text:
        raise ValueError("not canonical base64url")
    data = text.encode("ascii").replace(b"-", b"+").replace(b"_", b"/")
    return binascii.a2b_base64(data + _PADDING[spare], strict_mode=True)


def digest_of(value: str) -> str:
    """SHA-256 of a high-entropy opaque value, base64url: what stores hold in its place."""
    return encode_base64url(hashlib.sha256(value.encode()).digest())


def single(pairs: Pairs, *, may_repeat: frozenset[str] = frozenset()) -> dict[str, str]:
    """Parameters by name; empty values count as absent (RFC 6749 §3.1, §3.2).

    Raises: InvalidRequest when a parameter outside `may_repeat` stands twice.
    """
    found: dict[str, str] = {}
    for name, value in pairs:
        if name in may_repeat:
            continue
        if name in found:
            raise InvalidRequest(Finding.PARAMETER_REPEATED, parameter=name[:64])
        found[name] = value
    return {name: value for name, value in found.items() if value}


_TO_URL: Final = bytes.maketrans(b"+/", b"-_")
_PADDING: Final = (b"", b"", b"==", b"=")
# what the last character may be when it carries 2 or 4 bits that must be zero
_LAST: Final = ("", "", "AQgw", "AEIMQUYcgkosw048")
