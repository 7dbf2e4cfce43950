"""`SqlDatabase` on a PostgreSQL server: SQLite's statements, translated, in as few round trips as there can be."""

import itertools
import re
from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache
from typing import Any, Final, TypeVar, cast

import psycopg
from psycopg import AsyncRawCursor

from proofkey.errors import ServerError
from proofkey.findings import Finding
from proofkey.store.sql import statements as sql
from proofkey.store.sql.part import Follow, Parameters, Row, Transaction
from proofkey.store.sql.postgresql import Connection, Postgresql

T = TypeVar("T")
Cursor = AsyncRawCursor[tuple[Any, ...]]

ATTEMPTS: Final = 5
"""So often is run what the server rolled back as a deadlock or as not serializable."""
_ROLLED_BACK: Final = (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure)
_PURGE_LOCK: Final = 0x70726F6F70757267
"""The advisory lock of the one node that deletes: `proopurg`."""

_ENDED: Final = "WHERE sid = ?4 AND instr(' ' || ?5 || ' ', ' offline_access ') = 0"
_PERSON: Final = "(SELECT count(*) FROM (SELECT 1 FROM users WHERE sub = ?3 FOR KEY SHARE) person) >= 0"
_SIGN_IN: Final = "FROM sign_ins WHERE sid = ?1"
_OWN: Final = {
    sql.INSERT_AUTHORIZATION: sql.INSERT_AUTHORIZATION.replace(_ENDED, f"{_ENDED} AND {_PERSON} FOR SHARE"),
    sql.INSERT_LOGOUT: sql.INSERT_LOGOUT.replace(_SIGN_IN, f"{_SIGN_IN} FOR SHARE"),
}
"""Statements for which PostgreSQL needs words of its own.

An authorization, or a logout delivery, and the end of its sign-in wait for each other: whoever comes second sees
the first. An authorization's user is locked before the sign-in, in the order of whatever ends both.
"""


class PostgresqlDatabase:
    """Statements and transactions on `Postgresql`. A write is never sent again after its answer was lost."""

    def __init__(self, url: str) -> None:
        """Connects to nothing yet. Raises: ConfigurationError when the URL is none."""
        self._server = Postgresql(url)

    async def one(self, statement: str, parameters: Parameters = ()) -> Row | None:
        """As `SqlDatabase.one`."""
        return await self._one(statement, parameters, again=True)

    async def all(self, statement: str, parameters: Parameters = ()) -> list[Row]:
        """As `SqlDatabase.all`."""
        if not _is_storable(parameters):
            return []

        async def work(cursor: Cursor) -> list[Row]:
            await cursor.execute(translated(statement), _values(parameters))
            return await cursor.fetchall()

        return await self._run(work, again=True)

    async def change(self, statement: str, parameters: Parameters = (), follow: Follow = ()) -> bool:
        """As `SqlDatabase.change`; with nothing but an event to follow it is a single statement."""
        if not _is_storable(parameters):
            raise ServerError(Finding.STORE_CONFLICT, reason="a NUL in a text")
        if not follow:
            return await self._run(lambda cursor: _changed(cursor, statement, parameters), again=False)
        if len(follow) == 1 and follow[0][0] is sql.INSERT_EVENT:
            text = with_event(statement, len(parameters))
            row = await self._one(text, (*parameters, *follow[0][1]), again=False)
            return row == (1,)

        async def work(transaction: Transaction) -> bool:
            if await transaction.run(statement, parameters) != 1:
                return False
            for one in follow:
                await transaction.run(*one)
            return True

        return await self.transact(work)

    async def take(self, statement: str, parameters: Parameters = ()) -> Row | None:
        """What a DELETE or UPDATE with RETURNING gives. Raises: Unavailable."""
        return await self._one(statement, parameters, again=False)

    async def transact(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """As `SqlDatabase.transact`, read committed: what is relied on has to be locked."""

        async def inside(cursor: Cursor) -> T:
            async with cursor.connection.transaction():
                return await work(_Transaction(cursor))

        return await self._run(inside, again=False)

    async def purge(self, tables: Sequence[tuple[str, str]], now: int, batch: int) -> int:
        """As `SqlDatabase.purge`; 0 too while another node deletes. Rows in use are left for the next time."""

        async def work(transaction: Transaction) -> int:
            if await transaction.one("SELECT pg_try_advisory_xact_lock(?)", (_PURGE_LOCK,)) != (True,):
                return 0
            gone = 0
            for table, column in tables:
                if gone < batch:
                    gone += await transaction.run(_purge_statement(table, column), (now, batch - gone))
            return gone

        return await self.transact(work)

    async def ping(self) -> None:
        """Raises: Unavailable when the server does not answer, or has no tables of ours."""
        await self.one("SELECT 1 FROM proofkey_version")

    async def aclose(self) -> None:
        """Closes this loop's connections; a later call connects again."""
        await self._server.aclose()

    async def _one(self, statement: str, parameters: Parameters, *, again: bool) -> Row | None:
        if not _is_storable(parameters):
            return None

        async def work(cursor: Cursor) -> Row | None:
            await cursor.execute(translated(statement), _values(parameters))
            return await cursor.fetchone()

        return await self._run(work, again=again)

    async def _run(self, work: Callable[[Cursor], Awaitable[T]], *, again: bool) -> T:
        """Raises: Unavailable; ServerError when a record refers to nothing or exists already."""

        async def attempt(connection: Connection) -> T:
            for _ in range(ATTEMPTS - 1):
                try:
                    return await work(AsyncRawCursor(connection))
                except _ROLLED_BACK:
                    continue
            return await work(AsyncRawCursor(connection))

        try:
            return await self._server.run(attempt, again=again)
        except psycopg.IntegrityError as error:
            reason = f"{type(error).__name__} {error.diag.constraint_name or ''}".strip()
            raise ServerError(Finding.STORE_CONFLICT, reason=reason) from error


class _Transaction:
    """`Transaction` on one of PostgreSQL's connections."""

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor

    async def one(self, statement: str, parameters: Parameters = ()) -> Row | None:
        if not _is_storable(parameters):
            return None
        await self._cursor.execute(translated(statement), _values(parameters))
        return await self._cursor.fetchone()

    async def run(self, statement: str, parameters: Parameters = ()) -> int:
        return await _run(self._cursor, statement, parameters)

    async def lock(self, statement: str, parameters: Parameters = ()) -> None:
        await _run(self._cursor, statement, parameters)


async def _changed(cursor: Cursor, statement: str, parameters: Parameters) -> bool:
    return await _run(cursor, statement, parameters) == 1


async def _run(cursor: Cursor, statement: str, parameters: Parameters) -> int:
    await cursor.execute(translated(statement), _values(parameters))
    return cursor.rowcount


@lru_cache(maxsize=512)
def translated(statement: str) -> Any:  # noqa: ANN401  # psycopg wants literal text; these statements are ours
    """`?` and `?n` as `$n`, SQLite's function as PostgreSQL's."""
    parts = re.split(r"\?(\d*)", _OWN.get(statement, statement))
    text = parts[0]
    for number, (named, after) in enumerate(zip(parts[1::2], parts[2::2], strict=True), 1):
        text += f"${named or number}{after}"
    return cast(Any, text.replace("instr(", "strpos(").encode())


@lru_cache(maxsize=256)
def with_event(statement: str, count: int) -> str:
    """One statement that changes a row by `statement` with `count` parameters, and if it did, inserts an event.

    It gives how many rows changed.
    """
    numbers = itertools.count(1)
    own = re.sub(r"\?(?!\d)", lambda _: f"?{next(numbers)}", _OWN.get(statement, statement))
    at, name, sub, client_id, detail = (f"?{count + number}" for number in range(1, 6))
    return f"""
        WITH changed AS ({own} RETURNING 1),
        event AS (
            INSERT INTO audit_events (at, name, sub, client_id, detail)
            SELECT {at}, {name}, {sub}, {client_id}, {detail} WHERE (SELECT count(*) FROM changed) = 1
        )
        SELECT count(*) FROM changed
    """  # noqa: S608  # our own statements, values are parameters


def _purge_statement(table: str, column: str) -> str:
    return f"""
        DELETE FROM {table} WHERE ctid = ANY (ARRAY (
            SELECT ctid FROM {table} WHERE {column} <= ? ORDER BY {column} LIMIT ? FOR UPDATE SKIP LOCKED
        ))
    """  # noqa: S608  # our own names


def _values(parameters: Parameters) -> list[object]:
    """Booleans as the 0 and 1 that the columns hold."""
    return [int(value) if isinstance(value, bool) else value for value in parameters]


def _is_storable(parameters: Parameters) -> bool:
    """PostgreSQL's text has no NUL: no row can hold one, and asking with one is an error."""
    return not any(isinstance(value, str) and "\0" in value for value in parameters)
