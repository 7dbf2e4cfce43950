"""The signature algorithms that Proofkey knows, on `cryptography` alone."""

from collections.abc import Callable
from typing import Final, Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

Algorithm = Literal[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519"
]  # fmt: skip
PublicKey = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey
Verify = Callable[[bytes, bytes], None]
"""(signature, signed bytes); raises cryptography's InvalidSignature."""

ALGORITHM_OF_NAME: Final[dict[str, Algorithm]] = {
    "RS256": "RS256", "RS384": "RS384", "RS512": "RS512",
    "PS256": "PS256", "PS384": "PS384", "PS512": "PS512",
    "ES256": "ES256", "ES384": "ES384", "ES512": "ES512",
    "Ed25519": "Ed25519", "EdDSA": "Ed25519",
}  # fmt: skip
"""Header names, exact in case. EdDSA is the older name, of which Ed25519 only is taken (RFC 9864 §2.2)."""

ALGORITHM_NAMES: Final = frozenset(ALGORITHM_OF_NAME)
"""The widest allow-list: asymmetric algorithms only, never HS* or `none` (RFC 8725 §3.1)."""

HASH_OF_ALGORITHM: Final[dict[Algorithm, str]] = {
    "RS256": "sha256", "RS384": "sha384", "RS512": "sha512",
    "PS256": "sha256", "PS384": "sha384", "PS512": "sha512",
    "ES256": "sha256", "ES384": "sha384", "ES512": "sha512",
    "Ed25519": "sha512",
}  # fmt: skip
"""By hashlib's names; what at_hash is made with (OIDC Core §3.1.3.6)."""

_CURVE_OF_ALGORITHM: Final[dict[Algorithm, type[ec.EllipticCurve]]] = {
    "ES256": ec.SECP256R1,
    "ES384": ec.SECP384R1,
    "ES512": ec.SECP521R1,
}
_HASHES: Final[dict[str, hashes.HashAlgorithm]] = {
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}


def bind_key(algorithm: Algorithm, key: PublicKey) -> Verify:
    """A function that verifies signatures of this one algorithm with this one key.

    Raises: ValueError when the key is of another kind, curve or size (RSA: 2048 to 4096 bits).
    """
    if algorithm == "Ed25519" and isinstance(key, Ed25519PublicKey):
        return key.verify
    if isinstance(key, RSAPublicKey) and algorithm[0] in "RP":
        return _bind_rsa(algorithm, key)
    if isinstance(key, EllipticCurvePublicKey) and algorithm in _CURVE_OF_ALGORITHM:
        return _bind_ec(algorithm, key)
    raise ValueError("the key does not fit the algorithm")


def _bind_rsa(algorithm: Algorithm, key: RSAPublicKey) -> Verify:
    if not 2048 <= key.key_size <= 4096:
        raise ValueError("an RSA key has 2048 to 4096 bits")
    digest = _HASHES[HASH_OF_ALGORITHM[algorithm]]
    scheme: padding.AsymmetricPadding
    if algorithm.startswith("PS"):  # RFC 7518 §3.5: the salt is as long as the hash
        scheme = padding.PSS(mgf=padding.MGF1(digest), salt_length=digest.digest_size)
    else:
        scheme = padding.PKCS1v15()

    def verify(signature: bytes, signed: bytes) -> None:
        key.verify(signature, signed, scheme, digest)

    return verify


def _bind_ec(algorithm: Algorithm, key: EllipticCurvePublicKey) -> Verify:
    if not isinstance(key.curve, _CURVE_OF_ALGORITHM[algorithm]):
        raise ValueError("the key is on another curve")
    half = (key.key_size + 7) // 8
    scheme = ec.ECDSA(_HASHES[HASH_OF_ALGORITHM[algorithm]])

    def verify(signature: bytes, signed: bytes) -> None:
        if len(signature) != 2 * half:
            raise InvalidSignature
        key.verify(der_signature(signature[:half], signature[half:]), signed, scheme)

    return verify


def der_signature(r: bytes, s: bytes) -> bytes:
    """The DER form of an ECDSA signature whose integers stand in as many bytes as the curve's order has
    (RFC 7518 §3.4). Written out for the usual case, which halves the time of `encode_dss_signature`."""
    if r[0] and s[0] and len(r) <= 48:  # no leading zero to drop, and a length of one byte
        first = _POSITIVE[r[0] > 127][len(r)] + r
        second = _POSITIVE[s[0] > 127][len(s)] + s
        return b"\x30" + bytes((len(first) + len(second),)) + first + second
    return encode_dss_signature(int.from_bytes(r), int.from_bytes(s))


_POSITIVE: Final = (
    tuple(bytes((2, length)) for length in range(49)),
    tuple(bytes((2, length + 1, 0)) for length in range(49)),
)
"""What stands before an INTEGER, by its highest bit and its number of bytes."""
