"""The one door to the time."""

import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, Protocol

from proofkey.errors import ConfigurationError
from proofkey.findings import Finding
from proofkey.protocol.text import Instant
from proofkey.protocol.uri import is_loopback_host
from proofkey.runtime.events import emit

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

    __slots__ = ("_highest", "_path", "_seen", "_shift")

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int] | None = None
        self._shift = self._highest = 0.0

    def now(self) -> Instant:
        return Instant(int(time.time() + self._read()))

    def monotonic(self) -> float:
        self._highest = max(self._highest, self._read())
        return time.monotonic() + self._highest

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
    if not path:
        return SystemClock()
    emit("clock.shifted", level="warning", file=path)
    return ShiftedClock(Path(path))


def check_clock_file(hosts: Iterable[str], environ: Mapping[str, str] = os.environ) -> None:
    """`hosts` are the addresses that the process binds.

    Raises: ConfigurationError when the clock would be shifted and a host is not loopback.
    """
    if not environ.get(CLOCK_FILE):
        return
    for host in hosts:
        if not is_loopback_host(f"[{host}]" if ":" in host and not host.startswith("[") else host):
            why = "allowed only while everything is bound to loopback"
            raise ConfigurationError(Finding.CONFIG_VALUE, key=CLOCK_FILE, host=host, reason=why)
