"""A few connections to a PostgreSQL server, per event loop; they come back by themselves when the server does."""

import asyncio
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

    def __init__(self, url: str, prepare: Callable[[Connection], Awaitable[None]]) -> None:
        """Connects to nothing yet. Raises: ConfigurationError when libpq cannot read the URL."""
        try:
            ports = str(conninfo_to_dict(url).get("port") or "")
            self._conninfo = make_conninfo(
                url, connect_timeout=int(DEADLINE), fallback_application_name="proofkey"
            )
        except psycopg.Error:
            ports = "unreadable"
        if ports.strip(",0123456789"):
            raise ConfigurationError(Finding.CONFIG_VALUE, store=shown_store(url), reason="not a URL")
        self.shown = shown_store(url)
        self._prepare = prepare
        self._prepared = False
        self._pools: PerLoop[_Pool] = PerLoop(_Pool, _drop)

    async def run(self, work: Work[T]) -> T:
        """What `work` gives. It runs a second time when a connection had died while it was idle.

        Raises: Unavailable when the server cannot be reached, refuses, or is late.
        """
        try:
            return await within(self._run(work), store=self.shown)
        except psycopg.errors.UndefinedTable as error:
            self._prepared = False  # somebody dropped the tables: the next call makes them
            raise self._unavailable(error) from error
        except psycopg.Error as error:
            raise self._unavailable(error) from error

    async def aclose(self) -> None:
        """Closes what this loop has, and what closed loops left."""
        pool = self._pools.take()
        if pool is not None:
            _drop(pool)

    async def _run(self, work: Work[T]) -> T:
        """The place is free again as soon as the caller gives up, however long the driver then takes to end."""
        pool = self._pools.here()
        async with pool.places:
            return await within(self._attempt(pool, work), store=self.shown)

    async def _attempt(self, pool: _Pool, work: Work[T]) -> T:
        if pool.idle:
            try:
                return await _use(pool, pool.idle.pop(), work)
            except (psycopg.OperationalError, psycopg.InterfaceError):
                _drop(pool)  # the server was restarted: the others are dead too
        return await _use(pool, await self._connect(), work)

    async def _connect(self) -> Connection:
        connection = await psycopg.AsyncConnection.connect(
            self._conninfo,
            autocommit=True,
            prepare_threshold=None,  # poolers in between may give each statement another session
        )
        if not self._prepared:
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


async def _use(pool: _Pool, connection: Connection, work: Work[T]) -> T:
    try:
        result = await work(connection)
    except BaseException:
        connection.pgconn.finish()
        raise
    pool.idle.append(connection)
    return result


def _drop(pool: _Pool) -> None:
    """Closes idle connections at once; needs no loop."""
    while pool.idle:
        connection = pool.idle.pop()
        connection.pgconn.finish()
