"""PostgreSQL that is late, full, restarted, or asked for what it cannot hold."""

from collections.abc import AsyncGenerator

import anyio
import psycopg
import pytest

from proofkey.errors import ServerError, Unavailable
from proofkey.findings import Finding
from proofkey.protocol.text import ClientId, Instant
from proofkey.store.sql.postgresql import SIZE
from proofkey.store.sql.postgresql_server import PostgresqlServerStore
from proofkey.testing.postgresql_server import PASSWORD, PostgresqlServer
from proofkey.testing.stores import START, a_client, a_sign_in, a_user, an_authorization, an_event
from tests.store.contract_kit import ANN, DAYS, standing

pytestmark = [pytest.mark.timeout(60)]
HANGS = 60
"""Seconds after which a call is taken for one that never ends."""
LATER = Instant(START + 10)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def grants(postgresql_url: str, anyio_backend: str) -> AsyncGenerator[PostgresqlServerStore]:
    """A store with one grant."""
    store = PostgresqlServerStore.open(postgresql_url)
    await store.put_client(a_client(), START)
    await store.put_user(a_user(), START)
    await store.insert_sign_in(a_sign_in(), an_event())
    await store.insert_authorization(an_authorization(), an_event())
    yield store
    await store.aclose()


async def waiting(connection: psycopg.AsyncConnection[tuple[object, ...]]) -> list[int]:
    """The backends that wait for a lock."""
    for _ in range(100):
        rows = await (
            await connection.execute("SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
        ).fetchall()
        if rows:
            return [int(str(pid)) for (pid,) in rows]
        await anyio.sleep(0.02)
    raise AssertionError("nobody waits")


@pytest.mark.spec("threats §2 row 9", "threats §2 row 11")
async def test_a_write_whose_answer_was_lost_is_not_sent_again(
    grants: PostgresqlServerStore, postgresql_url: str
) -> None:
    errors: list[Unavailable] = []

    async def use() -> None:
        with pytest.raises(Unavailable) as raised:
            await grants.use_code("grant-1", LATER, an_event())
        errors.append(raised.value)

    async with (
        await psycopg.AsyncConnection.connect(postgresql_url) as other,
        await psycopg.AsyncConnection.connect(postgresql_url, autocommit=True) as watcher,
        anyio.create_task_group() as group,
    ):
        await other.execute("SELECT 1 FROM authorizations FOR UPDATE")
        group.start_soon(use)
        for pid in await waiting(watcher):
            await watcher.execute("SELECT pg_terminate_backend(%s)", (pid,))
    assert len(errors) == 1
    assert (await standing(grants)).authorization.code_used_at is None
    assert await grants.use_code("grant-1", LATER, an_event())


async def test_a_read_whose_answer_was_lost_is_sent_again(
    grants: PostgresqlServerStore, postgresql_url: str
) -> None:
    found: list[object] = []

    async def find() -> None:
        found.append(await grants.find_client(ClientId("web")))

    async with (
        await psycopg.AsyncConnection.connect(postgresql_url) as other,
        await psycopg.AsyncConnection.connect(postgresql_url, autocommit=True) as watcher,
        anyio.create_task_group() as group,
    ):
        await other.execute("LOCK TABLE clients")
        group.start_soon(find)
        for pid in await waiting(watcher):
            await watcher.execute("SELECT pg_terminate_backend(%s)", (pid,))
        await other.rollback()
    assert found == [a_client()]


@pytest.mark.spec("threats §2 row 9")
async def test_connections_that_died_while_idle_cost_nobody_a_write(
    grants: PostgresqlServerStore, postgresql_server: PostgresqlServer
) -> None:
    await anyio.to_thread.run_sync(postgresql_server.stop)
    await anyio.to_thread.run_sync(postgresql_server.start)
    assert await grants.revoke("grant-1", LATER, an_event())
    assert (await standing(grants)).authorization.revoked_at == LATER


@pytest.mark.spec("threats §2 row 9")
async def test_a_server_that_is_away_is_unavailable_until_it_is_back(
    grants: PostgresqlServerStore, postgresql_server: PostgresqlServer
) -> None:
    await anyio.to_thread.run_sync(postgresql_server.stop)
    with anyio.fail_after(HANGS), pytest.raises(Unavailable) as raised:
        await grants.revoke("grant-1", LATER, an_event())
    assert PASSWORD not in str(raised.value)
    with pytest.raises(Unavailable):
        await grants.ping()
    await anyio.to_thread.run_sync(postgresql_server.start)
    await grants.ping()
    assert await grants.revoke("grant-1", LATER, an_event())


@pytest.mark.spec("threats §2 row 13")
async def test_more_callers_than_connections_wait_two_seconds_at_most(
    grants: PostgresqlServerStore, postgresql_url: str
) -> None:
    refused: list[Unavailable] = []

    async def touch() -> None:
        with pytest.raises(Unavailable) as raised:
            await grants.touch_sign_in("sid-1", LATER)
        refused.append(raised.value)

    async with (
        await psycopg.AsyncConnection.connect(postgresql_url) as other,
        anyio.create_task_group() as group,
    ):
        await other.execute("SELECT 1 FROM sign_ins FOR UPDATE")  # held until every caller has given up
        group.cancel_scope.deadline = anyio.current_time() + HANGS
        for _ in range(3 * SIZE):
            group.start_soon(touch)
    assert len(refused) == 3 * SIZE
    await grants.touch_sign_in("sid-1", LATER)


@pytest.mark.spec("threats §2 row 16")
async def test_a_database_that_cannot_be_written_is_unavailable_and_still_read(
    grants: PostgresqlServerStore, postgresql_url: str
) -> None:
    async with await psycopg.AsyncConnection.connect(postgresql_url, autocommit=True) as admin:
        await admin.execute("ALTER DATABASE stores SET default_transaction_read_only = on")
        fresh = PostgresqlServerStore.open(postgresql_url)
        with pytest.raises(Unavailable) as raised:
            await fresh.revoke("grant-1", LATER, an_event())
        assert raised.value.finding is Finding.STORE_UNAVAILABLE
        assert await fresh.find_user(ANN)
        await admin.execute("SET default_transaction_read_only = off")
        await admin.execute("ALTER DATABASE stores RESET default_transaction_read_only")
        await fresh.aclose()
    assert await grants.revoke("grant-1", LATER, an_event())


async def test_what_no_row_can_hold_is_not_found_and_not_stored(grants: PostgresqlServerStore) -> None:
    assert await grants.find_client(ClientId("we\0b")) is None
    assert await grants.find_username("an\0n") is None
    with pytest.raises(ServerError):
        await grants.put_client(a_client("we\0b"), START)


@pytest.mark.spec("threats §2 row 21")
async def test_one_node_deletes_at_a_time_and_leaves_what_is_in_use(
    grants: PostgresqlServerStore, postgresql_url: str
) -> None:
    await grants.insert_authorization(an_authorization("grant-2"), an_event())
    async with await psycopg.AsyncConnection.connect(postgresql_url) as other:
        await other.execute("SELECT 1 FROM authorizations WHERE id = 'grant-2' FOR UPDATE")
        assert await grants.purge(DAYS, batch=100) == 2, "the free authorization and the sign-in"
        await other.rollback()
        await other.execute("SELECT pg_advisory_xact_lock(%s)", (0x70726F6F70757267,))
        assert await grants.purge(DAYS) == 0
        await other.rollback()
        assert await grants.purge(DAYS) == 1


@pytest.mark.spec("threats §2 row 12")
async def test_an_event_is_written_exactly_when_its_change_is(
    grants: PostgresqlServerStore, postgresql_url: str
) -> None:
    async def events() -> int:
        async with await psycopg.AsyncConnection.connect(postgresql_url) as connection:
            row = await (await connection.execute("SELECT count(*) FROM audit_events")).fetchone()
            assert row
            return int(row[0])

    before = await events()
    assert await grants.use_code("grant-1", LATER, an_event())
    assert not await grants.use_code("grant-1", LATER, an_event())
    assert await events() == before + 1
    with pytest.raises(ServerError):
        await grants.insert_authorization(an_authorization(), an_event())
    with pytest.raises(ServerError) as raised:
        await grants.insert_sign_in(a_sign_in(), an_event())
    assert raised.value.facts["reason"] == "UniqueViolation pk_sign_ins"
    assert await events() == before + 1
