"""The whole demonstration as one child process, for tests from outside."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from proofkey.runtime.clock import CLOCK_FILE
from proofkey.testing.server import ServerFailed

STOP_SECONDS = 30


@dataclass(frozen=True, slots=True)
class RunningDemo:
    """Where the parts are, who may sign in, and the file that turns every clock."""

    issuer: str
    api: str
    streamlit: str
    clock_file: Path
    passwords: dict[str, str]
    log: Path
    process: "subprocess.Popen[str]"

    def turn_clocks(self, seconds: int) -> None:
        """Moves the clocks of all three parts forward."""
        self.clock_file.write_text(str(int(float(self.clock_file.read_text() or 0)) + seconds))


@contextmanager
def running_demo(log: Path) -> Generator[RunningDemo]:
    """Starts `proofkey demo`, and ends it; its log goes to the file, its clock file is beside it.

    Raises: ServerFailed with what it said.
    """
    clock_file = log.with_suffix(".clock")
    clock_file.write_text("0")
    command = [sys.executable, "-m", "proofkey", "demo", "--ready-json", "--no-browser"]
    with log.open("w", encoding="utf-8") as talk:
        process = subprocess.Popen(  # noqa: S603 - our own command line
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=talk,
            text=True,
            env={**os.environ, CLOCK_FILE: str(clock_file)},
        )
    try:
        yield _ready(process, log, clock_file)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout:
            process.stdout.close()


def _ready(process: "subprocess.Popen[str]", log: Path, clock_file: Path) -> RunningDemo:
    for line in process.stdout or ():
        said = cast("dict[str, Any]", json.loads(line))
        if said.get("event") != "ready":
            raise ServerFailed(line)
        if said.get("role") == "demo":
            return RunningDemo(
                issuer=said["issuer"],
                api=said["api"],
                streamlit=said["streamlit"],
                clock_file=clock_file,
                passwords={user["username"]: user["password"] for user in said["users"]},
                log=log,
                process=process,
            )
    raise ServerFailed(f"the demonstration ended before it was ready; see {log}")
