"""Pushed authorization requests (RFC 9126): kept for a while, found by their client alone, used up once."""

from typing import Final

from proofkey.authorization_server.records import PushedRequest
from proofkey.authorization_server.role import AuthorizationServer
from proofkey.errors import InvalidRequest, InvalidRequestUri
from proofkey.findings import Finding
from proofkey.protocol.messages import AuthorizationRequest
from proofkey.protocol.registration import ClientRegistration
from proofkey.protocol.text import ClientId, Instant, Subject, digest_of

REQUEST_URI: Final = "urn:ietf:params:oauth:request_uri:"
"""What every request_uri of ours begins with (§2.2); the rest is random."""
_MINUTE: Final = 60


async def keep_request(
    server: AuthorizationServer, request: AuthorizationRequest, hint_sub: Subject | None, now: Instant
) -> str:
    """§2.2: stores a request that passed every check; the request_uri that stands for it."""
    random, lifetimes = server.entropy(), server.policy.lifetimes
    pushed = PushedRequest(
        digest=digest_of(random),
        client_id=request.client_id,
        request=request,
        dpop_jkt=request.dpop_jkt,
        hint_sub=hint_sub,
        created_at=now,
        expires_at=Instant(now + lifetimes.pushed_request + lifetimes.interaction + _MINUTE),
    )
    await server.store.insert_pushed_request(pushed)
    return REQUEST_URI + random


async def find_request(
    server: AuthorizationServer, request_uri: str, client_id: ClientId, now: Instant
) -> PushedRequest:
    """§4: pushed by this client, a short while ago, and not used up.

    Raises: InvalidRequestUri.
    """
    pushed = await server.store.find_pushed_request(digest_of(request_uri.removeprefix(REQUEST_URI)))
    if pushed is None or pushed.client_id != client_id:
        reason = "unknown" if pushed is None else "another client's"
        raise InvalidRequestUri(Finding.PUSHED_REQUEST_UNKNOWN, reason=reason, client_id=client_id[:200])
    if now >= pushed.created_at + server.policy.lifetimes.pushed_request:
        raise InvalidRequestUri(Finding.PUSHED_REQUEST_UNKNOWN, reason="expired", client_id=client_id)
    if pushed.used_at is not None:
        raise InvalidRequestUri(Finding.PUSHED_REQUEST_UNKNOWN, reason="used", client_id=client_id)
    return pushed


async def use_request(server: AuthorizationServer, digest: str | None, now: Instant) -> None:
    """§4, §7.3: when an authorization ends, its pushed request is used up, and one caller wins. Without a digest
    there was none.

    Raises: InvalidRequestUri for all others.
    """
    if digest is not None and not await server.store.use_pushed_request(digest, now):
        raise InvalidRequestUri(Finding.PUSHED_REQUEST_UNKNOWN, reason="used")


def check_pushed(server: AuthorizationServer, client: ClientRegistration) -> None:
    """§5, §6: a request that was not pushed is enough for this client.

    Raises: InvalidRequest.
    """
    if server.policy.pushes_alone or client.require_pushed_authorization_requests:
        raise InvalidRequest(Finding.PUSHED_REQUEST_NEEDED, client_id=client.client_id)
