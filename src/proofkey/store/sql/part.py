"""What every part of a store is written on, so that one text runs on SQLite and on PostgreSQL.

A part is a class on `SqlPart` (`class SqlPushedRequests(SqlPart): …`, a base of `grants.SqlServerStore`) whose
methods use nothing but `await self._database.one(statement, parameters)`, `await self._database.all(…)` and
`await self._change(statement, parameters, event, follow)`. Statements are SQL of both: `?`, or `?1 … ?n` where a
parameter stands twice; no rowid, no SQLite function but `instr`; booleans are 0 and 1 in the text, True and False
as parameters. What is used once is one conditional UPDATE given to `_change`.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol, TypeVar

from proofkey.authorization_server.records import AuditEvent
from proofkey.store.sql import statements as sql
from proofkey.store.sql.rows import row_of_event

T = TypeVar("T")
Row = tuple[Any, ...]
Parameters = Sequence[object]
Follow = Sequence[tuple[str, Parameters]]


class Transaction(Protocol):
    """One transaction: all of it or nothing."""

    async def one(self, statement: str, parameters: Parameters = ()) -> Row | None:
        """The first row of a query."""
        ...

    async def run(self, statement: str, parameters: Parameters = ()) -> int:
        """How many rows it changed."""
        ...

    async def lock(self, statement: str, parameters: Parameters = ()) -> None:
        """PostgreSQL alone: takes locks before what was read is relied on. SQLite has one writer anyhow."""
        ...


class SqlDatabase(Protocol):
    """SQLite's `Database` or PostgreSQL's."""

    async def one(self, statement: str, parameters: Parameters = ()) -> Row | None:
        """The first row of a query. Raises: Unavailable."""
        ...

    async def all(self, statement: str, parameters: Parameters = ()) -> list[Row]:
        """Every row of a query. Raises: Unavailable."""
        ...

    async def change(self, statement: str, parameters: Parameters = (), follow: Follow = ()) -> bool:
        """One write; when it changed exactly one row, `follow` in its transaction, in order. True then.

        Raises: Unavailable; ServerError when a record refers to nothing or exists already.
        """
        ...

    async def transact(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """Runs `work`, which waits for nothing but the transaction, and may run again. Raises: as `change`."""
        ...

    async def purge(self, tables: Sequence[tuple[str, str]], now: int, batch: int) -> int:
        """Deletes rows of (table, column of its end) until `batch` are gone; how many. Raises: Unavailable."""
        ...

    async def ping(self) -> None:
        """Raises: Unavailable."""
        ...

    async def aclose(self) -> None:
        """Later calls may raise Unavailable."""
        ...


class SqlPart:
    """A database, and the one way to change something in it."""

    def __init__(self, database: SqlDatabase) -> None:
        self._database = database

    async def _change(
        self, statement: str, parameters: Parameters, event: AuditEvent | None = None, follow: Follow = ()
    ) -> bool:
        """One conditional write: True when it changed a row, with `follow` and the event in its transaction."""
        if event is not None:
            follow = (*follow, (sql.INSERT_EVENT, row_of_event(event)))
        return await self._database.change(statement, parameters, follow)
