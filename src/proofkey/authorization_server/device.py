"""Device authorizations (RFC 8628): begun by a device, found by the code that a person types, decided once."""

import hmac
from dataclasses import replace
from hashlib import sha256
from typing import Final

from proofkey.authorization_server.audit import event_of
from proofkey.authorization_server.authorize import Asked, Issue, read_asked
from proofkey.authorization_server.code import build_authorization
from proofkey.authorization_server.records import AuditEvent, DeviceAuthorization
from proofkey.authorization_server.role import AuthorizationServer
from proofkey.errors import InteractionClosed, ServerError
from proofkey.findings import Finding
from proofkey.protocol.device_authorization import build_user_code
from proofkey.protocol.messages import AuthorizationRequest
from proofkey.protocol.text import Instant, Secret, encode_base64url

PATH: Final = "/device"
"""Of the page where people type the code (`verification_uri`)."""
INTERVAL: Final = 5
"""Seconds between two questions of a device (RFC 8628 §3.2)."""
_TOLD: Final = 300
"""Seconds for which a device is told that its code is over, and not that it is unknown."""
_TRIES: Final = 5


async def keep_device(
    server: AuthorizationServer, request: AuthorizationRequest, peer: str, now: Instant
) -> tuple[Secret, str]:
    """Stores a request that passed every check; the device code and the user code, which no other device has.

    Raises: ServerError when several user codes in a row are taken.
    """
    device_code = Secret(server.entropy())
    over = Instant(now + server.policy.lifetimes.device_code)
    event = AuditEvent(
        at=now, name="device.asked", client_id=request.client_id, detail={"scope": " ".join(request.scope)}
    )
    for _ in range(_TRIES):
        user_code = build_user_code(server.entropy())
        device = DeviceAuthorization(
            digest=device_code.digest(),
            user_code_digest=_digest_of(user_code, server),
            client_id=request.client_id,
            request=request,
            peer=peer[:64],
            interval=INTERVAL,
            created_at=now,
            code_expires_at=over,
            expires_at=Instant(over + _TOLD),
        )
        if await server.store.insert_device_authorization(device, event):
            return device_code, user_code
    raise ServerError(Finding.STORE_CONFLICT, table="device_authorizations")


async def find_waiting(server: AuthorizationServer, user_code: str, now: Instant) -> DeviceAuthorization | None:
    """The device that shows this code, while it waits for somebody to decide."""
    device = await server.store.find_user_code(_digest_of(user_code, server))
    if device is None or device.decided_at is not None or now >= device.code_expires_at:
        return None
    return device


async def read_device(
    server: AuthorizationServer, user_code: str, now: Instant
) -> tuple[DeviceAuthorization, Asked]:
    """The device that waits, and its request anew, by the client's registration of this moment.

    Raises: InteractionClosed when it waits no longer, or the client is gone; what `read_asked` raises.
    """
    device = await find_waiting(server, user_code, now)
    if device is None:
        raise InteractionClosed(Finding.USER_CODE_OVER)
    client = await server.store.find_client(device.client_id)
    if client is None or client.disabled:
        finding = Finding.CLIENT_UNKNOWN if client is None else Finding.CLIENT_DISABLED
        raise InteractionClosed(finding, client_id=device.client_id)
    return device, read_asked(device.request, client, server)


async def allow_device(
    server: AuthorizationServer, device: DeviceAuthorization, asked: Asked, step: Issue, now: Instant
) -> AuditEvent:
    """The authorization that its device code redeems once, in the place of an authorization code.

    Raises: InteractionClosed when somebody else has decided, or it is over.
    """
    authorization = replace(
        build_authorization(server, asked, step, None, now),
        code_expires_at=device.code_expires_at,
        redirect_uri=None,
    )
    idle = authorization.refresh_idle_expires_at
    kept = replace(authorization, expires_at=server.policy.purge_at(idle or device.code_expires_at))
    event = event_of(kept, "device.allowed", now, scope=" ".join(kept.scope))
    _check_won(won=await server.store.decide_device_code(device.digest, now, event, kept))
    return event


async def deny_device(
    server: AuthorizationServer, device: DeviceAuthorization, now: Instant, reason: str
) -> AuditEvent:
    """Raises: InteractionClosed as `allow_device`."""
    event = AuditEvent(at=now, name="device.denied", client_id=device.client_id, detail={"reason": reason})
    _check_won(won=await server.store.decide_device_code(device.digest, now, event))
    return event


def _check_won(*, won: bool) -> None:
    if not won:
        raise InteractionClosed(Finding.USER_CODE_OVER)


def _digest_of(user_code: str, server: AuthorizationServer) -> str:
    """Keyed, since all user codes could be tried out."""
    return encode_base64url(hmac.new(server.mac_key, f"user code {user_code}".encode(), sha256).digest())
