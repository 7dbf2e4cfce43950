"""Each contract test runs over every store."""

import shutil
from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import psycopg
import pytest
from psycopg.sql import SQL

from proofkey.authorization_server.stores import ServerStore
from proofkey.client.stores import SessionStore
from proofkey.store.memory import MemoryServerStore, MemorySessionStore
from proofkey.store.redis_sessions import RedisSessionStore
from proofkey.store.sealed import Sealer
from proofkey.store.sql import SqliteServerStore, SqliteSessionStore
from proofkey.store.sql.postgresql_server import PostgresqlServerStore, PostgresqlSessionStore
from proofkey.store.sql.schema import METADATA
from proofkey.store.sql.upgrade import prepare
from proofkey.store.sql.upgrade_postgresql import prepare_postgresql
from proofkey.testing.postgresql_server import PostgresqlServer, running_postgresql
from proofkey.testing.redis_server import RedisServer, running_redis
from proofkey.testing.stores import START, a_client, a_sign_in, a_user, an_event

STORES = ["memory", "sqlite", "postgresql"]
ASYNCIO_ALONE = {"postgresql", "redis"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The drivers of the servers know asyncio alone."""
    here = Path(__file__).parent
    items[:] = [item for item in items if here not in item.path.parents or not _beyond_trio(_params(item))]


def _beyond_trio(params: set[object]) -> bool:
    return "trio" in params and bool(ASYNCIO_ALONE & params)


def _params(item: pytest.Item) -> set[object]:
    return (
        {value for value in item.callspec.params.values() if isinstance(value, str)}
        if hasattr(item, "callspec")
        else set()
    )


@pytest.fixture(scope="session")
def empty_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file with the schema; made once, copied by each test."""
    path = tmp_path_factory.mktemp("store") / "empty.db"
    prepare(path)
    return path


@pytest.fixture
def file(empty_file: Path, tmp_path: Path) -> Path:
    """An SQLite file of the test's own."""
    return Path(shutil.copy(empty_file, tmp_path / "own.db"))


@pytest.fixture(params=STORES)
async def server_store(request: pytest.FixtureRequest, file: Path) -> AsyncGenerator[ServerStore]:
    store: ServerStore
    if request.param == "memory":
        store = MemoryServerStore()
    elif request.param == "sqlite":
        store = SqliteServerStore.open(file)
    else:
        store = PostgresqlServerStore.open(request.getfixturevalue("postgresql_url"))
    yield store
    await store.aclose()


@pytest.fixture(params=[*STORES, "redis"])
async def session_store(request: pytest.FixtureRequest, file: Path) -> AsyncGenerator[SessionStore]:
    store: SessionStore
    sealer = Sealer(b"k" * 32)
    if request.param == "memory":
        store = MemorySessionStore()
    elif request.param == "sqlite":
        store = SqliteSessionStore.open(file, sealer)
    elif request.param == "redis":
        store = RedisSessionStore(request.getfixturevalue("redis").url, sealer)
    else:
        store = PostgresqlSessionStore.open(request.getfixturevalue("postgresql_url"), sealer)
    yield store
    await store.aclose()


@pytest.fixture
async def store(server_store: ServerStore) -> ServerStore:
    """A server's store with a client, a user and her sign-in."""
    await server_store.put_client(a_client(), START)
    await server_store.put_user(a_user(), START)
    await server_store.insert_sign_in(a_sign_in(), an_event())
    return server_store


@pytest.fixture(scope="session")
def postgresql_server() -> Generator[PostgresqlServer]:
    """One for all tests of a worker."""
    with running_postgresql() as server:
        yield server


@pytest.fixture(scope="session")
def migrated_postgresql(postgresql_server: PostgresqlServer) -> str:
    """The URL of a database with the schema; its rows are the test's before."""
    postgresql_server.sql("CREATE DATABASE stores")
    url = postgresql_server.url.removesuffix("/postgres") + "/stores"
    prepare_postgresql(url)
    return url


@pytest.fixture
def postgresql_url(migrated_postgresql: str) -> str:
    """A database with the schema and no rows."""
    with psycopg.connect(migrated_postgresql, autocommit=True) as connection:
        tables = ", ".join(table for table in METADATA.tables)
        connection.execute(SQL("TRUNCATE {}").format(SQL(tables)))
    return migrated_postgresql


@pytest.fixture(scope="session")
def redis_server() -> Generator[RedisServer]:
    """One for all tests of a worker."""
    with running_redis() as server:
        yield server


@pytest.fixture
def postgresql(postgresql_server: PostgresqlServer) -> PostgresqlServer:
    """Without our tables."""
    postgresql_server.sql("DROP TABLE IF EXISTS proofkey_replays, proofkey_replays_version")
    return postgresql_server


@pytest.fixture
def redis(redis_server: RedisServer) -> RedisServer:
    """Empty."""
    assert redis_server.ask("FLUSHALL") == "+OK"
    return redis_server


REPLAY_URLS = ["memory", "sqlite", "postgresql", "redis"]


@pytest.fixture
def replay_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty memory of the kind that the test names."""
    if request.param == "memory":
        return "memory:"
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/replay.db"
    url: str = request.getfixturevalue(request.param).url
    return url
