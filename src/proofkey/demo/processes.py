"""The parts of the demonstration as child processes, each started by its public command."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from queue import Empty, Queue
from typing import Final, cast

from proofkey.demo.setting_up import Demo
from proofkey.errors import ConfigurationError
from proofkey.findings import Finding, find
from proofkey.runtime.clock import CLOCK_FILE

COMMANDS: Final[Mapping[str, Sequence[str]]] = {
    "server": ("serve", "--host", "localhost"),
    "api": ("demo", "--only", "api"),
    "streamlit": ("demo", "--only", "streamlit"),
}
START_WITHIN: Final = 60.0
"""Seconds that a part has to say that it serves."""
STOP_WITHIN: Final = 10.0
"""Seconds that a part has to drain before it is killed."""
GRACE: Final = 0.5
"""Seconds between a part's end and our own order to end: Ctrl-C reaches all of a terminal's processes at once."""
LOG_LINES: Final = 15
"""How much of a failed part's log a person gets to see."""
KEPT_VARIABLES: Final = frozenset({"PROOFKEY_LOG_LEVEL"})
"""Our own variables that the parts get too; any other would override the demonstration's configuration."""
_WAIT: Final = 0.1


class Part:
    """One part, from its start to its end; what it says on stdout first is its ready line."""

    def __init__(
        self, role: str, command: Sequence[str], environment: Mapping[str, str], log: Path | None
    ) -> None:
        """The part's log goes to the file, or to our stderr without one. Raises: OSError."""
        self.role = role
        self.log = log
        self._said: Queue[str] = Queue()
        stderr = log.open("a", encoding="utf-8") if log else None
        try:
            self.process = subprocess.Popen(  # noqa: S603 - our own command line
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                env=environment,
            )
        finally:
            if stderr:
                stderr.close()
        threading.Thread(target=self._listen, daemon=True, name=f"listen-{role}").start()

    def _listen(self) -> None:
        if self.process.stdout:
            with self.process.stdout as out:
                for line in out:  # to the end, so that the part never waits for a reader
                    self._said.put(line)
        self._said.put("")

    def wait_until_ready(self, ended: threading.Event) -> dict[str, object] | None:
        """Its ready line; None when `ended` was set before.

        Raises: ConfigurationError with what the part said instead, or when it says nothing.
        """
        waited = 0.0
        while waited < START_WITHIN:
            if ended.is_set():
                return None
            try:
                said = _read_line(self._said.get(timeout=_WAIT))
            except Empty:
                waited += _WAIT
                continue
            if said.get("event") == "ready":
                return said
            if ended.wait(GRACE):
                return None
            raise self._failure(said)
        raise self._failure({"message": f"it was not ready within {START_WITHIN:.0f} seconds"})

    def _failure(self, said: Mapping[str, object]) -> ConfigurationError:
        message = str(said.get("message") or "it ended before it was ready")
        finding = find(str(said.get("finding"))) or Finding.PART_FAILED
        return ConfigurationError(finding, part=self.role, message=message)

    def last_lines(self, count: int = LOG_LINES) -> list[str]:
        """The end of its log, where it has one of its own."""
        if self.log is None:
            return []
        return self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-count:]


def start(demo: Demo, role: str, log: Path | None) -> Part:
    """Starts the part; it serves when `wait_until_ready` gives its line. Raises: OSError."""
    command = [sys.executable, "-m", "proofkey", *COMMANDS[role], "--config", str(demo.config)]
    command += ["--port", str(demo.ports[role]), "--ready-json"]
    return Part(role, command, environment_of(demo, os.environ), log)


def environment_of(demo: Demo, environ: Mapping[str, str]) -> dict[str, str]:
    """Ours, without what would change the demonstration's configuration, and with its clock."""
    kept = {
        name: value
        for name, value in environ.items()
        if not name.startswith("PROOFKEY_") or name in KEPT_VARIABLES
    }
    return {**kept, CLOCK_FILE: str(demo.clock_file)}


def _read_line(line: str) -> dict[str, object]:
    try:
        said = json.loads(line)
    except ValueError:
        return {}
    return cast("dict[str, object]", said) if isinstance(said, dict) else {}


def stop(parts: Sequence[Part], *, within: float = STOP_WITHIN) -> None:
    """Ends every part: drained first, killed when it does not end."""
    for part in parts:
        if part.process.poll() is None:
            part.process.send_signal(signal.SIGTERM)
    for part in parts:
        try:
            part.process.wait(within)
        except subprocess.TimeoutExpired:
            part.process.kill()
            part.process.wait()


def watch(parts: Sequence[Part], ended: threading.Event, on_end: Callable[[Part], None]) -> None:
    """Calls `on_end` when a part ends although `ended` is not set; one quiet thread each."""
    for part in parts:

        def wait(part: Part = part) -> None:
            part.process.wait()
            if not ended.wait(GRACE):
                on_end(part)

        threading.Thread(target=wait, daemon=True, name=f"watch-{part.role}").start()
