"""A clock that tests turn by hand."""

from typing import Final

from proofkey.protocol.text import Instant

START: Final = 1_800_000_000
"""2027-01-15T08:00:00Z."""


class TurnedClock:
    """Stands still until it is turned; wall clock and monotonic clock move together.

    Implements `proofkey.runtime.clock.Clock`.
    """

    __slots__ = ("_monotonic", "_now")

    def __init__(self, start: int = START) -> None:
        self._now = float(start)
        self._monotonic = 1000.0

    def now(self) -> Instant:
        return Instant(int(self._now))

    def monotonic(self) -> float:
        return self._monotonic

    def turn(self, seconds: float) -> None:
        """Moves both clocks forward. Raises: ValueError when `seconds` is negative; see `turn_wall`."""
        if seconds < 0:
            raise ValueError("a monotonic clock never goes back")
        self._now += seconds
        self._monotonic += seconds

    def turn_wall(self, seconds: float) -> None:
        """Moves the wall clock alone, in either direction: what an administrator or NTP may do."""
        self._now += seconds
