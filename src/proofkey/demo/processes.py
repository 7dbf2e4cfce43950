"""The parts of the demonstration as child processes, each started by its public command."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from proofkey.demo.setting_up import Demo
from proofkey.errors import ConfigurationError
from proofkey.findings import Finding
from proofkey.runtime.clock import CLOCK_FILE

COMMANDS: dict[str, list[str]] = {
    "server": ["serve", "--host", "localhost"],
    "api": ["demo", "--only", "api"],
    "streamlit": ["demo", "--only", "streamlit"],
}
STOP_WITHIN = 10
"""Seconds that a part has to drain before it is killed."""


@dataclass(slots=True)
class Part:
    """One running part, and what it said when it was ready."""

    role: str
    process: subprocess.Popen[str]
    ready: dict[str, object]


def start(demo: Demo, role: str, *, talk: Path | None) -> Part:
    """Starts the part and waits for its ready line; its log goes to `talk`, or to our stderr.

    Raises: ConfigurationError with what the part said.
    """
    command = [sys.executable, "-m", "proofkey", *COMMANDS[role], "--config", str(demo.config)]
    command += ["--port", str(demo.ports[role]), "--ready-json"]
    environment = {**os.environ, CLOCK_FILE: str(demo.clock_file)}
    log = talk.open("a", encoding="utf-8") if talk else None
    try:
        process = subprocess.Popen(  # noqa: S603 - our own command line
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True, env=environment
        )
    finally:
        if log:
            log.close()
    line = process.stdout.readline() if process.stdout else ""
    said = _read_line(line)
    if said.get("event") != "ready":
        process.kill()
        process.wait()
        message = str(said.get("message") or "it ended before it was ready")
        raise ConfigurationError(Finding.CONFIG_VALUE, part=role, message=message)
    return Part(role, process, said)


def _read_line(line: str) -> dict[str, object]:
    try:
        said = json.loads(line)
    except ValueError:
        return {}
    return cast("dict[str, object]", said) if isinstance(said, dict) else {}


def stop(parts: list[Part]) -> None:
    """Ends every part: drained first, killed when it does not end."""
    for part in parts:
        if part.process.poll() is None:
            part.process.send_signal(signal.SIGTERM)
    for part in parts:
        try:
            part.process.wait(STOP_WITHIN)
        except subprocess.TimeoutExpired:
            part.process.kill()
            part.process.wait()
        if part.process.stdout:
            part.process.stdout.close()


def watch(parts: list[Part], on_end: Callable[[Part], None]) -> None:
    """Calls `on_end` when a part ends by itself; one quiet thread each."""
    for part in parts:

        def wait(part: Part = part) -> None:
            part.process.wait()
            on_end(part)

        threading.Thread(target=wait, daemon=True, name=f"watch-{part.role}").start()
