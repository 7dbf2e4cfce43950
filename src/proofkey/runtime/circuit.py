"""Leaves a server that does not answer alone for a while."""

from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

from proofkey.errors import ProofkeyError, Unavailable
from proofkey.findings import Finding
from proofkey.runtime import events
from proofkey.runtime.clock import Clock

ResultT = TypeVar("ResultT")

ROW: Final = 3
"""Failures in a row after which there is a pause."""
PAUSE: Final = 2.0
LONGEST_PAUSE: Final = 30.0
"""Seconds: the first pause, doubled by each failure that follows, up to the longest."""


class Circuit:
    """Counts failures in a row. During a pause nobody asks; after it one caller does, and decides for all."""

    __slots__ = ("_clock", "_failure", "_in_row", "_issuer", "_name", "_pause", "_until")

    def __init__(self, name: str, issuer: str, clock: Clock) -> None:
        """Failures are events: `name` and `.failed`."""
        self._name: Final = name
        self._issuer: Final = issuer
        self._clock = clock
        self._in_row = 0
        self._pause = 0.0
        self._until = 0.0
        self._failure: Unavailable | None = None

    async def guard(self, work: Callable[[], Coroutine[Any, Any, ResultT]]) -> ResultT:
        """What `work` gives, unless there is a pause.

        Raises: Unavailable, during a pause as the last failure; whatever else `work` raises.
        """
        self._check()
        try:
            result = await work()
        except Unavailable as error:
            if blames_server(error):
                self._failed(error)
            events.refused(f"{self._name}.failed", error, issuer=self._issuer)
            raise
        except ProofkeyError:
            self._worked()
            raise
        self._worked()
        return result

    def _check(self) -> None:
        failure = self._failure
        if failure is None or self._in_row < ROW:
            return
        now = self._clock.monotonic()
        if now < self._until:
            retry_after = max(1, round(self._until - now))
            raise Unavailable(failure.finding, retry_after=retry_after, **failure.facts)
        self._until = now + self._pause  # whoever is let through now holds the others back until it knows

    def _failed(self, failure: Unavailable) -> None:
        # not the raised one, which holds frames, and they secrets
        self._failure = Unavailable(failure.finding, retry_after=failure.retry_after, **failure.facts)
        self._in_row += 1
        if self._in_row >= ROW:
            self._pause = min(max(2 * self._pause, PAUSE), LONGEST_PAUSE)
            self._until = self._clock.monotonic() + self._pause

    def _worked(self) -> None:
        self._failure = None
        self._in_row = 0
        self._pause = 0.0


def blames_server(error: Unavailable) -> bool:
    """Whether the next question would fare no better: all but an answer to this very request (4xx)."""
    status = error.facts.get("status", "")
    return not (error.finding is Finding.OUTGOING_STATUS and status.startswith("4") and status != "429")
