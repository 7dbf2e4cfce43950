"""Faults of an SQLite store: what refuses the start, and what makes it unavailable for a while."""

import contextlib
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import anyio
import pytest

from proofkey.errors import ConfigurationError, Unavailable
from proofkey.findings import Finding
from proofkey.protocol.text import ClientId
from proofkey.store.sql import SqliteServerStore, database, upgrade
from proofkey.testing.stores import (
    START,
    a_client,
    an_interaction,
)
from tests.store.contract_kit import database_of

WEB = ClientId("web")
KEY = b"k" * 32


def garbage(path: Path) -> None:
    path.write_bytes(b"this is not a database" * 100)


def foreign(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE users (id INTEGER)")


def newer(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            "CREATE TABLE proofkey_version (version_num TEXT); INSERT INTO proofkey_version VALUES ('9999')"
        )


def no_directory(path: Path) -> None:
    path.parent.rmdir()


def a_directory(path: Path) -> None:
    path.mkdir()


def a_file_for_a_directory(path: Path) -> None:
    path.parent.rmdir()
    path.parent.touch()


@pytest.mark.parametrize(
    ("spoil", "finding"),
    [
        (garbage, Finding.STORE_UNAVAILABLE),
        (foreign, Finding.STORE_FOREIGN),
        (newer, Finding.STORE_NEWER),
        (no_directory, Finding.STORE_UNAVAILABLE),
        (a_directory, Finding.STORE_UNAVAILABLE),
        (a_file_for_a_directory, Finding.STORE_UNAVAILABLE),
    ],
)
def test_the_start_is_refused_in_one_line_that_names_the_path(tmp_path: Path, spoil, finding: Finding) -> None:
    path = tmp_path / "place" / "op.db"
    path.parent.mkdir()
    spoil(path)
    with pytest.raises(ConfigurationError) as raised:
        SqliteServerStore.open(path)
    assert raised.value.finding is finding
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


AS_ANOTHER_USER = """
import os, sys
from pathlib import Path
from proofkey.errors import ConfigurationError
from proofkey.store.sql import SqliteServerStore
if os.getuid() == 0:
    os.setuid(65534)
try:
    SqliteServerStore.open(Path(sys.argv[1]))
except ConfigurationError as error:
    print(error.finding.id, error.facts["path"])
"""


@pytest.mark.parametrize(
    ("file_mode", "directory_mode"),
    [(0o444, 0o755), (0o000, 0o755), (None, 0o555), (0o644, 0o000)],
    ids=["file read-only", "file unreadable", "no file, directory read-only", "directory closed"],
)
def test_the_start_is_refused_without_the_right_to_write(
    file: Path, file_mode: int | None, directory_mode: int
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "op.db"
        if file_mode is not None:
            shutil.copy(file, path)
            path.chmod(file_mode)
        Path(directory).chmod(directory_mode)
        command = [sys.executable, "-c", AS_ANOTHER_USER, str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        Path(directory).chmod(0o755)
        assert done.stdout.split() == [Finding.STORE_UNAVAILABLE.id, str(path)], done.stderr


def test_a_file_system_without_write_ahead_log_is_refused() -> None:
    with (
        contextlib.closing(sqlite3.connect(":memory:")) as connection,
        pytest.raises(ConfigurationError) as raised,
    ):
        upgrade._check_log(connection, Path("/net/op.db"))
    assert raised.value.finding is Finding.STORE_UNAVAILABLE


# --- locked, full, closed ----------------------------------------------------------------------------------------


async def test_a_locked_file_is_waited_for_off_the_event_loop(file: Path) -> None:
    store = SqliteServerStore.open(file)
    ticks = 0
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")

        async def tick() -> None:
            nonlocal ticks
            for _ in range(5):
                await anyio.sleep(0.01)
                ticks += 1
            other.execute("COMMIT")

        async with anyio.create_task_group() as group:
            group.start_soon(tick)
            await store.put_client(a_client(), START)
    assert ticks == 5
    assert await store.find_client(WEB) == a_client()
    await store.aclose()


async def test_readers_do_not_wait_for_a_writer(file: Path) -> None:
    store = SqliteServerStore.open(file)
    await store.put_client(a_client(), START)
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("DELETE FROM clients")
        assert await store.find_client(WEB) == a_client()
        other.execute("ROLLBACK")
    await store.aclose()


async def test_a_file_that_stays_locked_is_unavailable(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert 4 < sum(database._PAUSES) < 6
    monkeypatch.setattr(database, "_PAUSES", (0.001, 0.001))
    store = SqliteServerStore.open(file)
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable) as raised:
            await store.put_client(a_client(), START)
        assert raised.value.finding is Finding.STORE_UNAVAILABLE
        assert raised.value.facts["reason"] == "SQLITE_BUSY"
        other.execute("ROLLBACK")
    await store.put_client(a_client(), START)
    await store.aclose()


@pytest.mark.spec("threats §2 row 16")
async def test_a_full_disk_is_unavailable_reads_go_on_and_space_heals_it(file: Path) -> None:
    store = SqliteServerStore.open(file)
    await store.put_client(a_client(), START)
    connection = database_of(store)._connection
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")

    async def fill() -> None:
        for number in range(200):
            await store.insert_interaction(an_interaction(f"flow {number}"))

    with pytest.raises(Unavailable) as raised:
        await fill()
    assert raised.value.facts["reason"] == "SQLITE_FULL"
    assert await store.find_client(WEB) == a_client()
    connection.execute("PRAGMA max_page_count = 100000")
    await store.insert_interaction(an_interaction("after"))
    assert await store.find_interaction(an_interaction("after").digest)
    await store.aclose()


QUOTA = """
import resource, sys, anyio
from pathlib import Path
from proofkey.errors import Unavailable
from proofkey.store.sql import SqliteServerStore
from proofkey.testing.stores import an_interaction
from tests.store.contract_kit import database_of

async def main():
    store = SqliteServerStore.open(Path(sys.argv[1]))
    await store.insert_interaction(an_interaction("first"))
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
    try:
        for number in range(1000):
            await store.insert_interaction(an_interaction(f"flow {number}"))
    except Unavailable as error:
        print(number > 0, error.finding.id)
    assert await store.find_interaction(an_interaction("first").digest)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    await store.insert_interaction(an_interaction("after"))
    for name in ("first", "flow 0", f"flow {number - 1}", "after"):
        assert await store.find_interaction(an_interaction(name).digest), name
    assert await store.find_interaction(an_interaction(f"flow {number}").digest) is None
    assert (await store._database.one("PRAGMA integrity_check")) == ("ok",)

anyio.run(main)
"""


@pytest.mark.spec("threats §2 row 16")
def test_a_write_that_the_system_refuses_loses_nothing(file: Path) -> None:
    done = subprocess.run([sys.executable, "-c", QUOTA, str(file)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.split()) == (0, ["True", "STO-02"]), done.stderr


async def test_a_closed_store_is_unavailable(file: Path) -> None:
    store = SqliteServerStore.open(file)
    await store.aclose()
    with pytest.raises(Unavailable):
        await store.ping()
