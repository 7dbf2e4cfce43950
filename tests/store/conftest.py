"""Each contract test runs over every store."""

import shutil
from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import pytest

from proofkey.authorization_server.stores import ServerStore
from proofkey.client.stores import SessionStore
from proofkey.store.memory import MemoryServerStore, MemorySessionStore
from proofkey.store.sealed import Sealer
from proofkey.store.sql import SqliteServerStore, SqliteSessionStore
from proofkey.store.sql.upgrade import prepare
from proofkey.testing.postgresql_server import PostgresqlServer, running_postgresql
from proofkey.testing.redis_server import RedisServer, running_redis
from proofkey.testing.stores import START, a_client, a_sign_in, a_user, an_event

STORES = ["memory", "sqlite"]


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
    store: ServerStore = MemoryServerStore() if request.param == "memory" else SqliteServerStore.open(file)
    yield store
    await store.aclose()


@pytest.fixture(params=STORES)
async def session_store(request: pytest.FixtureRequest, file: Path) -> AsyncGenerator[SessionStore]:
    store: SessionStore = (
        MemorySessionStore() if request.param == "memory" else SqliteSessionStore.open(file, Sealer(b"k" * 32))
    )
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
