"""Stores that look first and write then, in two steps: what the race tests must find out."""

from typing import Final

import anyio

from proofkey.authorization_server.records import (
    NOBODY,
    AuditEvent,
    Authorization,
    LogoutDelivery,
    OpaqueToken,
    Sender,
)
from proofkey.client.session import PendingLogin
from proofkey.protocol.registration import ClientRegistration
from proofkey.protocol.text import Instant, digest_of
from proofkey.protocol.throttle import Attempts, Backoff, Limit, Refused, forget_at, next_attempts
from proofkey.store.sql import SqliteServerStore, SqliteSessionStore
from proofkey.store.sql import statements as sql
from proofkey.store.sql.grants import SqlServerStore
from proofkey.store.sql.sessions import SqlSessionStore

PAUSE: Final = 0.05
"""Seconds between look and write of a check-then-set store."""


class CheckThenSetServer(SqlServerStore):
    """Looks, waits, writes, in whichever database: wrong on purpose, for race tests only."""

    async def use_code(self, id_: str, now: Instant, event: AuditEvent, sender: Sender = NOBODY) -> bool:
        standing = await self.find_authorization(id_)
        if standing is None or standing.authorization.code_used_at is not None:
            return False
        await anyio.sleep(PAUSE)
        return await self._change(
            "UPDATE authorizations SET code_used_at = ?, generation = 1 WHERE id = ?", (now, id_), event
        )

    async def rotate(
        self,
        id_: str,
        generation: int,
        now: Instant,
        idle_expires_at: Instant,
        expires_at: Instant,
        event: AuditEvent,
        sender: Sender = NOBODY,
    ) -> bool:
        standing = await self.find_authorization(id_)
        if standing is None or standing.authorization.generation != generation:
            return False
        await anyio.sleep(PAUSE)
        return await self._change(
            "UPDATE authorizations SET generation = ?, rotated_at = ?, refresh_idle_expires_at = ?, expires_at = ?"
            " WHERE id = ?",
            (generation + 1, now, idle_expires_at, expires_at, id_),
            event,
        )

    async def use_interaction(self, digest: str, now: Instant) -> bool:
        interaction = await self.find_interaction(digest)
        if interaction is None or interaction.used_at is not None:
            return False
        await anyio.sleep(PAUSE)
        return await self._change("UPDATE interactions SET used_at = ? WHERE digest = ?", (now, digest))

    async def use_pushed_request(self, digest: str, now: Instant) -> bool:
        pushed = await self.find_pushed_request(digest)
        if pushed is None or pushed.used_at is not None:
            return False
        await anyio.sleep(PAUSE)
        return await self._change("UPDATE pushed_requests SET used_at = ? WHERE digest = ?", (now, digest))

    async def replace_registered(
        self, client: ClientRegistration, token_digest: str, new_digest: str, now: Instant, event: AuditEvent
    ) -> bool:
        registered = await self.find_registered(client.client_id)
        if registered is None or registered.token_digest != token_digest:
            return False
        await anyio.sleep(PAUSE)
        return await self._change(
            "UPDATE registered_clients SET token_digest = ? WHERE client_id = ?",
            (new_digest, client.client_id),
            event,
        )

    async def decide_device_code(
        self, digest: str, now: Instant, event: AuditEvent, authorization: Authorization | None = None
    ) -> bool:
        standing = await self.find_device_code(digest)
        if standing is None or standing.device.decided_at is not None:
            return False
        await anyio.sleep(PAUSE)
        if authorization is not None:
            await self.insert_authorization(authorization, event)
        id_ = authorization.id if authorization else None
        return await self._change(
            "UPDATE device_authorizations SET decided_at = ?, authorization_id = ? WHERE digest = ?",
            (now, id_, digest),
            event,
        )

    async def revoke_opaque_token(self, token: OpaqueToken, now: Instant, event: AuditEvent) -> bool:
        standing = await self.find_opaque_token(token.digest)
        if standing is None or standing.row is None or standing.row.revoked_at is not None:
            return False
        await anyio.sleep(PAUSE)
        return await self._change(
            "UPDATE opaque_tokens SET revoked_at = ? WHERE digest = ?", (now, token.digest), event
        )

    async def end_sign_in(
        self, sid: str, now: Instant, event: AuditEvent, *, held_until: Instant | None = None
    ) -> bool:
        row = await self._database.one("SELECT ended_at FROM sign_ins WHERE sid = ?", (sid,))
        if row is None or row[0] is not None:
            return False
        await anyio.sleep(PAUSE)
        return await self._change("UPDATE sign_ins SET ended_at = ? WHERE sid = ?", (now, sid), event)

    async def claim_logout(self, delivery: LogoutDelivery, now: Instant, until: Instant) -> bool:
        place = (delivery.sid, delivery.client_id)
        find = "SELECT next_at FROM logout_deliveries WHERE sid = ? AND client_id = ?"
        row = await self._database.one(find, place)
        if row is None or row[0] is None or row[0] > now:
            return False
        await anyio.sleep(PAUSE)
        return await self._change(
            "UPDATE logout_deliveries SET next_at = ?, attempts = attempts + 1 WHERE sid = ? AND client_id = ?",
            (until, *place),
        )

    async def take(self, rule: Limit | Backoff, key: str, now: Instant) -> Refused | None:
        place = (rule.name, digest_of(key))
        row = await self._database.one(sql.FIND_ATTEMPTS, place)
        after = next_attempts(rule, Attempts(*row) if row else None, now)
        if isinstance(after, Refused):
            return after
        await anyio.sleep(PAUSE)
        await self._change(sql.PUT_ATTEMPTS, (*place, after.next_at, after.count, forget_at(rule, after)))
        return None


class CheckThenSetServerStore(CheckThenSetServer, SqliteServerStore):
    """In SQLite."""


class CheckThenSetSessions(SqlSessionStore):
    """Looks, waits, writes, in whichever database: wrong on purpose, for race tests only."""

    async def take_pending(self, state_digest: str) -> PendingLogin | None:
        pending = await self.find_pending(state_digest)
        if pending is None:
            return None
        await anyio.sleep(PAUSE)
        await self._change("DELETE FROM pending_logins WHERE state_digest = ?", (state_digest,))
        return pending

    async def acquire_refresh(self, id_: str, holder: str, now: Instant, lease: int) -> bool:
        row = await self._database.one("SELECT refresh_until FROM sessions WHERE id = ?", (id_,))
        if row is None or (row[0] is not None and row[0] > now):
            return False
        await anyio.sleep(PAUSE)
        return await self._change(
            "UPDATE sessions SET refresh_holder = ?, refresh_until = ? WHERE id = ?", (holder, now + lease, id_)
        )

    async def end_session(self, id_: str) -> bool:
        if await self.find_session(id_) is None:
            return False
        await anyio.sleep(PAUSE)
        await self._change("DELETE FROM sessions WHERE id = ?", (id_,))
        return True


class CheckThenSetSessionStore(CheckThenSetSessions, SqliteSessionStore):
    """In SQLite."""
