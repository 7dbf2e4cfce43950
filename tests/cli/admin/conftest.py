"""A configuration, its store, and a way to run a command."""

import io
import sys
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from proofkey.cli.app import run
from proofkey.protocol.text import Instant
from proofkey.runtime.clock import CLOCK_FILE
from proofkey.store.sql import SqliteServerStore
from tests.cli.admin.admin_kit import Done, Proofkey, Turn


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "proofkey.toml"
    path.write_text(
        """
        [server]
        issuer = "https://login.acme.test"
        store = "sqlite:///op.db"
        master_key = "0wYVbH1Zk3mPqXr8sTuJ5nLc2dGaEf7h"
        users = [{ username = "configured", password = "taken as it is" }]
        [login]
        issuer = "https://login.acme.test"
        client_id = "web"
        client_secret = "kT5vB8xQ2mZ7cN4wR9pL1sD6fG3hJ0aY"
        public_url = "https://rp.test"
        store = "sqlite:///rp.db"
        """
    )
    return path


@pytest.fixture
def proofkey(config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Proofkey:
    """Runs a command on the configuration."""

    def call(*arguments: str, stdin: str | bytes = "") -> Done:
        data = stdin.encode() if isinstance(stdin, str) else stdin
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        capsys.readouterr()
        status = run([*arguments, "--config", str(config)])
        return Done(status, *capsys.readouterr())

    return call


@pytest.fixture
def with_signer(config: Path) -> None:
    """The configuration names a token that has the private keys; commands on the store do not open it."""
    (config.parent / "pin").write_text("a pin of the token")
    text = config.read_text()
    config.write_text(
        text.replace(
            "[login]",
            """
        [server.signer]
        module = "/usr/lib/softhsm/libsofthsm2.so"
        token = "op"
        pin_file = "pin"
        keys = [
            { label = "es", algorithm = "ES256" },
            { label = "next", algorithm = "ES256", active_from = 2030-01-01T00:00:00Z },
        ]
        [login]""",
        )
    )


@pytest.fixture
async def store(config: Path) -> AsyncGenerator[SqliteServerStore]:
    """The running server's: open while the commands work on the file."""
    opened = SqliteServerStore.open(config.parent / "op.db")
    yield opened
    await opened.aclose()


@pytest.fixture(params=["asyncio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Turn:
    """Sets the clock of the commands."""
    file = tmp_path / "clock"
    monkeypatch.setenv(CLOCK_FILE, str(file))

    def turn(moment: Instant) -> None:
        import time

        file.write_text(str(moment - time.time()))

    return turn
