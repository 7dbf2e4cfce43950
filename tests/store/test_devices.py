"""What every `ServerStore` must do about devices: decided once, redeemed once, counted for all workers."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from proofkey.authorization_server.records import DeviceStanding
from proofkey.authorization_server.stores import ServerStore
from proofkey.errors import ServerError
from proofkey.findings import Finding
from proofkey.protocol.text import ClientId, Instant
from proofkey.store.sql import SqliteServerStore
from proofkey.testing.races import Attempt, OpenServer, count_winners
from proofkey.testing.stores import START, a_client, a_device, a_sign_in, a_user, an_authorization, an_event
from proofkey.testing.stores_check_then_set import CheckThenSetServerStore
from tests.store.contract_kit import DAYS, LATER, grant

DIGEST, USER_CODE = a_device().digest, a_device().user_code_digest
ALLOWED = an_authorization("allowed", code_digest=None, redirect_uri=None)
RACES = [
    Attempt("decide_device_code", (DIGEST, LATER, an_event())),
    Attempt("use_code", ("allowed", LATER, an_event())),
]


async def begun(store: ServerStore, **changes: Any) -> None:
    assert await store.insert_device_authorization(a_device(**changes), an_event())


async def found(store: ServerStore) -> DeviceStanding:
    standing = await store.find_device_code(DIGEST)
    assert standing
    return standing


async def test_a_device_comes_back_as_it_was(store: ServerStore) -> None:
    await begun(store)
    full = {"polled_at": LATER, "decided_at": LATER, "authorization_id": "gone", "peer": "", "interval": 35}
    await begun(store, name="full", **full)
    assert await found(store) == DeviceStanding(device=a_device(), client=a_client(), grant=None)
    assert await store.find_user_code(USER_CODE) == a_device()
    assert await store.find_user_code(a_device("full").user_code_digest) == a_device("full", **full)
    assert await store.find_device_code("another") is None
    assert await store.find_user_code("another") is None


async def test_a_user_code_belongs_to_one_device(store: ServerStore) -> None:
    await begun(store)
    other = a_device("2", user_code_digest=USER_CODE)
    assert not await store.insert_device_authorization(other, an_event())
    assert await store.find_user_code(USER_CODE) == a_device()
    assert await store.find_device_code(other.digest) is None


@pytest.mark.parametrize(
    "device",
    [
        pytest.param(a_device(user_code_digest="another"), id="the same device code"),
        pytest.param(a_device("2", client_id=ClientId("nobody")), id="a client that is not registered"),
    ],
)
async def test_a_store_refuses(store: ServerStore, device: Any) -> None:
    await begun(store)
    with pytest.raises(ServerError) as refused:
        await store.insert_device_authorization(device, an_event())
    assert refused.value.finding is Finding.STORE_CONFLICT


@pytest.mark.spec("8628-3.1..3.5")
async def test_the_interval_grows_with_every_question_that_comes_too_early(store: ServerStore) -> None:
    await begun(store)

    async def polled(second: int) -> tuple[bool, int]:
        in_time = await store.poll_device_code(DIGEST, Instant(START + second))
        return in_time, (await found(store)).device.interval

    assert [await polled(second) for second in (0, 4, 9, 10, 19, 24, 39, 38)] == [
        *((True, 5), (True, 5), (True, 5), (False, 10), (True, 10), (False, 15), (True, 15), (False, 20)),
    ]
    assert (await found(store)).device.polled_at == START + 38
    assert not await store.poll_device_code("another", START)


@pytest.mark.spec("8628-3.1..3.5")
async def test_what_is_allowed_is_a_grant_of_its_own(store: ServerStore) -> None:
    await begun(store)
    assert await store.decide_device_code(DIGEST, LATER, an_event(), ALLOWED)
    standing = await found(store)
    assert (standing.device.decided_at, standing.device.authorization_id) == (LATER, "allowed")
    assert standing.grant is not None
    assert standing.grant.authorization == ALLOWED
    assert standing.grant.user is not None
    assert await store.use_code("allowed", LATER, an_event())
    assert not await store.use_code("allowed", LATER, an_event())


async def test_what_is_denied_leaves_no_grant(store: ServerStore) -> None:
    await begun(store)
    assert await store.decide_device_code(DIGEST, LATER, an_event())
    standing = await found(store)
    assert (standing.device.decided_at, standing.device.authorization_id, standing.grant) == (LATER, None, None)
    assert not await store.decide_device_code(DIGEST, LATER, an_event(), ALLOWED)
    assert await store.find_authorization("allowed") is None


async def test_nothing_is_decided_that_is_over(store: ServerStore) -> None:
    await begun(store)
    end = a_device().code_expires_at
    assert not await store.decide_device_code(DIGEST, end, an_event(), ALLOWED)
    assert await store.find_authorization("allowed") is None
    assert await store.decide_device_code(DIGEST, Instant(end - 1), an_event(), ALLOWED)
    assert not await store.decide_device_code("another", LATER, an_event())


async def test_a_decision_is_whole_or_not_at_all(store: ServerStore) -> None:
    await begun(store)
    await grant(store, "allowed")
    with pytest.raises(ServerError):
        await store.decide_device_code(DIGEST, LATER, an_event(), ALLOWED)
    assert (await found(store)).device.decided_at is None


async def test_who_has_signed_out_meanwhile_allows_nothing(store: ServerStore) -> None:
    await begun(store)
    await store.end_sign_in("sid-1", LATER, an_event())
    assert await store.decide_device_code(DIGEST, LATER, an_event(), ALLOWED)
    standing = await found(store)
    assert standing.grant is not None
    assert standing.grant.authorization.revoked_at == LATER
    assert not await store.use_code("allowed", LATER, an_event())


async def test_purge_takes_those_that_are_over(store: ServerStore) -> None:
    await begun(store, name="over", expires_at=LATER)
    await begun(store, name="live", expires_at=DAYS)
    assert await store.purge(LATER) == 1
    assert await store.find_device_code(a_device("over").digest) is None
    assert await store.find_user_code(a_device("over").user_code_digest) is None
    assert await store.find_device_code(a_device("live").digest)
    await begun(store, name="over")


async def test_a_memory_store_makes_room_for_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    from proofkey.store.memory import MemoryServerStore, devices

    monkeypatch.setattr(devices, "MOST_WAITING", 2)
    store = MemoryServerStore()
    await store.put_client(a_client(), START)
    for name in ("device-1", "2", "3"):
        await begun(store, name=name)
    assert await store.find_device_code(DIGEST) is None
    assert await store.find_user_code(USER_CODE) is None
    assert await store.find_device_code(a_device("3").digest)


async def test_of_many_tasks_one_decides(store: ServerStore) -> None:
    await begun(store)
    won: list[bool] = []

    async def attempt() -> None:
        won.append(await store.decide_device_code(DIGEST, LATER, an_event()))

    async with anyio.create_task_group() as group:
        for _ in range(50):
            group.start_soon(attempt)
    assert won.count(True) == 1


async def fill(file: Path) -> None:
    store = SqliteServerStore.open(file)
    await store.put_client(a_client(), START)
    await store.put_user(a_user(), START)
    await store.insert_sign_in(a_sign_in(), an_event())
    await begun(store)
    await begun(store, name="asked")
    allowed = replace(ALLOWED, code_expires_at=Instant(START + 600))
    assert await store.decide_device_code(a_device("asked").digest, LATER, an_event(), allowed)
    await store.aclose()


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.spec("8628-3.1..3.5", "threats §0.3")
async def test_of_fifty_in_two_processes_one_decides_and_one_redeems(file: Path, anyio_backend: str) -> None:
    await fill(file)
    assert count_winners(OpenServer(file), RACES) == [1, 1]


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_store_that_checks_then_sets_has_many_winners(file: Path, anyio_backend: str) -> None:
    await fill(file)
    counts = count_winners(OpenServer(file, CheckThenSetServerStore), RACES)
    assert all(count > 1 for count in counts), counts
