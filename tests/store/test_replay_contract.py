"""What every replay memory does, whichever store it has, on both event loops that uvicorn runs."""

import asyncio
from collections.abc import AsyncGenerator

import anyio
import pytest

from proofkey.protocol.replay import ReplayMemory
from proofkey.protocol.text import Instant
from proofkey.store.open import open_replay_memory
from proofkey.testing.stores import START
from tests.store.conftest import REPLAY_URLS

LOOPS = [
    pytest.param(("asyncio", {"use_uvloop": False}), id="asyncio"),
    pytest.param(("asyncio", {"use_uvloop": True}), id="uvloop"),
]
LIFE = 130


@pytest.fixture(params=LOOPS)
def anyio_backend(request: pytest.FixtureRequest) -> object:
    return request.param


@pytest.fixture(params=REPLAY_URLS)
async def memory(request: pytest.FixtureRequest) -> AsyncGenerator[ReplayMemory]:
    memory = open_replay_memory(await anyio.to_thread.run_sync(url_of, request))
    yield memory
    await memory.aclose()


def url_of(request: pytest.FixtureRequest) -> str:
    if request.param == "memory":
        return "memory:"
    if request.param == "sqlite":
        return f"sqlite:///{request.getfixturevalue('tmp_path')}/replay.db"
    url: str = request.getfixturevalue(request.param).url
    return url


async def add(memory: ReplayMemory, key: str, *, at: int = 0, life: int = LIFE) -> bool:
    now = Instant(START + at)
    return await memory.add(key, now=now, until=Instant(now + life), made=now)


@pytest.mark.spec("X-jti")
async def test_the_first_caller_alone_is_told_so(memory: ReplayMemory) -> None:
    assert [await add(memory, "a") for _ in range(3)] == [True, False, False]
    assert await add(memory, "b")


@pytest.mark.spec("X-jti")
async def test_of_many_at_once_one_wins(memory: ReplayMemory) -> None:
    results = await asyncio.gather(*(add(memory, "a") for _ in range(100)))
    assert sum(results) == 1


@pytest.mark.parametrize(("at", "free"), [(LIFE - 1, False), (LIFE, True), (LIFE + 1, True)])
async def test_a_key_is_free_again_when_its_time_is_over_and_not_before(
    memory: ReplayMemory, at: int, free: bool
) -> None:
    assert await add(memory, "a")
    assert await add(memory, "a", at=at) is free
    assert await add(memory, "a", at=at) is False


async def test_a_key_that_was_freed_has_its_new_time(memory: ReplayMemory) -> None:
    assert await add(memory, "a", life=10)
    assert await add(memory, "a", at=10, life=100)
    assert not await add(memory, "a", at=109)
    assert await add(memory, "a", at=110)


async def test_a_clock_that_goes_back_frees_nothing(memory: ReplayMemory) -> None:
    assert await add(memory, "a")
    assert not await add(memory, "a", at=-3600)


@pytest.mark.parametrize(
    "key", ["", "a" * 100_000, "a\0b", "\ud800", "ключ 🔑", "'; DROP TABLE proofkey_replays; --", "*"]
)
async def test_a_key_may_be_any_text(memory: ReplayMemory, key: str) -> None:
    assert await add(memory, key)
    assert not await add(memory, key)
    assert await add(memory, f"{key} ")


async def test_purging_forgets_what_is_over_and_nothing_else(memory: ReplayMemory) -> None:
    for number in range(1200):
        assert await add(memory, f"short {number}", life=10)
    assert await add(memory, "long")
    await memory.purge(Instant(START + 10))
    assert await memory.purge(Instant(START + 10)) == 0
    assert not await add(memory, "long", at=10)
    assert await add(memory, "short 7", at=10)


async def test_a_closed_memory_may_be_closed_again(memory: ReplayMemory) -> None:
    assert await add(memory, "a")
    await memory.aclose()
    await memory.aclose()


@pytest.mark.parametrize("kind", [kind for kind in REPLAY_URLS if kind != "memory"])
@pytest.mark.spec("X-jti", "threats §2 row 35")
async def test_what_one_worker_took_another_does_not_get(
    kind: str, request: pytest.FixtureRequest, tmp_path: object
) -> None:
    url = f"sqlite:///{tmp_path}/replay.db" if kind == "sqlite" else request.getfixturevalue(kind).url
    one, other = open_replay_memory(url), open_replay_memory(url)
    assert await add(one, "a")
    assert not await add(other, "a")
    await one.aclose()
    assert not await add(other, "a")
    await other.aclose()


@pytest.mark.parametrize("kind", REPLAY_URLS)
def test_several_event_loops_share_a_memory(kind: str, request: pytest.FixtureRequest, tmp_path: object) -> None:
    """A loop that ends without closing anything leaves no memory in a broken state for the next one."""
    urls = {"memory": "memory:", "sqlite": f"sqlite:///{tmp_path}/replay.db"}
    memory = open_replay_memory(urls.get(kind) or request.getfixturevalue(kind).url)

    async def once(close: bool) -> bool:
        won = await add(memory, "a")
        if close:
            await memory.aclose()
        return won

    closes = kind == "redis"  # redis-py warns of a connection whose loop has gone
    with asyncio.Runner() as first, asyncio.Runner() as second:
        assert first.run(once(False))
        assert not second.run(once(False))
        assert not first.run(once(closes))
        assert not second.run(once(closes))
    with asyncio.Runner() as third:
        assert not third.run(once(True))
