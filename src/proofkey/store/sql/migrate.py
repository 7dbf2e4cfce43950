"""Runs the migrations with Alembic, in one exclusive transaction. Imported only when there is something to do."""

import io
import sqlite3
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, NullPool, create_engine, event
from sqlalchemy.exc import DBAPIError

from proofkey.store.sql.connection import connect

MIGRATIONS: Final = Path(__file__).parent / "migrations"


def migrate(path: Path, *, wait: float) -> None:
    """To the newest revision; all of it or nothing. Raises: sqlite3.Error."""
    engine = create_engine("sqlite://", creator=lambda: connect(path, wait=wait), poolclass=NullPool)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:  # pyright: ignore[reportUnusedFunction]  # the event calls it
        connection.exec_driver_sql("BEGIN EXCLUSIVE")

    try:
        with engine.begin() as connection:
            command.upgrade(configuration(connection), "head")
    except DBAPIError as error:
        if isinstance(error.orig, sqlite3.Error):
            raise error.orig from error
        raise
    finally:
        engine.dispose()


def configuration(connection: Connection | None = None) -> Config:
    """Alembic's, without a file; `migrations/env.py` finds the connection in it."""
    config = Config(stdout=io.StringIO(), attributes={"connection": connection})
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
