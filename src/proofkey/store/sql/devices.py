"""Device authorizations in SQL."""

from proofkey.authorization_server.records import AuditEvent, Authorization, DeviceAuthorization, DeviceStanding
from proofkey.protocol.messages import AuthorizationRequest
from proofkey.protocol.text import Instant
from proofkey.store.sql import statements as sql
from proofkey.store.sql.documents import from_document, to_document
from proofkey.store.sql.part import Row, SqlPart
from proofkey.store.sql.rows import client_of, row_of_authorization, standing_of


class SqlDeviceAuthorizations(SqlPart):
    """The `DeviceAuthorizations` of a `ServerStore`."""

    async def insert_device_authorization(self, device: DeviceAuthorization, event: AuditEvent) -> bool:
        return await self._change(sql.INSERT_DEVICE, _row_of(device), event)

    async def find_device_code(self, digest: str) -> DeviceStanding | None:
        row = await self._database.one(sql.FIND_DEVICE, (digest,))
        return _standing_of(row) if row else None

    async def find_user_code(self, user_code_digest: str) -> DeviceAuthorization | None:
        row = await self._database.one(sql.FIND_USER_CODE, (user_code_digest,))
        return _device_of(row) if row else None

    async def poll_device_code(self, digest: str, now: Instant) -> bool:
        if await self._change(sql.POLL_DEVICE, (now, digest)):
            return True
        await self._change(sql.SLOW_DEVICE_DOWN, (now, digest))
        return False

    async def decide_device_code(
        self, digest: str, now: Instant, event: AuditEvent, authorization: Authorization | None = None
    ) -> bool:
        id_ = authorization.id if authorization else None
        allowed = ((sql.INSERT_AUTHORIZATION, row_of_authorization(authorization)),) if authorization else ()
        return await self._change(sql.DECIDE_DEVICE, (now, id_, digest), event, allowed)


def _row_of(device: DeviceAuthorization) -> Row:
    return (
        device.digest,
        device.user_code_digest,
        device.client_id,
        to_document(device.request),
        device.peer,
        device.interval,
        device.created_at,
        device.code_expires_at,
        device.expires_at,
        device.polled_at,
        device.decided_at,
        device.authorization_id,
    )


def _device_of(row: Row) -> DeviceAuthorization:
    return DeviceAuthorization(
        digest=row[0],
        user_code_digest=row[1],
        client_id=row[2],
        request=from_document(AuthorizationRequest, row[3]),
        peer=row[4],
        interval=row[5],
        created_at=row[6],
        code_expires_at=row[7],
        expires_at=row[8],
        polled_at=row[9],
        decided_at=row[10],
        authorization_id=row[11],
    )


def _standing_of(row: Row) -> DeviceStanding:
    """12 columns of the device, 2 of its client, then those of the grant's standing."""
    return DeviceStanding(
        device=_device_of(row[:12]),
        client=client_of(row[12:14]) if row[12] is not None else None,
        grant=standing_of(row[14:]) if row[14] is not None else None,
    )
