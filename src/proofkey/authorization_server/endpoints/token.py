"""The token endpoint (RFC 6749 §3.2)."""

from proofkey.authorization_server.answers import Json
from proofkey.authorization_server.client import authenticate_client
from proofkey.authorization_server.grants.authorization_code import redeem_code
from proofkey.authorization_server.grants.client_credentials import grant_client
from proofkey.authorization_server.grants.refresh_token import refresh
from proofkey.authorization_server.records import AuditEvent, Standing
from proofkey.authorization_server.refresh_token import RefreshHandle, read_refresh_token
from proofkey.authorization_server.role import AuthorizationServer
from proofkey.errors import InvalidGrant
from proofkey.findings import Finding
from proofkey.protocol.client_authentication import ClientCredentials, parse_client_authentication
from proofkey.protocol.messages import (
    CodeRequest,
    RefreshRequest,
    TokenResponse,
    parse_token_request,
    token_response_document,
)
from proofkey.protocol.registration import ClientRegistration
from proofkey.protocol.text import Instant, Pairs


async def token(
    server: AuthorizationServer, pairs: Pairs, authorization: tuple[str, ...], peer: str, now: Instant
) -> Json:
    """Raises: InvalidRequest, InvalidClient, TooManyRequests, and what the grants raise."""
    credentials = parse_client_authentication(authorization, pairs)
    response, event = await _grant(server, pairs, credentials, peer, now)
    return Json(body=token_response_document(response), told=event)


async def _grant(
    server: AuthorizationServer, pairs: Pairs, credentials: ClientCredentials, peer: str, now: Instant
) -> tuple[TokenResponse, AuditEvent]:
    """What is granted and its client come in one read; the client proves itself before anything else is said."""
    request = parse_token_request(pairs)
    match request:
        case CodeRequest():
            standing = await server.store.find_code(request.code.digest())
            client = await authenticate_client(server, credentials, peer, now, known=_client_of(standing))
            return await redeem_code(server, request, client, standing, now)
        case RefreshRequest():
            handle = _read_handle(server, request)
            standing = await server.store.find_authorization(handle.authorization_id) if handle else None
            client = await authenticate_client(server, credentials, peer, now, known=_client_of(standing))
            if handle is None:
                raise InvalidGrant(Finding.REFRESH_UNKNOWN, client_id=client.client_id)
            return await refresh(server, request, client, handle, standing, now)
        case _:
            client = await authenticate_client(server, credentials, peer, now)
            return await grant_client(server, request, client, now)


def _client_of(standing: Standing | None) -> ClientRegistration | None:
    return standing.client if standing else None


def _read_handle(server: AuthorizationServer, request: RefreshRequest) -> RefreshHandle | None:
    try:
        return read_refresh_token(request.refresh_token, server.mac_key)
    except InvalidGrant:
        return None
