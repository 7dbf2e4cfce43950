"""A writer that is killed loses nothing that it acknowledged."""

import contextlib
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from proofkey.protocol.text import Instant
from proofkey.store.sql import SqliteServerStore
from proofkey.testing.stores import START, a_client, a_user, an_authorization, an_event

WRITER = """
import sys, anyio
from pathlib import Path
from proofkey.protocol.text import Instant
from proofkey.store.sql import SqliteServerStore
from proofkey.testing.stores import START, an_authorization, an_event

async def main():
    store = SqliteServerStore.open(Path(sys.argv[1]))
    generation = 1
    while True:
        name = f"grant {generation}"
        await store.insert_authorization(an_authorization(name), an_event())
        assert await store.use_code(name, START, an_event())
        assert await store.rotate("family", generation, START, START, Instant(START + 86_400), an_event())
        generation += 1
        print(generation, flush=True)

anyio.run(main)
"""
ACKNOWLEDGED = 400


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.spec("threats §2 row 11")
async def test_a_killed_writer_loses_nothing_acknowledged(file: Path, anyio_backend: str) -> None:
    store = SqliteServerStore.open(file)
    await store.put_client(a_client(), START)
    await store.put_user(a_user(), START)
    await store.insert_authorization(an_authorization("family", generation=1), an_event())

    command = [sys.executable, "-c", WRITER, str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout
        for line in writer.stdout:
            if int(line) >= ACKNOWLEDGED:
                break
        writer.send_signal(signal.SIGKILL)
        seen = [int(line), *(int(more) for more in writer.stdout if more.endswith("\n"))]
    assert writer.returncode == -signal.SIGKILL

    last = seen[-1]
    family = await store.find_authorization("family")
    assert family
    assert family.authorization.generation in (last, last + 1)
    for generation in range(1, last):
        found = await store.find_authorization(f"grant {generation}")
        assert found
        assert found.authorization.code_used_at == START
    await store.insert_authorization(an_authorization("after", expires_at=Instant(START + 1)), an_event())
    await store.aclose()
    with contextlib.closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
