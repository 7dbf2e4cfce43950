"""One SQLite file: the connection, its lock, transactions, and what SQLite's errors mean here.

Nothing waits on the event loop: a statement runs at once, under a lock that is held for that statement or
transaction only; a file that another process has locked is asked again after `anyio.sleep`.
"""

import contextlib
import sqlite3
import threading
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final, TypeVar

import anyio
import anyio.lowlevel

from proofkey.errors import ConfigurationError, ServerError, Unavailable
from proofkey.findings import Finding
from proofkey.store.sql.connection import checkpoint, connect, is_busy, reason
from proofkey.store.sql.part import Follow, Parameters, Row, Transaction
from proofkey.store.sql.statements import purge_statement
from proofkey.store.sql.upgrade import prepare

T = TypeVar("T")

_PAUSES: Final = (0.001, 0.002, 0.004, 0.008, 0.015, 0.03, *(0.05,) * 99)
"""Seconds between attempts on a locked file: about 5 in all."""
_WRITES_PER_CHECKPOINT: Final = 500


class Database:
    """One connection per process, shared by its threads; see the module."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._connection = connect(path)
        self._writes = 0
        self._checkpoint: threading.Thread | None = None

    @classmethod
    def open(cls, path: Path) -> "Database":
        """Makes or upgrades the file, then opens it.

        Raises: ConfigurationError, in one line that names the path, when that fails.
        """
        prepare(path)
        try:
            return cls(path)
        except sqlite3.Error as error:
            raise ConfigurationError(Finding.STORE_UNAVAILABLE, path=str(path), reason=reason(error)) from error

    async def one(self, statement: str, parameters: Parameters = ()) -> Row | None:
        """The first row of a query. Raises: Unavailable."""
        return await self._patiently(lambda: self._read(statement, parameters).fetchone())

    async def all(self, statement: str, parameters: Parameters = ()) -> list[Row]:
        """Every row of a query. Raises: Unavailable."""
        return await self._patiently(lambda: self._read(statement, parameters).fetchall())

    async def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Runs `work` in one BEGIN IMMEDIATE transaction: all of it or nothing. It may run again after a wait.

        Raises: Unavailable when the file stays locked or cannot be written; ServerError when a record refers to
        nothing or exists already.
        """
        result = await self._patiently(lambda: self._transact(work))
        self._writes += 1
        if self._writes >= _WRITES_PER_CHECKPOINT:
            self._start_checkpoint()
        return result

    async def change(self, statement: str, parameters: Parameters = (), follow: Follow = ()) -> bool:
        """As `SqlDatabase.change`."""

        def work(connection: sqlite3.Connection) -> bool:
            if connection.execute(statement, tuple(parameters)).rowcount != 1:
                return False
            for next_statement, next_parameters in follow:
                connection.execute(next_statement, tuple(next_parameters))
            return True

        return await self.write(work)

    async def transact(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """As `SqlDatabase.transact`: `work` runs to its end at once, for nothing in it waits."""
        return await self.write(lambda connection: _at_once(work(_Transaction(connection))))

    async def purge(self, tables: Sequence[tuple[str, str]], now: int, batch: int) -> int:
        """As `SqlDatabase.purge`."""
        return await purge(self, [purge_statement(*one) for one in tables], now, batch)

    async def aclose(self) -> None:
        """Closes the connection; later calls raise Unavailable."""
        if self._checkpoint:
            self._checkpoint.join()
        with self._lock:
            self._connection.close()

    async def _patiently(self, attempt: Callable[[], T]) -> T:
        for pause in _PAUSES:
            try:
                with self._lock:
                    return attempt()
            except sqlite3.IntegrityError as error:
                raise ServerError(Finding.STORE_CONFLICT, reason=str(error)) from error
            except sqlite3.Error as error:
                if not is_busy(error):
                    raise Unavailable(
                        Finding.STORE_UNAVAILABLE, path=str(self.path), reason=reason(error)
                    ) from error
            await anyio.sleep(pause)
        raise Unavailable(Finding.STORE_UNAVAILABLE, path=str(self.path), reason="SQLITE_BUSY")

    def _read(self, statement: str, parameters: Parameters) -> sqlite3.Cursor:
        return self._connection.execute(statement, tuple(parameters))

    def _transact(self, work: Callable[[sqlite3.Connection], T]) -> T:
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            result = work(connection)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                with contextlib.suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
            raise
        return result

    def _start_checkpoint(self) -> None:
        """Moves the write-ahead log into the file on a thread of its own: the fsync is not the request's."""
        if self._checkpoint and self._checkpoint.is_alive():
            return
        self._writes = 0
        self._checkpoint = threading.Thread(
            target=checkpoint, args=(self.path,), name="proofkey-checkpoint", daemon=True
        )
        self._checkpoint.start()

    async def ping(self) -> None:
        """Raises: Unavailable when the file cannot be read."""
        await self.one("SELECT 1 FROM proofkey_version")


class _Transaction:
    """`Transaction` on SQLite's connection, inside BEGIN IMMEDIATE."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    async def one(self, statement: str, parameters: Parameters = ()) -> Row | None:
        row: Row | None = self._connection.execute(statement, tuple(parameters)).fetchone()
        return row

    async def run(self, statement: str, parameters: Parameters = ()) -> int:
        return self._connection.execute(statement, tuple(parameters)).rowcount

    async def lock(self, statement: str, parameters: Parameters = ()) -> None:
        """The transaction has the file to itself."""


def _at_once(work: Awaitable[T]) -> T:
    """What it gives; it is never suspended."""
    steps = work.__await__()
    try:
        next(steps)
    except StopIteration as end:
        result: T = end.value
        return result
    raise AssertionError("a transaction waited for something else")


async def purge(database: Database, statements: Sequence[str], now: int, batch: int) -> int:
    """Runs deletes that take an instant and a number until `batch` rows are gone, in one transaction; how many."""

    def work(connection: sqlite3.Connection) -> int:
        gone = 0
        for statement in statements:
            if gone < batch:
                gone += connection.execute(statement, (now, batch - gone)).rowcount
        return gone

    gone = await database.write(work)
    await anyio.lowlevel.checkpoint()  # a write need not wait: requests go on between two batches
    return gone
