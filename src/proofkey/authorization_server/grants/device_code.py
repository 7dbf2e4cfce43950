"""The device_code grant (RFC 8628 §3.4, §3.5): a device asks until a person has decided, and gets tokens once."""

from proofkey.authorization_server.audit import event_of
from proofkey.authorization_server.decision import check_may_act
from proofkey.authorization_server.grants.narrowing import check_grant_type, check_resource, granted_details
from proofkey.authorization_server.hook_claims import ask_for_tokens
from proofkey.authorization_server.issuance import issue_for_person
from proofkey.authorization_server.logout import remember_client
from proofkey.authorization_server.policy import Policy
from proofkey.authorization_server.records import (
    NOBODY,
    AuditEvent,
    DeviceAuthorization,
    DeviceStanding,
    Sender,
    Standing,
)
from proofkey.authorization_server.role import AuthorizationServer
from proofkey.errors import (
    AuthorizationPending,
    DeviceDenied,
    ExpiredToken,
    InvalidGrant,
    SlowDown,
    UnsupportedGrantType,
)
from proofkey.findings import Finding
from proofkey.protocol.messages import DeviceRequest, TokenResponse
from proofkey.protocol.registration import ClientRegistration
from proofkey.protocol.text import Instant, Pairs
from proofkey.protocol.token_messages import DEVICE_CODE


def check_offered(pairs: Pairs, policy: Policy) -> None:
    """RFC 6749 §5.2. Raises: UnsupportedGrantType while the feature is off."""
    if ("grant_type", DEVICE_CODE) in pairs and not policy.offers("device"):
        raise UnsupportedGrantType(Finding.GRANT_TYPE_UNKNOWN, grant_type=DEVICE_CODE)


async def redeem_device_code(
    server: AuthorizationServer,
    request: DeviceRequest,
    client: ClientRegistration,
    standing: DeviceStanding | None,
    now: Instant,
    sender: Sender = NOBODY,
) -> tuple[TokenResponse, AuditEvent]:
    """All checks first, then one write that one caller wins; whatever is refused before it may be asked again. A
    used code harms nothing that came of it, for it never travels through a browser: a device whose answer got lost
    begins anew. The tokens are bound to what the device proves now.

    Raises: AuthorizationPending, SlowDown, ExpiredToken, DeviceDenied, InvalidGrant, UnauthorizedClient,
    InvalidTarget.
    """
    check_grant_type(client, DEVICE_CODE)
    known = _check_known(standing, client)
    grant = await _check_decided(server, known, now)
    authorization = grant.authorization
    check_resource(request.resource, authorization, server.policy)
    details = granted_details((), authorization, client, server.policy)
    told = await ask_for_tokens(server, grant, authorization.scope)
    event = event_of(authorization, "device.redeemed", now)
    if not await server.store.use_code(authorization.id, now, event, sender):
        raise InvalidGrant(Finding.DEVICE_CODE_USED, client_id=client.client_id)
    await remember_client(server, grant, now)
    tokens = await issue_for_person(
        server,
        grant,
        now,
        generation=1,
        scope=authorization.scope,
        nonce=authorization.nonce,
        sender=sender,
        details=details,
        told=told,
    )
    return tokens, event


def _check_known(standing: DeviceStanding | None, client: ClientRegistration) -> DeviceStanding:
    """Raises: InvalidGrant, with one text also for another client's code."""
    if standing is None:
        raise InvalidGrant(Finding.DEVICE_CODE_UNKNOWN, client_id=client.client_id)
    if standing.device.client_id != client.client_id:
        raise InvalidGrant(Finding.DEVICE_CODE_FOREIGN_CLIENT, client_id=client.client_id)
    return standing


async def _check_decided(server: AuthorizationServer, standing: DeviceStanding, now: Instant) -> Standing:
    """What the person allowed, while it may be redeemed."""
    device, grant = standing.device, standing.grant
    if grant is not None and grant.authorization.code_used_at is not None:
        raise InvalidGrant(Finding.DEVICE_CODE_USED, client_id=device.client_id)
    if now >= device.code_expires_at:
        raise ExpiredToken(Finding.DEVICE_CODE_EXPIRED, client_id=device.client_id)
    if device.decided_at is None:
        raise await _wait(server, device, now)
    if device.authorization_id is None:
        raise DeviceDenied(Finding.DEVICE_DENIED, client_id=device.client_id)
    check_may_act(standing, now)
    if grant is None:
        raise InvalidGrant(Finding.GRANT_REVOKED, client_id=device.client_id)
    return grant


async def _wait(server: AuthorizationServer, device: DeviceAuthorization, now: Instant) -> AuthorizationPending:
    """§3.5: counted in the store, so that it does not matter which worker is asked."""
    if await server.store.poll_device_code(device.digest, now):
        return AuthorizationPending(Finding.DEVICE_PENDING, client_id=device.client_id)
    return SlowDown(Finding.DEVICE_TOO_OFTEN, client_id=device.client_id)
