"""Signing keys and signatures: the only importer of the JOSE library."""

import json
from collections.abc import Mapping
from typing import Any, Final, Literal, cast, get_args

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc import jwk as joserfc_jwk
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from proofkey.errors import ConfigurationError
from proofkey.findings import Finding
from proofkey.protocol.json_strict import parse_object
from proofkey.protocol.key_set import VerificationKey, parse_public_jwk
from proofkey.protocol.text import encode_base64url

SigningAlgorithm = Literal["ES256", "RS256", "PS256", "Ed25519", "EdDSA"]
"""EdDSA is the older name of Ed25519, for peers that know no other: a key of its own, published under that name
(RFC 9864 §2.2)."""

SIGNING_ALGORITHMS: Final[tuple[SigningAlgorithm, ...]] = get_args(SigningAlgorithm)
RSA_BITS: Final = 3072
_to_json: Final = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
_ES256: Final = ECDSA(SHA256())
_PUBLIC_MEMBERS: Final = ("kty", "crv", "n", "e", "x", "y")
_SECRET_MEMBERS: Final = ("d", "p", "q", "dp", "dq", "qi")
_KEY_TYPES: Final[dict[SigningAlgorithm, tuple[str, str | None]]] = {
    "ES256": ("EC", "P-256"),
    "RS256": ("RSA", None),
    "PS256": ("RSA", None),
    "Ed25519": ("OKP", "Ed25519"),
    "EdDSA": ("OKP", "Ed25519"),
}


class SigningKey:
    """A private key with its kid and its one algorithm. It shows neither in repr nor in pickles."""

    __slots__ = ("_ec", "_headers", "_jwk", "_key", "algorithm", "kid")

    def __init__(self, key: ECKey | RSAKey | OKPKey, algorithm: SigningAlgorithm, kid: str) -> None:
        self.algorithm: Final = algorithm
        self.kid: Final = kid
        self._key = key
        self._ec = key.private_key if algorithm == "ES256" and isinstance(key, ECKey) else None
        self._headers: dict[str, str] = {}
        self._jwk = cast("dict[str, Any]", key.as_dict(private=True))

    def sign(self, header_typ: str, claims: Mapping[str, Any]) -> str:
        """A compact JWS over the claims, with alg, kid and typ in the header (RFC 7515 §7.1).

        An RSA signature takes 0.2 to 0.7 ms of CPU: call it in a thread.
        """
        signed = f"{self._header_of(header_typ)}.{encode_claims(claims)}"
        return f"{signed}.{encode_base64url(self.signature_of(signed.encode()))}"

    def _header_of(self, typ: str) -> str:
        """The encoded header, made once for each typ."""
        known = self._headers.get(typ)
        if known is None:
            known = encode_header(self.algorithm, self.kid, typ)
            self._headers[typ] = known
        return known

    def signature_of(self, signed: bytes) -> bytes:
        """The bare signature over these bytes."""
        if self._ec is not None:  # ES256, the default: without the library's detour
            r, s = decode_dss_signature(self._ec.sign(signed, _ES256))
            return r.to_bytes(32, "big") + s.to_bytes(32, "big")
        name = "Ed25519" if self.algorithm == "EdDSA" else self.algorithm
        return jws.JWSRegistry.algorithms[name].sign(signed, self._key)

    @property
    def public_jwk(self) -> dict[str, Any]:
        """For publication: the key itself, use, alg and kid; never a private member."""
        members = {name: self._jwk[name] for name in _PUBLIC_MEMBERS if name in self._jwk}
        return members | {"use": "sig", "alg": self.algorithm, "kid": self.kid}

    @property
    def private_jwk(self) -> dict[str, Any]:
        """For sealing in a store, and nothing else."""
        return self.public_jwk | {name: self._jwk[name] for name in _SECRET_MEMBERS if name in self._jwk}

    @property
    def verification_key(self) -> VerificationKey:
        """The public half, as `KeySet` holds it."""
        return parse_public_jwk(self.public_jwk)

    def __repr__(self) -> str:
        return f"SigningKey({self.kid!r}, {self.algorithm!r})"

    def __reduce__(self) -> str:
        raise TypeError("a SigningKey is not pickled")


def encode_header(algorithm: SigningAlgorithm, kid: str, typ: str) -> str:
    """The first part of a compact JWS (RFC 7515 §7.1)."""
    header = {"alg": algorithm, "kid": kid, "typ": typ}
    return encode_base64url(json.dumps(header, separators=(",", ":")).encode())


def encode_claims(claims: Mapping[str, Any]) -> str:
    """The second part."""
    return encode_base64url(_to_json(claims).encode())


def generate_signing_key(algorithm: SigningAlgorithm, kid: str | None = None) -> SigningKey:
    """A new key from the operating system's randomness: P-256, RSA of 3072 bits, or Ed25519.

    Without a kid it is the key's thumbprint. RSA takes about 0.3 s of CPU.
    """
    key: ECKey | RSAKey | OKPKey
    if algorithm == "ES256":
        key = ECKey.generate_key("P-256")
    elif algorithm in ("Ed25519", "EdDSA"):
        key = OKPKey.generate_key("Ed25519")
    else:
        key = RSAKey.generate_key(RSA_BITS)
    return SigningKey(key, algorithm, key.thumbprint() if kid is None else kid)


def signing_key_from_jwk(jwk: Mapping[str, Any]) -> SigningKey:
    """The key that `private_jwk` gave.

    Raises: ConfigurationError when it is not a private key with kid and one of the known algorithms.
    """
    algorithm, kid = jwk.get("alg"), jwk.get("kid")
    if algorithm not in SIGNING_ALGORITHMS or not isinstance(kid, str) or not kid or "d" not in jwk:
        raise ConfigurationError(Finding.CONFIG_VALUE, key="signing key", reason="alg, kid or d")
    if (jwk.get("kty"), jwk.get("crv")) != _KEY_TYPES[algorithm]:
        raise ConfigurationError(Finding.CONFIG_VALUE, key="signing key", reason="kty or crv")
    try:
        key = joserfc_jwk.import_key(dict(jwk))
        signing = SigningKey(cast("ECKey | RSAKey | OKPKey", key), algorithm, kid)
        _ = signing.verification_key
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise ConfigurationError(Finding.CONFIG_VALUE, key="signing key", reason="damaged") from error
    return signing


def signing_key_from_text(
    text: bytes, *, algorithm: SigningAlgorithm | None = None, kid: str | None = None
) -> SigningKey:
    """A private key from what a file holds: one JWK, or an unencrypted PEM (PKCS #8, PKCS #1 or SEC 1).

    Without an algorithm it is the JWK's own, or what the kind of key usually signs with (P-256 ES256, RSA RS256,
    Ed25519); without a kid it is the JWK's own, or the thumbprint (RFC 7638).
    Raises: ConfigurationError, which shows nothing of the key.
    """
    wanted: dict[str, Any] = {"alg": algorithm, "kid": kid}
    try:
        members = parse_object(text) if text.lstrip().startswith(b"{") else _members_of_pem(text)
        members |= {name: value for name, value in wanted.items() if value is not None}
        members.setdefault("alg", _USUAL.get((str(members.get("kty")), str(members.get("crv", "")))))
        members.setdefault("kid", thumbprint(members))
    except ValueError as error:
        reason = "neither a JWK nor an unencrypted PEM of a private key (P-256, RSA, Ed25519)"
        raise ConfigurationError(Finding.CONFIG_VALUE, key="signing key", reason=reason) from error
    return signing_key_from_jwk(members)


def _members_of_pem(text: bytes) -> dict[str, Any]:
    """Raises: ValueError."""
    for kind in (ECKey, RSAKey, OKPKey):
        try:
            return dict(kind.import_key(text).as_dict(private=True))
        except (JoseError, ValueError, TypeError, AttributeError, UnsupportedAlgorithm):
            continue  # a key of another kind
    raise ValueError("not a private key")


_USUAL: Final[dict[tuple[str, str], SigningAlgorithm]] = {
    ("EC", "P-256"): "ES256",
    ("RSA", ""): "RS256",
    ("OKP", "Ed25519"): "Ed25519",
}


def thumbprint(jwk: Mapping[str, Any]) -> str:
    """The SHA-256 thumbprint of a key, base64url (RFC 7638 §3).

    Raises: ValueError when it is not a key of a known type.
    """
    try:
        return joserfc_jwk.import_key(dict(jwk)).thumbprint()
    except (JoseError, TypeError, KeyError) as error:
        raise ValueError("not a JWK") from error
