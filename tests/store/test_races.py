"""Real races: two processes on one SQLite file. Each race is also run on a store that looks first and writes
later; there it must find more than one winner, else it shows nothing."""

from pathlib import Path

import pytest

from proofkey.authorization_server.stores import ServerStore
from proofkey.client.stores import SessionStore
from proofkey.protocol.text import Instant
from proofkey.store.sealed import Sealer
from proofkey.store.sql import SqliteServerStore, SqliteSessionStore
from proofkey.testing.races import Attempt, OpenServer, OpenSessions, count_winners
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
from proofkey.testing.stores_check_then_set import CheckThenSetServerStore, CheckThenSetSessionStore
from tests.store.contract_kit import a_key

KEY = b"k" * 32
LATER = Instant(START + 10)

SERVER_RACES = [
    Attempt("use_code", ("grant-1", LATER, an_event())),
    Attempt("rotate", ("family", 1, LATER, LATER, LATER, an_event())),
    Attempt("use_interaction", (an_interaction().digest, LATER)),
    Attempt("end_sign_in", ("sid-1", LATER, an_event())),
]
SESSION_RACES = [
    Attempt("acquire_refresh", (a_session().id, "a holder", START, 30)),
    Attempt("take_pending", (a_pending_login().state_digest,)),
    Attempt("end_session", (a_session().id,)),
]


async def fill_server(store: ServerStore) -> None:
    await store.put_client(a_client(), START)
    await store.put_user(a_user(), START)
    await store.insert_sign_in(a_sign_in(), an_event())
    await store.insert_authorization(an_authorization(), an_event())
    await store.insert_authorization(an_authorization("family", generation=1, sid=None), an_event())
    await store.insert_interaction(an_interaction())
    await store.aclose()


async def fill_sessions(store: SessionStore) -> None:
    await store.insert_session(a_session())
    await store.insert_pending(a_pending_login())
    await store.aclose()


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.spec("6749-4.1.2-a", "X-rot-a", "threats §2 row 12")
async def test_of_fifty_in_two_processes_one_wins_at_the_server(file: Path, anyio_backend: str) -> None:
    await fill_server(SqliteServerStore.open(file))
    first_keys = Attempt("insert_first_signing_keys", ([a_key("a"), a_key("b")], an_event()))
    assert count_winners(OpenServer(file), [*SERVER_RACES, first_keys]) == [1, 1, 1, 1, 1]


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_server_store_that_checks_then_sets_has_many_winners(file: Path, anyio_backend: str) -> None:
    await fill_server(SqliteServerStore.open(file))
    counts = count_winners(OpenServer(file, CheckThenSetServerStore), SERVER_RACES)
    assert all(count > 1 for count in counts), counts


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.spec("9700-4.7.1-a")
async def test_of_fifty_in_two_processes_one_wins_at_a_client(file: Path, anyio_backend: str) -> None:
    await fill_sessions(SqliteSessionStore.open(file, Sealer(KEY)))
    assert count_winners(OpenSessions(file, KEY), SESSION_RACES) == [1, 1, 1]


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_session_store_that_checks_then_sets_has_many_winners(file: Path, anyio_backend: str) -> None:
    await fill_sessions(SqliteSessionStore.open(file, Sealer(KEY)))
    counts = count_winners(OpenSessions(file, KEY, CheckThenSetSessionStore), SESSION_RACES)
    assert all(count > 1 for count in counts), counts
