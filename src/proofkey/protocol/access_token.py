"""Access tokens: the JWT profile of RFC 9068."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, Generic

from typing_extensions import TypeVar

from proofkey.errors import InvalidScope, InvalidToken
from proofkey.findings import Finding
from proofkey.protocol.claims import (
    LEEWAY,
    ClaimError,
    check_issuer_claim,
    check_texts,
    read_audience,
    read_life,
    read_optional_instant,
    read_texts,
)
from proofkey.protocol.dialect import RFC9068, Dialect
from proofkey.protocol.json_strict import parse_object
from proofkey.protocol.jws import VerifiedJws, verify_compact
from proofkey.protocol.key_set import KeySet
from proofkey.protocol.scope import format_scope, parse_scope
from proofkey.protocol.signature import ALGORITHM_NAMES
from proofkey.protocol.text import ClientId, Instant, Issuer, Subject
from proofkey.protocol.token_kind import TokenKind, classify

__all__ = [
    "HEADER_TYPE",
    "AccessToken",
    "TokenKind",
    "build_access_token_claims",
    "classify",
    "read_access_token",
    "verify_access_token",
]

HEADER_TYPE: Final = "at+jwt"
_HEADER_TYPES: Final = frozenset({"at+jwt", "application/at+jwt"})
_parse_signed_scope: Final = lru_cache(maxsize=256)(parse_scope)
_TOLD_BY_KIND: Final = frozenset({Finding.TOKEN_IS_OPAQUE, Finding.TOKEN_NOT_COMPACT, Finding.TOKEN_TYPE})


ClaimsT = TypeVar("ClaimsT", default=Mapping[str, Any])


@dataclass(frozen=True, slots=True)
class Confirmation:
    """The key that a token is bound to (RFC 7800 §3.1): a DPoP key's thumbprint or a certificate's."""

    jkt: str | None = None
    x5t_s256: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken(Generic[ClaimsT]):
    """RFC 9068 §2.2, after every check. `claims` holds every claim as it came, or the application's own model."""

    iss: Issuer
    sub: Subject
    aud: tuple[str, ...]
    client_id: ClientId
    exp: Instant
    iat: Instant
    jti: str
    scope: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    auth_time: Instant | None = None
    permissions: tuple[str, ...] = ()
    acr: str | None = None
    amr: tuple[str, ...] = ()
    cnf: Confirmation | None = None
    is_client_only: bool = False
    """True when no person stands behind it (RFC 9068 §2.2)."""
    user_key: tuple[str, str] = ("", "")
    """What identifies the person for good: (iss, sub), or what the provider says instead."""
    claims: ClaimsT = field(default_factory=dict[str, Any], repr=False)  # type: ignore[assignment] # the default type

    def has_scope(self, name: str) -> bool:
        """True when the token has exactly that scope token."""
        return name in self.scope

    def has_role(self, name: str) -> bool:
        """True when the user has exactly that role."""
        return name in self.roles

    def has_permission(self, name: str) -> bool:
        """True when the token has exactly that permission."""
        return name in self.permissions


def verify_access_token(
    token: str,
    keys: KeySet,
    *,
    issuer: str | frozenset[str],
    audience: frozenset[str],
    now: Instant,
    algorithms: frozenset[str] = ALGORITHM_NAMES,
    leeway: int = LEEWAY,
    dialect: Dialect = RFC9068,
    bound: bool = False,
) -> AccessToken:
    """Signature, then everything that `read_access_token` checks (RFC 9068 §4).

    Where the token is of another kind, the refusal's finding names the kind.
    Raises: InvalidToken, and nothing else.
    """
    try:
        jws = verify_compact(token, keys, algorithms)
        return read_access_token(
            jws, issuer=issuer, audience=audience, now=now, leeway=leeway, dialect=dialect, bound=bound
        )
    except InvalidToken as error:
        raise _explained(error, token) from error


def read_access_token(
    jws: VerifiedJws,
    *,
    issuer: str | frozenset[str],
    audience: frozenset[str],
    now: Instant,
    leeway: int = LEEWAY,
    dialect: Dialect = RFC9068,
    bound: bool = False,
) -> AccessToken:
    """The claims of an access token whose signature verified (RFC 9068 §2.2, §4; RFC 8725 §3.8–3.11).

    `issuer` is the expected one, or the closed list of them. An empty issuer or audience matches nothing. A token
    bound to a key (`cnf`) is refused unless the caller says with `bound` that it demands the proof.
    Raises: InvalidToken.
    """
    typ: object = jws.header.get("typ")
    if typ != HEADER_TYPE and not (isinstance(typ, str) and typ.lower() in _HEADER_TYPES):
        raise InvalidToken(Finding.TOKEN_TYPE, typ=str(typ)[:64])
    try:
        claims = parse_object(jws.payload)
    except ValueError as error:
        raise InvalidToken(Finding.TOKEN_JSON) from error
    try:
        return _read_claims(claims, issuer, audience, now, leeway, bound=bound)
    except ClaimError as error:
        raise InvalidToken(error.finding, **error.facts) from error


def build_access_token_claims(
    *,
    issuer: str,
    sub: str,
    client_id: str,
    audience: tuple[str, ...],
    scope: Iterable[str],
    now: Instant,
    lifetime: int,
    jti: str,
    roles: tuple[str, ...] = (),
    auth_time: Instant | None = None,
    extra: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """RFC 9068 §2.2; `lifetime` in seconds. One audience stands as a string; `extra` overrides nothing."""
    if not audience:
        raise ValueError("an access token has an audience")
    claims: dict[str, Any] = {
        **(extra or {}),
        "iss": issuer,
        "sub": sub,
        "aud": audience[0] if len(audience) == 1 else list(audience),
        "client_id": client_id,
        "iat": int(now),
        "exp": int(now) + lifetime,
        "jti": jti,
    }
    text = format_scope(scope)
    if text:
        claims["scope"] = text
    if roles:
        claims["roles"] = list(roles)
    if auth_time is not None:
        claims["auth_time"] = int(auth_time)
    return claims


def _read_claims(
    claims: dict[str, Any],
    issuer: str | frozenset[str],
    audience: frozenset[str],
    now: Instant,
    leeway: int,
    *,
    bound: bool,
) -> AccessToken:
    check_issuer_claim(claims, issuer)
    aud = read_audience(claims)
    if audience.isdisjoint(aud):
        raise ClaimError(Finding.TOKEN_AUDIENCE, expected=" ".join(sorted(audience)), found=" ".join(aud)[:200])
    exp, iat = read_life(claims, now, leeway)
    if "cnf" in claims and not bound:
        raise ClaimError(Finding.TOKEN_BOUND)
    check_texts(claims, ("sub", "client_id", "jti"))
    return AccessToken(
        iss=claims["iss"],
        sub=claims["sub"],
        aud=aud,
        client_id=claims["client_id"],
        exp=exp,
        iat=iat,
        jti=claims["jti"],
        scope=_read_scope(claims),
        roles=read_texts(claims, "roles"),
        auth_time=read_optional_instant(claims, "auth_time"),
        is_client_only=claims["sub"] == claims["client_id"],
        user_key=(claims["iss"], claims["sub"]),
        claims=claims,
    )


def _read_scope(claims: Mapping[str, Any]) -> tuple[str, ...]:
    scope: object = claims.get("scope", "")
    try:
        if isinstance(scope, str):
            return _parse_signed_scope(scope)
    except InvalidScope:
        pass
    raise ClaimError(Finding.TOKEN_CLAIM_TYPE, claim="scope")


def _explained(error: InvalidToken, token: str) -> InvalidToken:
    """The same refusal, with what the token looks like; the kind is told outright where nothing else is known."""
    kind = classify(token)
    facts = error.facts | {"looks_like": kind.value}
    told = kind.finding is not None and (
        error.finding in _TOLD_BY_KIND
        # Microsoft signs another header than the one that it sends
        or (kind is TokenKind.GRAPH_TOKEN and error.finding is Finding.TOKEN_SIGNATURE)
    )
    if told and kind.finding is not None:
        return InvalidToken(kind.finding, **facts, check=error.finding.id)
    return InvalidToken(error.finding, **facts)
