"""Password hashing: parameters, threads, limits."""

import asyncio
import os
import re
import sys
import threading
from collections.abc import Iterator

import pytest
from argon2 import extract_parameters
from argon2.exceptions import VerifyMismatchError

from proofkey.errors import ConfigurationError, PasswordRefused, Unavailable
from proofkey.findings import Finding
from proofkey.protocol.text import Secret
from proofkey.runtime.passwords import NICENESS, Argon2Cost, PasswordPool, check_cost, password_bytes
from proofkey.testing.entropy import CountingEntropy

PHRASE = Secret("correct horse battery staple zebra")


@pytest.fixture
def pool() -> Iterator[PasswordPool]:
    pool = PasswordPool(workers=2, queue=4)
    yield pool
    pool.close()


@pytest.mark.spec("N63-hash", "ASVS-C")
async def test_a_hash_is_argon2id_with_the_documented_parameters_and_its_own_salt(pool: PasswordPool):
    one, two = await pool.hash(PHRASE), await pool.hash(PHRASE)
    assert one.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert one != two
    salt = one.split("$")[4]
    assert len(salt) >= 22
    assert await pool.verify(one, PHRASE)
    assert not pool.needs_rehash(one)


@pytest.mark.spec("N63-3.1.1.2-9")
@pytest.mark.parametrize("position", [0, 72, 73, 199])
async def test_every_character_counts(pool: PasswordPool, position: int):
    text = "abcdefghij" * 20
    other = text[:position] + "X" + text[position + 1 :]
    assert not await pool.verify(await pool.hash(Secret(text)), Secret(other))


@pytest.mark.spec("N63-3.1.1.2-9")
async def test_case_and_blanks_count(pool: PasswordPool):
    hash_ = await pool.hash(Secret(" Blank at both ends "))
    assert await pool.verify(hash_, Secret(" Blank at both ends "))
    for other in ("Blank at both ends", " blank at both ends "):
        assert not await pool.verify(hash_, Secret(other))


@pytest.mark.spec("N63-3.1.1.2-3/4")
@pytest.mark.parametrize(
    ("one", "two"),
    [("caf\u00e9", "cafe\u0301"), ("\ufb01sh", "fish"), ("\u212b", "\u00c5")],
    ids=["accent", "ligature", "unit sign"],
)
async def test_the_same_text_in_other_code_points_is_the_same_password(pool: PasswordPool, one: str, two: str):
    assert one != two
    assert await pool.verify(await pool.hash(Secret(one)), Secret(two))


@pytest.mark.spec("N63-3.1.1.2-2")
@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("x" * 1024, True),
        ("x" * 1025, False),
        ("é" * 512, True),
        ("é" * 513, False),
        ("\ufdfa" * 100, False),  # 3 bytes that NFKC makes 33
        ("x\ud800", False),
        ("x" * 10_000_000, False),
    ],
    ids=["1024", "1025", "512 é", "513 é", "grows", "surrogate", "huge"],
)
async def test_a_password_is_refused_beyond_1024_bytes_and_never_cut(pool: PasswordPool, text: str, fits: bool):
    if fits:
        assert len(password_bytes(Secret(text))) <= 1024
        return
    with pytest.raises(PasswordRefused) as caught:
        await pool.hash(Secret(text))
    assert caught.value.finding is Finding.PASSWORD_TOO_LONG
    assert not await pool.verify(pool.dummy_hash, Secret(text))


@pytest.mark.parametrize("hash_", ["", "x", "$argon2id$", "$2b$12$abc", "$argon2id$v=19$m=19456,t=2,p=1$!$!"])
async def test_a_damaged_hash_matches_nothing_and_wants_a_new_one(pool: PasswordPool, hash_: str):
    assert not await pool.verify(hash_, PHRASE)
    assert pool.needs_rehash(hash_)


@pytest.mark.spec("N63-hash")
async def test_a_hash_of_other_parameters_still_verifies_and_wants_a_new_one(pool: PasswordPool):
    old = PasswordPool(workers=1, cost=Argon2Cost(memory=12 * 1024, time=3))
    hash_ = await old.hash(PHRASE)
    old.close()
    assert await pool.verify(hash_, PHRASE)
    assert pool.needs_rehash(hash_)


@pytest.mark.spec("V6-6.3.8", "threats 2 row 27")
async def test_the_dummy_hash_costs_what_a_real_one_costs(pool: PasswordPool):
    real = await pool.hash(Secret("another password"))
    assert [len(part) for part in real.split("$")] == [len(part) for part in pool.dummy_hash.split("$")]
    assert extract_parameters(pool.dummy_hash) == extract_parameters(real)
    assert not await pool.verify(pool.dummy_hash, PHRASE)
    assert not pool.needs_rehash(pool.dummy_hash)
    with pytest.raises(VerifyMismatchError):  # well-formed: it was computed to the end
        pool._hasher.verify(pool.dummy_hash, b"x")


def test_the_dummy_hash_differs_from_pool_to_pool():
    entropy = CountingEntropy()
    pools = [PasswordPool(workers=1, entropy=entropy) for _ in range(2)]
    assert pools[0].dummy_hash != pools[1].dummy_hash
    for pool in pools:
        pool.close()


@pytest.mark.spec("threats 2 row 45")
async def test_hashing_never_runs_on_the_event_loop(pool: PasswordPool, monkeypatch: pytest.MonkeyPatch):
    threads: set[int] = set()
    real = pool._hasher

    class Watched:
        def hash(self, data: bytes) -> str:
            threads.add(threading.get_ident())
            return real.hash(data)

        def verify(self, hash_: str, data: bytes) -> bool:
            threads.add(threading.get_ident())
            return real.verify(hash_, data)

    monkeypatch.setattr(pool, "_hasher", Watched())
    assert await pool.verify(await pool.hash(PHRASE), PHRASE)
    assert threads
    assert threading.get_ident() not in threads


@pytest.mark.spec("threats 2 row 45")
async def test_the_loop_goes_on_while_hashes_are_made(pool: PasswordPool):
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0)

    ticking = asyncio.create_task(tick())
    await asyncio.gather(*(pool.hash(PHRASE) for _ in range(4)))
    ticking.cancel()
    assert ticks > 10


class Gate:
    """Work that waits until it is let go, and counts how much of it runs at once."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.running = 0
        self.most = 0
        self._lock = threading.Lock()

    def hash(self, _data: bytes) -> str:
        with self._lock:
            self.running += 1
            self.most = max(self.most, self.running)
        self.open.wait(10)
        with self._lock:
            self.running -= 1
        return "hash"


@pytest.mark.spec("V6-6.1.1", "threats 2 row 18")
async def test_a_full_queue_says_busy_and_the_rest_is_done(pool: PasswordPool, monkeypatch: pytest.MonkeyPatch):
    gate = Gate()
    monkeypatch.setattr(pool, "_hasher", gate)
    waiting = [asyncio.create_task(pool.hash(PHRASE)) for _ in range(6)]  # 2 at work, 4 in the queue
    await asyncio.sleep(0)
    for _ in range(3):
        with pytest.raises(Unavailable) as caught:
            await pool.hash(PHRASE)
        assert caught.value.finding is Finding.BUSY
        assert caught.value.retry_after > 0
    gate.open.set()
    assert await asyncio.gather(*waiting) == ["hash"] * 6
    assert gate.most == 2
    assert await pool.hash(PHRASE) == "hash"


async def test_a_caller_that_gives_up_frees_its_place(pool: PasswordPool, monkeypatch: pytest.MonkeyPatch):
    gate = Gate()
    monkeypatch.setattr(pool, "_hasher", gate)
    waiting = [asyncio.create_task(pool.hash(PHRASE)) for _ in range(6)]
    await asyncio.sleep(0.05)
    for task in waiting[2:]:
        task.cancel()
    await asyncio.gather(*waiting[2:], return_exceptions=True)
    again = [asyncio.create_task(pool.hash(PHRASE)) for _ in range(4)]
    await asyncio.sleep(0)
    gate.open.set()
    assert await asyncio.gather(*again) == ["hash"] * 4
    await asyncio.gather(*waiting[:2])


async def test_a_closed_pool_is_unavailable():
    pool = PasswordPool(workers=1)
    pool.close()
    with pytest.raises(Unavailable):
        await pool.hash(PHRASE)


@pytest.mark.spec("ASVS-C")
@pytest.mark.parametrize(
    ("cost", "strong"),
    [
        (Argon2Cost(), True),
        (Argon2Cost(46 * 1024, 1), True),
        (Argon2Cost(12 * 1024, 3), True),
        (Argon2Cost(64 * 1024, 3, 4), True),
        (Argon2Cost(19 * 1024 - 1, 2), False),
        (Argon2Cost(19 * 1024, 1), False),
        (Argon2Cost(45 * 1024, 1), False),
        (Argon2Cost(11 * 1024, 9), False),
    ],
    ids=str,
)
def test_parameters_below_every_floor_are_refused(cost: Argon2Cost, strong: bool):
    if strong:
        check_cost(cost)
    else:
        with pytest.raises(ConfigurationError):
            PasswordPool(cost=cost)


@pytest.mark.spec("threats 2 row 24")
async def test_the_hash_of_a_secret_does_not_hold_it(pool: PasswordPool):
    assert not re.search("horse", await pool.hash(PHRASE))


async def test_hashing_gives_way_to_requests(pool: PasswordPool):
    own = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    priority = await pool._run(lambda: os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
    assert priority == (NICENESS if sys.platform == "linux" else own)
    assert own < NICENESS
