"""200 callers in two processes show the same proof: one wins. Each race is also run on a memory that looks first
and writes later; there it must find more than one winner, else it shows nothing."""

import threading
from pathlib import Path

import anyio
import pytest

from proofkey.protocol.replay import ReplayMemory
from proofkey.protocol.text import Instant
from proofkey.store.open import open_replay_memory
from proofkey.testing.races import Attempt, OpenReplay, count_winners
from proofkey.testing.replay import CheckThenSetMemory, open_check_then_set
from proofkey.testing.stores import START
from tests.store.conftest import REPLAY_URLS

SHARED = [kind for kind in REPLAY_URLS if kind != "memory"]
RACES = [
    Attempt("add", (f"proof {number}",), {"now": START, "until": Instant(START + 130), "made": START})
    for number in range(4)
]
"""The first one also makes the tables."""


@pytest.mark.parametrize("replay_url", SHARED, indirect=True)
@pytest.mark.spec("X-jti", "threats §2 row 12", "threats §2 row 35")
def test_of_two_hundred_in_two_processes_one_wins(replay_url: str) -> None:
    assert count_winners(OpenReplay(replay_url), RACES, competitors=200) == [1, 1, 1, 1]


@pytest.mark.parametrize("replay_url", SHARED, indirect=True)
def test_a_memory_that_checks_then_sets_has_many_winners(replay_url: str) -> None:
    memory = open_replay_memory(replay_url)  # with tables, so that the wrong one fails for the right reason

    async def begin() -> None:
        assert await memory.add("first", now=START, until=Instant(START + 130), made=START)
        await memory.aclose()

    anyio.run(begin)
    counts = count_winners(OpenReplay(replay_url, open_check_then_set), RACES, competitors=200)
    assert all(count > 1 for count in counts), counts


def winners_in_threads(memory: ReplayMemory) -> int:
    """200 callers in four threads of this process."""
    wins: list[bool] = []
    barrier = threading.Barrier(4)

    async def many() -> None:
        async def one() -> None:
            wins.append(await memory.add("a", now=START, until=Instant(START + 130), made=START))

        async with anyio.create_task_group() as group:
            for _ in range(50):
                group.start_soon(one)

    def run() -> None:
        barrier.wait(10)
        anyio.run(many)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(wins) == 200
    return sum(wins)


def test_of_two_hundred_in_the_threads_of_one_process_one_wins(tmp_path: Path) -> None:
    assert winners_in_threads(open_replay_memory("memory:")) == 1
    assert winners_in_threads(open_replay_memory(f"sqlite:///{tmp_path}/replay.db")) == 1
    assert winners_in_threads(CheckThenSetMemory()) > 1
