"""Work that was begun on an event loop which somebody left in the middle, and never closed."""

import asyncio

from proofkey.runtime.flights import Flights
from proofkey.runtime.single_flight import SingleFlight
from proofkey.runtime.verifier import Verifier
from proofkey.testing.clock import TurnedClock
from proofkey.testing.faults import FaultyTransport
from proofkey.testing.issuer import LocalIssuer


async def never() -> int:
    await asyncio.Event().wait()
    return 1


async def seven() -> int:
    return 7


def end(loop: asyncio.AbstractEventLoop) -> None:
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()


def test_a_run_on_a_loop_that_was_left_holds_up_no_other() -> None:
    runs: list[int] = []

    async def work() -> None:
        runs.append(len(runs))
        if len(runs) == 1:
            await never()

    async def begin() -> None:
        flight.begin()
        await flight.wait(0.01)

    flight = SingleFlight(work)
    left, loop = asyncio.new_event_loop(), asyncio.new_event_loop()
    left.run_until_complete(begin())
    assert not flight.running
    loop.run_until_complete(begin())
    assert runs == [0, 1]
    end(left)
    loop.close()


def test_a_question_on_a_loop_that_was_left_is_asked_anew() -> None:
    flights: Flights[int] = Flights("x", most=1, deadline=60.0)
    left, loop = asyncio.new_event_loop(), asyncio.new_event_loop()
    waiting = left.create_task(flights.share(b"k", never))
    left.run_until_complete(asyncio.sleep(0.01))

    assert loop.run_until_complete(flights.share(b"k", seven)) == 7
    assert not waiting.done()
    slow = loop.create_task(flights.share(b"k", never))
    loop.run_until_complete(asyncio.sleep(0.01))
    end(left)  # the old one lands now, and leaves the new one's place alone
    assert len(flights) == 1
    loop.run_until_complete(asyncio.sleep(0.01))
    assert not slow.done()
    end(loop)


def test_keys_are_refreshed_although_a_loop_was_left_while_it_asked() -> None:
    clock = TurnedClock()
    issuer = LocalIssuer(clock=clock)
    wire = FaultyTransport(issuer.transport)
    verifier = Verifier(issuer=issuer.url, audience=issuer.audience, transport=wire, clock=clock)
    left, loop = asyncio.new_event_loop(), asyncio.new_event_loop()
    left.run_until_complete(verifier.verify(issuer.token_for()))
    clock.turn(301)
    wire.gate = asyncio.Event()
    left.run_until_complete(verifier.verify(issuer.token_for()))  # old keys serve; the fetch stays behind
    wire.gate = None
    issuer.rotate()
    loop.run_until_complete(verifier.verify(issuer.token_for()))
    end(left)
    loop.close()
