"""Tokens: what stands in them, and how a token response is made."""

from typing import Any, Final

from proofkey.authorization_server.claims import claims_about
from proofkey.authorization_server.records import Authorization, Standing, User
from proofkey.authorization_server.refresh_token import RefreshHandle, build_refresh_token
from proofkey.authorization_server.role import AuthorizationServer
from proofkey.errors import InvalidGrant
from proofkey.findings import Finding
from proofkey.protocol.access_token import HEADER_TYPE as ACCESS_TOKEN_TYPE
from proofkey.protocol.access_token import build_access_token_claims
from proofkey.protocol.id_token import HEADER_TYPE as ID_TOKEN_TYPE
from proofkey.protocol.id_token import build_id_token_claims
from proofkey.protocol.messages import TokenResponse
from proofkey.protocol.registration import ClientRegistration
from proofkey.protocol.text import Instant, Secret

ACCESS_TOKEN_ALGORITHM: Final = "ES256"
AUTHORIZATION_CLAIM: Final = "authorization_id"
"""Names the authorization in an access token, so that UserInfo and revocation can look at its row."""


async def issue_for_person(
    server: AuthorizationServer,
    standing: Standing,
    now: Instant,
    *,
    generation: int,
    scope: tuple[str, ...],
    nonce: str | None = None,
) -> TokenResponse:
    """RFC 6749 §5.1, OIDC Core §3.1.3.3: an access token, an ID token for `openid`, and the refresh token of that
    generation when the row has a family. `scope` may be narrower than the grant's; it is always told, since the
    grant may be narrower than what was asked.

    Raises: InvalidGrant when the user or client is gone.
    """
    authorization, user, client = standing.authorization, standing.user, standing.client
    if user is None or client is None:
        raise InvalidGrant(Finding.GRANT_USER_DISABLED)
    access_token = await _sign_access_token(server, authorization, user, scope, now)
    id_token = None
    if "openid" in scope:
        id_token = await _sign_id_token(server, standing, user, client, scope, access_token, nonce, now)
    refresh_token = None
    if authorization.refresh_absolute_expires_at is not None:
        refresh_token = build_refresh_token(RefreshHandle(authorization.id, generation), server.mac_key)
    return TokenResponse(
        access_token=Secret(access_token),
        expires_in=server.policy.lifetimes.access_token,
        refresh_token=refresh_token,
        id_token=id_token,
        scope=scope,
    )


async def issue_for_client(
    server: AuthorizationServer,
    client: ClientRegistration,
    audience: tuple[str, ...],
    scope: tuple[str, ...],
    now: Instant,
) -> TokenResponse:
    """RFC 6749 §4.4.3: an access token alone, whose subject is the client (RFC 9068 §2.2)."""
    lifetime = server.policy.lifetimes.client_credentials
    claims = build_access_token_claims(
        issuer=server.policy.issuer,
        sub=client.client_id,
        client_id=client.client_id,
        audience=audience,
        scope=scope,
        now=now,
        lifetime=lifetime,
        jti=server.entropy(),
    )
    token = await server.sign(server.keys.signing_key(ACCESS_TOKEN_ALGORITHM), ACCESS_TOKEN_TYPE, claims)
    return TokenResponse(access_token=Secret(token), expires_in=lifetime, scope=scope or None)


async def _sign_access_token(
    server: AuthorizationServer, authorization: Authorization, user: User, scope: tuple[str, ...], now: Instant
) -> str:
    """RFC 9068 §2.2."""
    claims = build_access_token_claims(
        issuer=server.policy.issuer,
        sub=user.sub,
        client_id=authorization.client_id,
        audience=authorization.resource,
        scope=scope,
        now=now,
        lifetime=server.policy.lifetimes.access_token,
        jti=server.entropy(),
        roles=user.roles,
        auth_time=authorization.auth_time,
        extra={AUTHORIZATION_CLAIM: authorization.id},
    )
    return await server.sign(server.keys.signing_key(ACCESS_TOKEN_ALGORITHM), ACCESS_TOKEN_TYPE, claims)


async def _sign_id_token(
    server: AuthorizationServer,
    standing: Standing,
    user: User,
    client: ClientRegistration,
    scope: tuple[str, ...],
    access_token: str,
    nonce: str | None,
    now: Instant,
) -> Secret:
    """OIDC Core §2. `auth_time` is that of the sign-in then, also after refreshing (§12.2)."""
    key = server.keys.signing_key(client.id_token_signed_response_alg)
    sign_in = standing.sign_in
    claims: dict[str, Any] = build_id_token_claims(
        issuer=server.policy.issuer,
        sub=user.sub,
        client_id=client.client_id,
        now=now,
        lifetime=server.policy.lifetimes.id_token,
        algorithm=key.algorithm,
        nonce=nonce,
        auth_time=standing.authorization.auth_time,
        access_token=access_token,
        sid=standing.authorization.sid,
        amr=sign_in.amr if sign_in else (),
        extra=claims_about(user, scope),
    )
    return Secret(await server.sign(key, ID_TOKEN_TYPE, claims))
