"""What is special about the SQLite stores: file, transactions, threads, other processes, what a dump shows."""

import contextlib
import re
import sqlite3
import stat
import threading
from pathlib import Path

import anyio
import pytest

from proofkey.client.session import PendingLogin, Session
from proofkey.protocol.text import ClientId, Instant
from proofkey.protocol.throttle import Limit
from proofkey.store.sealed import Sealer
from proofkey.store.sql import SqliteServerStore, SqliteSessionStore, database, statements
from proofkey.store.sql.connection import checkpoint
from proofkey.testing.stores import (
    START,
    a_client,
    a_pending_login,
    a_session,
    a_sign_in,
    a_user,
    an_authorization,
    an_event,
    an_interaction,
)
from tests.store.contract_kit import database_of

WEB = ClientId("web")
KEY = b"k" * 32


def events(file: Path) -> list[str]:
    with contextlib.closing(sqlite3.connect(file)) as connection:
        return [name for (name,) in connection.execute("SELECT name FROM audit_events ORDER BY id")]


# --- the file ----------------------------------------------------------------------------------------------------


async def test_a_new_file_is_the_owners_alone_and_has_a_write_ahead_log(tmp_path: Path) -> None:
    store = SqliteServerStore.open(tmp_path / "new.db")
    await store.put_client(a_client(), START)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == {"new.db": 0o600, "new.db-wal": 0o600, "new.db-shm": 0o600}
    await store.aclose()
    assert [path.name for path in tmp_path.iterdir()] == ["new.db"]


async def test_records_outlive_the_process_that_wrote_them(file: Path) -> None:
    first = SqliteServerStore.open(file)
    await first.put_client(a_client(), START)
    await first.aclose()
    second = SqliteServerStore.open(file)
    assert await second.find_client(WEB) == a_client()
    await second.aclose()


# --- transactions ------------------------------------------------------------------------------------------------


async def test_an_event_is_written_only_with_the_change_that_it_reports(file: Path) -> None:
    store = SqliteServerStore.open(file)
    await store.put_client(a_client(), START)
    await store.put_user(a_user(), START)
    await store.insert_authorization(an_authorization(), an_event("issued"))
    await store.use_code("grant-1", START, an_event("used"))
    await store.use_code("grant-1", START, an_event("used again"))
    await store.revoke("nothing", START, an_event("revoked nothing"))
    await store.aclose()
    assert events(file) == ["issued", "used"]


async def test_a_change_that_fails_half_way_is_undone(file: Path) -> None:
    store = SqliteServerStore.open(file)
    await store.put_user(a_user(), START)
    await store.insert_sign_in(a_sign_in(), an_event("signed in"))
    database_of(store)._connection.execute(
        "CREATE TEMP TRIGGER fault BEFORE INSERT ON audit_events BEGIN SELECT RAISE(ABORT, 'fault'); END"
    )
    with contextlib.suppress(Exception):
        await store.disable_user(a_user().sub, START, an_event("disabled"))
    database_of(store)._connection.execute("DROP TRIGGER fault")
    found = await store.find_sign_in(a_sign_in().digest)
    assert found
    assert (found.sign_in, found.user) == (a_sign_in(), a_user())
    await store.aclose()


# --- threads and other connections -------------------------------------------------------------------------------


def test_one_store_serves_several_threads(file: Path) -> None:
    store = SqliteServerStore.open(file)
    wrong: list[str] = []

    async def work(thread: int) -> None:
        for number in range(100):
            name = f"{thread}-{number}"
            await store.insert_interaction(an_interaction(name))
            if await store.find_interaction(an_interaction(name).digest) != an_interaction(name):
                wrong.append(name)
            await store.take(Limit("threads", burst=1000, period=1), "key", START)

    threads = [threading.Thread(target=anyio.run, args=(work, number)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    with contextlib.closing(sqlite3.connect(file)) as connection:
        assert connection.execute("SELECT count FROM throttles").fetchall() == [(400,)]
        assert connection.execute("SELECT count(*) FROM interactions").fetchall() == [(400,)]
    anyio.run(store.aclose)


async def test_what_another_process_changes_is_seen_at_once(file: Path) -> None:
    server, command_line = SqliteServerStore.open(file), SqliteServerStore.open(file)
    await server.put_client(a_client(), START)
    assert await server.find_client(WEB) == a_client()
    await command_line.disable_client(WEB, START, an_event())
    assert await server.find_client(WEB) == a_client(disabled=True)
    await command_line.put_client(a_client(client_name="New"), START)
    assert await server.find_client(WEB) == a_client(client_name="New")
    await server.aclose()
    await command_line.aclose()


async def test_checkpoints_run_beside_the_requests(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = []

    def noted(path: Path) -> None:
        threads.append(threading.get_ident())
        checkpoint(path)

    monkeypatch.setattr(database, "checkpoint", noted)
    monkeypatch.setattr(database, "_WRITES_PER_CHECKPOINT", 20)
    size = file.stat().st_size
    store = SqliteServerStore.open(file)
    for number in range(100):
        await store.insert_interaction(an_interaction(f"flow {number}"))
    checkpointing = database_of(store)._checkpoint
    assert checkpointing
    checkpointing.join()
    assert threads
    assert threading.get_ident() not in threads
    assert file.stat().st_size > size
    await store.aclose()


# --- at rest -----------------------------------------------------------------------------------------------------


async def stored_session(file: Path, key: bytes = KEY) -> tuple[PendingLogin | None, Session | None]:
    store = SqliteSessionStore.open(file, Sealer(key))
    found = await store.find_pending(a_pending_login().state_digest), await store.find_session(a_session().id)
    await store.aclose()
    return found


async def put_session(file: Path) -> None:
    store = SqliteSessionStore.open(file, Sealer(KEY))
    await store.insert_pending(a_pending_login())
    await store.insert_session(a_session())
    await store.aclose()


@pytest.mark.spec("O21-7.7-a", "9700-4.9.3-a")
async def test_a_dump_shows_no_token_verifier_or_typed_name(file: Path) -> None:
    await put_session(file)
    store = SqliteServerStore.open(file)
    await store.take(Limit("sign-in", burst=1, period=1), "typed password", START)
    await store.aclose()
    with contextlib.closing(sqlite3.connect(file)) as connection:
        dump = "\n".join(connection.iterdump()) + file.read_bytes().decode("latin-1")
    assert a_session().id in dump
    for secret in ("access token", "refresh token", "id token", "nonce of", "verifier of", "typed password"):
        assert secret not in dump


async def test_what_another_key_sealed_counts_as_absent(file: Path) -> None:
    await put_session(file)
    assert await stored_session(file) == (a_pending_login(), a_session())
    assert await stored_session(file, b"x" * 32) == (None, None)


async def test_tokens_moved_to_another_session_do_not_open(file: Path) -> None:
    await put_session(file)
    store = SqliteSessionStore.open(file, Sealer(KEY))
    await store.insert_session(a_session("mallory"))
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute(
            "UPDATE sessions SET sealed_tokens = (SELECT sealed_tokens FROM sessions WHERE id = ?) WHERE id = ?",
            (a_session().id, a_session("mallory").id),
        )
    assert await store.find_session(a_session("mallory").id) is None
    await store.aclose()


# --- statements --------------------------------------------------------------------------------------------------


async def test_a_redemption_takes_two_statements_and_a_refresh_two(file: Path) -> None:
    store = SqliteServerStore.open(file)
    await store.put_client(a_client(), START)
    await store.put_user(a_user(), START)
    await store.insert_authorization(an_authorization(), an_event())
    seen: list[str] = []
    database_of(store)._connection.set_trace_callback(lambda sql: seen.append(sql.split()[0]))

    found = await store.find_code(an_authorization().code_digest or "")
    assert found
    await store.use_code(found.authorization.id, START, an_event())
    await store.find_authorization("grant-1")
    await store.rotate("grant-1", 1, START, Instant(START + 1), Instant(START + 2), an_event())

    write = ["BEGIN", "UPDATE", "INSERT", "COMMIT"]
    assert seen == ["SELECT", *write, "SELECT", *write]
    await store.aclose()


STATEMENTS = {
    name: text
    for name, text in vars(statements).items()
    if name.isupper() and isinstance(text, str) and "WHERE" in text and not name.startswith(("LIST", "_"))
    if "signing_keys" not in text  # a handful of rows
} | {
    f"PURGE {number}": text
    for number, text in enumerate(statements.PURGE + statements.PURGE_SESSIONS)
    if "signing_keys" not in text
}


@pytest.mark.spec("threats §2 row 21")
@pytest.mark.parametrize("name", STATEMENTS)
def test_no_statement_scans_a_table(file: Path, name: str) -> None:
    statement = STATEMENTS[name]
    numbered = [int(number) for number in re.findall(r"\?(\d+)", statement)]
    parameters = ("x",) * (max(numbered) if numbered else statement.count("?"))
    with contextlib.closing(sqlite3.connect(file)) as connection:
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)]
    assert not [step for step in plan if step.startswith("SCAN")], plan
