"""Tokens: what stands in them, and how a token response is made."""

from collections.abc import Mapping
from typing import Any

from proofkey.authorization_server.access_token import AUTHORIZATION_CLAIM, issue_access_token
from proofkey.authorization_server.authorization_details import MEMBER
from proofkey.authorization_server.claims import claims_about
from proofkey.authorization_server.hook_claims import HookClaims, ask_for_access_token, ask_for_tokens
from proofkey.authorization_server.records import NOBODY, Authorization, Sender, Standing, User
from proofkey.authorization_server.refresh_token import RefreshHandle, build_refresh_token
from proofkey.authorization_server.requested_claims import read_single_claims
from proofkey.authorization_server.role import AuthorizationServer
from proofkey.errors import InvalidGrant
from proofkey.findings import Finding
from proofkey.protocol.access_token import build_access_token_claims
from proofkey.protocol.authorization_details import Detail
from proofkey.protocol.id_token import HEADER_TYPE as ID_TOKEN_TYPE
from proofkey.protocol.id_token import build_id_token_claims
from proofkey.protocol.messages import TokenResponse
from proofkey.protocol.registration import ClientRegistration
from proofkey.protocol.text import Instant, Secret


async def issue_for_person(
    server: AuthorizationServer,
    standing: Standing,
    now: Instant,
    *,
    generation: int,
    scope: tuple[str, ...],
    nonce: str | None = None,
    sender: Sender = NOBODY,
    details: tuple[Detail, ...] = (),
    told: HookClaims | None = None,
) -> TokenResponse:
    """RFC 6749 §5.1, OIDC Core §3.1.3.3: an access token, an ID token for `openid`, and the refresh token of that
    generation when the row has a family. `scope` may be narrower than the grant's; it is always told, since the
    grant may be narrower than what was asked. `told` is what the claims hook said, if it was asked before.

    Raises: InvalidGrant when the user or client is gone; Unavailable when a hook, or what signs, is away.
    """
    authorization, user, client = standing.authorization, standing.user, standing.client
    if user is None or client is None:
        raise InvalidGrant(Finding.GRANT_USER_DISABLED)
    if told is None:
        told = await ask_for_tokens(server, standing, scope)
    extra = {**told.access_token, **details_member(details)}
    access_token = await _issue_access_token(server, authorization, user, client, scope, now, sender, extra)
    id_token = None
    if "openid" in scope:
        id_token = await _sign_id_token(
            server, standing, user, client, scope, access_token, nonce, now, told.id_token
        )
    refresh_token = None
    if authorization.refresh_absolute_expires_at is not None:
        refresh_token = build_refresh_token(RefreshHandle(authorization.id, generation), server.mac_key)
    return TokenResponse(
        access_token=Secret(access_token),
        token_type=token_type_of(sender),
        expires_in=server.policy.lifetimes.access_token,
        refresh_token=refresh_token,
        id_token=id_token,
        scope=scope or None,
        extra=details_member(details),
    )


async def issue_for_client(
    server: AuthorizationServer,
    client: ClientRegistration,
    audience: tuple[str, ...],
    scope: tuple[str, ...],
    now: Instant,
    sender: Sender = NOBODY,
    details: tuple[Detail, ...] = (),
) -> TokenResponse:
    """RFC 6749 §4.4.3: an access token alone, whose subject is the client (RFC 9068 §2.2)."""
    lifetime = server.policy.lifetimes.client_credentials
    told = await ask_for_access_token(server, client, None, scope, audience)
    claims = build_access_token_claims(
        issuer=server.policy.issuer,
        sub=client.client_id,
        client_id=client.client_id,
        audience=audience,
        scope=scope,
        now=now,
        lifetime=lifetime,
        jti=server.entropy(),
        extra={**told, **details_member(details), **confirmation_of(sender)},
    )
    token = await issue_access_token(server, client, claims, now)
    return TokenResponse(
        access_token=Secret(token),
        token_type=token_type_of(sender),
        expires_in=lifetime,
        scope=scope or None,
        extra=details_member(details),
    )


def details_member(details: tuple[Detail, ...]) -> dict[str, Any]:
    """The member of that name of token responses and access tokens (RFC 9396 §7, §9.1); none without details."""
    return {MEMBER: list(details)} if details else {}


def token_type_of(sender: Sender) -> str:
    """RFC 9449 §5: DPoP for what is bound to a DPoP key; what is bound to a certificate alone is Bearer (RFC 8705
    §3)."""
    return "Bearer" if sender.jkt is None else "DPoP"


def confirmation_of(sender: Sender) -> dict[str, Any]:
    """The claim `cnf` (RFC 9449 §6.1, RFC 8705 §3.1); nothing for a bearer token."""
    if not sender.is_bound:
        return {}
    members = {"jkt": sender.jkt, "x5t#S256": sender.x5t_s256}
    return {"cnf": {name: value for name, value in members.items() if value is not None}}


async def _issue_access_token(
    server: AuthorizationServer,
    authorization: Authorization,
    user: User,
    client: ClientRegistration,
    scope: tuple[str, ...],
    now: Instant,
    sender: Sender,
    extra: Mapping[str, Any],
) -> str:
    """RFC 9068 §2.2; `auth_time` and `acr` for APIs that ask for a newer or stronger sign-in (RFC 9470 §6.1)."""
    acr = {} if authorization.acr is None else {"acr": authorization.acr}
    claims = build_access_token_claims(
        issuer=server.policy.issuer,
        sub=server.subjects.of(user.sub, client),
        client_id=authorization.client_id,
        audience=authorization.resource,
        scope=scope,
        now=now,
        lifetime=server.policy.lifetimes.access_token,
        jti=server.entropy(),
        roles=user.roles,
        auth_time=authorization.auth_time,
        extra={
            **extra,
            AUTHORIZATION_CLAIM: authorization.id,
            **acr,
            **confirmation_of(sender),
        },
    )
    return await issue_access_token(server, client, claims, now, sub=user.sub)


async def _sign_id_token(
    server: AuthorizationServer,
    standing: Standing,
    user: User,
    client: ClientRegistration,
    scope: tuple[str, ...],
    access_token: str,
    nonce: str | None,
    now: Instant,
    told: Mapping[str, Any],
) -> Secret:
    """OIDC Core §2. `auth_time` is that of the sign-in then, also after refreshing (§12.2)."""
    key = await server.signing_key(client.id_token_signed_response_alg)
    sign_in, authorization = standing.sign_in, standing.authorization
    single = read_single_claims(authorization.details).still_for(client).id_token
    claims: dict[str, Any] = build_id_token_claims(
        issuer=server.policy.issuer,
        sub=server.subjects.of(user.sub, client),
        client_id=client.client_id,
        now=now,
        lifetime=server.policy.lifetimes.id_token,
        algorithm=key.algorithm,
        nonce=nonce,
        auth_time=authorization.auth_time,
        access_token=access_token,
        sid=server.subjects.session(authorization.sid, client),
        acr=authorization.acr,
        amr=sign_in.amr if sign_in else (),
        extra={**claims_about(user, scope, single), **told},
    )
    return Secret(await server.sign(key, ID_TOKEN_TYPE, claims))
