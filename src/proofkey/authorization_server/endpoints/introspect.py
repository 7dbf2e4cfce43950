"""The introspection endpoint (RFC 7662), with signed answers (RFC 9701)."""

from collections.abc import Mapping
from typing import Any, Final

from proofkey.authorization_server.access_token import check_access_token_may_act, find_access_token, is_for
from proofkey.authorization_server.answers import Json, Jwt
from proofkey.authorization_server.client import authenticate_client
from proofkey.authorization_server.grants.refresh_token import check_family, is_retry
from proofkey.authorization_server.hooks import RESERVED
from proofkey.authorization_server.records import Standing, User
from proofkey.authorization_server.refresh_token import RefreshHandle, read_refresh_token
from proofkey.authorization_server.role import AuthorizationServer
from proofkey.authorization_server.sender import NOTHING, Presented
from proofkey.authorization_server.throttles import INTROSPECTION, take_attempt
from proofkey.errors import InvalidClient, InvalidGrant, InvalidRequest, InvalidToken, ProofkeyError
from proofkey.findings import Finding
from proofkey.protocol.client_authentication import parse_client_authentication
from proofkey.protocol.registration import ClientRegistration
from proofkey.protocol.scope import format_scope
from proofkey.protocol.text import Instant, Pairs, Secret, single

SIGNED: Final = "application/token-introspection+jwt"
HEADER_TYPE: Final = "token-introspection+jwt"
NOT_AN_ACCESS_TOKEN: Final = "N_A"
"""`token_type` of a refresh token (RFC 8693 §2.2.1), so that no API takes one."""
INACTIVE: Final[Mapping[str, Any]] = {"active": False}
_SHOWN: Final = (
    "iss", "sub", "aud", "client_id", "scope", "exp", "iat", "jti", "auth_time", "acr", "amr", "roles", "cnf",
    "act", "may_act", "authorization_details",
)  # fmt: skip
"""Claims of an access token that the answer repeats (RFC 7662 §2.2; RFC 8693 §4; RFC 9396 §9.2; RFC 9470 §6.2)."""


async def introspect(
    server: AuthorizationServer,
    pairs: Pairs,
    authorization: tuple[str, ...],
    peer: str,
    now: Instant,
    presented: Presented = NOTHING,
    *,
    signed: bool = False,
) -> Json | Jwt:
    """What stands in a live token, for its own client and for the API that it is for; every other question is
    answered alike, whatever the reason (§2.2, §4). Every kind of token is tried, whatever the hint says (§2.1).

    Raises: InvalidRequest, InvalidClient, TooManyRequests; Unavailable when nobody can tell.
    """
    credentials = parse_client_authentication(authorization, pairs)
    client = await authenticate_client(server, credentials, peer, now, certificate=presented.certificate)
    if client.is_public:
        raise InvalidClient(Finding.CLIENT_NOT_AUTHENTICATED, client_id=client.client_id[:64])
    token = single(pairs).get("token")
    if token is None:
        raise InvalidRequest(Finding.PARAMETER_MISSING, parameter="token")
    members, told = INACTIVE, None
    try:
        members = await _describe(server, token, client, now)
    except (InvalidGrant, InvalidToken) as error:
        await take_attempt(server, INTROSPECTION, client.client_id, now)
        told = error
    if signed:
        return await _signed(server, client, members, told, now)
    return Json(body=members, told=told)


async def _describe(
    server: AuthorizationServer, token: str, client: ClientRegistration, now: Instant
) -> Mapping[str, Any]:
    """Raises: InvalidGrant, InvalidToken when it is not active, or not for this client to see."""
    try:
        handle = read_refresh_token(Secret(token), server.mac_key)
    except InvalidGrant:
        return await _describe_access_token(server, token, client, now)
    standing = check_family(await server.store.find_authorization(handle.authorization_id), client, now)
    return _describe_refresh_token(server, handle, standing, now)


async def _describe_access_token(
    server: AuthorizationServer, text: str, client: ClientRegistration, now: Instant
) -> Mapping[str, Any]:
    token, standing = await find_access_token(server, text, now)
    if now >= token.exp:
        raise InvalidToken(Finding.TOKEN_EXPIRED, exp=str(token.exp), now=str(now))
    check_access_token_may_act(token, standing, now)
    if not is_for(token, client, server.policy):
        aud = " ".join(token.aud)[:200]
        raise InvalidToken(Finding.INTROSPECTION_FOREIGN, client_id=client.client_id, aud=aud)
    is_dpop = token.cnf is not None and token.cnf.jkt is not None
    return {
        "active": True,
        "token_type": "DPoP" if is_dpop else "Bearer",
        **{name: token.claims[name] for name in _SHOWN if name in token.claims},
        **{name: value for name, value in token.claims.items() if name not in RESERVED},  # what a hook added
        **_username(standing.grant.user if standing.grant else None, token.scope),
    }


def _describe_refresh_token(
    server: AuthorizationServer, handle: RefreshHandle, standing: Standing, now: Instant
) -> Mapping[str, Any]:
    """Only what would still be taken at the token endpoint is active; asking about a used one ends nothing."""
    grant, client, user = standing.authorization, standing.client, standing.user
    grace = server.policy.lifetimes.refresh_grace
    if handle.generation != grant.generation and not is_retry(grant, handle, grace, now):
        raise InvalidGrant(Finding.REFRESH_REUSED, client_id=grant.client_id, authorization=grant.id[:8])
    ends = [end for end in (grant.refresh_idle_expires_at, grant.refresh_absolute_expires_at) if end is not None]
    members: dict[str, Any] = {
        "active": True,
        "token_type": NOT_AN_ACCESS_TOKEN,
        "iss": server.policy.issuer,
        "aud": server.policy.issuer,
        "client_id": grant.client_id,
        "exp": int(min(ends)),
        "iat": int(grant.rotated_at or grant.code_used_at or grant.created_at),
    }
    if user is not None and client is not None:
        members["sub"] = server.subjects.of(user.sub, client)
    if grant.scope:
        members["scope"] = format_scope(grant.scope)
    return {**members, **_username(user, grant.scope)}


def _username(user: User | None, scope: tuple[str, ...]) -> dict[str, str]:
    """As UserInfo's `preferred_username`: with the scope `profile` alone."""
    return {"username": user.username} if user is not None and "profile" in scope else {}


async def _signed(
    server: AuthorizationServer,
    client: ClientRegistration,
    members: Mapping[str, Any],
    told: ProofkeyError | None,
    now: Instant,
) -> Jwt:
    """RFC 9701 §5: for the client that asked, and without `sub` and `exp`, so that it is no token itself."""
    key = await server.signing_key(client.introspection_signed_response_alg)
    claims = {
        "iss": server.policy.issuer,
        "aud": client.client_id,
        "iat": int(now),
        "token_introspection": dict(members),
    }
    return Jwt(token=await server.sign(key, HEADER_TYPE, claims), media_type=SIGNED, told=told)
