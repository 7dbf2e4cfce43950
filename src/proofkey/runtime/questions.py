"""Questions to another server whose answers are shared and remembered: one request per question at a time."""

from collections.abc import Callable, Coroutine
from typing import Any, Final, Generic, TypeVar

from proofkey.errors import InvalidToken
from proofkey.findings import Finding
from proofkey.protocol.text import Instant
from proofkey.runtime.answer_memory import AnswerMemory
from proofkey.runtime.clock import Clock
from proofkey.runtime.flights import Flights

ValueT = TypeVar("ValueT")

DEADLINE: Final = 6.0
"""Seconds for everything that one question takes."""
MOST: Final = 100
"""Questions on their way at once; a flood of invented ones ends here, not at the other server."""
NEGATIVE_AGE: Final = 10
"""Seconds that a refusal is remembered, if answers are remembered that long at all."""

_TIME_MENDS: Final = frozenset({Finding.TOKEN_NOT_YET_VALID})
"""Refusals that are not remembered."""


class Questions(Generic[ValueT]):
    """`size` answers are remembered at most, each for `longest` seconds and never to its end; and as many refusals
    of their own, so that a stranger's inventions push no good answer out. 0 seconds remember nothing."""

    __slots__ = ("_answers", "_clock", "_flights", "_longest", "_refusals")

    def __init__(self, name: str, *, size: int, longest: int, clock: Clock) -> None:
        """`name` stands in the log."""
        self._clock = clock
        self._longest: Final = longest
        self._answers: AnswerMemory[tuple[ValueT, Instant]] = AnswerMemory(size)
        self._refusals: AnswerMemory[InvalidToken] = AnswerMemory(size)
        self._flights: Flights[ValueT] = Flights(name, most=MOST, deadline=DEADLINE)

    def known(self, key: bytes) -> ValueT | None:
        """The remembered answer; None when the question has to be asked. Raises: InvalidToken if that was it."""
        monotonic = self._clock.monotonic()
        found = self._answers.find(key, monotonic)
        if found is not None and self._clock.now() < found[1]:
            return found[0]
        refusal = self._refusals.find(key, monotonic)
        if refusal is not None:
            raise InvalidToken(refusal.finding, **refusal.facts)
        return None

    async def answer(self, key: bytes, ask: Callable[[], Coroutine[Any, Any, tuple[ValueT, Instant]]]) -> ValueT:
        """Joins the request that is on its way, or begins one: `ask` gives the answer and its end.

        Raises: what `ask` raises; Unavailable.
        """

        async def work() -> ValueT:
            try:
                value, end = await ask()
            except InvalidToken as refusal:
                self._remember_refusal(key, refusal)
                raise
            age = min(self._longest, end - self._clock.now())
            if age > 0:
                self._answers.keep(key, (value, end), self._clock.monotonic() + age)
            return value

        return await self._flights.share(key, work)

    def _remember_refusal(self, key: bytes, refusal: InvalidToken) -> None:
        age = min(self._longest, NEGATIVE_AGE)
        if age > 0 and refusal.finding not in _TIME_MENDS:
            bare = InvalidToken(
                refusal.finding, **refusal.facts
            )  # the raised one holds frames, and they the token
            self._refusals.keep(key, bare, self._clock.monotonic() + age)

    def __len__(self) -> int:
        return len(self._answers) + len(self._refusals)
