"""Interactions, authorizations, signing keys, throttles and upkeep in SQL; the server's store in SQLite."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Self

from proofkey.authorization_server.records import (
    NOBODY,
    AuditEvent,
    Authorization,
    Interaction,
    Sender,
    SigningKeyRecord,
    Standing,
)
from proofkey.protocol.text import Instant, digest_of
from proofkey.protocol.throttle import Attempts, Backoff, Limit, Refused, forget_at, next_attempts, waits
from proofkey.store.sql import statements as sql
from proofkey.store.sql.database import Database
from proofkey.store.sql.devices import SqlDeviceAuthorizations
from proofkey.store.sql.logouts import SqlLogouts
from proofkey.store.sql.opaque_tokens import SqlOpaqueTokens
from proofkey.store.sql.part import Transaction
from proofkey.store.sql.pushed import SqlPushedRequests
from proofkey.store.sql.registered import SqlRegisteredClients
from proofkey.store.sql.rows import (
    interaction_of,
    row_of_authorization,
    row_of_event,
    row_of_interaction,
    row_of_signing_key,
    signing_key_of,
    standing_of,
)

_LOCK_SIGNING_KEYS: Final = "LOCK TABLE signing_keys IN SHARE ROW EXCLUSIVE MODE"
"""Of writers that look first, one at a time; readers go on."""


class SqlServerStore(
    SqlRegisteredClients, SqlPushedRequests, SqlDeviceAuthorizations, SqlOpaqueTokens, SqlLogouts
):
    """`ServerStore` in a database. Parts of it are bases; `part` says how they are written."""

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

    async def use_code(self, id_: str, now: Instant, event: AuditEvent, sender: Sender = NOBODY) -> bool:
        return await self._change(sql.USE_CODE, (now, sender.jkt, sender.x5t_s256, id_), event)

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
        values = (now, idle_expires_at, expires_at, sender.jkt, sender.x5t_s256, id_, generation)
        return await self._change(sql.ROTATE, values, event)

    async def prolong(
        self,
        id_: str,
        generation: int,
        now: Instant,
        idle_expires_at: Instant,
        expires_at: Instant,
        event: AuditEvent,
        sender: Sender = NOBODY,
    ) -> bool:
        values = (idle_expires_at, expires_at, sender.jkt, sender.x5t_s256, id_, generation)
        return await self._change(sql.PROLONG, values, event)

    async def revoke(self, id_: str, now: Instant, event: AuditEvent) -> bool:
        return await self._change(sql.REVOKE, (now, id_), event)

    # --- signing keys ----------------------------------------------------------------------------------------
    async def list_signing_keys(self) -> Sequence[SigningKeyRecord]:
        return [signing_key_of(row) for row in await self._database.all(sql.LIST_SIGNING_KEYS)]

    async def insert_first_signing_keys(self, keys: Sequence[SigningKeyRecord], event: AuditEvent) -> bool:
        async def work(transaction: Transaction) -> bool:
            await transaction.lock(_LOCK_SIGNING_KEYS)
            if await transaction.one(sql.ANY_SIGNING_KEY):
                return False
            for key in keys:
                await transaction.run(sql.INSERT_SIGNING_KEY, (*row_of_signing_key(key), None))
            await transaction.run(sql.INSERT_EVENT, row_of_event(event))
            return True

        return await self._database.transact(work)

    async def insert_signing_key(
        self, key: SigningKeyRecord, event: AuditEvent, *, unless_one_from: Instant | None = None
    ) -> bool:
        async def work(transaction: Transaction) -> bool:
            await transaction.lock(_LOCK_SIGNING_KEYS)
            row = (*row_of_signing_key(key), unless_one_from)
            if await transaction.run(sql.INSERT_SIGNING_KEY, row) != 1:
                return False
            await transaction.run(sql.INSERT_EVENT, row_of_event(event))
            return True

        return await self._database.transact(work)

    async def retire_signing_key(
        self, kid: str, retired_at: Instant, remove_at: Instant, event: AuditEvent
    ) -> None:
        await self._change(sql.RETIRE_SIGNING_KEY, (retired_at, remove_at, kid), event)

    # --- throttles, upkeep -----------------------------------------------------------------------------------
    async def take(self, rule: Limit | Backoff, key: str, now: Instant) -> Refused | None:
        place = (rule.name, digest_of(key))

        async def work(transaction: Transaction) -> Refused | None:
            row = await transaction.one(sql.FIND_ATTEMPTS, place)
            after = next_attempts(rule, Attempts(*row) if row else None, now)
            if isinstance(after, Refused):
                return after
            await transaction.run(sql.PUT_ATTEMPTS, (*place, after.next_at, after.count, forget_at(rule, after)))
            return None

        return await self._database.transact(work)

    async def look(self, rule: Limit | Backoff, key: str, now: Instant) -> Refused | None:
        row = await self._database.one(sql.FIND_ATTEMPTS, (rule.name, digest_of(key)))
        return waits(rule, Attempts(*row) if row else None, now)

    async def list_counted(self, rule: Limit | Backoff, now: Instant, most: int) -> Sequence[str]:
        return [row[0] for row in await self._database.all(sql.LIST_COUNTED, (rule.name, now, most))]

    async def reset(self, rule: Limit | Backoff, key: str) -> None:
        await self._change(sql.FORGET_ATTEMPTS, (rule.name, digest_of(key)))

    async def purge(self, now: Instant, *, batch: int = 500) -> int:
        return await self._database.purge(sql.PURGED, now, batch)

    async def ping(self) -> None:
        await self._database.ping()

    async def aclose(self) -> None:
        await self._database.aclose()


class SqliteServerStore(SqlServerStore):
    """`ServerStore` in an SQLite file."""

    @classmethod
    def open(cls, path: Path) -> Self:
        """Makes, upgrades and opens the file. Raises: ConfigurationError."""
        return cls(Database.open(path))
