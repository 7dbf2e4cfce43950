"""What was used, in an SQLite file: one of its own, or the file of another store of ours."""

import contextlib
import os
import sqlite3
from pathlib import Path
from typing import Final, Self

import anyio

from proofkey.errors import ConfigurationError, Unavailable
from proofkey.findings import Finding
from proofkey.protocol.replay import key_digest
from proofkey.protocol.text import Instant
from proofkey.store.deadline import DEADLINE
from proofkey.store.sql.connection import connect, reason
from proofkey.store.sql.database import Database, purge
from proofkey.store.sql.upgrade import REPLAY_TABLES, START_WAIT, prepared_file

STEPS: Final = (
    (
        "CREATE TABLE proofkey_replays (key TEXT PRIMARY KEY, until INTEGER NOT NULL) WITHOUT ROWID",
        "CREATE INDEX ix_proofkey_replays_until ON proofkey_replays (until)",
    ),
)
"""How the tables came about; a file at version n has had the first n steps."""
VERSION: Final = len(STEPS)

ADD: Final = """
    INSERT INTO proofkey_replays (key, until) VALUES (?1, ?2)
    ON CONFLICT (key) DO UPDATE SET until = excluded.until WHERE proofkey_replays.until <= ?3
"""
"""Changes a row for the first caller alone."""
PURGE: Final = (
    "DELETE FROM proofkey_replays WHERE key IN (SELECT key FROM proofkey_replays WHERE until <= ? LIMIT ?)",
)
BATCH: Final = 500
EVERY: Final = 250
"""So many adds forget up to `BATCH` keys: the table cannot outgrow what is live by much."""


class SqliteReplay:
    """`ReplayMemory` in an SQLite file, for the processes of one host."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._database = Database(path)
        self._pid = os.getpid()
        self._added = 0

    @classmethod
    def open(cls, path: Path) -> Self:
        """Makes, upgrades and opens the file. Raises: ConfigurationError, in one line that names the path."""
        try:
            prepare(path)
            return cls(path)
        except sqlite3.Error as error:
            raise ConfigurationError(Finding.STORE_UNAVAILABLE, path=str(path), reason=reason(error)) from error
        except OSError as error:
            why = error.strerror or ""
            raise ConfigurationError(Finding.STORE_UNAVAILABLE, path=str(path), reason=why) from error

    async def add(self, key: str, *, now: Instant, until: Instant, made: Instant | None = None) -> bool:
        """As `ReplayMemory.add`. Raises: Unavailable when the file stays locked or cannot be written."""
        row = (key_digest(key), until, now)

        def work(connection: sqlite3.Connection) -> bool:
            return connection.execute(ADD, row).rowcount == 1

        try:
            with anyio.fail_after(DEADLINE):
                first = await self._here().write(work)
        except TimeoutError as error:
            raise Unavailable(Finding.STORE_UNAVAILABLE, path=str(self._path), reason="SQLITE_BUSY") from error
        self._added += first
        if self._added >= EVERY:
            self._added = 0
            with contextlib.suppress(Unavailable):  # the answer stands; the next round forgets more
                await purge(self._here(), PURGE, now, BATCH)
        return first

    async def purge(self, now: Instant) -> int:
        gone = batch = await purge(self._here(), PURGE, now, BATCH)
        while batch == BATCH:
            batch = await purge(self._here(), PURGE, now, BATCH)
            gone += batch
        return gone

    async def ping(self) -> None:
        """Raises: Unavailable when the file cannot be read."""
        await self._here().one("SELECT 1 FROM proofkey_replays_version")

    async def aclose(self) -> None:
        await self._here().aclose()

    def _here(self) -> Database:
        """A connection of this very process: SQLite's does not survive a fork."""
        if self._pid != os.getpid():
            try:
                self._database = Database(self._path)
            except sqlite3.Error as error:
                why = reason(error)
                raise Unavailable(Finding.STORE_UNAVAILABLE, path=str(self._path), reason=why) from error
            self._pid = os.getpid()
        return self._database


def prepare(path: Path) -> None:
    """Makes the file (mode 0600) and the tables, or upgrades them; all of it or nothing.

    Raises: ConfigurationError when it belongs to another program or a newer version; sqlite3.Error, OSError.
    """
    with prepared_file(path) as tables, contextlib.closing(connect(path, wait=START_WAIT)) as connection:
        if tables and not tables & {*REPLAY_TABLES, "proofkey_version"}:
            raise ConfigurationError(Finding.STORE_FOREIGN, path=str(path))
        connection.execute("BEGIN EXCLUSIVE")
        try:
            _upgrade(connection, path)
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")


def _upgrade(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("CREATE TABLE IF NOT EXISTS proofkey_replays_version (version INTEGER NOT NULL)")
    row = connection.execute("SELECT max(version) FROM proofkey_replays_version").fetchone()
    version = row[0] or 0
    if version > VERSION:
        raise ConfigurationError(Finding.STORE_NEWER, path=str(path), schema=str(version), known=str(VERSION))
    for step in STEPS[version:]:
        for statement in step:
            connection.execute(statement)
    if version < VERSION:
        connection.execute("DELETE FROM proofkey_replays_version")
        connection.execute("INSERT INTO proofkey_replays_version VALUES (?)", (VERSION,))
