"""Runs the migrations on PostgreSQL with Alembic, in one transaction. Imported only when there is work."""

from collections.abc import Callable
from typing import Any, Final, cast

import psycopg
from alembic import command
from sqlalchemy import NullPool, create_engine
from sqlalchemy.exc import DBAPIError

from proofkey.store.sql.migrate import configuration
from proofkey.store.sql.postgresql import parse_conninfo

Connection = psycopg.Connection[tuple[Any, ...]]
Revision = Callable[[Connection], str | None]

_LOCK: Final = 0x70726F6F66646462
"""The advisory lock under which one process at a time migrates: `proofddb`."""
_WAIT: Final = "5s"
"""So long it waits for others' statements on a table; while it waits, they wait behind it."""
_ATTEMPTS: Final = 3


def migrate_postgresql(url: str, revision: Revision) -> str | None:
    """To the newest revision, all of it or nothing; the one that `revision` says was there before.

    Raises: psycopg.Error, and what `revision` does.
    """
    for _ in range(_ATTEMPTS - 1):
        try:
            return _attempt(url, revision)
        except psycopg.errors.DeadlockDetected:
            continue  # with statements of running workers; everything is as it was
    return _attempt(url, revision)


def _attempt(url: str, revision: Revision) -> str | None:
    conninfo = parse_conninfo(url)
    engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(conninfo), poolclass=NullPool)
    try:
        with engine.begin() as connection:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_WAIT}'")
            before = revision(cast(Connection, connection.connection.driver_connection))
            command.upgrade(configuration(connection), "head")
            return before
    except DBAPIError as error:
        if isinstance(error.orig, psycopg.Error):
            raise error.orig from error
        raise
    finally:
        engine.dispose()
