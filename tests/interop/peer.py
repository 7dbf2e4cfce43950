"""A program for Node that is driven by lines of JSON."""

import json
import subprocess
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SECONDS = 20


class PeerRefused(Exception):
    """What the peer threw: `name`, `code`, `message`, `error`, `status`, `challenges`, `cause`."""

    def __init__(self, told: dict[str, Any]) -> None:
        super().__init__(json.dumps(told))
        self.told = told


class Peer:
    """A running program. Made by `running_peer`."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self._process = process
        self._log = log

    def ask(self, message: dict[str, Any]) -> Any:
        """Sends one line and waits for one. Raises: PeerRefused; AssertionError when the program is gone."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin
        assert stdout
        stdin.write(json.dumps(message) + "\n")
        stdin.flush()
        timer = threading.Timer(SECONDS, self._process.kill)
        timer.start()
        try:
            line = stdout.readline()
        finally:
            timer.cancel()
        assert line, f"the peer is gone; its log: {self._log.read_text()[-2000:]}"
        answer = json.loads(line)
        if "error" in answer:
            raise PeerRefused(answer["error"])
        return answer["result"]


@contextmanager
def running_peer(script: str, log: Path) -> Generator[Peer]:
    """Runs until the end of the block; its standard error goes to `log`. It also ends when this process does."""
    with log.open("a") as stderr:
        process = subprocess.Popen(
            ["node", str(HERE / script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
    with process:
        try:
            yield Peer(process, log)
        finally:
            if process.stdin:
                process.stdin.close()
            try:
                process.wait(SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
