"""Makes the schema in a PostgreSQL database and brings it up to date, once, however many processes start together.

The tables stand in the first schema of the search path; a URL may set that (`?options=-csearch_path%3Dproofkey`).
"""

import contextlib
from typing import Any, Final

import psycopg

from proofkey.errors import ConfigurationError, missing_extra
from proofkey.findings import Finding
from proofkey.store.address import shown_store
from proofkey.store.sql.postgresql import parse_conninfo
from proofkey.store.sql.statements import PURGED, PURGED_SESSIONS
from proofkey.store.sql.upgrade import HEAD, REVISIONS

Connection = psycopg.Connection[tuple[Any, ...]]

_OURS: Final = frozenset(
    {table for table, _ in (*PURGED, *PURGED_SESSIONS)} | {"clients", "users", "consents", "audit_events"}
)
"""Names that another program's table must not have in the same schema."""
_TABLES: Final = """
    SELECT c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
"""


def prepare_postgresql(url: str) -> str | None:
    """Makes the tables or upgrades them; the revision that was there before, None where there were none.

    A migration that fails or is killed half-way leaves everything as it was.
    Raises: ConfigurationError, in one line that names the database.
    """
    shown = shown_store(url)
    try:
        with contextlib.closing(psycopg.connect(parse_conninfo(url), autocommit=True)) as connection:
            _check_encoding(connection, shown)
            before = revision(connection, shown)
        if before != HEAD:
            before = _migrate(url, shown)
    except psycopg.Error as error:
        reason = type(error).__name__ + (f" {error.sqlstate}" if error.sqlstate else "")
        raise ConfigurationError(Finding.STORE_UNAVAILABLE, store=shown, reason=reason) from error
    return before


def revision(connection: Connection, shown: str) -> str | None:
    """What the tables are at, None where there are none.

    Raises: ConfigurationError when they are another program's or of a newer version; psycopg.Error.
    """
    tables = {name for (name,) in connection.execute(_TABLES)}
    if "proofkey_version" not in tables:
        if tables & _OURS:
            raise ConfigurationError(Finding.STORE_FOREIGN, store=shown, tables=", ".join(sorted(tables & _OURS)))
        return None
    row = connection.execute("SELECT version_num FROM proofkey_version").fetchone()
    if row and row[0] not in REVISIONS:
        raise ConfigurationError(Finding.STORE_NEWER, store=shown, schema=str(row[0]), known=HEAD)
    return str(row[0]) if row else None


def _check_encoding(connection: Connection, shown: str) -> None:
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise ConfigurationError(Finding.STORE_UNAVAILABLE, store=shown, reason=f"encoding {encoding}, not UTF8")


def _migrate(url: str, shown: str) -> str | None:
    try:
        from proofkey.store.sql.migrate_postgresql import migrate_postgresql
    except ImportError as error:
        raise missing_extra("server", error.name) from error
    return migrate_postgresql(url, lambda connection: revision(connection, shown))
