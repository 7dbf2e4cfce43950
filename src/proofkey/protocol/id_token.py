"""ID tokens (OIDC Core §2, §3.1.3.7)."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from proofkey.errors import InvalidToken, LoginFailed
from proofkey.findings import Finding
from proofkey.protocol.claims import (
    LEEWAY,
    ClaimError,
    check_issuer_claim,
    read_audience,
    read_life,
    read_optional_instant,
    read_optional_text,
    read_text,
    read_texts,
)
from proofkey.protocol.json_strict import parse_object
from proofkey.protocol.jws import VerifiedJws, verify_compact
from proofkey.protocol.key_set import KeySet
from proofkey.protocol.signature import ALGORITHM_OF_NAME, HASH_OF_ALGORITHM
from proofkey.protocol.text import ClientId, Instant, Issuer, Secret, Subject, encode_base64url

HEADER_TYPE: Final = "JWT"
_MAX_SUB: Final = 255
_MAX_SID: Final = 512
"""Characters, as of a logout token's; an index has no place for more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IdToken:
    """OIDC Core §2, after every check. `claims` holds every claim as it came."""

    iss: Issuer
    sub: Subject
    aud: tuple[str, ...]
    exp: Instant
    iat: Instant
    nonce: str | None = None
    azp: ClientId | None = None
    auth_time: Instant | None = None
    acr: str | None = None
    amr: tuple[str, ...] = ()
    sid: str | None = None
    claims: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)


def verify_id_token(
    token: str,
    keys: KeySet,
    *,
    algorithms: frozenset[str],
    issuer: str | frozenset[str],
    client_id: str,
    nonce: Secret | str | None,
    access_token: Secret | str | None,
    max_age: int | None,
    now: Instant,
    leeway: int = LEEWAY,
) -> IdToken:
    """Signature under the algorithms of the registration, then everything that `read_id_token` checks.

    Raises: LoginFailed, and nothing else.
    """
    try:
        jws = verify_compact(token, keys, algorithms)
    except InvalidToken as error:
        raise LoginFailed(error.finding, **error.facts) from error
    return read_id_token(
        jws,
        issuer=issuer,
        client_id=client_id,
        nonce=nonce,
        access_token=access_token,
        max_age=max_age,
        now=now,
        leeway=leeway,
    )


def read_id_token(
    jws: VerifiedJws,
    *,
    issuer: str | frozenset[str],
    client_id: str,
    nonce: Secret | str | None,
    access_token: Secret | str | None,
    max_age: int | None,
    now: Instant,
    leeway: int = LEEWAY,
    trusted_audiences: frozenset[str] = frozenset(),
) -> IdToken:
    """The claims of an ID token whose signature verified, in the order of OIDC Core §3.1.3.7.

    `nonce` None means that none was sent (a refresh): then the claim is not compared. `at_hash` is compared when
    the claim and an access token are there. `trusted_audiences` may stand in aud beside the client;
    of several issuers, one is enough.
    Raises: LoginFailed.
    """
    try:
        _check_type(jws.header)
        claims = parse_object(jws.payload)
        check_issuer_claim(claims, issuer)
        _check_key_issuer(jws.key_issuer, claims)
        aud, azp = _read_parties(claims, client_id, trusted_audiences)
        exp, iat = read_life(claims, now, leeway)
        _check_nonce(claims, _revealed(nonce))
        auth_time = _read_auth_time(claims, max_age, now, leeway)
        _check_at_hash(claims, _revealed(access_token), jws.header)
        return _read_values(claims, aud=aud, azp=azp, exp=exp, iat=iat, auth_time=auth_time)
    except ClaimError as error:
        raise LoginFailed(error.finding, **error.facts) from error
    except ValueError as error:
        raise LoginFailed(Finding.TOKEN_JSON) from error


def build_id_token_claims(
    *,
    issuer: str,
    sub: str,
    client_id: str,
    now: Instant,
    lifetime: int,
    algorithm: str,
    nonce: str | None = None,
    auth_time: Instant | None = None,
    access_token: str | None = None,
    sid: str | None = None,
    acr: str | None = None,
    amr: tuple[str, ...] = (),
    extra: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """OIDC Core §2; `lifetime` in seconds; `algorithm` is the one that will sign. `extra` overrides nothing."""
    optional: dict[str, Any] = {
        "nonce": nonce,
        "auth_time": None if auth_time is None else int(auth_time),
        "at_hash": None if access_token is None else at_hash(access_token, algorithm),
        "sid": sid,
        "acr": acr,
        "amr": list(amr) or None,
    }
    return {
        **(extra or {}),
        "iss": issuer,
        "sub": sub,
        "aud": client_id,
        "iat": int(now),
        "exp": int(now) + lifetime,
        **{name: value for name, value in optional.items() if value is not None},
    }


def at_hash(access_token: str, algorithm: str) -> str:
    """The left half of the access token's hash, by the ID token's algorithm (OIDC Core §3.1.3.6).

    Raises: ValueError for an algorithm whose hash is not known.
    """
    known = ALGORITHM_OF_NAME.get(algorithm)
    if known is None:
        raise ValueError("no hash is known for this algorithm")
    digest = hashlib.new(HASH_OF_ALGORITHM[known], access_token.encode()).digest()
    return encode_base64url(digest[: len(digest) // 2])


def _check_type(header: Mapping[str, Any]) -> None:
    """`typ` is absent or JWT: another kind of token of the same issuer is no ID token (RFC 8725 §3.11)."""
    typ: object = header.get("typ", HEADER_TYPE)
    if not (isinstance(typ, str) and typ.upper() == HEADER_TYPE):
        raise ClaimError(Finding.ID_TOKEN_TYPE, typ=str(typ)[:64])


def _check_key_issuer(named: str | None, claims: Mapping[str, Any]) -> None:
    """A key that its set names for one tenant (`issuer`, an extension of Microsoft's) signs nobody of another one
    in, though that tenant may be trusted too; a template (`{tenantid}`) stands for all."""
    if named is not None and "{" not in named and named != claims["iss"]:
        raise ClaimError(Finding.TOKEN_TENANT, key_issuer=named[:200])


def _read_parties(
    claims: Mapping[str, Any], client_id: str, trusted: frozenset[str]
) -> tuple[tuple[str, ...], ClientId | None]:
    aud = read_audience(claims)
    if client_id not in aud or not trusted.issuperset(other for other in aud if other != client_id):
        raise ClaimError(Finding.TOKEN_AUDIENCE, expected=client_id, found=" ".join(aud)[:200])
    azp = read_optional_text(claims, "azp")
    if (azp is None and len(aud) > 1) or (azp is not None and azp != client_id):
        raise ClaimError(Finding.ID_TOKEN_AZP, expected=client_id, found=(azp or "none")[:200])
    return aud, None if azp is None else ClientId(azp)


def _read_values(
    claims: Mapping[str, Any],
    *,
    aud: tuple[str, ...],
    azp: ClientId | None,
    exp: Instant,
    iat: Instant,
    auth_time: Instant | None,
) -> IdToken:
    return IdToken(
        iss=claims["iss"],
        sub=_read_sub(claims),
        aud=aud,
        exp=exp,
        iat=iat,
        nonce=read_optional_text(claims, "nonce"),
        azp=azp,
        auth_time=auth_time,
        acr=read_optional_text(claims, "acr"),
        amr=read_texts(claims, "amr"),
        sid=_read_sid(claims),
        claims=claims,
    )


def _read_sub(claims: Mapping[str, Any]) -> Subject:
    sub = read_text(claims, "sub")
    if len(sub) > _MAX_SUB:
        raise ClaimError(Finding.TOKEN_CLAIM_TYPE, claim="sub", reason="longer than 255 characters")
    return Subject(sub)


def _read_sid(claims: Mapping[str, Any]) -> str | None:
    sid = read_optional_text(claims, "sid")
    if sid is not None and len(sid) > _MAX_SID:
        raise ClaimError(Finding.TOKEN_CLAIM_TYPE, claim="sid", reason=f"longer than {_MAX_SID} characters")
    return sid


def _check_nonce(claims: Mapping[str, Any], expected: str | None) -> None:
    if expected is None:
        return
    found: object = claims.get("nonce")
    if not isinstance(found, str) or not hmac.compare_digest(found.encode(), expected.encode()):
        raise ClaimError(Finding.ID_TOKEN_NONCE)


def _read_auth_time(claims: Mapping[str, Any], max_age: int | None, now: Instant, leeway: int) -> Instant | None:
    auth_time = read_optional_instant(claims, "auth_time")
    if max_age is not None:
        if auth_time is None:
            raise ClaimError(Finding.TOKEN_CLAIM_MISSING, claim="auth_time")
        if now - auth_time > max_age + leeway:
            raise ClaimError(Finding.ID_TOKEN_AUTH_TIME, auth_time=str(auth_time), max_age=str(max_age))
    return auth_time


def _check_at_hash(claims: Mapping[str, Any], access_token: str | None, header: Mapping[str, Any]) -> None:
    if access_token is None or "at_hash" not in claims:
        return
    found: object = claims["at_hash"]
    try:
        expected = at_hash(access_token, str(header.get("alg")))
    except ValueError as error:
        raise ClaimError(Finding.ID_TOKEN_AT_HASH, reason="alg") from error
    if not isinstance(found, str) or not hmac.compare_digest(found.encode(), expected.encode()):
        raise ClaimError(Finding.ID_TOKEN_AT_HASH)


def _revealed(value: Secret | str | None) -> str | None:
    return value.reveal() if isinstance(value, Secret) else value
