"""A few connections to a PostgreSQL server, per event loop; they come back by themselves when the server does."""

import asyncio
import os
import select
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from proofkey.errors import ConfigurationError, Unavailable
from proofkey.findings import Finding
from proofkey.store.address import shown_store
from proofkey.store.deadline import DEADLINE, PerLoop, within

T = TypeVar("T")
Connection = psycopg.AsyncConnection[tuple[Any, ...]]
Work = Callable[[Connection], Awaitable[T]]

PREPARE_AFTER: Final = 3
"""So often a statement runs on a connection before the server is asked to keep it ready."""
SIZE: Final = 4
"""Connections of one process: single statements keep none of them busy for long."""


@dataclass(slots=True)
class _Pool:
    places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(SIZE))
    idle: list[Connection] = field(default_factory=list[Connection])


class Postgresql:
    """Runs work on a connection in autocommit; `prepare` runs before the first work of a process."""

    def __init__(self, url: str, prepare: Callable[[Connection], Awaitable[None]] | None = None) -> None:
        """Connects to nothing yet. Raises: ConfigurationError when libpq cannot read the URL."""
        self._conninfo = parse_conninfo(url)
        self.shown = shown_store(url)
        self._prepare = prepare
        self._prepared = prepare is None
        self._pools: PerLoop[_Pool] = PerLoop(_Pool, _drop)

    async def run(self, work: Work[T], *, again: bool = True) -> T:
        """What `work` gives. With `again` it runs a second time when its connection died, for work that may have
        been done already.

        Raises: Unavailable when the server cannot be reached, refuses, or is late; psycopg.IntegrityError.
        """
        try:
            return await self._run(work, again=again)
        except psycopg.IntegrityError:
            raise
        except (psycopg.errors.UndefinedTable, psycopg.errors.FeatureNotSupported) as error:
            # somebody dropped the tables, or changed a column of a statement that was kept ready
            self._prepared = self._prepare is None  # the next connection makes them
            _drop(self._pools.here())
            raise self._unavailable(error) from error
        except psycopg.Error as error:
            raise self._unavailable(error) from error

    async def aclose(self) -> None:
        """Closes what this loop has, and what closed loops left."""
        pool = self._pools.take()
        if pool is not None:
            _drop(pool)

    async def _run(self, work: Work[T], *, again: bool) -> T:
        """Waits for a free place, then works on a connection; all of it within the deadline."""
        pool, loop = self._pools.here(), asyncio.get_running_loop()
        end = loop.time() + DEADLINE
        try:
            if pool.places.locked():
                async with asyncio.timeout_at(end):  # without the task that `wait_for` makes
                    await pool.places.acquire()
            else:
                await pool.places.acquire()  # at once
        except TimeoutError as error:
            raise self._late() from error
        try:
            return await self._attempt(pool, work, again=again, end=end)
        finally:
            pool.places.release()

    async def _attempt(self, pool: _Pool, work: Work[T], *, again: bool, end: float) -> T:
        while pool.idle:
            connection = pool.idle.pop()
            if not _is_quiet(connection):
                connection.pgconn.finish()
                continue
            try:
                return await self._use(pool, connection, work, end)
            except (psycopg.OperationalError, psycopg.InterfaceError):
                if not connection.broken:
                    raise
                _drop(pool)  # the server was restarted: the others are dead too
                if not again:
                    raise
        loop = asyncio.get_running_loop()
        connection = await within(self._connect(), store=self.shown, seconds=end - loop.time())
        return await self._use(pool, connection, work, end)

    async def _use(self, pool: _Pool, connection: Connection, work: Work[T], end: float) -> T:
        """The connection goes back when the work has ended in order, or the server refused it and lives on. At
        `end` (the loop's time) it is cut off, so that nobody waits any longer."""
        loop = asyncio.get_running_loop()
        timer = loop.call_at(end, _cut, connection)
        try:
            result = await work(connection)
        except BaseException as error:
            if isinstance(error, psycopg.Error) and _is_reusable(connection):
                pool.idle.append(connection)
                raise
            connection.pgconn.finish()
            if isinstance(error, psycopg.Error) and loop.time() >= end:
                raise self._late() from error
            raise
        finally:
            timer.cancel()
        pool.idle.append(connection)
        return result

    async def _connect(self) -> Connection:
        connection = await psycopg.AsyncConnection.connect(
            self._conninfo,
            autocommit=True,
            prepare_threshold=None,
        )
        try:
            if not self._prepared and self._prepare:
                await self._prepare(connection)
                self._prepared = True
            if await _is_direct(connection):
                connection.prepare_threshold = PREPARE_AFTER
        except BaseException:
            connection.pgconn.finish()
            raise
        return connection

    def _late(self) -> Unavailable:
        return Unavailable(Finding.STORE_UNAVAILABLE, store=self.shown, reason="no answer in time")

    def _unavailable(self, error: psycopg.Error) -> Unavailable:
        reason = type(error).__name__ + (f" {error.sqlstate}" if error.sqlstate else "")
        return Unavailable(Finding.STORE_UNAVAILABLE, store=self.shown, reason=reason)


def parse_conninfo(url: str) -> str:
    """What libpq is given for a URL. Raises: ConfigurationError when it cannot read it."""
    try:
        ports = str(conninfo_to_dict(url).get("port") or "")
        conninfo = make_conninfo(
            url, connect_timeout=int(DEADLINE), client_encoding="UTF8", fallback_application_name="proofkey"
        )
    except psycopg.Error:
        conninfo, ports = "", "unreadable"
    if ports.strip(",0123456789"):
        raise ConfigurationError(Finding.CONFIG_VALUE, store=shown_store(url), reason="not a URL")
    return conninfo


async def _is_direct(connection: Connection) -> bool:
    """A pooler in between, which may give each statement another session, answers with a number of its own for the
    process at the other end."""
    row = await (await connection.execute("SELECT pg_backend_pid()")).fetchone()
    return row == (connection.info.backend_pid,)


def _is_quiet(connection: Connection) -> bool:
    """An idle connection has nothing to say; one whose server went away has an end of file to be read."""
    poll = select.poll()
    poll.register(connection.pgconn.socket, select.POLLIN)
    return not poll.poll(0)


def _cut(connection: Connection) -> None:
    """Whoever waits for an answer on it is told that the connection has ended."""
    with socket.socket(fileno=os.dup(connection.pgconn.socket)) as line:
        line.shutdown(socket.SHUT_RDWR)


def _is_reusable(connection: Connection) -> bool:
    return connection.info.transaction_status is psycopg.pq.TransactionStatus.IDLE


def _drop(pool: _Pool) -> None:
    """Closes idle connections at once; needs no loop."""
    while pool.idle:
        connection = pool.idle.pop()
        connection.pgconn.finish()
