"""SQLite connections as Proofkey wants them, and the words for their errors."""

import contextlib
import sqlite3
from pathlib import Path
from typing import Final

_BUSY: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_AUTOCHECKPOINT_PAGES: Final = 8000
"""Only a net under `Database`'s own checkpoints: 32 MB."""


def connect(path: Path, *, wait: float = 0) -> sqlite3.Connection:
    """Transactions are begun by hand; a locked file is an error after `wait` seconds.

    Raises: sqlite3.Error.
    """
    connection = sqlite3.connect(
        path, timeout=wait, isolation_level=None, check_same_thread=False, cached_statements=256
    )
    try:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_AUTOCHECKPOINT_PAGES}")
        connection.execute("PRAGMA trusted_schema = OFF")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def checkpoint(path: Path) -> None:
    """Copies the write-ahead log into the file as far as nobody is in the way; the next one takes the rest."""
    with contextlib.suppress(sqlite3.Error), contextlib.closing(connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()


def is_busy(error: sqlite3.Error) -> bool:
    """Another connection holds a lock; extended codes count as their kind."""
    return (_code(error) & 0xFF) in _BUSY


def reason(error: sqlite3.Error) -> str:
    """SQLite's name for the error, without any value."""
    return getattr(error, "sqlite_errorname", None) or type(error).__name__


def _code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", None) or 0
