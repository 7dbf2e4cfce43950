"""An issuer's public keys, resolved to key objects when the set is loaded."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers

from proofkey.errors import Unavailable
from proofkey.findings import Finding
from proofkey.protocol.json_strict import parse_object
from proofkey.protocol.signature import ALGORITHM_OF_NAME, Algorithm, PublicKey, Verify, bind_key
from proofkey.protocol.text import decode_base64url

MAX_KEYS: Final = 50
MAX_LISTED: Final = 2000
"""Members of a document that are looked at, for foreign and broken keys cost time too."""
_CURVES: Final[dict[object, tuple[ec.EllipticCurve, Algorithm]]] = {
    "P-256": (ec.SECP256R1(), "ES256"),
    "P-384": (ec.SECP384R1(), "ES384"),
    "P-521": (ec.SECP521R1(), "ES512"),
}


class VerificationKey:
    """One public key, for one algorithm (RFC 8725 §3.1)."""

    __slots__ = ("algorithm", "issuer", "key", "kid", "verify")

    def __init__(self, kid: str | None, algorithm: Algorithm, key: PublicKey, issuer: str | None = None) -> None:
        """`issuer` is the one that the key is for, where its set serves several. Raises: ValueError when the key
        does not fit the algorithm."""
        self.kid: Final = kid
        self.algorithm: Final = algorithm
        self.key: Final = key
        self.issuer: Final = issuer
        self.verify: Final[Verify] = bind_key(algorithm, key)

    def __repr__(self) -> str:
        return f"VerificationKey({self.kid!r}, {self.algorithm!r})"


class KeySet:
    """Immutable; a refreshed set is a new one. `headers` is the memo of `jws.verify_compact`."""

    __slots__ = ("_keys", "_named", "headers", "kids")

    def __init__(self, keys: Iterable[VerificationKey]) -> None:
        self._keys: Final = tuple(keys)
        named: dict[tuple[str | None, Algorithm], VerificationKey] = {}
        for key in self._keys:
            named.setdefault((key.kid, key.algorithm), key)
        self._named: Final = named
        self.kids: Final = frozenset(key.kid for key in self._keys if key.kid is not None)
        self.headers: Final[dict[str, tuple[Mapping[str, Any], str, VerificationKey]]] = {}

    @classmethod
    def from_document(cls, body: bytes, issuers: frozenset[str] = frozenset()) -> "KeySet":
        """The usable keys of a JWK Set (RFC 7517 §5), 50 at most; foreign and broken ones are left out.

        Where one document serves many tenants, `issuers` are those that are trusted: a key that names another one
        (`issuer`, an extension of Microsoft's) is left out too. A template (`{tenantid}`) stands for all.
        Raises: Unavailable when the document is not a JWK Set at all.
        """
        try:
            listed: object = parse_object(body).get("keys")
        except ValueError as error:
            raise Unavailable(Finding.KEYS_UNAVAILABLE, reason=str(error)) from error
        if not isinstance(listed, list):
            raise Unavailable(Finding.KEYS_UNAVAILABLE, reason="no list of keys")
        keys: list[VerificationKey] = []
        for jwk in cast("list[object]", listed)[:MAX_LISTED]:
            try:
                key = parse_public_jwk(jwk)
                if not issuers or _may_sign_for(jwk, issuers):
                    keys.append(key)
            except (ValueError, UnsupportedAlgorithm):
                continue
            if len(keys) == MAX_KEYS:
                break
        return cls(keys)

    def find(self, kid: str | None, alg: str) -> VerificationKey | None:
        """The key with that kid for that algorithm; without a kid the one key that fits, if there is just one."""
        algorithm = ALGORITHM_OF_NAME.get(alg)
        if algorithm is None:
            return None
        if kid is not None:
            return self._named.get((kid, algorithm))
        fitting = [key for key in self._keys if key.algorithm == algorithm]
        return fitting[0] if len(fitting) == 1 else None

    def holds(self, key: VerificationKey) -> bool:
        """True when a token that `key` proved would be proven by it too: same kid, algorithm, key and issuer."""
        found = self.find(key.kid, key.algorithm)
        return found is not None and (found is key or (found.key == key.key and found.issuer == key.issuer))

    def __len__(self) -> int:
        return len(self._keys)


def _may_sign_for(jwk: object, issuers: frozenset[str]) -> bool:
    named = cast("dict[str, object]", jwk).get("issuer")
    return named is None or (isinstance(named, str) and ("{" in named or named in issuers))


def parse_public_jwk(jwk: object) -> VerificationKey:
    """A public JWK for signatures (RFC 7517 §4, RFC 7518 §6, RFC 8037 §2).

    The algorithm is the key's `alg`; without one RS256, or the one of its curve.
    Raises: ValueError for everything else: private or symmetric keys, encryption keys, weak or malformed ones;
    UnsupportedAlgorithm.
    """
    if not isinstance(jwk, dict):
        raise ValueError("not an object")
    members = cast("dict[str, object]", jwk)
    if members.get("use", "sig") != "sig" or "d" in members or "k" in members:
        raise ValueError("not a public key for signatures")
    operations = members.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in cast("list[object]", operations):
        raise ValueError("key_ops has no verify")
    kid = members.get("kid")
    if kid is not None and not isinstance(kid, str):
        raise ValueError("kid is no string")
    key, natural = _parse_key(members)
    name = members.get("alg", natural)
    algorithm = ALGORITHM_OF_NAME.get(name) if isinstance(name, str) else None
    if algorithm is None:
        raise ValueError("alg is not known")
    issuer = members.get("issuer")
    return VerificationKey(kid, algorithm, key, issuer if isinstance(issuer, str) else None)


def _parse_key(members: Mapping[str, object]) -> tuple[PublicKey, Algorithm]:
    match members.get("kty"):
        case "RSA":
            modulus = _integer(members, "n")
            if not 2048 <= modulus.bit_length() <= 4096:
                raise ValueError("an RSA key has 2048 to 4096 bits")
            return RSAPublicNumbers(_integer(members, "e"), modulus).public_key(), "RS256"
        case "EC":
            curve = members.get("crv")
            if not isinstance(curve, str) or curve not in _CURVES:
                raise ValueError("crv is not known")
            shape, algorithm = _CURVES[curve]
            point = ec.EllipticCurvePublicNumbers(_integer(members, "x"), _integer(members, "y"), shape)
            return point.public_key(), algorithm
        case "OKP":
            if members.get("crv") != "Ed25519":
                raise ValueError("crv is not known")
            return Ed25519PublicKey.from_public_bytes(_octets(members, "x")), "Ed25519"
        case _:
            raise ValueError("kty is not known")


def _integer(members: Mapping[str, object], name: str) -> int:
    return int.from_bytes(_octets(members, name))


def _octets(members: Mapping[str, object], name: str) -> bytes:
    value = members.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= 1024:
        raise ValueError(f"{name} is no base64url string")
    return decode_base64url(value)
