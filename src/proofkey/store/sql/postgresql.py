"""A few connections to a PostgreSQL server, per event loop; they come back by themselves when the server does."""

import asyncio
import select
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
        except psycopg.errors.UndefinedTable as error:
            self._prepared = self._prepare is None  # somebody dropped the tables: the next connection makes them
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
        """The place is free again as soon as the caller gives up, however long the driver then takes to end."""
        pool, loop = self._pools.here(), asyncio.get_running_loop()
        end = loop.time() + DEADLINE
        try:
            if pool.places.locked():
                await asyncio.wait_for(pool.places.acquire(), DEADLINE)
            else:
                await pool.places.acquire()  # at once
        except TimeoutError as error:
            raise Unavailable(Finding.STORE_UNAVAILABLE, store=self.shown, reason="no answer in time") from error
        try:
            return await within(
                self._attempt(pool, work, again=again), store=self.shown, seconds=end - loop.time()
            )
        finally:
            pool.places.release()

    async def _attempt(self, pool: _Pool, work: Work[T], *, again: bool) -> T:
        while pool.idle:
            connection = pool.idle.pop()
            if not _is_quiet(connection):
                connection.pgconn.finish()
                continue
            try:
                return await _use(pool, connection, work)
            except (psycopg.OperationalError, psycopg.InterfaceError):
                if not connection.broken:
                    raise
                _drop(pool)  # the server was restarted: the others are dead too
                if not again:
                    raise
        return await _use(pool, await self._connect(), work)

    async def _connect(self) -> Connection:
        connection = await psycopg.AsyncConnection.connect(
            self._conninfo,
            autocommit=True,
            prepare_threshold=None,  # poolers in between may give each statement another session
        )
        if not self._prepared and self._prepare:
            try:
                await self._prepare(connection)
            except BaseException:
                connection.pgconn.finish()
                raise
            self._prepared = True
        return connection

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


def _is_quiet(connection: Connection) -> bool:
    """An idle connection has nothing to say; one whose server went away has an end of file to be read."""
    poll = select.poll()
    poll.register(connection.pgconn.socket, select.POLLIN)
    return not poll.poll(0)


async def _use(pool: _Pool, connection: Connection, work: Work[T]) -> T:
    """The connection goes back when the work has ended in order, or the server refused it and lives on."""
    try:
        result = await work(connection)
    except BaseException as error:
        if isinstance(error, psycopg.Error) and _is_reusable(connection):
            pool.idle.append(connection)
        else:
            connection.pgconn.finish()
        raise
    pool.idle.append(connection)
    return result


def _is_reusable(connection: Connection) -> bool:
    return connection.info.transaction_status is psycopg.pq.TransactionStatus.IDLE


def _drop(pool: _Pool) -> None:
    """Closes idle connections at once; needs no loop."""
    while pool.idle:
        connection = pool.idle.pop()
        connection.pgconn.finish()
