"""Logout deliveries in SQL."""

from collections.abc import Sequence

from proofkey.authorization_server.records import AuditEvent, LogoutDelivery
from proofkey.protocol.text import Instant
from proofkey.store.sql import statements as sql
from proofkey.store.sql.part import Row, SqlPart


class SqlLogouts(SqlPart):
    """The `LogoutDeliveries` of a `ServerStore`."""

    async def remember_logout(self, delivery: LogoutDelivery) -> None:
        await self._change(sql.INSERT_LOGOUT, _row_of(delivery))

    async def list_logouts(self, sid: str) -> Sequence[LogoutDelivery]:
        return [_delivery_of(row) for row in await self._database.all(sql.LIST_LOGOUTS, (sid,))]

    async def list_due_logouts(self, now: Instant, *, most: int, per_client: int) -> Sequence[LogoutDelivery]:
        rows = await self._database.all(sql.LIST_DUE_LOGOUTS, (now, per_client, most))
        return [_delivery_of(row) for row in rows]

    async def claim_logout(self, delivery: LogoutDelivery, now: Instant, until: Instant) -> bool:
        return await self._change(sql.CLAIM_LOGOUT, (until, *_held(delivery), now))

    async def postpone_logout(self, delivery: LogoutDelivery, next_at: Instant) -> bool:
        return await self._change(sql.POSTPONE_LOGOUT, (next_at, *_held(delivery)))

    async def finish_logout(self, delivery: LogoutDelivery, event: AuditEvent) -> bool:
        return await self._change(sql.FINISH_LOGOUT, _held(delivery), event)


def _held(delivery: LogoutDelivery) -> Row:
    return delivery.sid, delivery.client_id, delivery.attempts


def _row_of(delivery: LogoutDelivery) -> Row:
    return delivery.sid, delivery.client_id, delivery.sub, delivery.created_at, delivery.expires_at


def _delivery_of(row: Row) -> LogoutDelivery:
    sid, client_id, sub, created_at, expires_at, next_at, attempts = row
    return LogoutDelivery(
        sid=sid,
        client_id=client_id,
        sub=sub,
        created_at=created_at,
        expires_at=expires_at,
        next_at=next_at,
        attempts=attempts,
    )
