"""What anybody can send: nothing of it fills the memory, and no clock makes anything longer."""

import asyncio
from dataclasses import replace

import pytest

from proofkey.authorization_server.answers import Page
from proofkey.errors import InteractionClosed, InvalidClient, InvalidGrant
from proofkey.protocol.text import Instant, Secret
from proofkey.store.memory import MemoryServerStore, MemorySessionStore
from proofkey.store.memory.tables import MOST_WAITING
from proofkey.testing.stores import START, a_pending_login, an_interaction
from tests.authorization_server.driver import Desk, Visitor, interaction_of, sent_back


def _memory(desk: Desk) -> MemoryServerStore:
    assert isinstance(desk.store, MemoryServerStore)
    return desk.store


async def test_a_flood_of_requests_takes_bounded_memory(desk: Desk, visitor: Visitor) -> None:
    id_, _ = await visitor.page()
    interactions = _memory(desk)._interactions  # the size is what this is about
    for number in range(MOST_WAITING - 1):
        await desk.store.insert_interaction(an_interaction(f"flood {number}", created_at=desk.clock.now()))
    assert len(interactions) == MOST_WAITING
    assert isinstance(await visitor.look(id_), Page)
    await visitor.authorize()
    assert len(interactions) == MOST_WAITING
    with pytest.raises(InteractionClosed):
        await visitor.look(id_)  # the oldest made room


async def test_what_is_over_makes_room_first(desk: Desk) -> None:
    for number in range(50):
        await desk.store.insert_interaction(an_interaction(f"old {number}"))
    late = an_interaction("new", created_at=Instant(START + 600), expires_at=Instant(START + 1200))
    await desk.store.insert_interaction(late)
    assert len(_memory(desk)._interactions) == 1


async def test_a_flood_of_logins_takes_bounded_memory() -> None:
    store = MemorySessionStore()
    for number in range(MOST_WAITING + 10):
        await store.insert_pending(a_pending_login(f"state {number}"))
    assert len(store._pending) == MOST_WAITING
    assert await store.find_pending(a_pending_login("state 0").state_digest) is None
    assert await store.find_pending(a_pending_login(f"state {MOST_WAITING}").state_digest)
    await store.insert_pending(a_pending_login("later", created_at=Instant(START + 600)))
    assert len(store._pending) == 1


@pytest.mark.parametrize(
    ("parameter", "value"),
    [("state", "x" * 8193), ("scope", " ".join(f"s{number}" for number in range(2000))), ("nonce", "n" * 513)],
    ids=["state", "scope", "nonce"],
)
async def test_what_would_have_to_be_stored_is_not_endless(visitor: Visitor, parameter: str, value: str) -> None:
    back = sent_back(await visitor.authorize(**{parameter: value}))
    assert back["error"] in ("invalid_request", "invalid_scope")
    assert back["iss"]


@pytest.mark.parametrize("hint", ["x" * 321, "ann\r\nbob", "\x00"])
async def test_a_hint_that_is_no_name_is_ignored(visitor: Visitor, hint: str) -> None:
    _, page = await visitor.page(login_hint=hint)
    assert page.context["username"] == ""


async def test_invented_clients_do_not_fill_the_store(desk: Desk) -> None:
    for number in range(5000):
        with pytest.raises(InvalidClient):
            await desk.token(f"nobody {number}", secret=Secret("wrong"), grant_type="client_credentials")
        if number % 100 == 0:
            desk.clock.turn(3600)
    places = [place for place in _memory(desk)._attempts if place[0] == "client secret"]
    assert 0 < len(places) <= 4096


@pytest.mark.spec("threats §2.8", "X-rot-a")
async def test_a_clock_that_goes_back_does_not_prolong_the_grace(desk: Desk, visitor: Visitor) -> None:
    first = (await visitor.tokens(desk))["refresh_token"]
    await desk.refresh(first)
    desk.clock.turn_wall(-3600)
    with pytest.raises(InvalidGrant):
        await desk.refresh(first)


@pytest.mark.spec("threats §2.8")
@pytest.mark.parametrize("failures", [4, 5])
async def test_a_clock_that_goes_back_locks_nobody_out(desk: Desk, visitor: Visitor, failures: int) -> None:
    desk.clock.turn(10 * 86_400)
    id_, _ = await visitor.page()
    for _ in range(failures):
        await visitor.log_in(id_, "ann", "wrong")
    desk.clock.turn_wall(-9 * 86_400)
    id_ = interaction_of(await visitor.authorize())
    assert not isinstance(await visitor.log_in(id_), Page)


async def test_purging_many_goes_in_batches(desk: Desk) -> None:
    for number in range(1200):
        grant = replace(an_interaction(f"old {number}"), created_at=Instant(START - 10), expires_at=START)
        _memory(desk)._interactions[grant.digest] = grant
    assert [await desk.store.purge(START) for _ in range(4)] == [500, 500, 200, 0]


@pytest.mark.spec("threats §2.45", "threats §2.21")
async def test_requests_go_on_between_two_batches_of_a_purge(desk: Desk) -> None:
    for number in range(2000):
        old = replace(an_interaction(f"old {number}"), created_at=Instant(START - 10), expires_at=START)
        _memory(desk)._interactions[old.digest] = old  # an insert would make room at once
    left: list[int] = []

    async def watch() -> None:
        while _memory(desk)._interactions:
            left.append(len(_memory(desk)._interactions))
            await asyncio.sleep(0)

    await asyncio.gather(desk.core.upkeep(), watch())
    assert {1500, 1000, 500} <= set(left)
