"""What was used, in PostgreSQL, for the workers of any number of hosts."""

import contextlib
import os
from typing import Final, LiteralString

from proofkey.errors import Unavailable
from proofkey.findings import Finding
from proofkey.protocol.replay import key_digest
from proofkey.protocol.text import Instant
from proofkey.store.sql.postgresql import Connection, Postgresql

STEPS: Final[tuple[tuple[LiteralString, ...], ...]] = (
    (
        "CREATE TABLE proofkey_replays (key text PRIMARY KEY, holder bytea NOT NULL, until bigint NOT NULL)",
        "CREATE INDEX ix_proofkey_replays_until ON proofkey_replays (until)",
    ),
)
"""How the tables came about; a schema at version n has had the first n steps."""
VERSION: Final = len(STEPS)
_LOCK: Final = 0x70726F6F666B6579
"""The advisory lock under which one process prepares the schema: `proofkey`."""

ADD: Final = """
    INSERT INTO proofkey_replays AS held (key, holder, until) VALUES (%s, %s, %s)
    ON CONFLICT (key) DO UPDATE SET holder = excluded.holder, until = excluded.until
    WHERE held.until <= %s OR held.holder = excluded.holder
    RETURNING 1
"""
"""Gives a row to the first caller alone. `holder` is one call: sent again after a lost answer, it wins still."""
PURGE: Final = """
    DELETE FROM proofkey_replays WHERE key IN (
        SELECT key FROM proofkey_replays WHERE until <= %s ORDER BY until LIMIT %s FOR UPDATE SKIP LOCKED
    )
"""
BATCH: Final = 500
EVERY: Final = 250
"""So many adds forget up to `BATCH` keys: the table cannot outgrow what is live by much."""


class PostgresqlReplay:
    """`ReplayMemory` in PostgreSQL. The tables are made at the first connection of a process."""

    def __init__(self, url: str) -> None:
        """Connects to nothing yet. Raises: ConfigurationError when the URL is none."""
        self._server = Postgresql(url, prepare)
        self._added = 0

    async def add(self, key: str, *, now: Instant, until: Instant, made: Instant | None = None) -> bool:
        """As `ReplayMemory.add`. Raises: Unavailable within two seconds."""
        row = (key_digest(key), os.urandom(16), until, now)

        async def work(connection: Connection) -> bool:
            return await (await connection.execute(ADD, row)).fetchone() is not None

        first = await self._server.run(work)
        self._added += first
        if self._added >= EVERY:
            self._added = 0
            with contextlib.suppress(Unavailable):  # the answer stands; the next round forgets more
                await self._forget(now)
        return first

    async def purge(self, now: Instant) -> int:
        gone = batch = await self._forget(now)
        while batch == BATCH:
            batch = await self._forget(now)
            gone += batch
        return gone

    async def ping(self) -> None:
        """Raises: Unavailable when the server does not answer."""

        async def work(connection: Connection) -> None:
            await connection.execute("SELECT 1 FROM proofkey_replays_version")

        await self._server.run(work)

    async def aclose(self) -> None:
        await self._server.aclose()

    async def _forget(self, now: Instant) -> int:
        async def work(connection: Connection) -> int:
            return (await connection.execute(PURGE, (now, BATCH))).rowcount

        return await self._server.run(work)


async def prepare(connection: Connection) -> None:
    """Makes or upgrades the tables, in the first schema of the search path; all of it or nothing.

    Raises: Unavailable when a newer version made them; psycopg.Error.
    """
    version = await _version(connection)
    if version < VERSION:
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
            version = await _version(connection)
            await connection.execute(
                "CREATE TABLE IF NOT EXISTS proofkey_replays_version (version integer NOT NULL)"
            )
            for step in STEPS[version:]:
                for statement in step:
                    await connection.execute(statement)
            if version < VERSION:
                await connection.execute("DELETE FROM proofkey_replays_version")
                await connection.execute("INSERT INTO proofkey_replays_version VALUES (%s)", (VERSION,))
    if version > VERSION:
        raise Unavailable(Finding.STORE_NEWER, schema=str(version), known=str(VERSION))


async def _version(connection: Connection) -> int:
    """0 while one of the tables is missing. Reads the catalogue itself: `to_regclass` may not yet have heard of
    what another session has just made."""
    cursor = await connection.execute(
        "SELECT count(*) FROM pg_catalog.pg_class WHERE pg_catalog.pg_table_is_visible(oid)"
        " AND relname IN ('proofkey_replays', 'proofkey_replays_version')"
    )
    if await cursor.fetchone() != (2,):
        return 0
    row = await (await connection.execute("SELECT max(version) FROM proofkey_replays_version")).fetchone()
    return int(row[0] or 0) if row else 0
