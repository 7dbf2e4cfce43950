"""Who calls: a client proves itself at the token and revocation endpoints."""

from proofkey.authorization_server.role import AuthorizationServer
from proofkey.authorization_server.throttles import CLIENT_SECRET, address_key, forget_attempts, take_attempt
from proofkey.errors import InvalidClient
from proofkey.protocol.client_authentication import ClientCredentials, check_client_authentication
from proofkey.protocol.registration import ClientRegistration
from proofkey.protocol.text import Instant, digest_of


async def authenticate_client(
    server: AuthorizationServer,
    credentials: ClientCredentials,
    peer: str,
    now: Instant,
    *,
    known: ClientRegistration | None = None,
) -> ClientRegistration:
    """RFC 6749 §2.3, §3.2.1; `known` is a registration that was read already, if it is this client's.

    A client and address with a wrong secret of late is counted before every further attempt; all others cost no
    write. Client ids fall into 4096 counters for each address, so that invented ones do not fill the store.
    Raises: InvalidClient with one text for every cause, TooManyRequests.
    """
    client = known if known is not None and known.client_id == credentials.client_id else None
    if client is None:
        client = await server.store.find_client(credentials.client_id)
    if credentials.secret is None:
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
        check_client_authentication(credentials, client)
    except InvalidClient:
        if not suspect:
            server.suspects.add(key)
            await take_attempt(server, CLIENT_SECRET, key, now)
        raise
    if suspect:
        server.suspects.discard(key)
        await forget_attempts(server, CLIENT_SECRET, key)
