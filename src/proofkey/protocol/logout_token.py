"""Logout tokens (OIDC Back-Channel Logout §2.4)."""

from typing import Any, Final

from proofkey.protocol.text import ClientId, Instant, Issuer, Subject
from proofkey.protocol.token_kind import LOGOUT_EVENT

HEADER_TYPE: Final = "logout+jwt"


def build_logout_token_claims(
    *, issuer: Issuer, client_id: ClientId, sub: Subject, sid: str | None, now: Instant, lifetime: int, jti: str
) -> dict[str, Any]:
    """Person and session as the client knows them; never a nonce, so that no ID token can be mistaken for one."""
    claims: dict[str, Any] = {
        "iss": issuer,
        "sub": sub,
        "aud": client_id,
        "iat": now,
        "exp": now + lifetime,
        "jti": jti,
        "events": {LOGOUT_EVENT: {}},
    }
    return claims if sid is None else claims | {"sid": sid}
