"""One request per question: shared between loops, and never waited for when it is lost."""

import asyncio
import os

import pytest

from proofkey.errors import Unavailable
from proofkey.findings import Finding
from proofkey.runtime.answer_memory import AnswerMemory, digest_key
from proofkey.runtime.flights import Flights


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def never() -> int:
    await asyncio.Event().wait()
    return 1


async def seven() -> int:
    return 7


def test_a_flight_whose_loop_was_closed_is_begun_anew() -> None:
    flights: Flights[int] = Flights("x", most=1, deadline=60.0)
    loop = asyncio.new_event_loop()
    stuck = loop.create_task(flights.share(b"k", never))
    loop.run_until_complete(asyncio.sleep(0))
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.run_until_complete(asyncio.gather(stuck, return_exceptions=True))
    loop.close()
    again = asyncio.new_event_loop()
    try:
        assert again.run_until_complete(flights.share(b"k", seven)) == 7
    finally:
        again.close()


async def test_a_loop_that_stops_tells_those_who_wait_on_another() -> None:
    flights: Flights[int] = Flights("x", most=1, deadline=60.0)
    first = asyncio.create_task(flights.share(b"k", never))
    await asyncio.sleep(0)
    second = asyncio.create_task(flights.share(b"k", never))
    await asyncio.sleep(0)
    (flight,) = flights._flights.values()
    assert flight.task is not None
    flight.task.cancel()
    for waiting in (first, second):
        with pytest.raises(Unavailable) as refused:
            await waiting
        assert refused.value.finding is Finding.STOPPING
    assert len(flights) == 0


async def end(flights: Flights[int], waiting: list[asyncio.Task[int]]) -> None:
    """Ends what is on its way, as a loop that stops does."""
    for flight in flights._flights.values():
        assert flight.task is not None
        flight.task.cancel()
    assert {type(it) for it in await asyncio.gather(*waiting, return_exceptions=True)} == {Unavailable}


async def test_different_questions_do_not_wait_for_each_other_and_are_bounded() -> None:
    flights: Flights[int] = Flights("x", most=2, deadline=60.0)
    waiting = [asyncio.create_task(flights.share(b"a", never))]
    await asyncio.sleep(0)
    assert await flights.share(b"b", seven) == 7
    waiting.append(asyncio.create_task(flights.share(b"b", never)))
    await asyncio.sleep(0)
    with pytest.raises(Unavailable) as refused:
        await flights.share(b"c", seven)
    assert refused.value.finding is Finding.BUSY
    await end(flights, waiting)
    assert await flights.share(b"c", seven) == 7


async def test_a_parents_flight_is_not_the_childs(monkeypatch: pytest.MonkeyPatch) -> None:
    flights: Flights[int] = Flights("x", most=2, deadline=60.0)
    stuck = asyncio.create_task(flights.share(b"k", never))
    await asyncio.sleep(0)
    with monkeypatch.context() as child:
        child.setattr(os, "getpid", lambda: -1)
        assert await flights.share(b"k", seven) == 7
    assert not stuck.done()
    await end(flights, [stuck])


async def test_a_child_is_not_held_back_by_what_its_parent_had_on_its_way(monkeypatch: pytest.MonkeyPatch) -> None:
    flights: Flights[int] = Flights("x", most=1, deadline=60.0)
    stuck = asyncio.create_task(flights.share(b"k", never))
    await asyncio.sleep(0)
    (flight,) = flights._flights.values()
    with monkeypatch.context() as child:
        child.setattr(os, "getpid", lambda: -1)
        assert await flights.share(b"other", seven) == 7
    assert flight.task is not None
    flight.task.cancel()
    with pytest.raises(Unavailable):
        await stuck


def test_keys_of_different_texts_are_different() -> None:
    keys = {digest_key(*parts) for parts in (("ab",), ("a", "b"), ("", "ab"), ("ab", ""), ("a", "", "b"), ("ba",))}
    assert len(keys) == 6


def test_the_answer_used_longest_ago_is_forgotten_first() -> None:
    memory: AnswerMemory[int] = AnswerMemory(2)
    memory.keep(b"1", 1, 10.0)
    memory.keep(b"2", 2, 10.0)
    assert memory.find(b"1", 0.0) == 1
    memory.keep(b"3", 3, 10.0)
    assert [memory.find(key, 0.0) for key in (b"1", b"2", b"3")] == [1, None, 3]
    assert memory.find(b"1", 10.0) is None
    assert len(memory) == 1
