"""Makes the file and brings its schema up to date, once, however many processes start together."""

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Generator
from pathlib import Path
from typing import Final

from proofkey.errors import ConfigurationError, missing_extra
from proofkey.findings import Finding
from proofkey.store.sql.connection import connect, reason

REVISIONS: Final = ("0001", "0002")
"""Every revision of the schema, oldest first (a test compares it with the migrations)."""
HEAD: Final = REVISIONS[-1]
START_WAIT: Final = 5.0
"""Seconds that a start waits for a locked file."""
REPLAY_TABLES: Final = frozenset({"proofkey_replays", "proofkey_replays_version"})
"""Those of `proofkey.store.sql.replay`, which may stand beside the schema and have versions of their own."""


def prepare(path: Path) -> str | None:
    """Makes the file (mode 0600) or upgrades it; the revision that was there before, None for a new file.

    A migration that fails or is killed half-way leaves the file as it was.
    Raises: ConfigurationError, in one line that names the path.
    """
    try:
        return _prepare(path)
    except sqlite3.Error as error:
        raise ConfigurationError(Finding.STORE_UNAVAILABLE, path=str(path), reason=reason(error)) from error
    except OSError as error:
        raise ConfigurationError(Finding.STORE_UNAVAILABLE, path=str(path), reason=error.strerror or "") from error


def _prepare(path: Path) -> str | None:
    with _one_at_a_time(path):
        _create(path)
        with contextlib.closing(connect(path, wait=START_WAIT)) as connection:
            before = _revision(connection, path)
            _check_log(connection, path)
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
        if before != HEAD:
            _migrate(path)
    return before


@contextlib.contextmanager
def prepared_file(path: Path) -> Generator[set[str], None, None]:
    """Inside, no other start of ours touches the file: it exists, has a write-ahead log and can be written.

    Gives the names of its tables. Raises: ConfigurationError, sqlite3.Error, OSError.
    """
    with _one_at_a_time(path):
        _create(path)
        with contextlib.closing(connect(path, wait=START_WAIT)) as connection:
            _check_log(connection, path)
            tables = _tables(connection)
        yield tables


@contextlib.contextmanager
def _one_at_a_time(path: Path) -> Generator[None, None, None]:
    """Locks the directory, not the file: closing a descriptor of the file would drop SQLite's own locks."""
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _check_log(connection: sqlite3.Connection, path: Path) -> None:
    """Turns the write-ahead log on; some network file systems cannot have one."""
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise ConfigurationError(Finding.STORE_UNAVAILABLE, path=str(path), reason="no write-ahead log there")


def _create(path: Path) -> None:
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))


def _tables(connection: sqlite3.Connection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def _revision(connection: sqlite3.Connection, path: Path) -> str | None:
    tables = _tables(connection)
    if not tables - REPLAY_TABLES:
        return None
    if "proofkey_version" not in tables:
        raise ConfigurationError(Finding.STORE_FOREIGN, path=str(path))
    row = connection.execute("SELECT version_num FROM proofkey_version").fetchone()
    if row and row[0] not in REVISIONS:
        raise ConfigurationError(Finding.STORE_NEWER, path=str(path), schema=str(row[0]), known=HEAD)
    return str(row[0]) if row else None


def _migrate(path: Path) -> None:
    try:
        from proofkey.store.sql.migrate import migrate
    except ImportError as error:
        raise missing_extra("server", error.name) from error
    migrate(path, wait=START_WAIT)
