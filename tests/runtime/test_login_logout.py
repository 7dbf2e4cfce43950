"""Logout tokens at the client, and all sessions of a person."""

from typing import Any

import pytest

from proofkey.errors import InvalidRequest, TooManyRequests, Unavailable
from proofkey.findings import Finding
from proofkey.protocol.text import Secret
from proofkey.runtime.login_core import Finished
from proofkey.runtime.login_logout import REFUSED
from proofkey.store.memory import MemorySessionStore
from proofkey.testing.logout_tokens import make_logout_token
from tests.client.login_kit import World, config_for

PEER = "192.0.2.1"


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def world() -> World:
    return World()


async def sign_in(world: World, sub: str = "u1", sid: str | None = None) -> Finished:
    world.provider.sub = sub
    world.provider.claims.pop("sid", None)
    if sid is not None:
        world.provider.claims["sid"] = sid
    return await world.sign_in()


def token_for(world: World, **changes: Any) -> Secret:
    return Secret(make_logout_token(world.provider.key, now=world.clock.now(), **changes))


async def alive(world: World, *finished: Finished) -> list[bool]:
    return [await world.core.session(one.handle) is not None for one in finished]


# --- whom a logout token ends ----------------------------------------------------------------------------------
@pytest.mark.spec("BL-2.6-a", "X-bcl-order")
@pytest.mark.parametrize(
    ("named", "left"),
    [
        ({"sub": "u1"}, [False, False, False, True]),
        ({"sub": "u1", "sid": "s1"}, [False, True, False, True]),
        ({"sid": "s2", "claims": {"sub": None}}, [True, False, True, True]),
        ({"sub": "u2", "sid": "s1"}, [True, True, True, True]),
        ({"sub": "nobody"}, [True, True, True, True]),
    ],
    ids=["all of a person", "one session, and what has no sid", "sid alone", "sid of another", "nobody"],
)
async def test_it_ends_what_it_names_and_nothing_else(
    world: World, named: dict[str, Any], left: list[bool]
) -> None:
    sessions = [
        await sign_in(world, "u1", "s1"),
        await sign_in(world, "u1", "s2"),
        await sign_in(world, "u1"),
        await sign_in(world, "u2", "s3"),
    ]
    heard: list[str] = []
    world.core.subscribe(heard.append)
    ended = await world.core.receive_logout(token_for(world, **named), peer=PEER)
    assert await alive(world, *sessions) == left
    assert (ended, len(heard)) == (left.count(False), left.count(False))


@pytest.mark.spec("threats §2 row 38")
async def test_sessions_of_another_client_in_the_same_store_stay(world: World) -> None:
    finished = await sign_in(world, "u1", "s1")
    other = World(clock=world.clock, store=world.store, config=config_for(client_id="other"))
    other.provider.key = world.provider.key
    token = token_for(world, client_id="other", sid="s1")
    assert await other.core.receive_logout(token, peer=PEER) == 0
    assert await other.core.end_sessions_of("u1") == 0
    assert await other.core.sessions_of("u1") == ()
    assert await alive(world, finished) == [True]


@pytest.mark.spec("BL-2.7-b")
async def test_the_refresh_token_of_an_ended_session_is_never_used_again(world: World) -> None:
    finished = await sign_in(world, "u1", "s1")
    await world.core.receive_logout(token_for(world, sid="s1"), peer=PEER)
    world.clock.turn(3600)
    assert await world.another_core().session(finished.handle) is None
    assert world.provider.token_requests("refresh_token") == []
    assert await world.store.find_session(finished.session.id) is None


# --- once, and in which order ----------------------------------------------------------------------------------
@pytest.mark.spec("threats §2 row 38")
async def test_a_token_that_is_replayed_ends_no_newer_session_on_any_worker(world: World) -> None:
    token = token_for(world)
    await sign_in(world)
    assert await world.core.receive_logout(token, peer=PEER) == 1
    again = await sign_in(world)
    for core in (world.core, world.another_core()):
        with pytest.raises(InvalidRequest) as refused:
            await core.receive_logout(token, peer=PEER)
        assert refused.value.finding is Finding.LOGOUT_TOKEN_REPLAYED
    assert await alive(world, again) == [True]


@pytest.mark.spec("threats §2 row 38")
async def test_a_token_is_remembered_as_long_as_it_could_be_accepted(world: World) -> None:
    token = token_for(world, claims={"exp": world.clock.now() + 86_400})
    await world.core.receive_logout(token, peer=PEER)
    findings = []
    for seconds in (609, 1, 1):
        world.clock.turn(seconds)
        await world.core.purge()
        with pytest.raises(InvalidRequest) as refused:
            await world.core.receive_logout(token, peer=PEER)
        findings.append(refused.value.finding)
    assert findings == [Finding.LOGOUT_TOKEN_REPLAYED, Finding.LOGOUT_TOKEN_REPLAYED, Finding.LOGOUT_TOKEN_OLD]


class FailsOnce(MemorySessionStore):
    """The store is away when a session ends for the first time."""

    failed = False

    async def end_session(self, id_: str) -> bool:
        if not self.failed:
            self.failed = True
            raise Unavailable(Finding.STORE_UNAVAILABLE)
        return await super().end_session(id_)


@pytest.mark.spec("X-bcl-order")
async def test_a_logout_that_failed_half_way_can_be_sent_again() -> None:
    world = World(store=FailsOnce())
    finished = await sign_in(world)
    token = token_for(world)
    with pytest.raises(Unavailable):
        await world.core.receive_logout(token, peer=PEER)
    assert await alive(world, finished) == [True]
    assert await world.core.receive_logout(token, peer=PEER) == 1
    assert await alive(world, finished) == [False]


# --- keys ------------------------------------------------------------------------------------------------------
@pytest.mark.spec("BL-2.6-a")
async def test_a_key_that_is_new_is_fetched(world: World) -> None:
    finished = await sign_in(world)
    world.clock.turn(3600)
    world.provider.rotate_key("k2")
    finished = await sign_in(world)
    assert await world.core.receive_logout(token_for(world), peer=PEER) >= 1
    assert await alive(world, finished) == [False]


@pytest.mark.spec("X-bcl-order")
@pytest.mark.parametrize("down", ["discovery", "jwks"])
async def test_keys_that_cannot_be_had_are_no_refusal(world: World, down: str) -> None:
    finished = await sign_in(world)
    token, fresh = token_for(world), world.another_core()
    world.provider.faults.down = {down}
    with pytest.raises(Unavailable):
        await fresh.receive_logout(token, peer=PEER)
    assert await alive(world, finished) == [True]
    world.provider.faults.down = set()
    world.clock.turn(2)
    assert await fresh.receive_logout(token, peer=PEER) == 1


@pytest.mark.spec("BL-2.6-a")
async def test_the_algorithms_are_those_that_the_provider_names(world: World) -> None:
    finished = await sign_in(world)
    world.provider.faults.metadata = {"id_token_signing_alg_values_supported": ["RS256"]}
    with pytest.raises(InvalidRequest) as refused:
        await world.another_core().receive_logout(token_for(world), peer=PEER)
    assert refused.value.finding is Finding.TOKEN_ALGORITHM
    assert await alive(world, finished) == [True]


# --- strangers -------------------------------------------------------------------------------------------------
async def test_a_flood_of_junk_is_stopped_for_its_sender_alone(world: World) -> None:
    finished = await sign_in(world)
    for _ in range(REFUSED.burst):
        with pytest.raises(InvalidRequest):
            await world.core.receive_logout(Secret("junk"), peer=PEER)
    with pytest.raises(TooManyRequests) as refused:
        await world.core.receive_logout(Secret("junk"), peer=PEER)
    assert refused.value.retry_after == 1
    with pytest.raises(InvalidRequest):
        await world.core.receive_logout(Secret("junk"), peer="192.0.2.2")
    assert await alive(world, finished) == [True]
    world.clock.turn(1)
    with pytest.raises(InvalidRequest):
        await world.core.receive_logout(Secret("junk"), peer=PEER)


async def test_a_stranger_at_the_providers_address_keeps_nobody_signed_in(world: World) -> None:
    """Behind a proxy that the server does not know, all the world has one address."""
    finished = await sign_in(world)
    for _ in range(REFUSED.burst):
        with pytest.raises(InvalidRequest):
            await world.core.receive_logout(Secret("junk"), peer=PEER)
    with pytest.raises(TooManyRequests):
        await world.core.receive_logout(Secret("junk"), peer=PEER)
    assert await world.core.receive_logout(token_for(world), peer=PEER) == 1
    assert await alive(world, finished) == [False]


async def test_what_is_counted_of_strangers_is_bounded(world: World) -> None:
    for number in range(1100):
        with pytest.raises(InvalidRequest):
            await world.core.receive_logout(Secret("junk"), peer=f"peer {number}")
    assert len(world.core._logouts._peers) == 1000


# --- one person ------------------------------------------------------------------------------------------------
async def test_a_persons_live_sessions_are_listed_and_all_but_one_ended(world: World) -> None:
    await sign_in(world, "u1")
    world.clock.turn(1800)
    older, newer = await sign_in(world, "u1"), await sign_in(world, "u1")
    await sign_in(world, "u2")
    listed = await world.core.sessions_of("u1")
    assert {one.id for one in listed} == {older.session.id, newer.session.id}
    assert await world.core.end_sessions_of("u1", keep=newer.session.id) == 2, "the idle one goes as well"
    assert await alive(world, older, newer) == [False, True]
    assert await world.core.end_sessions_of("u1") == 1
    assert [one.sub for one in await world.core.sessions_of("u2")] == ["u2"]


async def test_a_store_that_is_away_is_no_empty_list(world: World) -> None:
    async def away(*_: Any) -> Any:
        raise Unavailable(Finding.STORE_UNAVAILABLE)

    world.store.sessions_of_sub = away  # type: ignore[method-assign, assignment]  # as a store does that cannot be asked
    with pytest.raises(Unavailable):
        await world.core.sessions_of("u1")
