"""Logout tokens as a provider sends them, honest by default (OIDC Back-Channel Logout §2.4)."""

from collections.abc import Mapping
from typing import Any

from proofkey.protocol.jose import SigningKey
from proofkey.protocol.logout_token import HEADER_TYPE, build_logout_token_claims
from proofkey.protocol.text import ClientId, Instant, Issuer, Subject
from proofkey.testing.tokens import compact_json, sign_exactly


def make_logout_token(
    key: SigningKey,
    *,
    now: Instant,
    issuer: str = "https://op.test",
    client_id: str = "web",
    sub: str = "u1",
    sid: str | None = None,
    jti: str = "logout-1",
    claims: Mapping[str, Any] | None = None,
    header: Mapping[str, Any] | None = None,
) -> str:
    """For 120 seconds; `claims` and `header` replace or add members, None takes one out."""
    honest = build_logout_token_claims(
        issuer=Issuer(issuer),
        client_id=ClientId(client_id),
        sub=Subject(sub),
        sid=sid,
        now=now,
        lifetime=120,
        jti=jti,
    )
    named = {"alg": key.algorithm, "kid": key.kid, "typ": HEADER_TYPE}
    return sign_exactly(
        key, compact_json(_changed(named, header or {})), compact_json(_changed(honest, claims or {}))
    )


def _changed(honest: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**honest, **changes}.items() if value is not None}
