"""What every `ServerStore` must do about logout deliveries: due when a sign-in ends, held by one at a time."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from proofkey.authorization_server.records import LOGOUT_KEPT, LogoutDelivery
from proofkey.authorization_server.stores import ServerStore
from proofkey.errors import ServerError
from proofkey.findings import Finding
from proofkey.protocol.text import ClientId, Instant, Subject
from proofkey.store.memory import MemoryServerStore
from proofkey.store.sql import SqliteServerStore
from proofkey.store.sql.postgresql_server import PostgresqlServerStore
from proofkey.testing.races import Attempt, OpenServer, count_winners
from proofkey.testing.stores import START, a_client, a_logout_delivery, a_sign_in, a_user, an_event
from proofkey.testing.stores_check_then_set import CheckThenSetServerStore
from proofkey.testing.stores_postgresql import CheckThenSetPostgresqlServerStore, OpenPostgresqlServer
from tests.store.contract_kit import ANN, DAYS, LATER

UNTIL = Instant(LATER + 30)
KEPT = Instant(LATER + LOGOUT_KEPT)
OTHER = ClientId("other")
DUE = replace(a_logout_delivery(), next_at=LATER, expires_at=KEPT)
RACE = [Attempt("claim_logout", (DUE, LATER, UNTIL))]

End = Callable[[ServerStore], Awaitable[object]]
ENDS = [
    pytest.param(lambda store: store.end_sign_in("sid-1", LATER, an_event()), id="the sign-in ends"),
    pytest.param(lambda store: store.end_user_sessions(ANN, LATER, an_event()), id="the user is signed out"),
    pytest.param(lambda store: store.disable_user(ANN, LATER, an_event()), id="the user is disabled"),
    pytest.param(lambda store: store.delete_user(ANN, LATER, an_event()), id="the user is deleted"),
    pytest.param(lambda store: store.set_password(ANN, "hash", LATER, an_event()), id="the password is changed"),
]


async def due(store: ServerStore, now: Instant = LATER, most: int = 100) -> list[LogoutDelivery]:
    return list(await store.list_due_logouts(now, most=most, per_client=100))


async def events_named(store: ServerStore, name: str) -> int:
    if isinstance(store, MemoryServerStore):
        return sum(event.name == name for event in store.events)
    assert isinstance(store, SqliteServerStore | PostgresqlServerStore)
    row = await store._database.one("SELECT count(*) FROM audit_events WHERE name = ?", (name,))
    assert row
    return int(row[0])


@pytest.mark.spec("BL-2.3-a")
async def test_nothing_is_due_while_the_sign_in_lives(store: ServerStore) -> None:
    await store.remember_logout(a_logout_delivery())
    assert await due(store, DAYS) == []
    assert await store.list_logouts("sid-1") == []
    assert not await store.claim_logout(a_logout_delivery(), DAYS, DAYS)


@pytest.mark.spec("BL-2.3-a", "9700-4.14.2-d")
@pytest.mark.parametrize("end", ENDS)
async def test_whatever_ends_a_sign_in_makes_its_clients_due(store: ServerStore, end: End) -> None:
    await store.put_user(a_user("bob"), START)
    await store.insert_sign_in(a_sign_in("sid-2", sub=Subject("sub-of-bob")), an_event())
    await store.remember_logout(a_logout_delivery())
    await store.remember_logout(a_logout_delivery(client_id=OTHER))
    await store.remember_logout(a_logout_delivery("sid-2", sub=Subject("sub-of-bob")))

    assert await end(store)

    expected = [replace(DUE, client_id=OTHER), DUE]
    assert await due(store) == expected
    assert await store.list_logouts("sid-1") == expected
    assert await due(store, Instant(LATER - 1)) == []


async def test_an_end_that_changes_nothing_makes_nothing_due(store: ServerStore) -> None:
    await store.remember_logout(a_logout_delivery())
    assert not await store.end_sign_in("nobody", LATER, an_event())
    await store.end_user_sessions(Subject("sub-of-bob"), LATER, an_event())
    assert await due(store, DAYS) == []


async def test_what_was_due_already_stays_as_it_is(store: ServerStore) -> None:
    await store.remember_logout(a_logout_delivery())
    await store.end_sign_in("sid-1", LATER, an_event())
    assert await store.claim_logout(DUE, LATER, UNTIL)
    await store.disable_user(ANN, Instant(LATER + 1), an_event())
    assert await store.list_logouts("sid-1") == [replace(DUE, next_at=UNTIL, attempts=1)]


async def test_who_ends_it_can_hold_it_from_the_start(store: ServerStore) -> None:
    await store.remember_logout(a_logout_delivery())
    await store.end_sign_in("sid-1", LATER, an_event(), held_until=UNTIL)
    held = replace(DUE, next_at=UNTIL, attempts=1)
    assert await store.list_logouts("sid-1") == [held]
    assert await due(store) == []
    assert await due(store, UNTIL) == [held], "if that one dies, somebody takes over"


@pytest.mark.spec("BL-2.3-a")
async def test_a_client_that_gets_tokens_after_the_end_is_told_at_once(store: ServerStore) -> None:
    await store.end_sign_in("sid-1", LATER, an_event())
    await store.remember_logout(a_logout_delivery(expires_at=KEPT))
    assert await due(store) == [DUE]


async def test_remembered_again_it_is_one_row_that_lives_as_long_as_the_longer(store: ServerStore) -> None:
    for expires_at in (LATER, DAYS, Instant(LATER + 1)):
        await store.remember_logout(a_logout_delivery(expires_at=expires_at))
    assert await store.purge(Instant(DAYS - 1)) == 1, "the sign-in alone"
    await store.disable_user(ANN, DAYS, an_event())
    (found,) = await due(store, DAYS)
    assert found.created_at == START


async def test_somebody_unknown_is_refused(store: ServerStore) -> None:
    with pytest.raises(ServerError) as refused:
        await store.remember_logout(a_logout_delivery(sub=Subject("nobody")))
    assert refused.value.finding is Finding.STORE_CONFLICT


@pytest.mark.spec("BL-2.5-a")
async def test_one_holds_it_until_its_time_is_over(store: ServerStore) -> None:
    await store.remember_logout(a_logout_delivery())
    await store.end_sign_in("sid-1", LATER, an_event())
    assert not await store.claim_logout(DUE, Instant(LATER - 1), UNTIL), "not due yet"
    assert await store.claim_logout(DUE, LATER, UNTIL)
    held = replace(DUE, next_at=UNTIL, attempts=1)
    for again in (DUE, held):
        assert not await store.claim_logout(again, Instant(UNTIL - 1), DAYS)
    (found,) = await due(store, UNTIL)
    assert found == held
    assert await store.claim_logout(found, UNTIL, DAYS), "its worker was killed"


async def test_who_was_overtaken_changes_nothing(store: ServerStore) -> None:
    await store.remember_logout(a_logout_delivery())
    await store.end_sign_in("sid-1", LATER, an_event())
    await store.claim_logout(DUE, LATER, UNTIL)
    late = replace(DUE, attempts=1)
    await store.claim_logout(late, UNTIL, DAYS)
    assert not await store.postpone_logout(late, LATER)
    assert not await store.finish_logout(late, an_event("logout.late"))
    assert await store.list_logouts("sid-1") == [replace(DUE, next_at=DAYS, attempts=2)]
    assert await events_named(store, "logout.late") == 0


async def test_postponed_it_is_due_again_and_finished_it_is_gone(store: ServerStore) -> None:
    await store.remember_logout(a_logout_delivery())
    await store.end_sign_in("sid-1", LATER, an_event())
    await store.claim_logout(DUE, LATER, UNTIL)
    held = replace(DUE, attempts=1)
    again = Instant(LATER + 5)
    assert await store.postpone_logout(held, again)
    assert await due(store, LATER) == []
    assert await due(store, again) == [replace(held, next_at=again)]
    assert await store.finish_logout(held, an_event("logout.test"))
    assert await store.list_logouts("sid-1") == []
    assert not await store.finish_logout(held, an_event("logout.test"))
    assert await events_named(store, "logout.test") == 1


async def test_a_client_with_many_leaves_places_for_others(store: ServerStore) -> None:
    for number in range(6):
        sid = f"sid-1{number}"
        await store.insert_sign_in(a_sign_in(sid), an_event())
        await store.remember_logout(a_logout_delivery(sid))
        await store.end_sign_in(sid, Instant(START + number), an_event())
    await store.remember_logout(a_logout_delivery(client_id=OTHER))
    await store.end_sign_in("sid-1", LATER, an_event())

    async def listed(most: int, per_client: int) -> list[tuple[str, str]]:
        found = await store.list_due_logouts(LATER, most=most, per_client=per_client)
        return [(one.sid, one.client_id) for one in found]

    assert await listed(100, 2) == [("sid-10", "web"), ("sid-11", "web"), ("sid-1", "other")]
    assert await listed(3, 100) == [("sid-10", "web"), ("sid-11", "web"), ("sid-12", "web")], "the oldest first"


async def test_what_was_tried_least_comes_first(store: ServerStore) -> None:
    """Clients that do not answer keep those waiting that were not asked yet."""
    for number in range(3):
        sid = f"sid-1{number}"
        await store.insert_sign_in(a_sign_in(sid), an_event())
        await store.remember_logout(a_logout_delivery(sid))
        await store.end_sign_in(sid, Instant(START + number), an_event())
    tried = (await store.list_due_logouts(LATER, most=2, per_client=2))[0]
    assert await store.claim_logout(tried, LATER, Instant(START))
    assert [one.sid for one in await store.list_due_logouts(LATER, most=2, per_client=3)] == ["sid-11", "sid-12"]
    assert [one.sid for one in await store.list_due_logouts(LATER, most=3, per_client=3)][-1] == "sid-10"


async def test_purge_takes_those_that_are_over(store: ServerStore) -> None:
    await store.remember_logout(a_logout_delivery(expires_at=LATER))
    await store.remember_logout(a_logout_delivery(client_id=OTHER, expires_at=DAYS))
    assert await store.purge(LATER) == 1
    await store.end_sign_in("sid-1", LATER, an_event())
    assert [one.client_id for one in await due(store)] == [OTHER]


# --- races -------------------------------------------------------------------------------------------------------


async def test_of_many_tasks_one_holds_it(store: ServerStore) -> None:
    await store.remember_logout(a_logout_delivery())
    await store.end_sign_in("sid-1", LATER, an_event())
    won: list[bool] = []

    async def attempt() -> None:
        won.append(await store.claim_logout(DUE, LATER, UNTIL))

    async with anyio.create_task_group() as group:
        for _ in range(50):
            group.start_soon(attempt)
    assert won.count(True) == 1


async def fill(store: ServerStore) -> None:
    await store.put_client(a_client(), START)
    await store.put_user(a_user(), START)
    await store.insert_sign_in(a_sign_in(), an_event())
    await store.remember_logout(a_logout_delivery())
    await store.end_sign_in("sid-1", LATER, an_event())
    await store.aclose()


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.spec("BL-2.5-a")
async def test_of_fifty_in_two_processes_one_holds_it(file: Path, anyio_backend: str) -> None:
    await fill(SqliteServerStore.open(file))
    assert count_winners(OpenServer(file), RACE) == [1]


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_store_that_checks_then_sets_has_many_holders(file: Path, anyio_backend: str) -> None:
    await fill(SqliteServerStore.open(file))
    (count,) = count_winners(OpenServer(file, CheckThenSetServerStore), RACE)
    assert count > 1


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.spec("BL-2.5-a")
async def test_of_fifty_in_two_processes_on_postgresql_one_holds_it(
    postgresql_url: str, anyio_backend: str
) -> None:
    await fill(PostgresqlServerStore.open(postgresql_url))
    assert count_winners(OpenPostgresqlServer(postgresql_url), RACE) == [1]


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_postgresql_store_that_checks_then_sets_has_many_holders(
    postgresql_url: str, anyio_backend: str
) -> None:
    await fill(PostgresqlServerStore.open(postgresql_url))
    (count,) = count_winners(OpenPostgresqlServer(postgresql_url, CheckThenSetPostgresqlServerStore), RACE)
    assert count > 1


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.spec("BL-2.3-a")
async def test_on_postgresql_a_client_that_comes_while_the_sign_in_ends_is_told(
    postgresql_url: str, anyio_backend: str
) -> None:
    """Whichever of the two is first, the row is due: thirty pairs on two connections each."""
    store = PostgresqlServerStore.open(postgresql_url)
    await store.put_user(a_user(), START)
    sids = [f"sid-{number}" for number in range(30)]
    for sid in sids:
        await store.insert_sign_in(a_sign_in(sid), an_event())
    async with anyio.create_task_group() as group:
        for sid in sids:
            group.start_soon(store.remember_logout, a_logout_delivery(sid))
            group.start_soon(store.end_sign_in, sid, LATER, an_event())
    assert {one.sid for one in await due(store)} == set(sids)
    await store.aclose()
