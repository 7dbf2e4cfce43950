"""The revocation endpoint (RFC 7009)."""

from proofkey.authorization_server.answers import Json
from proofkey.authorization_server.audit import event_of
from proofkey.authorization_server.client import authenticate_client
from proofkey.authorization_server.endpoints.userinfo import find_standing, verify_own_access_token
from proofkey.authorization_server.records import Standing
from proofkey.authorization_server.refresh_token import read_refresh_token
from proofkey.authorization_server.role import AuthorizationServer
from proofkey.errors import InvalidGrant, InvalidRequest, InvalidToken, UnsupportedTokenType
from proofkey.findings import Finding
from proofkey.protocol.client_authentication import parse_client_authentication
from proofkey.protocol.registration import ClientRegistration
from proofkey.protocol.text import Instant, Pairs, Secret, single


async def revoke(
    server: AuthorizationServer, pairs: Pairs, authorization: tuple[str, ...], peer: str, now: Instant
) -> Json:
    """Every kind of token is tried, whatever the hint says (§2.1). The authorization ends with all its tokens. An
    unknown token, and another client's, is answered alike and nothing happens, so that nobody learns which it is.

    Raises: InvalidRequest, InvalidClient, TooManyRequests, UnsupportedTokenType; Unavailable when nothing could be
    written.
    """
    credentials = parse_client_authentication(authorization, pairs)
    client = await authenticate_client(server, credentials, peer, now)
    token = single(pairs).get("token")
    if token is None:
        raise InvalidRequest(Finding.PARAMETER_MISSING, parameter="token")
    standing = await _find(server, token, client, now)
    if standing is None or standing.authorization.client_id != client.client_id:
        return Json(body={})
    grant = standing.authorization
    event = event_of(grant, "grant.revoked", now, by="client")
    await server.store.revoke(grant.id, now, event)
    return Json(body={}, told=event)


async def _find(
    server: AuthorizationServer, token: str, client: ClientRegistration, now: Instant
) -> Standing | None:
    try:
        handle = read_refresh_token(Secret(token), server.mac_key)
        return await server.store.find_authorization(handle.authorization_id)
    except InvalidGrant:
        pass  # not a refresh token of ours
    try:
        access_token = verify_own_access_token(server, token, now)
    except InvalidToken:
        return None
    if access_token.is_client_only and access_token.client_id == client.client_id:
        raise UnsupportedTokenType(Finding.REVOKE_NOT_POSSIBLE, client_id=client.client_id)
    return await find_standing(server, access_token)
