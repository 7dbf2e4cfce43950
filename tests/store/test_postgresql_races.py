"""Real races on PostgreSQL: two processes, two hundred calls at once, and what only many writers can get wrong."""

import anyio
import psycopg
import pytest

from proofkey.authorization_server.records import Standing
from proofkey.protocol.text import Instant
from proofkey.protocol.throttle import Limit
from proofkey.store.sealed import Sealer
from proofkey.store.sql.part import Transaction
from proofkey.store.sql.postgresql_database import PostgresqlDatabase
from proofkey.store.sql.postgresql_server import PostgresqlServerStore, PostgresqlSessionStore
from proofkey.testing.races import Attempt, count_winners
from proofkey.testing.stores import START, a_client, a_sign_in, a_user, an_authorization, an_event
from proofkey.testing.stores_postgresql import (
    CheckThenSetPostgresqlServerStore,
    CheckThenSetPostgresqlSessionStore,
    OpenPostgresqlServer,
    OpenPostgresqlSessions,
)
from tests.store.contract_kit import a_key, consent
from tests.store.test_races import KEY, SERVER_RACES, SESSION_RACES, fill_server, fill_sessions

pytestmark = [pytest.mark.timeout(120)]
COMPETITORS = 200
LATER = Instant(START + 10)
TAKE = Attempt("take", (Limit("race", 5, 60), "a key", START))
FIRST_KEYS = Attempt("insert_first_signing_keys", ([a_key("a"), a_key("b")], an_event()))


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def filled(url: str) -> PostgresqlServerStore:
    """A store with a client, a user and her sign-in."""
    store = PostgresqlServerStore.open(url)
    await store.put_client(a_client(), START)
    await store.put_user(a_user(), START)
    await store.insert_sign_in(a_sign_in(), an_event())
    return store


@pytest.mark.spec("6749-4.1.2-a", "X-rot-a", "threats §2 row 12")
async def test_of_two_hundred_in_two_processes_one_wins_at_the_server(postgresql_url: str) -> None:
    await fill_server(PostgresqlServerStore.open(postgresql_url))
    opened = OpenPostgresqlServer(postgresql_url)
    assert count_winners(opened, [*SERVER_RACES, FIRST_KEYS], competitors=COMPETITORS) == [1] * 5


@pytest.mark.spec("threats §0.4")
async def test_of_two_hundred_attempts_in_two_processes_the_burst_is_let_through(postgresql_url: str) -> None:
    refused = count_winners(OpenPostgresqlServer(postgresql_url), [TAKE], competitors=COMPETITORS)
    assert refused == [COMPETITORS - 5]


@pytest.mark.spec("threats §0.4", "threats §2 row 12")
async def test_of_two_hundred_attempts_on_one_row_each_gets_its_turn(postgresql_url: str) -> None:
    many = Attempt("take", (Limit("busy", 1000, 1), "a key", START))
    refused = count_winners(OpenPostgresqlServer(postgresql_url), [many], competitors=COMPETITORS)
    assert refused == [0]
    store = PostgresqlServerStore.open(postgresql_url)
    assert await store._database.all("SELECT count FROM throttles WHERE rule = 'busy'") == [(COMPETITORS,)]
    await store.aclose()


async def test_a_server_store_that_checks_then_sets_has_many_winners(postgresql_url: str) -> None:
    await fill_server(PostgresqlServerStore.open(postgresql_url))
    opened = OpenPostgresqlServer(postgresql_url, CheckThenSetPostgresqlServerStore)
    *counts, refused = count_winners(opened, [*SERVER_RACES, TAKE])
    assert all(count > 1 for count in counts), counts
    assert refused < 50 - 5


@pytest.mark.spec("9700-4.7.1-a")
async def test_of_two_hundred_in_two_processes_one_wins_at_a_client(postgresql_url: str) -> None:
    await fill_sessions(PostgresqlSessionStore.open(postgresql_url, Sealer(KEY)))
    opened = OpenPostgresqlSessions(postgresql_url, KEY)
    assert count_winners(opened, SESSION_RACES, competitors=COMPETITORS) == [1, 1, 1]


async def test_a_session_store_that_checks_then_sets_has_many_winners(postgresql_url: str) -> None:
    await fill_sessions(PostgresqlSessionStore.open(postgresql_url, Sealer(KEY)))
    opened = OpenPostgresqlSessions(postgresql_url, KEY, CheckThenSetPostgresqlSessionStore)
    counts = count_winners(opened, SESSION_RACES)
    assert all(count > 1 for count in counts), counts


@pytest.mark.parametrize("scope", [("openid",), ("openid", "offline_access")], ids=["online", "offline"])
async def test_an_authorization_waits_for_the_end_of_its_sign_in(
    postgresql_url: str, scope: tuple[str, ...]
) -> None:
    store = await filled(postgresql_url)
    async with await psycopg.AsyncConnection.connect(postgresql_url) as other, anyio.create_task_group() as group:
        await other.execute("UPDATE sign_ins SET ended_at = %s", (LATER,))
        await other.execute("UPDATE authorizations SET revoked_at = %s", (LATER,))
        group.start_soon(store.insert_authorization, an_authorization(scope=scope), an_event())
        await anyio.sleep(0.3)
        await other.commit()
    found = await found_grant(store)
    assert found.authorization.revoked_at == (None if "offline_access" in scope else LATER)
    await store.aclose()


async def test_the_end_of_a_sign_in_waits_for_an_authorization(postgresql_url: str) -> None:
    store = await filled(postgresql_url)
    async with await psycopg.AsyncConnection.connect(postgresql_url) as other, anyio.create_task_group() as group:
        await other.execute("SELECT 1 FROM sign_ins FOR SHARE")
        await other.execute(
            "INSERT INTO authorizations (id, client_id, sub, sid, scope, resource, code_expires_at, generation,"
            " created_at, expires_at) VALUES ('grant-1', 'web', 'sub-of-ann', 'sid-1', 'openid', '[]', 1, 0, 1, 1)"
        )
        group.start_soon(store.end_sign_in, "sid-1", LATER, an_event())
        await anyio.sleep(0.3)
        await other.commit()
    assert (await found_grant(store)).authorization.revoked_at == LATER
    await store.aclose()


async def test_consents_at_once_are_all_kept(postgresql_url: str) -> None:
    store = await filled(postgresql_url)
    names = [f"scope-{number}" for number in range(40)]
    async with anyio.create_task_group() as group:
        for name in names:
            group.start_soon(store.add_consent, consent(name), an_event())
    found = await store.find_consent(a_sign_in().sub, a_client().client_id)
    assert found
    assert found.scope == frozenset(names)
    await store.aclose()


async def test_one_of_two_users_gets_a_username(postgresql_url: str) -> None:
    store = await filled(postgresql_url)
    errors: list[str] = []

    async def put(number: int) -> None:
        try:
            await store.put_user(a_user("new", sub=f"sub-{number}"), START)
        except Exception as error:
            errors.append(str(getattr(error, "finding", error)))

    async with anyio.create_task_group() as group:
        for number in range(20):
            group.start_soon(put, number)
    assert len(errors) == 19
    assert len(set(errors)) == 1
    assert len(await store.list_users()) == 2
    await store.aclose()


async def test_workers_that_rotate_at_once_announce_one_key(postgresql_url: str) -> None:
    """One worker has written its key and not committed yet: whoever comes meanwhile waits, and then sees it.
    Without the lock the row would not be seen, and both would announce."""
    store = await filled(postgresql_url)
    results: list[bool] = []
    due = Instant(START - 1)

    async def announce(kid: str) -> None:
        results.append(await store.insert_signing_key(a_key(kid), an_event(), unless_one_from=due))

    async with await psycopg.AsyncConnection.connect(postgresql_url) as other, anyio.create_task_group() as group:
        await other.execute(
            "INSERT INTO signing_keys (kid, algorithm, sealed_private_jwk, public_jwk, created_at, active_from)"
            " VALUES ('first', 'ES256', 'sealed', '{}', %s, %s)",
            (START, START),
        )
        for number in range(3):
            group.start_soon(announce, f"key-{number}")
        with anyio.fail_after(30):
            while len(results) < 3 and await waiting_for_a_lock(postgresql_url) < 3:
                await anyio.sleep(0.01)
        await other.commit()
    assert results == [False] * 3
    assert len(await store.list_signing_keys()) == 1
    await store.aclose()


async def waiting_for_a_lock(url: str) -> int:
    """How many sessions wait for a table's lock."""
    async with await psycopg.AsyncConnection.connect(url) as watcher:
        found = await watcher.execute("SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'relation'")
        row = await found.fetchone()
    return row[0] if row else 0


@pytest.mark.spec("threats §2 row 12")
async def test_what_the_server_ends_as_a_deadlock_is_run_again(postgresql_url: str) -> None:
    store = await filled(postgresql_url)
    await store.put_client(a_client("other"), START)
    quickly = f"{postgresql_url}?options=-cdeadlock_timeout%3D100ms"
    database, started = PostgresqlDatabase(quickly), anyio.Event()
    runs: list[str] = []
    held: set[str] = set()

    async def both(first: str, second: str) -> None:
        async def work(transaction: Transaction) -> None:
            runs.append(first)
            await transaction.run("UPDATE clients SET disabled = 1 WHERE client_id = ?", (first,))
            held.add(first)
            if len(held) == 2:
                started.set()
            await started.wait()
            await transaction.run("UPDATE clients SET updated_at = 7 WHERE client_id = ?", (second,))

        await database.transact(work)

    async with anyio.create_task_group() as group:
        group.start_soon(both, "web", "other")
        group.start_soon(both, "other", "web")
    assert len(runs) == 3
    assert await database.all("SELECT disabled, updated_at FROM clients") == [(1, 7), (1, 7)]
    await database.aclose()
    await store.aclose()


async def found_grant(store: PostgresqlServerStore) -> Standing:
    found = await store.find_authorization("grant-1")
    assert found
    return found
