"""Data of the version before schema 0002: upgraded while that version's workers run, and used by this one."""

import contextlib
import json
import sqlite3
import threading
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest
from alembic import command
from psycopg import sql
from sqlalchemy import NullPool, create_engine

from proofkey.authorization_server.answers import Page, Redirect
from proofkey.authorization_server.stores import ServerStore
from proofkey.errors import InvalidGrant
from proofkey.protocol.text import Secret
from proofkey.runtime.server_core import ServerCore
from proofkey.store.open import open_server_store, open_session_store
from proofkey.store.sealed import Sealer
from proofkey.store.sql.migrate import configuration
from proofkey.store.sql.postgresql_database import translated
from proofkey.store.sql.upgrade import HEAD, prepare
from proofkey.store.sql.upgrade_postgresql import prepare_postgresql
from proofkey.testing.clock import TurnedClock
from proofkey.testing.entropy import CountingEntropy
from proofkey.testing.postgresql_server import PostgresqlServer
from proofkey.testing.stores import a_pending_login, a_session
from tests.authorization_server.driver import MASTER_KEY, POLICY, Desk, QuickPasswords, Visitor
from tests.store import statements_0001 as old

DATA: Final = Path(__file__).parent / "data"
KEPT: Final[dict[str, Any]] = json.loads((DATA / "schema_0001.json").read_text())
BEFORE: Final = "0001"
NOW: Final = 1_800_000_000

Execute = Callable[[str, tuple[object, ...]], int]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=["sqlite", "postgresql"])
def old_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database as the version before left it."""
    path = tmp_path / "old.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript((DATA / "schema_0001.sql").read_text())
        connection.execute("PRAGMA journal_mode = WAL")
    if request.param == "sqlite":
        return f"sqlite:///{path}"
    server: PostgresqlServer = request.getfixturevalue("postgresql_server")
    server.sql("DROP DATABASE IF EXISTS old WITH (FORCE)")
    server.sql("CREATE DATABASE old")
    url = server.url.removesuffix("/postgres") + "/old"
    copy_to_postgresql(path, url)
    return url


def copy_to_postgresql(path: Path, url: str) -> None:
    """The rows of the file, in tables that the first migration made."""
    engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(url), poolclass=NullPool)
    with engine.begin() as connection:
        command.upgrade(configuration(connection), BEFORE)
    engine.dispose()
    order = ["clients", "users", "sign_ins", "consents", "interactions", "authorizations", "signing_keys"]
    with contextlib.closing(sqlite3.connect(path)) as source, psycopg.connect(url) as target:
        for table in [*order, "throttles", "pending_logins", "sessions"]:
            rows = source.execute(f"SELECT * FROM {table}").fetchall()
            places = sql.SQL(", ").join(sql.Placeholder() * len(rows[0]))
            insert = sql.SQL("INSERT INTO {} VALUES ({})").format(sql.Identifier(table), places)
            target.cursor().executemany(insert, rows)


def upgrade(url: str) -> str | None:
    if url.startswith("postgresql"):
        return prepare_postgresql(url)
    return prepare(Path(url.removeprefix("sqlite:///")))


@contextlib.contextmanager
def old_connection(url: str) -> Generator[Execute]:
    """Runs statements of the version before as it did: each in a transaction of its own, rows counted."""
    if url.startswith("postgresql"):
        with psycopg.connect(url, autocommit=True) as connection:
            cursor = psycopg.RawCursor(connection)
            yield lambda statement, values: cursor.execute(translated(statement), values).rowcount
        return
    with contextlib.closing(
        sqlite3.connect(url.removeprefix("sqlite:///"), timeout=5, isolation_level=None, check_same_thread=False)
    ) as file:

        def execute(statement: str, values: tuple[object, ...]) -> int:
            if statement.lstrip().startswith("SELECT"):
                return len(file.execute(statement, values).fetchall())
            file.execute("BEGIN IMMEDIATE")
            changed = file.execute(statement, values).rowcount
            file.execute("COMMIT")
            return changed

        yield execute


def old_round(execute: Execute, number: int) -> None:
    """One flow of the version before: a page, a code, its redemption, a rotation, a revocation."""
    id_ = f"old-{number}"
    late = NOW + 600
    page = (id_, "b", "{}", NOW, late, None, None, None, None)
    assert execute(old.INSERT_INTERACTION, page) == 1
    assert execute(old.FIND_INTERACTION, (id_,)) == 1
    assert execute(old.USE_INTERACTION, (NOW, id_)) == 1
    assert execute(old.INSERT_SIGN_IN, (id_, id_, "u1", NOW, "[]", NOW, NOW, late, None)) == 1
    grant = (id_, "web", "u1", id_, "openid", "[]", None, NOW, id_, "c", "https://rp.test/cb", late, None, 0)
    assert execute(old.INSERT_AUTHORIZATION, (*grant, None, late, late, NOW, late, None)) == 1
    assert execute(old.FIND_CODE, (id_,)) == 1
    assert execute(old.USE_CODE, (NOW, id_)) == 1
    assert execute(old.USE_CODE, (NOW, id_)) == 0
    assert execute(old.ROTATE, (NOW, late, late, id_, 1)) == 1
    assert execute(old.REVOKE, (NOW, id_)) == 1
    assert execute(old.INSERT_EVENT, (NOW, "old", "u1", "web", "{}")) == 1


class OldWorker(threading.Thread):
    """Goes on with the statements of the version before until it is told to end."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self.url = url
        self.rounds = 0
        self.error: BaseException | None = None
        self.over = threading.Event()

    def run(self) -> None:
        try:
            with old_connection(self.url) as execute:
                while not self.over.is_set():
                    old_round(execute, self.rounds)
                    self.rounds += 1
                    self.over.wait(0.02)  # else it has the file to itself
        except BaseException as error:
            self.error = error

    def wait_for(self, rounds: int) -> None:
        goal = self.rounds + rounds
        while self.rounds < goal and self.error is None:
            self.over.wait(0.01)


@pytest.mark.spec("threats §2 row 42")
def test_workers_of_the_version_before_go_on_while_and_after_it_is_upgraded(old_url: str) -> None:
    worker = OldWorker(old_url)
    worker.start()
    worker.wait_for(3)
    before = upgrade(old_url)
    worker.wait_for(10)
    worker.over.set()
    worker.join()
    assert worker.error is None
    assert before == BEFORE
    assert upgrade(old_url) == HEAD


async def desk_on(store: ServerStore, seconds: int) -> Desk:
    """This version's server on that store, so long after the data was written."""
    clock, entropy, passwords = TurnedClock(NOW + seconds), CountingEntropy("upgraded"), QuickPasswords()
    core = ServerCore(POLICY, store, clock=clock, entropy=entropy, master_key=MASTER_KEY, passwords=passwords)
    await core.start()
    return Desk(core, store, clock, entropy, passwords)


@pytest.mark.spec("threats §2 row 42")
async def test_codes_tokens_and_sign_ins_of_the_version_before_still_work(
    old_url: str, anyio_backend: str
) -> None:
    store = open_server_store(old_url)
    desk = await desk_on(store, 5)
    tokens = await desk.redeem(KEPT["code"])
    assert (await desk.refresh(tokens["refresh_token"]))["access_token"]
    with pytest.raises(InvalidGrant):
        await desk.redeem(KEPT["code"])
    assert (await desk.refresh(KEPT["previous"]))["refresh_token"] == KEPT["rotated"], "a retry within the grace"
    assert (await desk.refresh(KEPT["refresh"]))["access_token"]
    assert (await desk.refresh(KEPT["rotated"]))["access_token"]
    with pytest.raises(InvalidGrant):
        await desk.refresh(KEPT["revoked"])
    assert (await desk.userinfo(KEPT["access"]))["email"] == "ann@op.test"
    kept = Visitor(desk.core, sign_in=Secret(KEPT["sign_in"]))
    assert "code" in await kept.walk("web"), "signed in, with the consent of before"
    waiting = Visitor(desk.core, interactions={name: Secret(value) for name, value in KEPT["browser"].items()})
    assert isinstance(await waiting.log_in(KEPT["interaction"]), Page | Redirect)
    await store.aclose()


@pytest.mark.spec("threats §2 row 42")
async def test_sessions_of_the_version_before_still_work(old_url: str, anyio_backend: str) -> None:
    store = open_session_store(old_url, Sealer(b"k" * 32))
    assert await store.find_session(a_session().id) == a_session()
    assert await store.take_pending(a_pending_login().state_digest) == a_pending_login()
    await store.aclose()
