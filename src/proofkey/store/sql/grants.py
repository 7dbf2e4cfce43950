"""Interactions, authorizations, signing keys, throttles and upkeep in SQLite."""

import sqlite3
from collections.abc import Sequence

from proofkey.authorization_server.records import (
    AuditEvent,
    Authorization,
    Interaction,
    SigningKeyRecord,
    Standing,
)
from proofkey.protocol.text import Instant, digest_of
from proofkey.protocol.throttle import Attempts, Backoff, Limit, Refused, forget_at, next_attempts
from proofkey.store.sql import statements as sql
from proofkey.store.sql.accounts import SqliteAccounts
from proofkey.store.sql.database import purge
from proofkey.store.sql.rows import (
    interaction_of,
    row_of_authorization,
    row_of_event,
    row_of_interaction,
    row_of_signing_key,
    signing_key_of,
    standing_of,
)


class SqliteServerStore(SqliteAccounts):
    """`ServerStore` in an SQLite file; `SqliteServerStore.open(path)` makes, upgrades and opens it."""

    # --- interactions ----------------------------------------------------------------------------------------
    async def insert_interaction(self, interaction: Interaction) -> None:
        await self._change(sql.INSERT_INTERACTION, row_of_interaction(interaction))

    async def find_interaction(self, digest: str) -> Interaction | None:
        row = await self._database.one(sql.FIND_INTERACTION, (digest,))
        return interaction_of(row) if row else None

    async def mark_signed_in(self, digest: str, now: Instant) -> None:
        await self._change(sql.MARK_SIGNED_IN, (now, digest))

    async def mark_shown(self, digest: str, shown: str) -> None:
        await self._change(sql.MARK_SHOWN, (shown, digest))

    async def use_interaction(self, digest: str, now: Instant) -> bool:
        return await self._change(sql.USE_INTERACTION, (now, digest))

    # --- authorizations --------------------------------------------------------------------------------------
    async def insert_authorization(self, authorization: Authorization, event: AuditEvent) -> None:
        await self._change(sql.INSERT_AUTHORIZATION, row_of_authorization(authorization), event)

    async def find_code(self, code_digest: str) -> Standing | None:
        row = await self._database.one(sql.FIND_CODE, (code_digest,))
        return standing_of(row) if row else None

    async def find_authorization(self, id_: str) -> Standing | None:
        row = await self._database.one(sql.FIND_AUTHORIZATION, (id_,))
        return standing_of(row) if row else None

    async def use_code(self, id_: str, now: Instant, event: AuditEvent) -> bool:
        return await self._change(sql.USE_CODE, (now, id_), event)

    async def rotate(
        self,
        id_: str,
        generation: int,
        now: Instant,
        idle_expires_at: Instant,
        expires_at: Instant,
        event: AuditEvent,
    ) -> bool:
        return await self._change(sql.ROTATE, (now, idle_expires_at, expires_at, id_, generation), event)

    async def revoke(self, id_: str, now: Instant, event: AuditEvent) -> bool:
        return await self._change(sql.REVOKE, (now, id_), event)

    # --- signing keys ----------------------------------------------------------------------------------------
    async def list_signing_keys(self) -> Sequence[SigningKeyRecord]:
        return [signing_key_of(row) for row in await self._database.all(sql.LIST_SIGNING_KEYS)]

    async def insert_first_signing_keys(self, keys: Sequence[SigningKeyRecord], event: AuditEvent) -> bool:
        def work(connection: sqlite3.Connection) -> bool:
            if connection.execute(sql.ANY_SIGNING_KEY).fetchone():
                return False
            connection.executemany(sql.INSERT_SIGNING_KEY, [(*row_of_signing_key(key), None) for key in keys])
            connection.execute(sql.INSERT_EVENT, row_of_event(event))
            return True

        return await self._database.write(work)

    async def insert_signing_key(
        self, key: SigningKeyRecord, event: AuditEvent, *, unless_one_from: Instant | None = None
    ) -> bool:
        return await self._change(sql.INSERT_SIGNING_KEY, (*row_of_signing_key(key), unless_one_from), event)

    async def retire_signing_key(
        self, kid: str, retired_at: Instant, remove_at: Instant, event: AuditEvent
    ) -> None:
        await self._change(sql.RETIRE_SIGNING_KEY, (retired_at, remove_at, kid), event)

    # --- throttles, upkeep -----------------------------------------------------------------------------------
    async def take(self, rule: Limit | Backoff, key: str, now: Instant) -> Refused | None:
        place = (rule.name, digest_of(key))

        def work(connection: sqlite3.Connection) -> Refused | None:
            row = connection.execute(sql.FIND_ATTEMPTS, place).fetchone()
            after = next_attempts(rule, Attempts(*row) if row else None, now)
            if isinstance(after, Refused):
                return after
            connection.execute(sql.PUT_ATTEMPTS, (*place, after.next_at, after.count, forget_at(rule, after)))
            return None

        return await self._database.write(work)

    async def reset(self, rule: Limit | Backoff, key: str) -> None:
        await self._change(sql.FORGET_ATTEMPTS, (rule.name, digest_of(key)))

    async def purge(self, now: Instant, *, batch: int = 500) -> int:
        return await purge(self._database, sql.PURGE, now, batch)

    async def ping(self) -> None:
        await self._database.ping()

    async def aclose(self) -> None:
        await self._database.aclose()
