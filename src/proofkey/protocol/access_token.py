"""Access tokens: the JWT profile of RFC 9068."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, Generic, cast

from typing_extensions import TypeVar

from proofkey.errors import InvalidScope, InvalidToken
from proofkey.findings import Finding
from proofkey.protocol.authorization_details import Detail, is_details
from proofkey.protocol.claims import (
    LEEWAY,
    ClaimError,
    check_issuer_claim,
    read_audience,
    read_first_text,
    read_instant,
    read_life,
    read_object,
    read_text,
    read_texts,
)
from proofkey.protocol.dialect import RFC9068, Dialect
from proofkey.protocol.json_strict import parse_object
from proofkey.protocol.jws import VerifiedJws, verify_compact
from proofkey.protocol.key_set import KeySet
from proofkey.protocol.refusal import explain_refusal
from proofkey.protocol.scope import format_scope, parse_scope
from proofkey.protocol.signature import ALGORITHM_NAMES
from proofkey.protocol.text import ClientId, Instant, Issuer, Subject
from proofkey.protocol.token_kind import TokenKind, classify

__all__ = [
    "HEADER_TYPE",
    "AccessToken",
    "Confirmation",
    "TokenKind",
    "build_access_token_claims",
    "classify",
    "read_access_token",
    "read_claims",
    "read_confirmation",
    "read_scope",
    "verify_access_token",
]

HEADER_TYPE: Final = "at+jwt"
_NOTES: Final = frozenset({"kc-jkt-type"})
"""Members of `cnf` that are no proof: Keycloak 26.7 writes beside `jkt` what kind of token it binds."""
_THUMBPRINT: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_parse_signed_scope: Final = lru_cache(maxsize=256)(parse_scope)


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
    authorization_details: tuple[Detail, ...] = ()
    """What was granted in more words than a scope has (RFC 9396 §9.1), each an object with a `type`."""
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


class _OpenToken(Generic[ClaimsT]):
    """An `AccessToken` before it is sealed: the same slots, still writable.

    A frozen class sets each of its 18 fields through a function call, which costs more than all checks of the
    claims together; this one sets them plainly and then becomes the frozen class.
    """

    __slots__ = (
        "acr", "amr", "aud", "auth_time", "authorization_details", "claims", "client_id", "cnf", "exp", "iat",
        "is_client_only", "iss", "jti", "permissions", "roles", "scope", "sub", "user_key",
    )  # fmt: skip

    iss: Issuer
    sub: Subject
    aud: tuple[str, ...]
    client_id: ClientId
    exp: Instant
    iat: Instant
    jti: str
    scope: tuple[str, ...]
    roles: tuple[str, ...]
    auth_time: Instant | None
    permissions: tuple[str, ...]
    acr: str | None
    amr: tuple[str, ...]
    cnf: Confirmation | None
    authorization_details: tuple[Detail, ...]
    is_client_only: bool
    user_key: tuple[str, str]
    claims: ClaimsT


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

    The refusal's finding names the cause where it can be told (`explain_refusal`).
    Raises: InvalidToken, and nothing else.
    """
    try:
        jws = verify_compact(token, keys, algorithms)
        return read_access_token(
            jws, issuer=issuer, audience=audience, now=now, leeway=leeway, dialect=dialect, bound=bound
        )
    except InvalidToken as error:
        raise explain_refusal(error, token, issuer=issuer, dialect=dialect) from error


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
    typ: object = jws.header.get("typ", "")
    if typ.__class__ is not str or typ not in dialect.header_types or (not typ and "typ" in jws.header):
        _check_type(typ, dialect.header_types)
    try:
        claims = parse_object(jws.payload)
    except ValueError as error:
        raise InvalidToken(Finding.TOKEN_JSON) from error
    try:
        if dialect.check_use is not None:
            dialect.check_use(jws.header, claims)
        if jws.key_issuer is not None:
            _check_key_issuer(jws.key_issuer, claims, dialect)
        return read_claims(
            claims, issuer=issuer, audience=audience, now=now, leeway=leeway, dialect=dialect, bound=bound
        )
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


def read_claims(
    claims: Mapping[str, Any],
    *,
    issuer: str | frozenset[str],
    audience: frozenset[str],
    now: Instant,
    leeway: int,
    dialect: Dialect,
    bound: bool,
) -> AccessToken:
    """The claims of an access token whose origin and kind are proven already, as `read_access_token` reads them.

    Raises: ClaimError.
    """
    check_issuer_claim(claims, issuer)
    use_aud = dialect.audience == "aud" or "aud" in claims
    aud = read_audience(claims) if use_aud else (read_text(claims, dialect.audience),)
    if audience.isdisjoint(aud):
        raise ClaimError(Finding.TOKEN_AUDIENCE, expected=" ".join(sorted(audience)), found=" ".join(aud)[:200])
    token = _OpenToken[Mapping[str, Any]]()
    token.aud = aud
    token.exp, token.iat = read_life(claims, now, leeway)
    token.cnf = read_confirmation(claims, bound=bound) if "cnf" in claims else None
    token.iss = iss = claims["iss"]
    sub: Any = read_text(claims, "sub")
    client_id: Any = read_first_text(claims, dialect.client_id)
    token.sub, token.client_id = sub, client_id
    token.jti = read_first_text(claims, dialect.jti) if dialect.jti_required else _read_jti(claims, dialect)
    token.scope = read_scope(claims) if dialect.scope is None else dialect.scope(claims)
    if dialect.roles is None:
        token.roles = read_texts(claims, "roles") if "roles" in claims else ()
    else:
        token.roles = dialect.roles(claims, audience)
    token.permissions = () if dialect.permissions is None else dialect.permissions(claims)
    token.auth_time = read_instant(claims, "auth_time") if "auth_time" in claims else None
    token.acr = _read_acr(claims) if "acr" in claims else None
    token.amr = read_texts(claims, "amr") if "amr" in claims else ()
    token.authorization_details = _read_details(claims) if "authorization_details" in claims else ()
    alone = dialect.is_client_only
    token.is_client_only = sub == client_id if alone is None else alone(claims, sub, client_id)
    token.user_key = (iss, sub) if dialect.user_key is None else dialect.user_key(claims)
    token.claims = claims
    return _sealed(token)


def read_scope(claims: Mapping[str, Any]) -> tuple[str, ...]:
    """The claim `scope`, one string (RFC 9068 §2.2.3); absent gives (). Raises: ClaimError."""
    scope: object = claims.get("scope", "")
    try:
        if isinstance(scope, str):
            return _parse_signed_scope(scope)
    except InvalidScope:
        pass
    raise ClaimError(Finding.TOKEN_CLAIM_TYPE, claim="scope")


def read_confirmation(claims: Mapping[str, Any], *, bound: bool) -> Confirmation:
    """The claim `cnf` (RFC 7800 §3.1): a DPoP key's thumbprint (RFC 9449 §6.1), a certificate's (RFC 8705 §3.1),
    or both; whatever else it names could be a proof that nobody demands, and is refused.

    Raises: ClaimError; also when the caller demands no proof (`bound` is False).
    """
    if not bound:
        raise ClaimError(Finding.TOKEN_BOUND)
    members = {name: value for name, value in read_object(claims, "cnf").items() if name not in _NOTES}
    if not members or not members.keys() <= {"jkt", "x5t#S256"}:
        raise ClaimError(Finding.TOKEN_BINDING_UNKNOWN, members=" ".join(sorted(members))[:100])
    for name, value in members.items():
        if not (isinstance(value, str) and _THUMBPRINT.fullmatch(value)):
            raise ClaimError(Finding.TOKEN_CLAIM_TYPE, claim=f"cnf.{name}")
    return Confirmation(jkt=members.get("jkt"), x5t_s256=members.get("x5t#S256"))


def _check_type(typ: object, accepted: frozenset[str]) -> None:
    """What is not accepted as it stands may be so in another case, or with `application/` (RFC 9068 §4, RFC 7515
    §4.1.9). Raises: InvalidToken.
    """
    if isinstance(typ, str):
        name = typ.lower().removeprefix("application/")
        if name and name in accepted:
            return
    raise InvalidToken(Finding.TOKEN_TYPE, typ=str(typ)[:64])


def _check_key_issuer(named: str, claims: Mapping[str, Any], dialect: Dialect) -> None:
    """A key that its set names for one tenant (`issuer`, an extension of Microsoft's) proves no other tenant's
    token, though that tenant may be trusted too. Raises: ClaimError.
    """
    tenant_of = dialect.tenant_of
    tenant = None if tenant_of is None else tenant_of(named)
    if tenant_of is not None and tenant not in (None, tenant_of(read_text(claims, "iss"))):
        raise ClaimError(Finding.TOKEN_TENANT, key_issuer=named[:200])


def _sealed(token: _OpenToken[Mapping[str, Any]]) -> AccessToken:
    token.__class__ = AccessToken  # type: ignore[assignment] # both have the same slots; a test compares them
    return cast("AccessToken", token)


def _read_jti(claims: Mapping[str, Any], dialect: Dialect) -> str:
    return read_first_text(claims, dialect.jti) if any(name in claims for name in dialect.jti) else ""


def _read_acr(claims: Mapping[str, Any]) -> str:
    value: object = claims["acr"]
    if isinstance(value, str):
        return value
    raise ClaimError(Finding.TOKEN_CLAIM_TYPE, claim="acr")


def _read_details(claims: Mapping[str, Any]) -> tuple[Detail, ...]:
    if is_details(value := claims["authorization_details"]):
        return tuple(value)
    raise ClaimError(Finding.TOKEN_CLAIM_TYPE, claim="authorization_details")
