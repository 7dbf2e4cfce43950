"""Programs in a pseudo-terminal, and what became of their children."""

import os
import pty
import re
import select
import subprocess
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

STYLES = re.compile(r"\x1b\[[0-9;]*m")


class Terminal:
    """A program that believes a person sits in front of it."""

    def __init__(self, command: Sequence[str], environ: Mapping[str, str]) -> None:
        self._screen, self._end = pty.openpty()  # the end stays open here too, so that none of it is lost
        name = os.ttyname(self._end)
        # opened by the leader of a new session, it becomes the terminal that Ctrl-C comes from
        script = 'exec "$@" <"$0" >"$0" 2>&1'
        self.process = subprocess.Popen(
            ["sh", "-c", script, name, *command], env={**os.environ, **environ}, start_new_session=True
        )
        self.seen = ""
        """Everything that was shown so far, without colours."""

    def read_until(self, words: str, seconds: float = 40) -> str:
        """What is shown until then. Raises: AssertionError when the words do not come."""
        start = len(self.seen)
        end = time.monotonic() + seconds
        while words not in self.seen[start:]:
            assert time.monotonic() < end, f"no {words!r} in {self.seen!r}"
            if not self._read(0.2):
                assert words in self.seen[start:], f"ended without {words!r}: {self.seen!r}"
        return self.seen[start:]

    def _read(self, seconds: float) -> bool:
        """False when the program has ended and everything was read."""
        has_ended = self.process.poll() is not None
        if not select.select([self._screen], [], [], 0 if has_ended else seconds)[0]:
            return not has_ended
        self.seen += STYLES.sub("", os.read(self._screen, 65536).decode()).replace("\r\n", "\n")
        return True

    def press(self, keys: str) -> None:
        os.write(self._screen, keys.encode())

    def hang_up(self) -> None:
        """As when its window is closed."""
        os.close(self._screen)
        os.close(self._end)
        self._screen = -1

    def wait(self, seconds: float = 25) -> int:
        """The exit status, when everything was read."""
        end = time.monotonic() + seconds
        while self._screen >= 0 and self._read(0.1):
            assert time.monotonic() < end, f"still running: {self.seen!r}"
        return self.process.wait(max(0.1, end - time.monotonic()))

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self._screen >= 0:
            self.hang_up()


@contextmanager
def terminal(command: Sequence[str], **environ: str) -> Generator[Terminal]:
    opened = Terminal(command, environ)
    try:
        yield opened
    finally:
        opened.close()


def children(pid: int) -> list[int]:
    """The processes whose parent is `pid`."""
    found: list[int] = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return sorted(found)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_for(condition: Callable[[], Any], seconds: float = 15) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False
