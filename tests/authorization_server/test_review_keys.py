"""Keys when clocks go back, when workers rotate at once, and when the settings leave no time after their use."""

import asyncio

import pytest

from proofkey.authorization_server.keys import Retire, build_key_record, plan_rotation, signing_record
from proofkey.authorization_server.policy import Lifetimes
from proofkey.authorization_server.records import AuditEvent
from proofkey.protocol.jose import generate_signing_key
from proofkey.protocol.text import Instant, Secret
from proofkey.runtime.master_key import MasterKey
from proofkey.runtime.server_core import server_sealer
from proofkey.runtime.server_upkeep import rotate_keys
from proofkey.store.memory import MemoryServerStore
from tests.authorization_server.driver import MASTER_KEY, Desk, Visitor, claims_of

DAY = 86_400
START = Instant(1_800_000_000)
SEALER = server_sealer(MASTER_KEY)


@pytest.mark.spec("threats §2.8", "threats §3.24")
@pytest.mark.parametrize("seconds", [5, 3600, DAY])
async def test_a_clock_that_goes_back_finds_a_key_to_sign_with(desk: Desk, seconds: int) -> None:
    desk.clock.turn_wall(-seconds)
    for client_id in ("robot", "web"):
        token = (await desk.token(client_id, grant_type="client_credentials"))["access_token"]
        assert claims_of(token)["iat"] == desk.clock.now()


def test_a_retired_key_does_not_come_back_for_want_of_another() -> None:
    from dataclasses import replace

    record = build_key_record(generate_signing_key("ES256"), START, START, SEALER)
    retired = replace(record, retired_at=START, remove_at=Instant(START + DAY))
    assert signing_record([retired], "ES256", START) is None
    assert signing_record([retired], "ES256", Instant(START - 1)) is retired


@pytest.mark.spec("OC-10.1.1-a")
@pytest.mark.parametrize("announcement", [0, 60, 14 * DAY])
def test_a_retired_key_is_published_until_its_last_token_is_dead(announcement: int) -> None:
    lifetimes = Lifetimes(key_announcement=announcement, access_token=3600)
    old, new = (
        build_key_record(generate_signing_key("ES256"), START, Instant(START + at), SEALER) for at in (0, 1)
    )
    now = Instant(START + 10)
    plan = plan_rotation([old, new], now, lifetimes)
    assert plan == (Retire(old.kid, Instant(now + max(announcement, 7200))),)


@pytest.mark.spec("OC-10.1.1-a", "threats §2.12")
async def test_of_several_workers_that_rotate_at_once_one_announces() -> None:
    store = MemoryServerStore()
    lifetimes = Lifetimes()
    first = build_key_record(generate_signing_key("ES256"), START, START, SEALER)
    await store.insert_signing_key(first, AuditEvent(at=START, name="keys.made"))
    due = Instant(START + lifetimes.key_use - lifetimes.key_announcement)
    await asyncio.gather(*(rotate_keys(store, SEALER, due, lifetimes) for _ in range(4)))
    records = await store.list_signing_keys()
    assert [record.active_from for record in records] == [START, START + lifetimes.key_use]
    assert [event.name for event in store.events].count("key.announced") == 1


@pytest.mark.spec("threats §2.17")
async def test_a_key_that_another_master_key_sealed_stops_nobody(desk: Desk, visitor: Visitor) -> None:
    foreign = server_sealer(MasterKey(Secret("the master key of another deployment, long")))
    desk.clock.turn(1)
    now = desk.clock.now()
    record = build_key_record(generate_signing_key("ES256"), now, now, foreign)
    await desk.store.insert_signing_key(record, AuditEvent(at=now, name="key.announced"))
    desk.clock.turn(2)
    before = desk.core.jwks()
    tokens = await visitor.tokens(desk)
    assert (await desk.userinfo(tokens["access_token"]))["sub"] == "u1"
    assert desk.core.jwks() is before
