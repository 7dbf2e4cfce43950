"""The public key that a DPoP proof brings along (RFC 9449 §4.2), and its thumbprint (RFC 7638)."""

import hashlib
import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, cast

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    SECP384R1,
    SECP521R1,
    EllipticCurve,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers

from proofkey.protocol.signature import ALGORITHM_OF_NAME, PublicKey, Verify, bind_key
from proofkey.protocol.text import decode_base64url, encode_base64url

_THUMBPRINT_MEMBERS: Final[Mapping[str, tuple[str, ...]]] = {  # RFC 7638 §3.2, RFC 8037 §2: in lexicographic order
    "EC": ("crv", "kty", "x", "y"),
    "RSA": ("e", "kty", "n"),
    "OKP": ("crv", "kty", "x"),
}
_PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_CURVES: Final[Mapping[str, tuple[EllipticCurve, int]]] = {
    "P-256": (SECP256R1(), 32),
    "P-384": (SECP384R1(), 48),
    "P-521": (SECP521R1(), 66),
}
"""The curve, and the octets of a coordinate."""
_MAX_MODULUS_OCTETS: Final = 512
_MAX_EXPONENT_OCTETS: Final = 8
_BASE64URL: Final = re.compile(r"[A-Za-z0-9_\-]+")


class ProofKey(NamedTuple):
    """A key, ready to verify signatures of the one algorithm that its proof's header names."""

    algorithm: str
    """As the header spells it."""
    jkt: str
    """The SHA-256 thumbprint, base64url."""
    verify: Verify


def read_proof_key(jwk: object, algorithm: str) -> ProofKey:
    """A public JWK in its canonical spelling, for signatures by `algorithm`.

    One key has one spelling and thereby one thumbprint: full coordinates, no leading zeros (RFC 7518 §6.2.1.2,
    §6.3.1.1). Stricter than a key of a set, for this one comes from a stranger.
    Raises: ValueError for everything else: private or symmetric keys, keys for encryption, weak ones, points off
    their curve, exponents that make a signature slow, algorithms that the key cannot do.
    """
    if not isinstance(jwk, dict):
        raise ValueError("not an object")
    members = cast("dict[str, Any]", jwk)
    kty: object = members.get("kty")
    names = _THUMBPRINT_MEMBERS.get(kty) if isinstance(kty, str) else None
    named = ALGORITHM_OF_NAME.get(algorithm)
    if names is None or named is None:
        raise ValueError("kty or alg is not known")
    try:
        key = _PARSERS[names](members)
    except UnsupportedAlgorithm as error:
        raise ValueError("not a supported key") from error
    if len(members) > len(names):
        _check_further(members, named)
    return ProofKey(algorithm, _thumbprint(members, names), bind_key(named, key))


def thumbprint_of(jwk: Mapping[str, Any]) -> str:
    """RFC 7638 §3: SHA-256 over the required members alone, base64url.

    Raises: ValueError when one is missing, no string, or holds what no such member holds.
    """
    kty: object = jwk.get("kty")
    names = _THUMBPRINT_MEMBERS.get(kty) if isinstance(kty, str) else None
    if names is None:
        raise ValueError("kty is not known")
    for name in names:
        value: object = jwk.get(name)
        if not isinstance(value, str) or not _BASE64URL.fullmatch(value):
            raise ValueError(f"{name} is no base64url string")
    return _thumbprint(jwk, names)


def _thumbprint(members: Mapping[str, str], names: tuple[str, ...]) -> str:
    """Of members that need no escaping in JSON."""
    text = ",".join([f'"{name}":"{members[name]}"' for name in names])
    return encode_base64url(hashlib.sha256(f"{{{text}}}".encode()).digest())


def _check_further(members: Mapping[str, Any], algorithm: str) -> None:
    """RFC 7517 §4: what else the key says of itself."""
    if not _PRIVATE.isdisjoint(members):
        raise ValueError("not a public key")
    if members.get("use", "sig") != "sig":
        raise ValueError("not a key for signatures")
    operations: object = members.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in cast("list[object]", operations):
        raise ValueError("key_ops has no verify")
    own: object = members.get("alg", algorithm)
    if not isinstance(own, str) or ALGORITHM_OF_NAME.get(own) != algorithm:
        raise ValueError("the key is for another algorithm")
    if not isinstance(members.get("kid", ""), str):
        raise ValueError("kid is no string")


def _parse_ec(members: Mapping[str, Any]) -> PublicKey:
    crv: object = members.get("crv")
    known = _CURVES.get(crv) if isinstance(crv, str) else None
    if known is None:
        raise ValueError("crv is not known")
    curve, size = known
    x, y = _octets(members, "x", size), _octets(members, "y", size)
    if len(x) != size or len(y) != size:
        raise ValueError("a coordinate of another length than the curve's")
    return EllipticCurvePublicKey.from_encoded_point(curve, b"\x04" + x + y)


def _parse_rsa(members: Mapping[str, Any]) -> PublicKey:
    modulus = _octets(members, "n", _MAX_MODULUS_OCTETS)
    exponent = _octets(members, "e", _MAX_EXPONENT_OCTETS)
    if not (modulus[0] and exponent[0]):
        raise ValueError("an integer with a leading zero")
    return RSAPublicNumbers(int.from_bytes(exponent), int.from_bytes(modulus)).public_key()


def _parse_okp(members: Mapping[str, Any]) -> PublicKey:
    if members.get("crv") != "Ed25519":
        raise ValueError("crv is not known")
    return Ed25519PublicKey.from_public_bytes(_octets(members, "x", 32))


_PARSERS: Final = {
    _THUMBPRINT_MEMBERS["EC"]: _parse_ec,
    _THUMBPRINT_MEMBERS["RSA"]: _parse_rsa,
    _THUMBPRINT_MEMBERS["OKP"]: _parse_okp,
}


def _octets(members: Mapping[str, Any], name: str, most: int) -> bytes:
    value: object = members.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= (most * 4 + 2) // 3:
        raise ValueError(f"{name} is no base64url string of at most {most} octets")
    return decode_base64url(value)
