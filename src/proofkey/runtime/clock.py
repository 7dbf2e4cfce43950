"""The one door to the time."""

import os
import time
from pathlib import Path
from typing import Final, Protocol

from proofkey.protocol.text import Instant

CLOCK_FILE: Final = "PROOFKEY_ALLOW_INSECURE_CLOCK_FILE"
"""Names a file that holds a number of seconds added to every clock of the process; re-read when it changes."""


class Clock(Protocol):
    """Wall clock in whole seconds, and a monotonic one for caches and limits."""

    def now(self) -> Instant: ...

    def monotonic(self) -> float:
        """Seconds; never goes back."""
        ...


class SystemClock:
    """The machine's clocks."""

    __slots__ = ()

    def now(self) -> Instant:
        return Instant(int(time.time()))

    def monotonic(self) -> float:
        return time.monotonic()


class ShiftedClock:
    """The machine's clocks plus what a file says: for tests and demonstrations on loopback only."""

    __slots__ = ("_path", "_seen", "_shift")

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int] | None = None
        self._shift = 0.0

    def now(self) -> Instant:
        return Instant(int(time.time() + self._read()))

    def monotonic(self) -> float:
        return time.monotonic() + self._read()

    def _read(self) -> float:
        try:
            stat = self._path.stat()
            seen = (stat.st_mtime_ns, stat.st_size)
            if seen != self._seen:
                self._shift = float(self._path.read_text().strip() or 0)
                self._seen = seen
        except (OSError, ValueError):
            pass  # a file that is being written: the last value stands
        return self._shift


def system_clock() -> Clock:
    """The process's clock: shifted when `PROOFKEY_ALLOW_INSECURE_CLOCK_FILE` names a file."""
    path = os.environ.get(CLOCK_FILE)
    return ShiftedClock(Path(path)) if path else SystemClock()
