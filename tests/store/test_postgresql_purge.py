"""Clean-up on PostgreSQL by two nodes at once, beside requests: in batches, everything once, nobody waits."""

import anyio
import psycopg
import pytest

from proofkey.protocol.text import Instant
from proofkey.store.sql.postgresql_server import PostgresqlServerStore
from proofkey.testing.stores import START, a_client, a_sign_in, a_user, an_authorization, an_event
from tests.store.contract_kit import DAYS, standing

pytestmark = [pytest.mark.timeout(120)]
OVER = 3000
BATCH = 100
HANGS = 60
AFTER = Instant(DAYS + 1)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def filled(url: str) -> PostgresqlServerStore:
    """A live grant among many that are over."""
    store = PostgresqlServerStore.open(url)
    await store.put_client(a_client(), START)
    await store.put_user(a_user(), START)
    await store.insert_sign_in(a_sign_in(absolute_expires_at=AFTER), an_event())
    await store.insert_authorization(an_authorization("live", generation=1, expires_at=AFTER), an_event())
    await store.insert_authorization(an_authorization("over 0"), an_event())
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as admin:
        await admin.execute(
            "INSERT INTO authorizations (id, client_id, sub, sid, scope, resource, code_expires_at, generation,"
            " created_at, expires_at)"
            " SELECT 'over ' || n, client_id, sub, sid, scope, resource, 1, 0, 1, expires_at"
            " FROM authorizations, generate_series(1, %s) n WHERE id = 'over 0'",
            (OVER - 1,),
        )
    return store


@pytest.mark.spec("threats §2 row 21")
async def test_two_nodes_delete_everything_once_while_a_family_goes_on(
    postgresql_url: str, anyio_backend: str
) -> None:
    nodes = [await filled(postgresql_url), PostgresqlServerStore.open(postgresql_url)]
    batches: list[int] = []
    rotations: list[bool] = []
    done = anyio.Event()

    async def clean_up(node: PostgresqlServerStore) -> None:
        while await is_left(nodes[0]):
            batches.append(await node.purge(DAYS, batch=BATCH))
        done.set()

    async def go_on() -> None:
        while not done.is_set():
            number = len(rotations) + 1
            rotations.append(await nodes[1].rotate("live", number, START, DAYS, AFTER, an_event()))
            await anyio.sleep(0)

    with anyio.fail_after(HANGS):
        async with anyio.create_task_group() as group:
            for node in nodes:
                group.start_soon(clean_up, node)
            group.start_soon(go_on)
    assert sum(batches) == OVER
    assert max(batches) <= BATCH
    assert rotations
    assert all(rotations)
    assert (await standing(nodes[0], "live")).authorization.generation == len(rotations) + 1
    for node in nodes:
        await node.aclose()


@pytest.mark.spec("threats §2 row 21")
async def test_a_batch_that_is_not_finished_keeps_neither_readers_nor_writers_waiting(
    postgresql_url: str, anyio_backend: str
) -> None:
    """The delete of another node hangs in the middle: live rows are read and written, and this node goes on."""
    store = await filled(postgresql_url)
    async with await psycopg.AsyncConnection.connect(postgresql_url) as other:
        await other.execute("SELECT pg_advisory_xact_lock(%s)", (0x70726F6F70757267,))
        await other.execute("DELETE FROM authorizations WHERE id LIKE 'over 1%'")
        with anyio.fail_after(HANGS):
            assert await store.purge(DAYS) == 0, "the other node's work"
            assert await store.rotate("live", 1, START, DAYS, DAYS, an_event())
            assert await store.find_authorization("over 1")
            await store.insert_authorization(an_authorization("new"), an_event())
        await other.rollback()
    assert await store.purge(DAYS, batch=BATCH) == BATCH
    await store.aclose()


async def is_left(store: PostgresqlServerStore) -> bool:
    question = "SELECT 1 FROM authorizations WHERE expires_at <= ? LIMIT 1"
    return await store._database.one(question, (DAYS,)) is not None
