"""Redis forgets more easily than a database: what must hold when it does, and that it may not evict."""

import pytest

from proofkey.errors import Unavailable
from proofkey.findings import Finding
from proofkey.protocol.text import Instant
from proofkey.store.open import open_replay_memory
from proofkey.testing.redis_server import RedisServer, running_redis
from proofkey.testing.stores import START
from tests.store.replay_kit import add, refusal

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.spec("X-jti", "threats §2 row 14")
async def test_after_a_flush_what_was_used_before_is_refused_and_new_things_are_taken(redis: RedisServer) -> None:
    memory, other = open_replay_memory(redis.url), open_replay_memory(redis.url)
    assert await add(memory, "used")
    assert not await add(other, "used")
    redis.ask("FLUSHALL")
    assert "lost" in (await refusal(memory, "used", at=1, made=0)).facts["reason"]
    await refusal(other, "used", at=1, made=0)
    await refusal(other, "unseen", at=60, made=4)
    assert await add(other, "made after", at=5)
    assert not await add(memory, "made after", at=5)
    await memory.aclose()
    await other.aclose()


async def test_after_a_flush_what_tells_no_time_is_refused_as_long_as_it_would_be_kept(redis: RedisServer) -> None:
    memory = open_replay_memory(redis.url)
    times = {"now": Instant(START + 1), "until": Instant(START + 131)}
    assert await memory.add("a", **times)
    redis.ask("FLUSHALL")
    with pytest.raises(Unavailable):
        await memory.add("a", **times)
    with pytest.raises(Unavailable):
        await memory.add("a", now=Instant(START + 131), until=Instant(START + 261))
    assert await memory.add("a", now=Instant(START + 132), until=Instant(START + 262))
    await memory.aclose()


@pytest.mark.spec("threats §2 row 14")
@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl", "volatile-lru", "allkeys-random"])
async def test_a_redis_that_may_evict_is_refused(policy: str) -> None:
    with running_redis("--maxmemory", "2mb", "--maxmemory-policy", policy) as server:
        memory = open_replay_memory(server.url)
        error = await refusal(memory)
        assert (error.finding, error.facts["policy"]) == (Finding.STORE_EVICTS, policy)
        server.ask("CONFIG", "SET", "maxmemory-policy", "noeviction")
        assert await add(memory, "a")
        server.ask("CONFIG", "SET", "maxmemory-policy", policy)
        assert (await refusal(memory, "b", at=5)).finding is Finding.STORE_EVICTS
        await memory.aclose()


async def test_a_redis_without_a_limit_evicts_nothing_whatever_its_policy(redis: RedisServer) -> None:
    memory = open_replay_memory(redis.url)
    redis.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    try:
        assert await add(memory, "a")
    finally:
        redis.ask("CONFIG", "SET", "maxmemory-policy", "noeviction")
        await memory.aclose()


@pytest.mark.spec("threats §2 row 16")
async def test_a_redis_that_is_full_refuses(redis: RedisServer) -> None:
    memory = open_replay_memory(redis.url)
    assert await add(memory, "a")
    redis.ask("CONFIG", "SET", "maxmemory", "1")
    try:
        assert (await refusal(memory, "b")).facts["reason"] == "OutOfMemoryError"
    finally:
        redis.ask("CONFIG", "SET", "maxmemory", "0")
    assert await add(memory, "b")
    await memory.aclose()


async def test_redis_frees_what_nobody_needs_any_more(redis: RedisServer) -> None:
    memory = open_replay_memory(redis.url)
    assert await add(memory, "a")
    (key,) = [key for key in keys_of(redis) if not key.endswith(":began")]
    assert 130 < int(redis.ask("TTL", key).removeprefix(":")) <= 190
    await memory.aclose()


def keys_of(server: RedisServer) -> list[str]:
    found = server.ask("EVAL", "return table.concat(redis.call('KEYS', '*'), ' ')", "0")
    return found.split()
