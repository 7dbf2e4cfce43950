"""Replay memories that are wrong on purpose: they look first and write after a pause, as so many do."""

import anyio

from proofkey.protocol.replay import ReplayMemory, key_digest
from proofkey.protocol.text import Instant
from proofkey.store.memory.replay import MemoryReplay
from proofkey.store.open import POSTGRESQL, REDIS, sqlite_path
from proofkey.store.redis import RedisReplay
from proofkey.store.redis_connection import Client
from proofkey.store.sql.postgresql import Connection
from proofkey.store.sql.replay import SqliteReplay
from proofkey.store.sql.replay_postgresql import PostgresqlReplay
from proofkey.testing.stores_check_then_set import PAUSE


class CheckThenSetMemory(MemoryReplay):
    """Wrong on purpose, for race tests only."""

    async def add(self, key: str, *, now: Instant, until: Instant, made: Instant | None = None) -> bool:
        if key_digest(key) in self._until:
            return False
        await anyio.sleep(PAUSE)
        self._until[key_digest(key)] = until
        return True


class CheckThenSetSqlite(SqliteReplay):
    """Wrong on purpose, for race tests only."""

    async def add(self, key: str, *, now: Instant, until: Instant, made: Instant | None = None) -> bool:
        row = (key_digest(key), until)
        if await self._database.one("SELECT 1 FROM proofkey_replays WHERE key = ?", row[:1]):
            return False
        await anyio.sleep(PAUSE)
        await self._database.write(
            lambda connection: connection.execute("INSERT OR REPLACE INTO proofkey_replays VALUES (?, ?)", row)
        )
        return True


class CheckThenSetPostgresql(PostgresqlReplay):
    """Wrong on purpose, for race tests only."""

    async def add(self, key: str, *, now: Instant, until: Instant, made: Instant | None = None) -> bool:
        digest = key_digest(key)

        async def look(connection: Connection) -> bool:
            found = await connection.execute("SELECT 1 FROM proofkey_replays WHERE key = %s", (digest,))
            return await found.fetchone() is not None

        async def write(connection: Connection) -> None:
            await connection.execute(
                "INSERT INTO proofkey_replays VALUES (%s, %s, %s) ON CONFLICT DO NOTHING", (digest, b"", until)
            )

        if await self._server.run(look):
            return False
        await anyio.sleep(PAUSE)
        await self._server.run(write)
        return True


class CheckThenSetRedis(RedisReplay):
    """Wrong on purpose, for race tests only."""

    async def add(self, key: str, *, now: Instant, until: Instant, made: Instant | None = None) -> bool:
        async def look(client: Client) -> bool:
            return await client.get(key) is not None

        async def write(client: Client) -> None:
            await client.set(key, "used", ex=until - now)

        if await self._connection.run(look):
            return False
        await anyio.sleep(PAUSE)
        await self._connection.run(write)
        return True


def open_check_then_set(url: str) -> ReplayMemory:
    """The wrong one for that URL. Raises: ConfigurationError."""
    if url.startswith(POSTGRESQL):
        return CheckThenSetPostgresql(url)
    if url.startswith(REDIS):
        return CheckThenSetRedis(url)
    if url.startswith("sqlite:"):
        return CheckThenSetSqlite.open(sqlite_path(url))
    return CheckThenSetMemory()
