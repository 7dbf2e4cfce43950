"""Who calls: a client proves itself at the token and revocation endpoints."""

from dataclasses import replace

from proofkey.authorization_server.client_certificate import check_client_certificate
from proofkey.authorization_server.known_client import current_client
from proofkey.authorization_server.registration_profile import check_still_fits
from proofkey.authorization_server.remote_keys import with_keys, with_keys_for
from proofkey.authorization_server.role import AuthorizationServer
from proofkey.authorization_server.sender import SKEW
from proofkey.authorization_server.throttles import (
    CLIENT_ALARM,
    CLIENT_SECRET,
    CLIENT_SECRET_BY_ADDRESS,
    CLIENT_SECRET_IN_ALARM,
    address_key,
    caller_key,
    check_attempt,
    client_key,
    count_failure,
    forget_attempts,
    is_alarmed,
    take_attempt,
)
from proofkey.errors import InvalidClient
from proofkey.findings import Finding
from proofkey.protocol.certificate import ClientCertificate
from proofkey.protocol.claims import LEEWAY
from proofkey.protocol.client_assertion import read_client_assertion
from proofkey.protocol.client_authentication import ClientCredentials, check_client_authentication
from proofkey.protocol.registration import TLS_METHODS, ClientRegistration
from proofkey.protocol.text import Instant


async def authenticate_client(
    server: AuthorizationServer,
    credentials: ClientCredentials,
    peer: str,
    now: Instant,
    *,
    known: ClientRegistration | None = None,
    certificate: ClientCertificate | None = None,
    may_be_new: bool = False,
) -> ClientRegistration:
    """RFC 6749 §2.3, §3.2.1; `known` is a registration that was read already, if it is this client's. The
    connection's `certificate` counts for a client that is registered for it and sends nothing else (RFC 8705 §2).
    A client that describes itself and was never seen is looked at only where it `may_be_new`.

    A client and address with a wrong secret or assertion of late is counted before every further attempt; all
    others cost no write for it. An address that fails at many clients is answered as throttled for every further
    failure, so that it learns nothing; clients behind it that prove themselves go on.
    Raises: InvalidClient with one text for every cause, TooManyRequests.
    """
    client = known if known is not None and known.client_id == credentials.client_id else None
    if client is None:
        client = await server.store.find_client(credentials.client_id)
    client = await current_client(server, credentials.client_id, client, peer, now, may_be_new=may_be_new)
    if credentials.method == "none":
        if client is not None and client.token_endpoint_auth_method in TLS_METHODS:
            await _check_certificate(server, client, certificate)
            credentials = replace(credentials, method=client.token_endpoint_auth_method)
        check_client_authentication(credentials, client)
    else:
        await _check_throttled(server, credentials, client, peer, now)
    if client is None:
        raise AssertionError("a client that does not exist has proven itself")
    check_still_fits(client, server.policy)
    return client


async def _check_certificate(
    server: AuthorizationServer, client: ClientRegistration, certificate: ClientCertificate | None
) -> None:
    """Raises: InvalidClient; Unavailable when the client's own certificates cannot be had."""
    pinned = client.token_endpoint_auth_method == "self_signed_tls_client_auth"
    found = await with_keys(server, client) if pinned and certificate is not None else client
    check_client_certificate(found, certificate, server.policy)


async def _check_throttled(
    server: AuthorizationServer,
    credentials: ClientCredentials,
    client: ClientRegistration | None,
    peer: str,
    now: Instant,
) -> None:
    key = caller_key(credentials.client_id, peer)
    suspect = key in server.suspects
    if suspect:
        await check_attempt(server, CLIENT_SECRET_BY_ADDRESS, address_key(peer), now)
        if await is_alarmed(server, CLIENT_ALARM, client_key(credentials.client_id), now):
            await take_attempt(server, CLIENT_SECRET_IN_ALARM, key, now)
        await take_attempt(server, CLIENT_SECRET, key, now)
    try:
        await _check_credential(server, credentials, client, now)
    except InvalidClient:
        if not suspect:
            server.suspects.add(key)
            await take_attempt(server, CLIENT_SECRET, key, now)
        await count_failure(server, CLIENT_ALARM, client_key(credentials.client_id), now)
        await take_attempt(server, CLIENT_SECRET_BY_ADDRESS, address_key(peer), now)
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
    assertion = read_client_assertion(
        credentials.assertion,
        await with_keys_for(server, client, credentials.assertion.reveal()),
        issuer=server.policy.issuer,
        now=now,
        algorithms=frozenset(server.policy.signing_algorithms),
        one_audience=server.policy.is_fapi,
    )
    until = Instant(assertion.exp + LEEWAY + SKEW)
    key = f"client assertion {client.client_id} {assertion.jti}"
    if not await server.replays.add(key, now=now, until=until, made=assertion.iat):
        raise InvalidClient(Finding.ASSERTION_REPLAYED, client_id=client.client_id)
