"""Logout tokens (OIDC Back-Channel Logout §2.4, §2.6): what a server says of a session's end, and how a client
reads it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

from proofkey.errors import InvalidRequest, InvalidToken
from proofkey.findings import Finding
from proofkey.protocol.claims import (
    LEEWAY,
    ClaimError,
    check_issuer_claim,
    read_audience,
    read_life,
    read_optional_text,
)
from proofkey.protocol.json_strict import parse_object
from proofkey.protocol.jws import VerifiedJws, verify_compact
from proofkey.protocol.key_set import KeySet
from proofkey.protocol.text import ClientId, Instant, Issuer, Secret, Subject
from proofkey.protocol.token_kind import LOGOUT_EVENT

HEADER_TYPE: Final = "logout+jwt"
OLDEST: Final = 600
"""Seconds after which a logout token is refused, however long it says that it lives."""
_LONGEST: Final = 512
"""Characters of `jti`, `sub` and `sid`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogoutToken:
    """A logout token after every check but the one that needs a memory: it is used once.

    It names a session of the provider (`sid`), or a person all of whose sessions end (`sub` alone).
    """

    iss: Issuer
    jti: str = field(repr=False)
    sub: Subject | None
    sid: str | None = field(repr=False)
    expires_at: Instant
    """From then on it is refused anyhow."""


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


def verify_logout_token(
    token: Secret,
    keys: KeySet,
    *,
    algorithms: frozenset[str],
    issuer: Issuer,
    client_id: ClientId,
    now: Instant,
    leeway: int = LEEWAY,
) -> LogoutToken:
    """Signature under the algorithms of the ID token, then the claims (OIDC Back-Channel Logout §2.6).

    Raises: InvalidRequest, and nothing else.
    """
    try:
        jws = verify_compact(token.reveal(), keys, algorithms)
        return _read_logout_token(jws, issuer=issuer, client_id=client_id, now=now, leeway=leeway)
    except (InvalidToken, ClaimError) as error:
        raise InvalidRequest(error.finding, **error.facts) from error


def _read_logout_token(
    jws: VerifiedJws, *, issuer: Issuer, client_id: ClientId, now: Instant, leeway: int
) -> LogoutToken:
    """Raises: ClaimError."""
    _check_type(jws.header)
    try:
        claims = parse_object(jws.payload)
    except ValueError as error:
        raise ClaimError(Finding.TOKEN_JSON) from error
    check_issuer_claim(claims, issuer)
    aud = read_audience(claims)
    if set(aud) != {client_id}:
        raise ClaimError(Finding.LOGOUT_TOKEN_AUDIENCE, expected=client_id, found=" ".join(aud)[:200])
    exp, iat = read_life(claims, now, leeway)
    if now - iat > OLDEST + leeway:
        raise ClaimError(Finding.LOGOUT_TOKEN_OLD, iat=str(iat), now=str(now))
    _check_event(claims)
    if "nonce" in claims:
        raise ClaimError(Finding.LOGOUT_TOKEN_NONCE)
    sub, sid = _read_short(claims, "sub"), _read_short(claims, "sid")
    if sub is None and sid is None:
        raise ClaimError(Finding.LOGOUT_TOKEN_SUBJECT)
    jti = _read_short(claims, "jti")
    if jti is None:
        raise ClaimError(Finding.TOKEN_CLAIM_MISSING, claim="jti")
    return LogoutToken(
        iss=issuer,
        jti=jti,
        sub=None if sub is None else Subject(sub),
        sid=sid,
        expires_at=Instant(min(exp, iat + OLDEST + 1) + leeway),
    )


def _check_type(header: Mapping[str, Any]) -> None:
    """`logout+jwt`, or nothing: a token of another kind signs nobody out (RFC 8725 §3.11)."""
    typ: object = header.get("typ", HEADER_TYPE)
    if not isinstance(typ, str) or typ.lower().removeprefix("application/") != HEADER_TYPE:
        raise ClaimError(Finding.LOGOUT_TOKEN_TYPE, typ=str(typ)[:64])


def _check_event(claims: Mapping[str, Any]) -> None:
    events: object = claims.get("events")
    event = cast("dict[str, object]", events).get(LOGOUT_EVENT) if isinstance(events, dict) else None
    if not isinstance(event, dict):
        raise ClaimError(Finding.LOGOUT_TOKEN_EVENT)


def _read_short(claims: Mapping[str, Any], name: str) -> str | None:
    value = read_optional_text(claims, name)
    if value is not None and len(value) > _LONGEST:
        raise ClaimError(Finding.TOKEN_CLAIM_TYPE, claim=name, reason=f"longer than {_LONGEST} characters")
    return value
