"""Schema and migrations in PostgreSQL."""

import multiprocessing
import subprocess
import sys
import traceback

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import NullPool, create_engine

from proofkey.errors import ConfigurationError
from proofkey.findings import Finding
from proofkey.store.open import open_server_store, open_session_store, prepare_store
from proofkey.store.sealed import Sealer
from proofkey.store.sql import statements
from proofkey.store.sql.postgresql_database import translated, with_event
from proofkey.store.sql.schema import METADATA, VERSION_TABLE
from proofkey.store.sql.upgrade import HEAD
from proofkey.store.sql.upgrade_postgresql import prepare_postgresql
from proofkey.testing.postgresql_server import PASSWORD, PostgresqlServer


@pytest.fixture
def empty(postgresql_server: PostgresqlServer) -> str:
    """The URL of a database with nothing in it."""
    postgresql_server.sql("DROP DATABASE IF EXISTS empty WITH (FORCE)")
    postgresql_server.sql("CREATE DATABASE empty")
    return postgresql_server.url.removesuffix("/postgres") + "/empty"


def tables(url: str) -> set[str]:
    with psycopg.connect(url) as connection:
        return {
            name for (name,) in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        }


def refusal(url: str) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as raised:
        prepare_postgresql(url)
    said = "".join(traceback.format_exception(raised.value.with_traceback(None), chain=False))
    assert PASSWORD not in said + str(raised.value.facts)
    assert "\n" not in str(raised.value)
    return raised.value


def test_the_migrations_add_up_to_the_schema(empty: str) -> None:
    assert prepare_store(empty) == (f"postgresql://{empty.rpartition('@')[2]}", None)
    engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(empty), poolclass=NullPool)
    with engine.connect() as connection:
        options = {"version_table": VERSION_TABLE, "compare_server_default": True, "compare_type": True}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), METADATA) == []
    assert tables(empty) == {*METADATA.tables, VERSION_TABLE}


def test_instants_have_room_beyond_2038(empty: str) -> None:
    prepare_postgresql(empty)
    with psycopg.connect(empty) as connection:
        kinds = connection.execute(
            "SELECT DISTINCT data_type FROM information_schema.columns WHERE table_schema = 'public'"
        ).fetchall()
    assert {kind for (kind,) in kinds} == {"text", "bigint", "double precision", "character varying"}


def test_workers_that_start_together_upgrade_once(empty: str) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        before = pool.map(prepare_postgresql, [empty] * 4)
    assert sorted(before, key=str) == [HEAD, HEAD, HEAD, None]


KILLED = """
import os, signal, sys
from alembic import op
from proofkey.store.sql.upgrade_postgresql import prepare_postgresql
real, made = op.create_table, []

def create_table(name, *columns):
    made.append(name)
    if len(made) == 12:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(name, *columns)

op.create_table = create_table
prepare_postgresql(sys.argv[1])
"""


@pytest.mark.spec("threats §2 row 42")
def test_a_migration_that_is_killed_half_way_leaves_nothing_and_can_be_repeated(empty: str) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, empty], capture_output=True, text=True, check=False)
    assert done.returncode == -9, done.stderr
    assert tables(empty) == set()
    assert prepare_postgresql(empty) is None
    assert "clients" in tables(empty)


def test_tables_of_another_program_are_left_alone(empty: str) -> None:
    with psycopg.connect(empty) as connection:
        connection.execute("CREATE TABLE users (id integer)")
    error = refusal(empty)
    assert error.finding is Finding.STORE_FOREIGN
    assert error.facts["tables"] == "users"
    assert tables(empty) == {"users"}


def test_a_schema_of_our_own_beside_another_program(empty: str) -> None:
    with psycopg.connect(empty) as connection:
        connection.execute("CREATE TABLE users (id integer)")
        connection.execute("CREATE SCHEMA proofkey")
    assert prepare_postgresql(f"{empty}?options=-csearch_path%3Dproofkey") is None
    assert prepare_postgresql(f"{empty}?options=-csearch_path%3Dproofkey") == HEAD
    assert tables(empty) == {"users"}


def test_tables_of_a_newer_version_are_left_alone(empty: str) -> None:
    prepare_postgresql(empty)
    with psycopg.connect(empty) as connection:
        connection.execute("UPDATE proofkey_version SET version_num = '9999'")
    error = refusal(empty)
    assert error.finding is Finding.STORE_NEWER
    assert error.facts["schema"] == "9999"


def test_text_must_be_utf8(postgresql_server: PostgresqlServer) -> None:
    postgresql_server.sql("DROP DATABASE IF EXISTS ascii WITH (FORCE)")
    postgresql_server.sql("CREATE DATABASE ascii ENCODING 'SQL_ASCII' TEMPLATE template0")
    error = refusal(postgresql_server.url.removesuffix("/postgres") + "/ascii")
    assert error.facts["reason"] == "encoding SQL_ASCII, not UTF8"


@pytest.mark.parametrize(
    "change",
    [(PASSWORD, f"not-{PASSWORD}"), ("/postgres", "/nowhere"), ("@127.0.0.1:", "@127.0.0.1:1,[::1]:")],
    ids=["password", "database", "hosts"],
)
def test_the_start_is_refused_in_one_line(postgresql_server: PostgresqlServer, change: tuple[str, str]) -> None:
    assert refusal(postgresql_server.url.replace(*change)).finding is Finding.STORE_UNAVAILABLE


@pytest.mark.parametrize("package", ["psycopg", "alembic"])
def test_without_the_packages_the_extra_is_named(
    empty: str, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    for name in [name for name in sys.modules if name.startswith("proofkey.store.sql.") and "postgresql" in name]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    for opened in (lambda: open_server_store(empty), lambda: open_session_store(empty, Sealer(b"k" * 32))):
        with pytest.raises(ConfigurationError) as raised:
            opened()
        assert raised.value.finding is Finding.EXTRA_MISSING


def test_statements_are_numbered_and_hold_nothing_of_sqlite() -> None:
    assert translated("SELECT ? FROM a WHERE b = ?") == b"SELECT $1 FROM a WHERE b = $2"
    assert translated("SELECT ?2, instr(?1, ?2)") == b"SELECT $2, strpos($1, $2)"
    assert "SELECT ?2, ?3, ?4, ?5, ?6 WHERE" in with_event("UPDATE a SET b = ?", 1)
    own = translated(statements.INSERT_AUTHORIZATION).decode()
    assert "FOR SHARE" in own
    assert "FOR KEY SHARE" in own
