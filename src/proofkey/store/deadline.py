"""Work on a database server that ends in time, whatever the server does."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final, Generic, TypeVar

from proofkey.errors import Unavailable
from proofkey.findings import Finding

T = TypeVar("T")

DEADLINE: Final = 2.0
"""Seconds for one call, waiting for a free connection and connecting included."""


async def within(work: Coroutine[Any, Any, T], *, store: str, seconds: float = DEADLINE) -> T:
    """The result. Work that is late is cancelled and not waited for: drivers tidy up for seconds.

    Raises: Unavailable with `store` when it is late.
    """
    task = asyncio.ensure_future(work)
    try:
        done, _ = await asyncio.wait({task}, timeout=seconds)
    except asyncio.CancelledError:
        _abandon(task)
        raise
    if not done:
        _abandon(task)
        raise Unavailable(Finding.STORE_UNAVAILABLE, store=store, reason="no answer in time")
    return task.result()


def _abandon(task: "asyncio.Task[Any]") -> None:
    task.cancel()
    _abandoned.add(task)
    task.add_done_callback(_ended)


def _ended(task: "asyncio.Task[Any]") -> None:
    _abandoned.discard(task)
    if not task.cancelled():
        task.exception()  # looked at, so that nobody logs it as unseen


_abandoned: Final[set["asyncio.Task[Any]"]] = set()
"""The loop holds tasks weakly; these must live until they have ended."""


class PerLoop(Generic[T]):
    """One thing per event loop: connections belong to the loop that made them.

    `drop` gets what is left of a loop that was closed.
    """

    def __init__(self, make: Callable[[], T], drop: Callable[[T], None]) -> None:
        self._make = make
        self._drop = drop
        self._things: dict[asyncio.AbstractEventLoop, T] = {}

    def here(self) -> T:
        """The running loop's one."""
        loop = asyncio.get_running_loop()
        thing = self._things.get(loop)
        if thing is None:
            self._prune()
            thing = self._things.setdefault(loop, self._make())
        return thing

    def take(self) -> T | None:
        """Takes the running loop's one out; what closed loops left is dropped."""
        self._prune()
        return self._things.pop(asyncio.get_running_loop(), None)

    def _prune(self) -> None:
        for loop in [loop for loop in tuple(self._things) if loop.is_closed()]:
            thing = self._things.pop(loop, None)
            if thing is not None:
                self._drop(thing)
