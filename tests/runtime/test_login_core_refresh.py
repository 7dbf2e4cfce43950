"""Fresh tokens: one request however many ask, on one worker or several; a provider's bad day signs nobody out."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from proofkey.client.session import SessionTokens
from proofkey.errors import NotSignedIn, ProofkeyError, RefreshFailed, Unavailable
from proofkey.findings import Finding
from proofkey.protocol.exchange import Answer
from proofkey.protocol.text import Instant, Secret
from proofkey.runtime.login_core import Finished, LoginCore
from proofkey.store.memory import MemorySessionStore
from proofkey.store.sealed import Sealer
from proofkey.store.sql import SqliteSessionStore
from tests.client.login_kit import API, World

EXPIRY = 900 - 29


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def world() -> World:
    return World()


async def ask_at_once(
    cores: list[LoginCore], finished: Finished, callers: int
) -> list[SessionTokens | ProofkeyError]:
    """What each of `callers`, spread over the workers, got."""
    outcomes: list[SessionTokens | ProofkeyError] = []

    async def ask(core: LoginCore) -> None:
        try:
            outcomes.append(await core.access_token(finished.handle))
        except ProofkeyError as error:
            outcomes.append(error)

    async with anyio.create_task_group() as group:
        for number in range(callers):
            group.start_soon(ask, cores[number % len(cores)])
    return outcomes


def refreshes(world: World) -> int:
    return len(world.provider.token_requests("refresh_token"))


async def test_a_token_with_enough_life_is_not_refreshed(world: World) -> None:
    finished = await world.sign_in()
    world.clock.turn(900 - 30)
    assert await world.core.access_token(finished.handle) == finished.session.tokens
    assert refreshes(world) == 0


async def test_a_token_near_its_end_is_refreshed_by_handle_or_id_with_the_resource(world: World) -> None:
    finished = await world.sign_in()
    world.clock.turn(EXPIRY)
    tokens = await world.core.access_token(finished.session.id)
    assert tokens.access_token != finished.session.tokens.access_token
    assert tokens.access_expires_at == world.clock.now() + 900
    assert await world.core.access_token(finished.handle) == tokens
    assert world.provider.token_requests("refresh_token")[0]["resource"] == [API]


async def test_the_caller_says_how_much_life_it_needs(world: World) -> None:
    finished = await world.sign_in()
    world.clock.turn(500)
    await world.core.access_token(finished.handle, min_ttl=400)
    assert refreshes(world) == 0
    await world.core.access_token(finished.handle, min_ttl=401)
    assert refreshes(world) == 1


@pytest.mark.spec("X-refresh-lock")
async def test_twenty_callers_at_expiry_make_one_token_request(world: World) -> None:
    finished = await world.sign_in()
    world.clock.turn(900)
    world.provider.faults.delay = 0.02
    outcomes = await ask_at_once([world.core], finished, 20)
    assert refreshes(world) == 1
    assert len({tokens.access_token for tokens in outcomes if isinstance(tokens, SessionTokens)}) == 1
    assert len(outcomes) == 20


@pytest.mark.spec("X-refresh-lock")
async def test_a_caller_that_goes_away_does_not_take_the_refresh_with_it(world: World) -> None:
    finished = await world.sign_in()
    world.clock.turn(900)
    world.provider.faults.delay = 0.05
    with anyio.move_on_after(0.01):
        await world.core.access_token(finished.handle)
    tokens = await world.core.access_token(finished.handle)
    assert refreshes(world) == 1
    assert tokens.access_expires_at == world.clock.now() + 900


class WithoutLease(SqliteSessionStore):
    """The control: everybody gets the lock."""

    async def acquire_refresh(self, id_: str, holder: str, now: Instant, lease: int) -> bool:
        return True


async def race(
    store_kind: type[SqliteSessionStore], path: Path
) -> tuple[World, list[SessionTokens | ProofkeyError]]:
    """Two workers, one file, a rotating provider, twenty callers at expiry."""
    key = bytes(range(32))
    first = store_kind.open(path, Sealer(key))
    second = store_kind.open(path, Sealer(key))
    try:
        world = World(store=first)
        finished = await world.sign_in()
        world.clock.turn(900)
        world.provider.faults.delay = 0.05
        workers = [world.core, world.another_core(second)]
        outcomes = await ask_at_once(workers, finished, 20)
        for core in workers:
            if not any(isinstance(outcome, ProofkeyError) for outcome in outcomes):
                await core.access_token(finished.handle)
        return world, outcomes
    finally:
        await first.aclose()
        await second.aclose()


@pytest.mark.spec("X-refresh-lock", "6749-6-b")
async def test_two_workers_on_one_store_make_one_token_request(tmp_path: Path) -> None:
    world, outcomes = await race(SqliteSessionStore, tmp_path / "sessions.db")
    assert refreshes(world) == 1
    assert [outcome for outcome in outcomes if not isinstance(outcome, SessionTokens)] == []
    assert len({outcome.access_token for outcome in outcomes if isinstance(outcome, SessionTokens)}) == 1


async def test_the_same_race_without_the_lease_asks_more_than_once(tmp_path: Path) -> None:
    world, _ = await race(WithoutLease, tmp_path / "sessions.db")
    assert refreshes(world) > 1


async def test_a_worker_that_died_with_the_lease_blocks_nobody_for_long(world: World) -> None:
    finished = await world.sign_in()
    world.clock.turn(EXPIRY)
    assert await world.store.acquire_refresh(finished.session.id, "dead worker", world.clock.now(), 20)
    world.clock.turn(20)
    assert (await world.core.access_token(finished.handle)).access_expires_at == world.clock.now() + 900


async def test_a_loser_takes_the_winners_result_while_the_lease_is_held(world: World) -> None:
    finished = await world.sign_in()
    world.clock.turn(EXPIRY)
    session = finished.session
    assert await world.store.acquire_refresh(session.id, "other worker", world.clock.now(), 20)
    results: list[SessionTokens] = []

    async def ask() -> None:
        results.append(await world.core.access_token(finished.handle))

    async with anyio.create_task_group() as group:
        group.start_soon(ask)
        await anyio.sleep(0.02)
        stored = await world.store.replace_tokens(session.id, session.version, session.tokens, world.clock.now())
        assert stored
    assert results == [session.tokens]
    assert refreshes(world) == 0


# --- rotation --------------------------------------------------------------------------------------------------
@pytest.mark.spec("6749-6-b")
async def test_rotated_refresh_tokens_are_followed_for_ten_rounds(world: World) -> None:
    finished = await world.sign_in()
    for _ in range(10):
        world.clock.turn(EXPIRY)
        assert await world.core.session(finished.handle) is not None
        await world.core.access_token(finished.handle)
    sent = [form["refresh_token"][0] for form in world.provider.token_requests("refresh_token")]
    assert len(set(sent)) == 10


@pytest.mark.spec("6749-6-b")
async def test_the_old_refresh_token_is_used_again_when_no_new_one_came(world: World) -> None:
    finished = await world.sign_in()
    world.provider.faults.refresh_without_successor = True
    for _ in range(3):
        world.clock.turn(EXPIRY)
        await world.core.session(finished.handle)
        await world.core.access_token(finished.handle)
    sent = [form["refresh_token"][0] for form in world.provider.token_requests("refresh_token")]
    assert len(sent) == 3
    assert len(set(sent)) == 1


# --- failures --------------------------------------------------------------------------------------------------
def down(world: World) -> None:
    world.provider.faults.down = {"token"}


def broken(world: World) -> None:
    world.provider.faults.overrides = {"token": Answer(502, {}, b"<html>")}


def refuses_client(world: World) -> None:
    world.provider.faults.refresh_error = (401, "invalid_client")


def talks_nonsense(world: World) -> None:
    world.provider.faults.overrides = {"token": Answer(200, {}, b"<html>")}


@pytest.mark.parametrize("fault", [down, broken, refuses_client, talks_nonsense])
async def test_a_failed_refresh_is_no_sign_out_while_the_access_token_lives(
    world: World, fault: Callable[[World], None]
) -> None:
    finished = await world.sign_in()
    world.clock.turn(EXPIRY)
    fault(world)
    assert await world.core.access_token(finished.handle) == finished.session.tokens
    assert await world.core.session(finished.handle) is not None


@pytest.mark.parametrize(
    ("fault", "kind"),
    [(down, Unavailable), (broken, Unavailable), (refuses_client, RefreshFailed), (talks_nonsense, RefreshFailed)],
)
async def test_when_the_access_token_is_dead_too_the_caller_is_told_and_the_session_stays(
    world: World, fault: Callable[[World], None], kind: type[ProofkeyError]
) -> None:
    finished = await world.sign_in()
    world.clock.turn(900)
    fault(world)
    with pytest.raises(kind):
        await world.core.access_token(finished.handle)
    assert await world.core.session(finished.handle) is not None
    world.provider.faults.down = set()
    world.provider.faults.overrides = {}
    world.provider.faults.refresh_error = None
    assert (await world.core.access_token(finished.handle)).access_expires_at == world.clock.now() + 900


async def test_a_provider_that_is_down_is_not_asked_by_every_request(world: World) -> None:
    finished = await world.sign_in()
    world.clock.turn(EXPIRY)
    down(world)
    for _ in range(10):
        await world.core.access_token(finished.handle)
    assert refreshes(world) == 1
    world.clock.turn(5)
    await world.core.access_token(finished.handle)
    assert refreshes(world) == 2


@pytest.mark.spec("10017-6.1.2.2")
@pytest.mark.parametrize("age", [EXPIRY, 900], ids=["near its end", "dead"])
async def test_a_dead_grant_ends_the_session_and_the_subscribers_hear_it_once(world: World, age: int) -> None:
    finished = await world.sign_in()
    ended: list[str] = []
    world.core.subscribe(ended.append)
    world.clock.turn(age)
    world.provider.faults.refresh_error = (400, "invalid_grant")
    outcomes = await ask_at_once([world.core], finished, 20)
    assert all(isinstance(outcome, RefreshFailed) and outcome.final for outcome in outcomes)
    assert ended == [finished.session.id]
    assert await world.core.session(finished.handle) is None
    with pytest.raises(NotSignedIn):
        await world.core.access_token(finished.handle)


@pytest.mark.spec("OC-12.2-b")
@pytest.mark.parametrize(
    "changes",
    [
        {"sub": "u2"},
        {"iss": "https://evil.test"},
        {"aud": "other"},
        {"azp": "other"},
        {"exp": 1},
        {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"},
    ],
    ids=["sub", "iss", "aud", "azp", "exp", "at_hash"],
)
async def test_a_refreshed_id_token_of_another_kind_ends_the_session_and_its_tokens_are_not_used(
    world: World, changes: dict[str, Any]
) -> None:
    finished = await world.sign_in()
    world.clock.turn(EXPIRY)
    world.provider.faults.refresh_id_token_claims = changes
    with pytest.raises(RefreshFailed) as refused:
        await world.core.access_token(finished.handle)
    assert refused.value.final
    assert world.session_count() == 0


async def test_without_a_refresh_token_the_access_token_serves_until_its_end_and_the_session_goes_on(
    world: World,
) -> None:
    world.provider.faults.token_response = {"refresh_token": None}
    finished = await world.sign_in()
    world.clock.turn(899)
    assert await world.core.access_token(finished.handle) == finished.session.tokens
    world.clock.turn(1)
    with pytest.raises(RefreshFailed) as refused:
        await world.core.access_token(finished.handle)
    assert refused.value.final
    assert await world.core.session(finished.handle) is not None


async def test_a_token_without_a_stated_end_is_never_refreshed(world: World) -> None:
    world.provider.faults.token_response = {"expires_in": None}
    finished = await world.sign_in()
    world.clock.turn(1700)
    assert await world.core.access_token(finished.handle) == finished.session.tokens


async def test_a_session_that_ends_during_the_refresh_is_not_revived(world: World) -> None:
    finished = await world.sign_in()
    world.clock.turn(900)
    world.provider.faults.delay = 0.03
    outcomes: list[object] = []

    async def ask() -> None:
        try:
            outcomes.append(await world.core.access_token(finished.handle))
        except ProofkeyError as error:
            outcomes.append(error)

    async with anyio.create_task_group() as group:
        group.start_soon(ask)
        await anyio.sleep(0.01)
        await world.core.log_out(finished.handle)
    assert isinstance(outcomes[0], NotSignedIn)
    assert await world.core.session(finished.handle) is None


class Failing(MemorySessionStore):
    """Cannot store new tokens, the first few times."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    async def replace_tokens(self, id_: str, version: int, tokens: SessionTokens, now: Instant) -> bool:
        self.times -= 1
        if self.times >= 0:
            raise Unavailable(Finding.STORE_UNAVAILABLE)
        return await super().replace_tokens(id_, version, tokens, now)


async def test_new_tokens_are_stored_by_a_second_try() -> None:
    world = World(store=Failing(times=1))
    finished = await world.sign_in()
    world.clock.turn(EXPIRY)
    assert (await world.core.access_token(finished.handle)).access_expires_at == world.clock.now() + 900
    assert refreshes(world) == 1


async def test_a_store_that_cannot_write_gives_the_old_token_and_frees_the_lease() -> None:
    store = Failing(times=1000)
    world = World(store=store)
    finished = await world.sign_in()
    world.clock.turn(EXPIRY)
    assert await world.core.access_token(finished.handle) == finished.session.tokens
    assert await store.acquire_refresh(finished.session.id, "next", world.clock.now(), 20)


class Raising(MemorySessionStore):
    """Breaks in a way that nobody foresaw."""

    async def acquire_refresh(self, id_: str, holder: str, now: Instant, lease: int) -> bool:
        raise KeyError("unforeseen")


async def test_an_unforeseen_fault_reaches_every_caller_as_unavailable() -> None:
    world = World(store=Raising())
    finished = await world.sign_in()
    world.clock.turn(900)
    outcomes = await ask_at_once([world.core], finished, 3)
    assert [type(outcome) for outcome in outcomes] == [Unavailable] * 3


async def test_a_lease_that_is_never_freed_ends_in_the_old_token_or_unavailable(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proofkey.runtime.login_refresh.POLLS", 2)
    finished = await world.sign_in()
    world.clock.turn(EXPIRY)
    assert await world.store.acquire_refresh(finished.session.id, "other worker", world.clock.now(), 10_000)
    assert await world.core.access_token(finished.handle) == finished.session.tokens
    world.clock.turn(60)
    with pytest.raises(Unavailable):
        await world.core.access_token(finished.handle)


async def test_a_refusal_counts_for_nothing_when_another_worker_has_refreshed_meanwhile(world: World) -> None:
    finished = await world.sign_in()
    session = finished.session
    world.clock.turn(EXPIRY)
    world.provider.faults.refresh_error = (400, "invalid_grant")
    world.provider.faults.delay = 0.03
    fresh = SessionTokens(access_token=Secret("fresh"), access_expires_at=None, scope=())
    got: list[SessionTokens] = []

    async def ask() -> None:
        got.append(await world.core.access_token(finished.handle))

    async with anyio.create_task_group() as group:
        group.start_soon(ask)
        await anyio.sleep(0.01)
        assert await world.store.replace_tokens(session.id, session.version, fresh, world.clock.now())
    assert got == [fresh]
    assert await world.core.session(finished.handle) is not None
