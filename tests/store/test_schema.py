"""Schema and migrations."""

import contextlib
import multiprocessing
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from proofkey.errors import ConfigurationError
from proofkey.findings import Finding
from proofkey.store.sql import upgrade
from proofkey.store.sql.migrate import MIGRATIONS, configuration
from proofkey.store.sql.schema import METADATA, VERSION_TABLE
from proofkey.store.sql.upgrade import HEAD, REVISIONS, prepare


def objects(path: Path) -> dict[str, list[str]]:
    """Every table and index with the clauses that made it, in no order."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        rows = connection.execute(
            "SELECT type || ' ' || name, sql FROM sqlite_master WHERE name <> ? AND tbl_name <> ?",
            (VERSION_TABLE, VERSION_TABLE),
        )
        return {name: sorted(" ".join((sql or "").split()).removesuffix(" )").split(", ")) for name, sql in rows}


def test_the_migrations_add_up_to_the_schema(file: Path, tmp_path: Path) -> None:
    wanted = tmp_path / "wanted.db"
    METADATA.create_all(create_engine(f"sqlite:///{wanted}"))
    assert objects(file) == objects(wanted)
    with create_engine(f"sqlite:///{file}").connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": VERSION_TABLE, "compare_server_default": True}
        )
        assert compare_metadata(context, METADATA) == []


def test_the_known_revisions_are_those_of_the_migrations() -> None:
    script = ScriptDirectory.from_config(configuration())
    assert [step.revision for step in reversed(list(script.walk_revisions()))] == list(REVISIONS)
    assert script.get_heads() == [HEAD]


def test_every_migration_is_in_the_package() -> None:
    assert MIGRATIONS.is_relative_to(Path(upgrade.__file__).parent)
    assert len(list((MIGRATIONS / "versions").glob("*.py"))) == len(REVISIONS)


def test_an_upgrade_says_what_was_there_before(tmp_path: Path) -> None:
    assert prepare(tmp_path / "new.db") is None
    assert prepare(tmp_path / "new.db") == HEAD


def test_an_upgraded_file_is_not_touched_again(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upgrade, "_migrate", lambda path: pytest.fail("migrated again"))
    prepare(file)


def test_workers_that_start_together_upgrade_once(tmp_path: Path) -> None:
    path = tmp_path / "shared.db"
    context = multiprocessing.get_context("spawn")
    with context.Pool(4) as pool:
        before = pool.map(prepare, [path] * 4)
    assert sorted(before, key=str) == [HEAD, HEAD, HEAD, None]
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute(f"SELECT version_num FROM {VERSION_TABLE}").fetchall() == [(HEAD,)]


KILLED = """
import os, signal, sys
from pathlib import Path
from alembic import op
from proofkey.store.sql.upgrade import prepare
real, made = op.create_table, []

def create_table(name, *columns):
    made.append(name)
    if len(made) == 7:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(name, *columns)

op.create_table = create_table
prepare(Path(sys.argv[1]))
"""


@pytest.mark.spec("threats §2 row 42")
def test_a_migration_that_is_killed_half_way_leaves_nothing_and_can_be_repeated(tmp_path: Path) -> None:
    path = tmp_path / "killed.db"
    done = subprocess.run([sys.executable, "-c", KILLED, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == -9, done.stderr
    assert objects(path) == {}
    assert prepare(path) is None
    assert "table clients" in objects(path)


def test_without_the_packages_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "proofkey.store.sql.migrate")
    monkeypatch.setitem(sys.modules, "alembic", None)
    with pytest.raises(ConfigurationError) as raised:
        prepare(tmp_path / "new.db")
    assert raised.value.finding is Finding.EXTRA_MISSING
    assert raised.value.facts["install"] == 'pip install "proofkey[server]"'
