"""The revocation endpoint (RFC 7009)."""

from proofkey.authorization_server.access_token import find_access_token, revocation_row
from proofkey.authorization_server.answers import Json
from proofkey.authorization_server.audit import event_of
from proofkey.authorization_server.client import authenticate_client
from proofkey.authorization_server.records import AuditEvent, Authorization, TokenStanding
from proofkey.authorization_server.refresh_token import read_refresh_token
from proofkey.authorization_server.role import AuthorizationServer
from proofkey.authorization_server.sender import NOTHING, Presented
from proofkey.errors import InvalidGrant, InvalidRequest, InvalidToken
from proofkey.findings import Finding
from proofkey.protocol.access_token import AccessToken
from proofkey.protocol.client_authentication import parse_client_authentication
from proofkey.protocol.registration import ClientRegistration
from proofkey.protocol.text import Instant, Pairs, Secret, single


async def revoke(
    server: AuthorizationServer,
    pairs: Pairs,
    authorization: tuple[str, ...],
    peer: str,
    now: Instant,
    presented: Presented = NOTHING,
) -> Json:
    """Every kind of token is tried, whatever the hint says (§2.1). A token of the client that the person signed in
    to ends its authorization with all tokens of it; a client's own access token, and an exchanged one, ends alone.
    An unknown token, and another client's, is answered alike and nothing happens: nobody learns which it is.

    Raises: InvalidRequest, InvalidClient, TooManyRequests; Unavailable when nothing could be written.
    """
    credentials = parse_client_authentication(authorization, pairs)
    client = await authenticate_client(server, credentials, peer, now, certificate=presented.certificate)
    token = single(pairs).get("token")
    if token is None:
        raise InvalidRequest(Finding.PARAMETER_MISSING, parameter="token")
    grant = await _find_family(server, token)
    if grant is not None:
        return Json(body={}, told=await _end_grant(server, grant, client, now))
    try:
        access_token, standing = await find_access_token(server, token, now)
    except InvalidToken:
        return Json(body={})
    return Json(body={}, told=await _end_access_token(server, access_token, standing, client, now))


async def _find_family(server: AuthorizationServer, token: str) -> Authorization | None:
    """That of a refresh token, of whatever generation."""
    try:
        handle = read_refresh_token(Secret(token), server.mac_key)
    except InvalidGrant:
        return None
    standing = await server.store.find_authorization(handle.authorization_id)
    return standing.authorization if standing else None


async def _end_access_token(
    server: AuthorizationServer,
    token: AccessToken,
    standing: TokenStanding,
    client: ClientRegistration,
    now: Instant,
) -> AuditEvent | None:
    if token.client_id != client.client_id:
        return None
    grant = standing.grant.authorization if standing.grant else None
    if grant is not None and grant.client_id == client.client_id:
        return await _end_grant(server, grant, client, now)
    event = AuditEvent(
        at=now, name="access_token.revoked", sub=grant.sub if grant else None, client_id=client.client_id
    )
    return (
        event if await server.store.revoke_opaque_token(revocation_row(token, standing, now), now, event) else None
    )


async def _end_grant(
    server: AuthorizationServer, grant: Authorization, client: ClientRegistration, now: Instant
) -> AuditEvent | None:
    if grant.client_id != client.client_id:
        return None
    event = event_of(grant, "grant.revoked", now, by="client")
    await server.store.revoke(grant.id, now, event)
    return event
