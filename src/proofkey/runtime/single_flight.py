"""One run of a piece of work at a time, shared by callers on any event loop."""

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, Final
from weakref import WeakSet


class SingleFlight:
    """Callers that come while `work` runs share that run. `work` keeps its result itself and raises nothing.

    A run that was on its way when the process forked belongs to the parent alone; the child begins its own.
    """

    __slots__ = ("__weakref__", "_flight", "_lock", "_task", "_work")

    def __init__(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._work = work
        self._lock = threading.Lock()
        self._flight: Future[None] | None = None
        self._task: asyncio.Task[None] | None = None
        _flights.add(self)

    @property
    def running(self) -> bool:
        """True while a run is on its way, on any loop; a loop that has been left takes nothing further."""
        flight, task = self._flight, self._task
        return flight is not None and not flight.done() and task is not None and task.get_loop().is_running()

    def begin(self) -> None:
        """Starts a run on the caller's loop, unless one is on its way."""
        with self._lock:
            if self.running:
                return
            flight: Future[None] = Future()
            flight.set_running_or_notify_cancel()  # a waiter that gives up must not cancel it for the others
            self._flight = flight
            self._task = asyncio.get_running_loop().create_task(self._run(flight))

    async def wait(self, seconds: float | None = None) -> None:
        """Until the run on its way has ended, or for `seconds`."""
        flight = self._flight
        if flight is not None and self.running:
            await asyncio.wait({asyncio.wrap_future(flight)}, timeout=seconds)

    def forget(self) -> None:
        """After a fork: neither the run nor whoever held the lock is in this process."""
        self._lock = threading.Lock()
        self._flight = self._task = None

    async def _run(self, flight: Future[None]) -> None:
        try:
            await self._work()
        finally:
            flight.set_result(None)


_flights: Final[WeakSet[SingleFlight]] = WeakSet()


def _forget_all() -> None:
    for flight in list(_flights):
        flight.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
