"""The refresh_token grant (RFC 6749 §6): rotation, the grace in which a retry gets the same successor, reuse."""

from proofkey.authorization_server.audit import event_of
from proofkey.authorization_server.decision import check_may_act
from proofkey.authorization_server.grants.narrowing import (
    check_grant_type,
    check_resource,
    granted_details,
    narrowed_scope,
)
from proofkey.authorization_server.hook_claims import ask_for_tokens
from proofkey.authorization_server.issuance import issue_for_person
from proofkey.authorization_server.records import NOBODY, AuditEvent, Authorization, Sender, Standing
from proofkey.authorization_server.refresh_token import RefreshHandle
from proofkey.authorization_server.role import AuthorizationServer
from proofkey.authorization_server.sender import check_bound
from proofkey.errors import InvalidGrant
from proofkey.findings import Finding
from proofkey.protocol.messages import RefreshRequest, TokenResponse
from proofkey.protocol.registration import ClientRegistration
from proofkey.protocol.text import Instant


async def refresh(
    server: AuthorizationServer,
    request: RefreshRequest,
    client: ClientRegistration,
    handle: RefreshHandle,
    standing: Standing | None,
    now: Instant,
    sender: Sender = NOBODY,
) -> tuple[TokenResponse, AuditEvent]:
    """All checks first, then one write that one caller wins. Whoever comes second with the same token gets the
    same successor within the grace (a lost answer, a second tab); an older token, or one after the grace, ends
    the family (RFC 9700 §4.14.2). A scope or details that the request narrows hold for its access token alone, and
    the audience never changes; so a retry that asks for another part of it gains nothing over a new refresh. A
    confidential client that proves a key gets its token back as it was (FAPI 2.0 §5.3.2.1).

    Raises: InvalidGrant, UnauthorizedClient, InvalidScope, InvalidTarget, InvalidDpopProof,
    InvalidAuthorizationDetails.
    """
    standing = check_family(standing, client, now)
    check_grant_type(client, "refresh_token")
    check_resource(request.resource, standing.authorization, server.policy)
    scope = narrowed_scope(request.scope, standing.authorization, client)
    details = granted_details(request.details, standing.authorization, client, server.policy)
    if handle.generation == standing.authorization.generation:
        check_bound(standing.authorization, client, sender)
        told = await ask_for_tokens(server, standing, scope)
        event = await _renew(server, standing.authorization, client, sender, now)
        if event is not None:
            generation = handle.generation + (0 if _keeps(client, sender) else 1)
            tokens = await issue_for_person(
                server,
                standing,
                now,
                generation=generation,
                scope=scope,
                sender=sender,
                details=details,
                told=told,
            )
            return tokens, event
        standing = check_family(await server.store.find_authorization(handle.authorization_id), client, now)
    authorization = standing.authorization
    await _check_not_reused(server, authorization, handle, now)
    check_bound(authorization, client, sender)
    tokens = await issue_for_person(
        server, standing, now, generation=authorization.generation, scope=scope, sender=sender, details=details
    )
    return tokens, event_of(authorization, "refresh.repeated", now, generation=str(handle.generation))


def is_retry(authorization: Authorization, handle: RefreshHandle, grace: int, now: Instant) -> bool:
    """True for the token before the current one, `grace` seconds from its first rotation; never renewed, and not
    made longer by a clock that goes back."""
    rotated_at = authorization.rotated_at
    if rotated_at is None or grace <= 0 or handle.generation != authorization.generation - 1:
        return False
    return abs(now - rotated_at) <= grace


def check_family(standing: Standing | None, client: ClientRegistration, now: Instant) -> Standing:
    """The family exists, is this client's, may act, and is within its idle and absolute limits.

    Raises: InvalidGrant.
    """
    if standing is None:
        raise InvalidGrant(Finding.REFRESH_UNKNOWN)
    authorization = standing.authorization
    if authorization.client_id != client.client_id:
        raise InvalidGrant(Finding.REFRESH_FOREIGN_CLIENT, client_id=client.client_id)
    check_may_act(standing, now)
    idle, absolute = authorization.refresh_idle_expires_at, authorization.refresh_absolute_expires_at
    if idle is None or absolute is None or authorization.code_used_at is None:
        raise InvalidGrant(Finding.REFRESH_UNKNOWN)
    if now >= idle or now >= absolute:
        raise InvalidGrant(Finding.REFRESH_EXPIRED, limit="absolute" if now >= absolute else "idle")
    return standing


def _keeps(client: ClientRegistration, sender: Sender) -> bool:
    """Whether the refresh token stays: two things bind it, the client's authentication and the sender's key."""
    return not client.is_public and sender.is_bound


async def _check_not_reused(
    server: AuthorizationServer, authorization: Authorization, handle: RefreshHandle, now: Instant
) -> None:
    """Whoever has the key or not: a used token that comes again ends the family. Raises: InvalidGrant."""
    if is_retry(authorization, handle, server.policy.lifetimes.refresh_grace, now):
        return
    event = event_of(authorization, "refresh.reused", now, generation=str(handle.generation))
    await server.store.revoke(authorization.id, now, event)
    raise InvalidGrant(
        Finding.REFRESH_REUSED, client_id=authorization.client_id, authorization=authorization.id[:8]
    )


async def _renew(
    server: AuthorizationServer,
    authorization: Authorization,
    client: ClientRegistration,
    sender: Sender,
    now: Instant,
) -> AuditEvent | None:
    """The one write: what happened, or None for whoever lost."""
    lifetimes = server.policy.lifetimes
    absolute = authorization.refresh_absolute_expires_at or now
    idle = Instant(min(now + lifetimes.refresh_idle, absolute))
    purge_at = server.policy.purge_at(idle)
    keeps = _keeps(client, sender)
    name = "refresh.prolonged" if keeps else "refresh.rotated"
    event = event_of(authorization, name, now, generation=str(authorization.generation))
    write = server.store.prolong if keeps else server.store.rotate
    done = await write(authorization.id, authorization.generation, now, idle, purge_at, event, sender)
    return event if done else None
