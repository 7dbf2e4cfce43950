"""Stores in an SQLite file: safe for several threads, and for several processes of one host."""

from proofkey.store.sql.grants import SqliteServerStore
from proofkey.store.sql.sessions import SqliteSessionStore

__all__ = ["SqliteServerStore", "SqliteSessionStore"]
