"""Tokens for tests: honest ones, and whatever else an issuer's key can be made to sign."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from joserfc.jwk import RSAKey

from proofkey.protocol.jose import SigningAlgorithm, SigningKey, generate_signing_key
from proofkey.protocol.key_set import KeySet
from proofkey.protocol.text import Instant, encode_base64url
from proofkey.testing.persona_claims import Asked
from proofkey.testing.personas import RFC9068, Persona

ISSUER: Final = "https://issuer.test"
AUDIENCE: Final = "https://api.test"
NOW: Final = Instant(1_800_000_000)


@cache
def key_for_tests(algorithm: SigningAlgorithm, name: str = "key-1") -> SigningKey:
    """A key that is made once per process; RSA of 2048 bits, which is quicker to make than our own 3072."""
    if algorithm in ("RS256", "PS256"):
        return SigningKey(RSAKey.generate_key(2048), algorithm, name)
    return generate_signing_key(algorithm, name)


def key_set_document(*keys: SigningKey) -> bytes:
    """The JWK Set as an issuer publishes it (RFC 7517 §5)."""
    return json.dumps({"keys": [key.public_jwk for key in keys]}).encode()


def key_set_of(*keys: SigningKey) -> KeySet:
    """The same, loaded."""
    return KeySet.from_document(key_set_document(*keys))


def sign_exactly(key: SigningKey, header: bytes, payload: bytes) -> str:
    """A compact JWS over these very bytes, with a genuine signature: well-formed or not."""
    signed = f"{encode_base64url(header)}.{encode_base64url(payload)}"
    return f"{signed}.{encode_base64url(key.signature_of(signed.encode()))}"


def compact_json(value: object) -> bytes:
    """JSON without spaces; NaN and Infinity pass, as a careless issuer's writer lets them."""
    return json.dumps(value, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True)
class TokenMaker:
    """Signs what it is told to sign: `claims` and `header` replace or add members, None takes one out.

    `persona` is the provider whose way of writing tokens it takes; `TokenMaker.of(persona)` takes its issuer too.
    """

    key: SigningKey = field(default_factory=lambda: key_for_tests("ES256"))
    issuer: str = ISSUER
    audience: str = AUDIENCE
    now: Instant = NOW
    persona: Persona = RFC9068
    scope: tuple[str, ...] = ("openid", "orders:read")
    roles: tuple[str, ...] = ()
    further: Mapping[str, object] = field(default_factory=dict[str, object])
    """Claims that every access token has beside the persona's own."""
    slack: int = 0
    """Seconds that may pass until the last token is looked at, where the verifier's clock does not stand still."""

    @classmethod
    def of(cls, persona: Persona, key: SigningKey | None = None, audience: str = AUDIENCE) -> "TokenMaker":
        """For this provider, under the issuer that the persona names."""
        return cls(key or key_for_tests("ES256"), persona.issuer, audience, persona=persona)

    def header(self, **changes: object) -> dict[str, Any]:
        """alg, kid and typ of an access token, changed."""
        return _changed({"alg": self.key.algorithm, "kid": self.key.kid, **self.persona.header}, changes)

    def claims(self, **changes: object) -> dict[str, Any]:
        """The claims of an honest access token, changed."""
        return _changed({**self.persona.access_token(self.asked()), **self.further}, changes)

    def asked(self, lifetime: int = 900) -> Asked:
        """What the honest tokens are asked for."""
        return Asked(
            issuer=self.issuer,
            audience=(self.audience,),
            sub="u1",
            client_id="app",
            scope=self.scope,
            roles=self.roles,
            now=self.now,
            lifetime=lifetime,
            jti="jti-1",
        )

    def access_token(self, header: Mapping[str, object] | None = None, **claims: object) -> str:
        """As the persona writes it; RFC 9068 by default."""
        return self.sign(self.claims(**claims), **(header or {}))

    def client_token(self, header: Mapping[str, object] | None = None, **claims: object) -> str:
        """Of the client `app`, which acts for itself."""
        made = {**self.persona.client_only(self.asked()), **self.further}
        return self.sign(_changed(made, claims), **(header or {}))

    def id_token(self, header: Mapping[str, object] | None = None, **claims: object) -> str:
        """OIDC Core §2, for the client `app`."""
        typ = "JWT" if "typ" in self.persona.header else None
        made = self.persona.id_token(self.asked(lifetime=300))
        return self.sign(_changed(made, claims), **{"typ": typ, **(header or {})})

    def sign(self, claims: Mapping[str, Any] | bytes, **header: object) -> str:
        """Claims as they are, under the access token's header, changed."""
        payload = claims if isinstance(claims, bytes) else compact_json(claims)
        return sign_exactly(self.key, compact_json(self.header(**header)), payload)


def _changed(members: dict[str, Any], changes: Mapping[str, object]) -> dict[str, Any]:
    return {name: value for name, value in {**members, **changes}.items() if value is not None}
