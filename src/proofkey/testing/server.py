"""Servers for tests: `proofkey serve` as a process of its own, or any application in a thread; on loopback."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from starlette.types import ASGIApp

from proofkey.runtime.entropy import system_entropy
from proofkey.testing.toml import toml_document
from proofkey.web.uvicorn_run import DrainingServer, bind, run_async

START_SECONDS: Final = 90
"""After which a server that says nothing is given up; a busy machine takes its time."""
STOP_SECONDS: Final = 20


class ServerFailed(Exception):
    """The server did not start, or did not end; the message holds what it said."""


@dataclass(slots=True)
class ServerProcess:
    """A running `proofkey serve` or `demo --only …`; `url` is where it listens, `public_url` where it is known."""

    process: subprocess.Popen[str]
    log: Path
    url: str
    public_url: str
    pid: int

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Asks it to end and waits; gives the exit status. Raises: ServerFailed when it does not end."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            status = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise ServerFailed(f"still running {STOP_SECONDS} s after signal {number}") from None
        finally:
            if self.process.stdout is not None:
                self.process.stdout.close()
        return status


def free_port(host: str = "127.0.0.1") -> int:
    """A port that was free a moment ago."""
    with socket.create_server((host, 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


def write_server_config(folder: Path, server: Mapping[str, Any], *, name: str = "proofkey.toml") -> Path:
    """A configuration file with that `[server]` section; a master key is made beside it."""
    key = folder / "master.key"
    if not key.exists():
        key.touch(mode=0o600)
        key.write_text(system_entropy())
    values = {"store": "sqlite:///server.db", "master_key_file": key.name, **server}
    file = folder / name
    file.write_text(toml_document({"server": values}), encoding="utf-8")
    return file


@contextmanager
def running_server(
    config: Path,
    *,
    port: int = 0,
    host: str = "127.0.0.1",
    workers: int | None = None,
    environ: Mapping[str, str] | None = None,
) -> Generator[ServerProcess]:
    """`proofkey serve` from its ready line until the end of the block; its log is beside the configuration.

    Raises: ServerFailed with what it said when it does not start.
    """
    words = ["serve", "--config", str(config), "--port", str(port), "--host", host]
    words += ["--workers", str(workers)] if workers else []
    with running_command(*words, log=config.with_suffix(".log"), environ=environ) as server:
        yield server


@contextmanager
def running_command(*words: str, log: Path, environ: Mapping[str, str] | None = None) -> Generator[ServerProcess]:
    """`proofkey WORDS… --ready-json` from its ready line until the end of the block; its log is added to the file.

    Raises: ServerFailed with what it said when it does not start.
    """
    command = [sys.executable, "-m", "proofkey", *words, "--ready-json"]
    with log.open("a") as stderr:
        process = subprocess.Popen(  # noqa: S603 - our own command line
            command, stdout=subprocess.PIPE, stderr=stderr, text=True, env={**os.environ, **(environ or {})}
        )
    said = _first_line(process)
    if said.get("event") != "ready":
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
        raise ServerFailed(f"{said or 'nothing said'}; the log: {log.read_text()[-2000:]}")
    server = ServerProcess(process, log, said["url"], said["public_url"], said["pid"])
    try:
        yield server
    finally:
        server.stop()


def _first_line(process: subprocess.Popen[str]) -> dict[str, Any]:
    if process.stdout is None:
        return {}
    timer = threading.Timer(START_SECONDS, process.kill)
    timer.start()
    try:
        line = process.stdout.readline()
    finally:
        timer.cancel()
    return cast("dict[str, Any]", json.loads(line)) if line else {}


@contextmanager
def serving(app: ASGIApp, *, host: str = "127.0.0.1", port: int = 0) -> Generator[str]:
    """Any application in a thread, its lifespan included; gives its URL. Raises: ServerFailed."""
    listener = bind(host, port)
    ready = threading.Event()
    server = DrainingServer(app, ready.set, lifespan=True)

    async def main() -> None:
        try:
            await server.serve(list(listener.sockets))
        finally:
            ready.set()

    thread = threading.Thread(target=run_async, args=(main,), daemon=True)
    thread.start()
    ready.wait(START_SECONDS)
    try:
        if not server.started:
            raise ServerFailed("the application did not start; its lifespan says why")
        yield listener.url
    finally:
        server.should_exit = True
        thread.join(STOP_SECONDS)
        listener.close()
