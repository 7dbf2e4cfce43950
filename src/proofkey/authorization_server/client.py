"""Who calls: a client proves itself at the token and revocation endpoints."""

from dataclasses import replace

from proofkey.authorization_server.client_certificate import check_client_certificate
from proofkey.authorization_server.role import AuthorizationServer
from proofkey.authorization_server.sender import SKEW
from proofkey.authorization_server.throttles import CLIENT_SECRET, address_key, forget_attempts, take_attempt
from proofkey.errors import InvalidClient
from proofkey.findings import Finding
from proofkey.protocol.certificate import ClientCertificate
from proofkey.protocol.claims import LEEWAY
from proofkey.protocol.client_assertion import read_client_assertion
from proofkey.protocol.client_authentication import ClientCredentials, check_client_authentication
from proofkey.protocol.registration import TLS_METHODS, ClientRegistration
from proofkey.protocol.text import Instant, digest_of


async def authenticate_client(
    server: AuthorizationServer,
    credentials: ClientCredentials,
    peer: str,
    now: Instant,
    *,
    known: ClientRegistration | None = None,
    certificate: ClientCertificate | None = None,
) -> ClientRegistration:
    """RFC 6749 §2.3, §3.2.1; `known` is a registration that was read already, if it is this client's. The
    connection's `certificate` counts for a client that is registered for it and sends nothing else (RFC 8705 §2).

    A client and address with a wrong secret or assertion of late is counted before every further attempt; all
    others cost no write for it. Client ids fall into 4096 counters for each address, so that invented ones do not
    fill the store.
    Raises: InvalidClient with one text for every cause, TooManyRequests.
    """
    client = known if known is not None and known.client_id == credentials.client_id else None
    if client is None:
        client = await server.store.find_client(credentials.client_id)
    if credentials.method == "none":
        if client is not None and client.token_endpoint_auth_method in TLS_METHODS:
            check_client_certificate(client, certificate, server.policy)
            credentials = replace(credentials, method=client.token_endpoint_auth_method)
        check_client_authentication(credentials, client)
    else:
        await _check_throttled(server, credentials, client, peer, now)
    if client is None:
        raise AssertionError("a client that does not exist has proven itself")
    return client


async def _check_throttled(
    server: AuthorizationServer,
    credentials: ClientCredentials,
    client: ClientRegistration | None,
    peer: str,
    now: Instant,
) -> None:
    key = f"{digest_of(credentials.client_id)[:2]} {address_key(peer)}"
    suspect = key in server.suspects
    if suspect:
        await take_attempt(server, CLIENT_SECRET, key, now)
    try:
        await _check_credential(server, credentials, client, now)
    except InvalidClient:
        if not suspect:
            server.suspects.add(key)
            await take_attempt(server, CLIENT_SECRET, key, now)
        raise
    if suspect:
        server.suspects.discard(key)
        await forget_attempts(server, CLIENT_SECRET, key)


async def _check_credential(
    server: AuthorizationServer, credentials: ClientCredentials, client: ClientRegistration | None, now: Instant
) -> None:
    """The secret, or an assertion that is used once (RFC 7523 §3). Raises: InvalidClient."""
    check_client_authentication(credentials, client)
    if credentials.assertion is None or client is None:
        return
    assertion = read_client_assertion(credentials.assertion, client, issuer=server.policy.issuer, now=now)
    until = Instant(assertion.exp + LEEWAY + SKEW)
    key = f"client assertion {client.client_id} {assertion.jti}"
    if not await server.replays.add(key, now=now, until=until, made=assertion.iat):
        raise InvalidClient(Finding.ASSERTION_REPLAYED, client_id=client.client_id)
