"""The token endpoint (RFC 6749 §3.2)."""

from dataclasses import replace
from typing import NamedTuple

from proofkey.authorization_server.answers import Json
from proofkey.authorization_server.client import authenticate_client
from proofkey.authorization_server.grants.authorization_code import redeem_code
from proofkey.authorization_server.grants.client_credentials import grant_client
from proofkey.authorization_server.grants.device_code import check_offered, redeem_device_code
from proofkey.authorization_server.grants.refresh_token import refresh
from proofkey.authorization_server.grants.token_exchange import exchange_token
from proofkey.authorization_server.records import AuditEvent, DeviceStanding, Sender, Standing
from proofkey.authorization_server.refresh_token import RefreshHandle, read_refresh_token
from proofkey.authorization_server.role import AuthorizationServer
from proofkey.authorization_server.sender import NOTHING, Presented, nonce_header, prove_sender, read_proof
from proofkey.authorization_server.throttles import INVALID_GRANT, caller_key, take_attempt
from proofkey.errors import InvalidGrant
from proofkey.findings import Finding
from proofkey.protocol.certificate import ClientCertificate
from proofkey.protocol.client_authentication import ClientCredentials, parse_client_authentication
from proofkey.protocol.dpop import DpopProof
from proofkey.protocol.messages import (
    CodeRequest,
    DeviceRequest,
    ExchangeRequest,
    RefreshRequest,
    TokenRequest,
    TokenResponse,
    parse_token_request,
    token_response_document,
)
from proofkey.protocol.registration import ClientRegistration
from proofkey.protocol.text import Instant, Pairs


async def token(
    server: AuthorizationServer,
    pairs: Pairs,
    authorization: tuple[str, ...],
    peer: str,
    now: Instant,
    presented: Presented = NOTHING,
) -> Json:
    """A DPoP proof is read before the client's assertion is used up: a nonce may be asked for (RFC 9449 §8).

    Raises: InvalidRequest, InvalidClient, InvalidDpopProof, UseDpopNonce, TooManyRequests, and what the grants
    raise.
    """
    credentials = parse_client_authentication(authorization, pairs)
    proof = read_proof(server, presented, "/token", now)
    call = _Call(server, credentials, proof, presented.certificate, peer, now)
    check_offered(pairs, server.policy)
    request = parse_token_request(pairs)
    try:
        response, event = await _grant(call, request)
    except InvalidGrant:
        await take_attempt(server, INVALID_GRANT, caller_key(credentials.client_id, peer), now)
        raise
    headers = nonce_header(server, proof, now)
    return Json(body=token_response_document(response), headers=headers, told=event)


class _Call(NamedTuple):
    """A token request, as far as it is the same for every grant."""

    server: AuthorizationServer
    credentials: ClientCredentials
    proof: DpopProof | None
    certificate: ClientCertificate | None
    peer: str
    now: Instant

    async def prove(self, standing: Standing | DeviceStanding | None = None) -> tuple[ClientRegistration, Sender]:
        """The client, and what it has proven to hold; its registration may have come with the standing.

        Raises: InvalidClient, TooManyRequests, InvalidDpopProof.
        """
        known = standing.client if standing else None
        client = await authenticate_client(
            self.server, self.credentials, self.peer, self.now, known=known, certificate=self.certificate
        )
        return client, await prove_sender(self.server, client, self.proof, self.now, self.certificate)


async def _grant(call: _Call, request: TokenRequest) -> tuple[TokenResponse, AuditEvent]:
    """What is granted and its client come in one read; the client proves itself before anything else is said."""
    server, now = call.server, call.now
    match request:
        case CodeRequest():
            standing = await server.store.find_code(request.code.digest())
            client, sender = await call.prove(standing)
            return await redeem_code(server, request, client, _as_of_now(standing, client), now, sender)
        case RefreshRequest():
            handle = _read_handle(server, request)
            standing = await server.store.find_authorization(handle.authorization_id) if handle else None
            client, sender = await call.prove(standing)
            if handle is None:
                raise InvalidGrant(Finding.REFRESH_UNKNOWN, client_id=client.client_id)
            return await refresh(server, request, client, handle, _as_of_now(standing, client), now, sender)
        case DeviceRequest():
            device = await server.store.find_device_code(request.device_code.digest())
            client, sender = await call.prove(device)
            return await redeem_device_code(server, request, client, device, now, sender)
        case ExchangeRequest():
            client, sender = await call.prove()
            return await exchange_token(server, request, client, now, sender)
        case _:
            client, sender = await call.prove()
            return await grant_client(server, request, client, now, sender)


def _as_of_now(standing: Standing | None, client: ClientRegistration) -> Standing | None:
    """With the client as it has just been read anew from its own document, where it has one."""
    if standing is None or standing.client is None or standing.client is client:
        return standing
    return replace(standing, client=client) if standing.client.client_id == client.client_id else standing


def _read_handle(server: AuthorizationServer, request: RefreshRequest) -> RefreshHandle | None:
    try:
        return read_refresh_token(request.refresh_token, server.mac_key)
    except InvalidGrant:
        return None
