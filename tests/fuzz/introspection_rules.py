"""An API that asks about its tokens, and an issuer that signs what it answers (RFC 9701)."""

from collections.abc import Mapping
from typing import Any

from proofkey.resource_server.introspection import HEADER_TYPE, IntrospectionRules, build_introspection_rules
from proofkey.resource_server.protected_resource import build_policy
from proofkey.runtime.outgoing_client import read_outgoing_client
from proofkey.testing.tokens import AUDIENCE, ISSUER, NOW, compact_json, key_for_tests, key_set_of, sign_exactly

CLIENT_ID = "api"
RULES: IntrospectionRules = build_introspection_rules(
    build_policy(ISSUER, AUDIENCE),
    read_outgoing_client(client_id=CLIENT_ID, client_secret="Xv7Qp2Lk9Zt4Rb8Wn5Hd3Mc6Ys1Gf0Ja"),
    endpoint=f"{ISSUER}/introspect",
    signed=True,
)


class SignedAnswer:
    """Answers as a JWT of the issuer."""

    key = key_for_tests("ES256")
    keys = key_set_of(key)

    def claims(self, members: Mapping[str, Any]) -> dict[str, Any]:
        """What such an answer holds (RFC 9701 §5)."""
        return {"iss": ISSUER, "aud": CLIENT_ID, "iat": int(NOW), "token_introspection": dict(members)}

    def sign(self, payload: bytes) -> str:
        """Over these very octets."""
        header = {"alg": self.key.algorithm, "kid": self.key.kid, "typ": HEADER_TYPE}
        return sign_exactly(self.key, compact_json(header), payload)


SIGNED_ANSWER = SignedAnswer()
