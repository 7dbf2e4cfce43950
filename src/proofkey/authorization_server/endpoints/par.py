"""The pushed authorization request endpoint (RFC 9126 §2)."""

from typing import Final

from proofkey.authorization_server.answers import Json
from proofkey.authorization_server.authorize import check_authorization_request
from proofkey.authorization_server.client import authenticate_client
from proofkey.authorization_server.pushed import keep_request
from proofkey.authorization_server.request_object import check_signed, has_request_object, open_request_object
from proofkey.authorization_server.role import AuthorizationServer
from proofkey.authorization_server.sender import (
    NOTHING,
    Presented,
    bind_request,
    nonce_header,
    read_proof,
    use_proof,
)
from proofkey.authorization_server.throttles import PUSHED_REQUEST, caller_key, take_attempt
from proofkey.errors import InvalidRequest
from proofkey.findings import Finding
from proofkey.protocol.client_authentication import parse_client_authentication
from proofkey.protocol.messages import parse_redirect_target
from proofkey.protocol.redirect_uri import check_redirect_uri
from proofkey.protocol.registration import ClientRegistration
from proofkey.protocol.text import Instant, Pairs

PATH: Final = "/par"


async def push(
    server: AuthorizationServer,
    pairs: Pairs,
    authorization: tuple[str, ...],
    peer: str,
    now: Instant,
    presented: Presented = NOTHING,
) -> Json:
    """§2.1, §2.2: the client proves itself as at the token endpoint, and the whole request is judged at once. A
    DPoP proof binds the code to its key (RFC 9449 §10.1).

    Raises: InvalidClient, TooManyRequests, InvalidDpopProof, UseDpopNonce, and what an authorization request is
    refused for.
    """
    credentials = parse_client_authentication(authorization, pairs)
    proof = read_proof(server, presented, PATH, now)
    client = await authenticate_client(
        server, credentials, peer, now, certificate=presented.certificate, may_be_new=True
    )
    await take_attempt(server, PUSHED_REQUEST, _throttle_key(client, peer), now)
    sent = await _read_parameters(server, pairs, client, now)
    check_redirect_uri(parse_redirect_target(sent).redirect_uri, client)
    asked = check_authorization_request(sent, client, server)
    request = bind_request(asked.request, proof)
    if proof is not None:
        await use_proof(server, proof, now)
    request_uri = await keep_request(server, request, asked.hint_sub, now)
    return Json(
        body={"request_uri": request_uri, "expires_in": server.policy.lifetimes.pushed_request},
        status=201,
        headers=nonce_header(server, proof, now),
    )


async def _read_parameters(
    server: AuthorizationServer, pairs: Pairs, client: ClientRegistration, now: Instant
) -> Pairs:
    """§2.1, §3: of the authenticated client, and all from the request object when there is one.

    Raises: InvalidRequest, InvalidRequestObject.
    """
    if any(name == "request_uri" and value for name, value in pairs):
        raise InvalidRequest(Finding.PUSHED_BY_REFERENCE, client_id=client.client_id)
    own = (*((name, value) for name, value in pairs if name != "client_id"), ("client_id", client.client_id))
    signed = has_request_object(own, server.policy)
    check_signed(client, signed=signed)
    return await open_request_object(server, own, now, client=client) if signed else own


def _throttle_key(client: ClientRegistration, peer: str) -> str:
    """By address for public clients, whose name anybody can use; by name for those that have proven it."""
    if client.is_public:
        return caller_key(client.client_id, peer)
    return client.client_id
