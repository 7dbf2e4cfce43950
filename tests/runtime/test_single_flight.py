"""One run at a time, shared."""

import asyncio

import pytest

from proofkey.runtime.single_flight import SingleFlight


class Work:
    """Runs until it is let go; counts."""

    def __init__(self) -> None:
        self.started = 0
        self.ended = 0
        self.go = asyncio.Event()

    async def __call__(self) -> None:
        self.started += 1
        await self.go.wait()
        self.ended += 1


async def test_callers_share_the_run_that_is_on_its_way():
    work = Work()
    flight = SingleFlight(work)

    async def call() -> None:
        flight.begin()
        await flight.wait()

    callers = [asyncio.create_task(call()) for _ in range(50)]
    await asyncio.sleep(0.01)
    assert flight.running
    work.go.set()
    await asyncio.gather(*callers)
    assert (work.started, work.ended) == (1, 1)
    assert not flight.running


async def test_a_caller_that_gives_up_stops_neither_the_run_nor_the_others():
    work = Work()
    flight = SingleFlight(work)
    flight.begin()
    callers = [asyncio.create_task(flight.wait()) for _ in range(3)]
    await asyncio.sleep(0.01)
    callers[0].cancel()
    await asyncio.gather(callers[0], return_exceptions=True)
    assert flight.running
    work.go.set()
    await asyncio.gather(*callers[1:])
    assert work.ended == 1


async def test_the_run_ends_even_when_nobody_waits_any_more():
    work = Work()
    flight = SingleFlight(work)
    flight.begin()
    caller = asyncio.create_task(flight.wait())
    await asyncio.sleep(0.01)
    caller.cancel()
    await asyncio.gather(caller, return_exceptions=True)
    work.go.set()
    await flight.wait()
    assert work.ended == 1


async def test_waiting_has_an_end_of_its_own():
    flight = SingleFlight(Work())
    flight.begin()
    await flight.wait(0.01)
    assert flight.running


async def test_after_a_run_the_next_one_begins():
    work = Work()
    work.go.set()
    flight = SingleFlight(work)
    for expected in (1, 2):
        flight.begin()
        await flight.wait()
        assert work.ended == expected


async def test_waiting_without_a_run_returns():
    await SingleFlight(Work()).wait()


@pytest.mark.spec("threats 2 row 6")
async def test_a_caller_on_another_loop_waits_for_the_same_run():
    work = Work()
    flight = SingleFlight(work)
    flight.begin()
    elsewhere = asyncio.create_task(asyncio.to_thread(asyncio.run, flight.wait()))
    await asyncio.sleep(0.05)
    assert not elsewhere.done()
    work.go.set()
    await asyncio.wait_for(elsewhere, 5)
    assert work.started == 1


async def test_after_a_fork_a_run_of_the_parent_is_nobodys():
    work = Work()
    flight = SingleFlight(work)
    flight.begin()
    await asyncio.sleep(0)
    flight._lock.acquire()  # whoever held it is not in the child
    assert flight.running
    flight.forget()  # what happens in the child
    assert not flight.running
    flight.begin()
    await asyncio.sleep(0)
    assert work.started == 2
    work.go.set()
    await flight.wait()
