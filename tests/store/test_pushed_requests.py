"""What every `ServerStore` must do about pushed requests, and that of many who use one at once, one wins."""

from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from proofkey.authorization_server.stores import ServerStore
from proofkey.errors import ServerError
from proofkey.findings import Finding
from proofkey.protocol.text import Instant, Subject
from proofkey.store.sql import SqliteServerStore
from proofkey.testing.races import Attempt, OpenServer, count_winners
from proofkey.testing.stores import START, a_client, a_pushed_request
from proofkey.testing.stores_check_then_set import CheckThenSetServerStore
from tests.store.contract_kit import DAYS, LATER

DIGEST = a_pushed_request().digest
RACE = [Attempt("use_pushed_request", (DIGEST, LATER))]


async def test_a_pushed_request_comes_back_as_it_was(store: ServerStore) -> None:
    bound = a_pushed_request("bound", dpop_jkt="j" * 43, hint_sub=Subject("sub-of-ann"))
    for pushed in (a_pushed_request(), bound):
        await store.insert_pushed_request(pushed)
        assert await store.find_pushed_request(pushed.digest) == pushed
    assert await store.find_pushed_request("another") is None


@pytest.mark.spec("9126-4-a / 7.3")
async def test_a_pushed_request_is_used_once(store: ServerStore) -> None:
    await store.insert_pushed_request(a_pushed_request())
    assert await store.use_pushed_request(DIGEST, LATER)
    assert not await store.use_pushed_request(DIGEST, DAYS)
    assert not await store.use_pushed_request("another", LATER)
    assert await store.find_pushed_request(DIGEST) == a_pushed_request(used_at=LATER)


@pytest.mark.parametrize(
    "pushed",
    [
        pytest.param(a_pushed_request(), id="the same again"),
    ],
)
async def test_a_store_refuses(store: ServerStore, pushed: object) -> None:
    await store.insert_pushed_request(a_pushed_request())
    with pytest.raises(ServerError) as refused:
        await store.insert_pushed_request(pushed)  # type: ignore[arg-type]  # of the parameters above
    assert refused.value.finding is Finding.STORE_CONFLICT


async def test_purge_takes_those_that_are_over(store: ServerStore) -> None:
    await store.insert_pushed_request(a_pushed_request("over", expires_at=LATER))
    await store.insert_pushed_request(a_pushed_request("live", expires_at=DAYS))
    assert await store.purge(LATER) == 1
    assert await store.find_pushed_request(a_pushed_request("over").digest) is None
    assert await store.find_pushed_request(a_pushed_request("live").digest)


async def test_of_many_tasks_one_uses_it(store: ServerStore) -> None:
    await store.insert_pushed_request(a_pushed_request())
    won: list[bool] = []

    async def attempt() -> None:
        won.append(await store.use_pushed_request(DIGEST, LATER))

    async with anyio.create_task_group() as group:
        for _ in range(50):
            group.start_soon(attempt)
    assert won.count(True) == 1


async def fill(file: Path) -> None:
    store = SqliteServerStore.open(file)
    await store.put_client(a_client(), START)
    await store.insert_pushed_request(replace(a_pushed_request(), created_at=Instant(START)))
    await store.aclose()


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.spec("9126-4-a / 7.3")
async def test_of_fifty_in_two_processes_one_uses_it(file: Path, anyio_backend: str) -> None:
    await fill(file)
    assert count_winners(OpenServer(file), RACE) == [1]


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_store_that_checks_then_sets_has_many_winners(file: Path, anyio_backend: str) -> None:
    await fill(file)
    (count,) = count_winners(OpenServer(file, CheckThenSetServerStore), RACE)
    assert count > 1
