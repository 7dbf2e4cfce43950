"""One request per question at a time, shared by all who ask it, on any event loop."""

import asyncio
import os
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, Final, Generic, TypeVar

from proofkey.errors import ProofkeyError, Unavailable
from proofkey.findings import Finding
from proofkey.runtime import events

ValueT = TypeVar("ValueT")


class Flights(Generic[ValueT]):
    """Callers with the same key share one run of their work, which goes on when its first caller goes away.

    At most `most` runs are on their way at once, each for `deadline` seconds at most. What was on its way when the
    process forked belongs to the parent alone.
    """

    __slots__ = ("_deadline", "_flights", "_most", "_name")

    def __init__(self, name: str, *, most: int, deadline: float) -> None:
        """`name` stands in the log."""
        self._name: Final = name
        self._most: Final = most
        self._deadline: Final = deadline
        self._flights: dict[tuple[int, bytes], _Flight[ValueT]] = {}

    async def share(self, key: bytes, work: Callable[[], Coroutine[Any, Any, ValueT]]) -> ValueT:
        """What the run gives, or raises if it is one of ours.

        Raises: Unavailable when too many are on their way, it takes too long, or something else broke.
        """
        place = (os.getpid(), key)
        flight = self._flights.get(place)
        if flight is None or flight.is_lost:
            if len(self._flights) >= self._most:
                self._drop_lost()
            if len(self._flights) >= self._most:
                raise Unavailable(Finding.BUSY, retry_after=1, waiting=str(self._most))
            began: _Flight[ValueT] = _Flight()
            if flight is not None:
                self._flights.pop(place, None)
            flight = self._flights.setdefault(place, began)  # one winner, whatever thread asks
            if flight is began:
                began.task = asyncio.get_running_loop().create_task(self._run(began, work))
                began.task.add_done_callback(lambda _: self._land(place, began))
        await asyncio.wait({asyncio.wrap_future(flight.landed)}, timeout=self._deadline + 1)
        return flight.result()

    def __len__(self) -> int:
        return len(self._flights)

    def _drop_lost(self) -> None:
        for place, flight in list(self._flights.items()):
            if flight.is_lost or place[0] != os.getpid():
                self._flights.pop(place, None)

    def _land(self, place: tuple[int, bytes], flight: "_Flight[ValueT]") -> None:
        """Also when the run was cancelled before it began."""
        if self._flights.get(place) is flight:
            del self._flights[place]
        flight.landed.set_result(None)

    async def _run(self, flight: "_Flight[ValueT]", work: Callable[[], Coroutine[Any, Any, ValueT]]) -> None:
        try:
            async with asyncio.timeout(self._deadline):
                flight.value = (await work(),)
        except ProofkeyError as error:
            flight.error = error
        except TimeoutError:
            flight.error = Unavailable(Finding.OUTGOING_FAILED, endpoint=self._name, reason="Timeout")
        except Exception as error:  # noqa: BLE001 - a transport of the user's may raise anything
            events.internal_error(f"{self._name}.failed", error)
            flight.error = Unavailable(Finding.INTERNAL, endpoint=self._name)


class _Flight(Generic[ValueT]):
    """One run: its task, and what came of it."""

    __slots__ = ("error", "landed", "task", "value")

    def __init__(self) -> None:
        self.task: asyncio.Task[None] | None = None
        self.value: tuple[ValueT] | None = None
        self.error: ProofkeyError | None = None
        self.landed: Future[None] = Future()
        self.landed.set_running_or_notify_cancel()  # a waiter that gives up must not cancel it for the others

    @property
    def is_lost(self) -> bool:
        """Its event loop was closed under it, or runs no longer."""
        return self.task is not None and not self.task.get_loop().is_running()

    def result(self) -> ValueT:
        """Raises: what the run raised; Unavailable when it never landed."""
        if self.value is not None:
            return self.value[0]
        if self.error is None:
            raise Unavailable(Finding.STOPPING)
        raise self.error
