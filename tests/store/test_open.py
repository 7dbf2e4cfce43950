"""Which store a URL names, and that a memory store has one process."""

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from proofkey.authorization_server.stores import ServerStore
from proofkey.client.stores import SessionStore
from proofkey.errors import ConfigurationError
from proofkey.findings import Finding
from proofkey.store.memory import MemoryServerStore, MemorySessionStore
from proofkey.store.open import open_server_store, open_session_store, sqlite_path
from proofkey.store.sealed import Sealer
from proofkey.store.sql import SqliteServerStore, SqliteSessionStore

SEALER = Sealer(b"k" * 32)


@pytest.fixture(autouse=True)
def own_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))


async def test_a_url_names_its_store(tmp_path: Path) -> None:
    stores: list[ServerStore | SessionStore] = [
        open_server_store("memory:", name="https://op.test"),
        open_session_store("memory:", SEALER, name="https://rp.test"),
        open_server_store(f"sqlite:///{tmp_path}/op.db"),
        open_session_store("sqlite:///rp.db", SEALER, base=tmp_path),
    ]
    kinds = (MemoryServerStore, MemorySessionStore, SqliteServerStore, SqliteSessionStore)
    assert all(isinstance(store, kind) for store, kind in zip(stores, kinds, strict=True))
    assert (tmp_path / "op.db").exists()
    assert (tmp_path / "rp.db").exists()
    for store in stores:
        await store.aclose()


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///op.db", "/base/op.db"),
        ("sqlite:///deep/op.db", "/base/deep/op.db"),
        ("sqlite:////abs/op.db", "/abs/op.db"),
        ("sqlite:///with space%20.db", "/base/with space%20.db"),
    ],
)
def test_paths_are_relative_to_the_configuration(url: str, path: str) -> None:
    assert sqlite_path(url, Path("/base")) == Path(path)


@pytest.mark.parametrize(
    ("url", "finding"),
    [
        ("postgresql://ann:secret@127.0.0.1:1/op", Finding.STORE_UNAVAILABLE),
        ("redis://db", Finding.CONFIG_NOT_BUILT),
        ("sqlite:///", Finding.CONFIG_VALUE),
        ("sqlite:///:memory:", Finding.CONFIG_VALUE),
        ("sqlite:///op.db?mode=ro", Finding.CONFIG_VALUE),
        ("sqlite://op.db", Finding.CONFIG_VALUE),
        ("op.db", Finding.CONFIG_VALUE),
        ("memory", Finding.CONFIG_VALUE),
        ("", Finding.CONFIG_VALUE),
    ],
)
def test_another_url_is_refused(url: str, finding: Finding) -> None:
    with pytest.raises(ConfigurationError) as raised:
        open_server_store(url)
    assert raised.value.finding is finding
    assert "secret" not in str(raised.value)


SECOND = """
import sys
from proofkey.authorization_server.stores import ServerStore
from proofkey.client.stores import SessionStore
from proofkey.errors import ConfigurationError
from proofkey.store.open import open_server_store, open_session_store
from proofkey.store.sealed import Sealer
try:
    if sys.argv[1] == "server":
        open_server_store("memory:", name=sys.argv[2])
    else:
        open_session_store("memory:", Sealer(b"k" * 32), name=sys.argv[2])
except ConfigurationError as error:
    print(error.finding.id)
else:
    print("opened")
"""


def second(kind: str, name: str) -> str:
    command = [sys.executable, "-c", SECOND, kind, name]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.spec("X-store")
def test_a_second_process_does_not_share_a_memory_store() -> None:
    assert second("server", "https://op.test") == "opened"  # and it is free again
    open_server_store("memory:", name="https://op.test")
    open_session_store("memory:", SEALER, name="https://rp.test")
    assert second("server", "https://op.test") == "STO-01"
    assert second("sessions", "https://rp.test") == "STO-01"
    assert second("server", "https://other.test") == "opened"
    assert second("sessions", "https://op.test") == "opened"


@pytest.mark.spec("X-store")
async def test_the_name_is_free_when_its_last_store_is_closed() -> None:
    first = open_session_store("memory:", SEALER, name="https://rp.test")
    other = open_session_store("memory:", SEALER, name="https://rp.test")
    await first.aclose()
    await first.aclose()
    assert second("sessions", "https://rp.test") == "STO-01"
    await other.aclose()
    assert second("sessions", "https://rp.test") == "opened"


def test_one_process_may_open_it_again() -> None:
    for _ in range(2):
        open_server_store("memory:", name="https://again.test")


FORKED = """
import os
from proofkey.authorization_server.stores import ServerStore
from proofkey.client.stores import SessionStore
from proofkey.errors import ConfigurationError
from proofkey.store.open import open_server_store
open_server_store("memory:", name="https://forked.test")
if os.fork() == 0:
    try:
        open_server_store("memory:", name="https://forked.test")
    except ConfigurationError as error:
        print(error.finding.id)
else:
    os.wait()
"""


def test_a_forked_worker_does_not_inherit_it() -> None:
    done = subprocess.run([sys.executable, "-c", FORKED], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["STO-01"], done.stderr
