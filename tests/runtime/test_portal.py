"""Synchronous callers and the event loop."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar

import pytest

from proofkey.errors import ProofkeyError, Unavailable
from proofkey.findings import Finding
from proofkey.runtime.portal import Portal, portal_of_running_loop

name: ContextVar[str] = ContextVar("name", default="nobody")


@pytest.fixture(autouse=True)
def own_portal_ends() -> Iterator[None]:
    yield
    Portal.stop_own()


async def add(one: int, two: int) -> int:
    await asyncio.sleep(0)
    return one + two


async def where() -> tuple[int, int]:
    return threading.get_ident(), id(asyncio.get_running_loop())


def test_a_coroutine_function_runs_on_a_daemon_thread_and_gives_its_result():
    assert Portal.own().call(add, 1, 2) == 3
    thread, _ = Portal.own().call(where)
    assert thread != threading.get_ident()
    assert next(one for one in threading.enumerate() if one.ident == thread).daemon


def test_there_is_one_portal_for_the_process():
    with ThreadPoolExecutor(8) as threads:
        loops = set(threads.map(lambda _: Portal.own().call(where), range(64)))
    assert len(loops) == 1


def test_exceptions_come_back_as_they_were_raised():
    async def fail() -> None:
        raise ProofkeyError(Finding.SESSION_NONE, user="ann")

    with pytest.raises(ProofkeyError) as caught:
        Portal.own().call(fail)
    assert caught.value.facts == {"user": "ann"}


def test_a_timeout_of_the_function_itself_comes_back():
    async def fail() -> None:
        raise TimeoutError("mine")

    with pytest.raises(TimeoutError, match="mine"):
        Portal.own().call(fail)


def test_context_variables_go_along():
    async def read() -> str:
        return name.get()

    name.set("ann")
    assert Portal.own().call(read) == "ann"


def test_a_stopped_portal_gives_its_waiters_up_and_starts_anew():
    portal = Portal.own()
    started = threading.Event()

    async def wait_for_ever() -> None:
        started.set()
        await asyncio.Event().wait()

    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(portal.call, wait_for_ever)
        assert started.wait(5)
        Portal.stop_own()
        with pytest.raises(Unavailable) as caught:
            waiting.result(timeout=10)
        assert caught.value.finding is Finding.STOPPING
    with pytest.raises(Unavailable):
        portal.call(add, 1, 2)
    assert Portal.own() is not portal
    assert Portal.own().call(add, 1, 2) == 3


async def test_a_thread_beside_a_running_loop_calls_into_it():
    portal = portal_of_running_loop()
    thread, loop = await asyncio.to_thread(portal.call, where)
    assert (thread, loop) == (threading.get_ident(), id(asyncio.get_running_loop()))


async def test_calling_from_the_loop_itself_is_a_mistake_and_not_a_deadlock():
    with pytest.raises(RuntimeError, match="await"):
        portal_of_running_loop().call(add, 1, 2)


async def test_another_loop_may_be_called_from_a_loop():
    assert Portal.own().call(add, 1, 2) == 3


def test_without_a_running_loop_there_is_no_portal_to_it():
    with pytest.raises(RuntimeError):
        portal_of_running_loop()


def test_a_forked_child_starts_a_portal_of_its_own():
    portal = Portal.own()
    Portal.forget_own()  # what happens in the child
    try:
        assert Portal.own() is not portal
        assert Portal.own().call(add, 1, 2) == 3
    finally:
        portal._loop.call_soon_threadsafe(portal._loop.stop)
