"""Private keys that are kept elsewhere: what the server asks of whoever holds them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from proofkey.authorization_server.records import SigningKeyRecord
from proofkey.errors import ConfigurationError
from proofkey.findings import Finding
from proofkey.protocol.jose import SIGNING_ALGORITHMS, SigningAlgorithm
from proofkey.protocol.key_set import parse_public_jwk
from proofkey.protocol.text import EPOCH, Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerKey:
    """The public half of a key, and when it signs. It is published as long as the signer names it.

    A successor is named early with a later `active_from`, so that every API knows it before it signs; its
    predecessor is named until its last token is dead (OIDC Core §10.1.1).
    """

    public_jwk: Mapping[str, Any]
    """RFC 7517, with `kid` and with one `alg` of ES256, RS256, PS256, Ed25519, EdDSA."""
    active_from: Instant = EPOCH


class Signer(Protocol):
    """Holds private keys: a hardware module, a key service, another process."""

    async def keys(self) -> Sequence[SignerKey]:
        """All keys of now; of those of one algorithm the youngest active one signs. Asked about once a second, so
        answer from memory.

        Raises: Unavailable; then those that were told before stand.
        """
        ...

    async def sign(self, kid: str, signed: bytes, /) -> bytes:
        """The bare JWS signature over these bytes (RFC 7518 §3): for ES256 the 64 bytes of r and s.

        Raises: Unavailable.
        """
        ...


@dataclass(frozen=True, slots=True)
class RemoteKey:
    """A key that is kept elsewhere, by its name."""

    kid: str
    algorithm: SigningAlgorithm


def read_signer_keys(keys: Sequence[SignerKey]) -> tuple[SigningKeyRecord, ...]:
    """As records of the key ring, without a private half.

    Raises: ConfigurationError when one is no public key with kid and alg, or two have one kid.
    """
    records = tuple(_record_of(key) for key in keys)
    if len({record.kid for record in records}) < len(records):
        raise ConfigurationError(Finding.CONFIG_VALUE, key="signer", reason="two keys with one kid")
    return records


def _record_of(key: SignerKey) -> SigningKeyRecord:
    jwk = dict(key.public_jwk)
    kid, algorithm = jwk.get("kid"), jwk.get("alg")
    if not isinstance(kid, str) or not kid or algorithm not in SIGNING_ALGORITHMS:
        raise ConfigurationError(Finding.CONFIG_VALUE, key="signer", reason="a key without kid or alg")
    try:
        parse_public_jwk(jwk)
    except ValueError as error:
        reason = "no public key, or a private one"
        raise ConfigurationError(Finding.CONFIG_VALUE, key="signer", kid=kid[:64], reason=reason) from error
    return SigningKeyRecord(
        kid=kid,
        algorithm=algorithm,
        sealed_private_jwk="",
        public_jwk={**jwk, "use": "sig"},
        created_at=key.active_from,
        active_from=key.active_from,
    )
