"""The one door from synchronous code to the event loop."""

import asyncio
import atexit
import os
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError, Future
from typing import Any, ClassVar, Final, TypeVar, TypeVarTuple, Unpack

from proofkey.errors import Unavailable
from proofkey.findings import Finding

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_LOOK: Final = 1.0
"""Seconds after which a waiting caller looks whether the loop is still there."""


class Portal:
    """Runs coroutine functions on one event loop for callers in any other thread."""

    __slots__ = ("_loop",)

    _own: "ClassVar[Portal | None]" = None
    _own_thread: "ClassVar[threading.Thread | None]" = None
    _lock: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    @classmethod
    def own(cls) -> "Portal":
        """The process's own background loop, started at the first call; its thread is a daemon."""
        with cls._lock:
            if cls._own is None or cls._own._loop.is_closed():
                cls._own, cls._own_thread = _start()
            return cls._own

    @classmethod
    def forget_own(cls) -> None:
        """After a fork: the child has the loop's memory but not its thread."""
        cls._lock = threading.Lock()
        cls._own = cls._own_thread = None

    @classmethod
    def stop_own(cls) -> None:
        """Ends the background loop; the next `own` starts another."""
        with cls._lock:
            portal, thread = cls._own, cls._own_thread
            cls._own = cls._own_thread = None
        if portal is not None and thread is not None and thread.is_alive():
            portal._loop.call_soon_threadsafe(portal._loop.stop)
            thread.join(timeout=2)

    def call(self, function: Callable[[Unpack[Ts]], Coroutine[Any, Any, T]], *args: *Ts) -> T:
        """Runs `await function(*args)` on the loop and waits; context variables go along.

        Raises: whatever the function raises; RuntimeError when the caller is the loop itself (it would wait for
        itself); Unavailable when the loop is stopping.
        """
        if asyncio._get_running_loop() is self._loop:
            raise RuntimeError("the portal was called on its own event loop: await the function instead")
        if self._loop.is_closed():
            raise Unavailable(Finding.STOPPING)
        coroutine = function(*args)
        try:
            future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        except RuntimeError as error:  # closed between the check and here
            coroutine.close()
            raise Unavailable(Finding.STOPPING) from error
        try:
            return self._wait(future)
        except CancelledError as error:
            raise Unavailable(Finding.STOPPING) from error
        except BaseException:
            future.cancel()  # when the waiting thread was interrupted; after a failure this does nothing
            raise

    def _wait(self, future: Future[T]) -> T:
        while True:
            try:
                return future.result(timeout=_LOOK)
            except TimeoutError:
                if future.done():
                    return future.result()  # the function's own TimeoutError, or finished meanwhile
                if self._loop.is_closed():
                    raise Unavailable(Finding.STOPPING) from None


def portal_of_running_loop() -> Portal:
    """A portal to the loop that runs now, for threads beside it. Raises: RuntimeError when none runs."""
    return Portal(asyncio.get_running_loop())


def _start() -> tuple[Portal, threading.Thread]:
    loop = asyncio.new_event_loop()
    started = threading.Event()

    def run() -> None:
        asyncio.set_event_loop(loop)
        loop.call_soon(started.set)
        try:
            loop.run_forever()
        finally:
            _drain(loop)

    thread = threading.Thread(target=run, name="proofkey portal", daemon=True)
    thread.start()
    started.wait()
    return Portal(loop), thread


def _drain(loop: asyncio.AbstractEventLoop) -> None:
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()


atexit.register(Portal.stop_own)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=Portal.forget_own)
