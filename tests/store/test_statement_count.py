"""How often each operation of the server goes to PostgreSQL: round trips decide its speed."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

import psycopg
import pytest

from proofkey.errors import Unavailable
from proofkey.store.sql.postgresql import PREPARE_AFTER
from proofkey.store.sql.postgresql_database import PostgresqlDatabase
from proofkey.store.sql.postgresql_server import PostgresqlServerStore
from tests.authorization_server.driver import CLIENTS, POLICY, Desk, Visitor, client, open_desk
from tests.authorization_server.tokens_kit import ask

TOLD = client("told", backchannel_logout_uri="https://rp.test/logout")


@dataclass
class Counter:
    """Round trips since it was set to 0; what begins and ends a transaction counts too."""

    count: int = 0


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def counter(monkeypatch: pytest.MonkeyPatch) -> Counter:
    counter = Counter()
    execute, transaction = psycopg.AsyncRawCursor.execute, psycopg.AsyncConnection.transaction

    async def counted(self: Any, *args: Any, **options: Any) -> Any:
        counter.count += 1
        return await execute(self, *args, **options)

    def begun(self: Any, *args: Any, **options: Any) -> Any:
        counter.count += 2
        return transaction(self, *args, **options)

    monkeypatch.setattr(psycopg.AsyncRawCursor, "execute", counted)
    monkeypatch.setattr(psycopg.AsyncConnection, "transaction", begun)
    return counter


@pytest.fixture
async def desk(postgresql_url: str, anyio_backend: str) -> AsyncGenerator[Desk]:
    store = PostgresqlServerStore.open(postgresql_url)
    yield await open_desk(replace(POLICY, clients=(*CLIENTS, TOLD)), store)
    await store.aclose()


@dataclass
class Known:
    """A person who is signed in and has consented, and what the client got for them."""

    desk: Desk
    visitor: Visitor
    client_id: str
    code: str
    tokens: dict[str, Any]

    async def authorize(self) -> None:
        await self.visitor.walk(self.client_id)

    async def first_page(self) -> None:
        await Visitor(self.desk.core).authorize(self.client_id)

    async def redeem(self) -> None:
        await self.desk.redeem(self.code, self.client_id)

    async def refresh(self) -> None:
        await self.desk.refresh(self.tokens["refresh_token"], self.client_id)

    async def client_credentials(self) -> None:
        await self.desk.token(self.client_id, grant_type="client_credentials")

    async def introspect(self) -> None:
        assert (await ask(self.desk, self.tokens["access_token"], self.client_id))["active"]

    async def introspect_refresh_token(self) -> None:
        assert (await ask(self.desk, self.tokens["refresh_token"], self.client_id))["active"]

    async def userinfo(self) -> None:
        await self.desk.userinfo(self.tokens["access_token"])

    async def revoke(self) -> None:
        await self.desk.revoke(self.tokens["refresh_token"], self.client_id)


MOST: list[tuple[Callable[[Known], Awaitable[None]], str, int]] = [
    (Known.authorize, "web", 2),
    (Known.authorize, "first", 2),
    (Known.first_page, "web", 4),
    (Known.redeem, "web", 2),
    (Known.redeem, "told", 3),
    (Known.refresh, "web", 2),
    (Known.refresh, "told", 2),
    (Known.client_credentials, "web", 1),
    (Known.introspect, "web", 2),
    (Known.introspect_refresh_token, "web", 2),
    (Known.userinfo, "web", 1),
    (Known.revoke, "web", 3),
]


@pytest.mark.spec("issue 4")
@pytest.mark.parametrize(
    ("operation", "client_id", "most"), MOST, ids=[f"{one[0].__name__}-{one[1]}" for one in MOST]
)
async def test_no_operation_asks_the_database_more_often_than_this(
    desk: Desk, counter: Counter, operation: Callable[[Known], Awaitable[None]], client_id: str, most: int
) -> None:
    visitor = Visitor(desk.core)
    tokens = await visitor.tokens(desk, client_id, scope="openid offline_access")
    back = await visitor.walk(client_id)
    known = Known(desk, visitor, client_id, back["code"], tokens)
    counter.count = 0
    await operation(known)
    assert counter.count == most


# --- statements that are kept ready ------------------------------------------------------------------------------


async def kept(url: str) -> int:
    """Of a statement that ran often on one connection: how many the session keeps ready."""
    database = PostgresqlDatabase(url)
    for _ in range(PREPARE_AFTER + 2):
        await database.ping()
    row = await database.one("SELECT count(*) FROM pg_prepared_statements")
    await database.aclose()
    assert row is not None
    return int(row[0])


@pytest.mark.spec("issue 4")
async def test_the_server_keeps_statements_ready_that_run_often(desk: Desk, postgresql_url: str) -> None:
    assert await kept(postgresql_url) == 1


@pytest.mark.spec("issue 4")
async def test_none_is_kept_ready_behind_a_pooler(
    desk: Desk, postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(psycopg.ConnectionInfo, "backend_pid", property(lambda info: 7))
    assert await kept(postgresql_url) == 0


@pytest.mark.spec("issue 4")
async def test_a_statement_that_no_longer_fits_its_column_is_made_anew(desk: Desk, postgresql_url: str) -> None:
    database = PostgresqlDatabase(postgresql_url)
    text = "SELECT updated_at FROM clients"
    for _ in range(PREPARE_AFTER + 2):
        await database.all(text)
    async with await psycopg.AsyncConnection.connect(postgresql_url, autocommit=True) as other:
        await other.execute("ALTER TABLE clients ALTER COLUMN updated_at TYPE numeric")
    with pytest.raises(Unavailable):
        await database.all(text)
    assert await database.all(text)
    await database.aclose()
