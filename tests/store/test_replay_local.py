"""Replay memories in a file or in the process: locked, full, forked, another's."""

import asyncio
import contextlib
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from proofkey.errors import ConfigurationError
from proofkey.findings import Finding
from proofkey.store.memory.replay import MemoryReplay
from proofkey.store.open import open_replay_memory, open_server_store
from proofkey.testing.stores import START, a_client
from tests.store.replay_kit import add, refusal


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.spec("threats §2 row 15")
async def test_a_locked_file_is_given_up_in_time_off_the_event_loop(tmp_path: Path) -> None:
    memory = open_replay_memory(f"sqlite:///{tmp_path}/replay.db")
    turns = 0

    async def watch() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0.005)
            turns += 1

    with contextlib.closing(sqlite3.connect(tmp_path / "replay.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        watcher = asyncio.create_task(watch())
        assert (await refusal(memory)).facts["reason"] == "SQLITE_BUSY"
        watcher.cancel()
        other.execute("ROLLBACK")
    assert turns > 20, "the loop went on while the file was waited for"
    assert await add(memory, "a")
    await memory.aclose()


async def test_a_file_may_hold_the_servers_store_too(tmp_path: Path) -> None:
    for name, first in (("server-first.db", "server"), ("replay-first.db", "replay")):
        url = f"sqlite:///{tmp_path}/{name}"
        if first == "server":
            store, memory = open_server_store(url), open_replay_memory(url)
        else:
            memory = open_replay_memory(url)
            store = open_server_store(url)
        assert await add(memory, "a")
        await store.put_client(a_client(), START)
        await store.aclose()
        await memory.aclose()


@pytest.mark.parametrize(
    ("statements", "finding"),
    [
        ("CREATE TABLE users (id INTEGER)", Finding.STORE_FOREIGN),
        (
            "CREATE TABLE proofkey_replays_version (version INTEGER);"
            "INSERT INTO proofkey_replays_version VALUES (99)",
            Finding.STORE_NEWER,
        ),
    ],
)
def test_a_file_of_somebody_else_is_refused_and_not_touched(
    tmp_path: Path, statements: str, finding: Finding
) -> None:
    path = tmp_path / "replay.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(statements)
        before = connection.execute("SELECT name FROM sqlite_master").fetchall()
    with pytest.raises(ConfigurationError) as raised:
        open_replay_memory(f"sqlite:///{path}")
    assert raised.value.finding is finding
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == before


def test_a_folder_that_is_not_there_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as raised:
        open_replay_memory(f"sqlite:///{tmp_path}/none/replay.db")
    assert raised.value.finding is Finding.STORE_UNAVAILABLE


async def test_a_full_memory_refuses_and_takes_again_when_something_is_over() -> None:
    memory = MemoryReplay(most=3)
    for key in "abc":
        assert await add(memory, key)
    assert (await refusal(memory, "d")).facts["reason"] == "full"
    assert not await add(memory, "a")
    assert await add(memory, "d", at=130)
    await memory.aclose()


FORKED = """
import os, sys, anyio
from proofkey.errors import Unavailable
from proofkey.protocol.text import Instant
from proofkey.store.open import open_replay_memory
memory = open_replay_memory(sys.argv[1], name="https://api.test")

async def add():
    try:
        return await memory.add("a", now=Instant(1), until=Instant(100))
    except Unavailable as error:
        return error.finding.id

if sys.argv[2] == "parent":
    print(anyio.run(add), flush=True)
child = os.fork()
if child == 0:
    print(anyio.run(add), flush=True)
    os._exit(0)
os.waitpid(child, 0)
print(anyio.run(add), flush=True)
"""


@pytest.mark.spec("X-store")
def test_a_fork_does_not_make_two_memories_of_one(tmp_path: Path) -> None:
    def run(url: str, who: str) -> list[str]:
        command = [sys.executable, "-W", "ignore", "-c", FORKED, url, who]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.split()

    assert run("memory:", "parent") == ["True", "STO-01", "False"]
    assert run(f"sqlite:///{tmp_path}/replay.db", "child") == ["True", "False"]
