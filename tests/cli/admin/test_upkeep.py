"""`proofkey keys`, `db` and `purge`, on the store that a server has open."""

from pathlib import Path

import pytest

from proofkey.protocol.text import ClientId, Instant
from proofkey.store.redis_sessions import RedisSessionStore
from proofkey.store.sealed import Sealer
from proofkey.store.sql import SqliteServerStore, SqliteSessionStore
from proofkey.store.sql.upgrade import HEAD
from proofkey.testing.redis_server import PASSWORD, running_redis
from proofkey.testing.stores import (
    START,
    a_pending_login,
    a_session,
    an_interaction,
)
from tests.cli.admin.admin_kit import DAY, Proofkey, Turn

# --- keys --------------------------------------------------------------------------------------------------------


def states(proofkey: Proofkey) -> dict[str, list[str]]:
    listed = proofkey("keys", "list", "--json").document
    return {
        algorithm: sorted(key["state"] for key in listed if key["algorithm"] == algorithm)
        for algorithm in ("ES256", "RS256")
    }


async def test_before_the_first_start_there_are_no_keys(store: SqliteServerStore, proofkey: Proofkey) -> None:
    done = proofkey("keys", "list")
    assert (done.status, done.out) == (0, "")
    assert "first start" in done.err
    proofkey("keys", "add")
    assert states(proofkey) == {"ES256": ["signing"], "RS256": ["signing"]}


@pytest.mark.spec("OC-10.1.1-a")
async def test_a_rotation_is_announced_and_takes_over_in_its_time(
    store: SqliteServerStore, proofkey: Proofkey, at: Turn
) -> None:
    at(START)
    proofkey("keys", "add")
    made = proofkey("keys", "rotate", "--algorithm", "ES256", "--json").document
    again = proofkey("keys", "rotate", "--algorithm", "ES256", "--json").document
    assert [key["kid"] for key in made] == [key["kid"] for key in again]
    assert made[0]["state"] == "announced"
    assert states(proofkey) == {"ES256": ["announced", "signing"], "RS256": ["signing"]}
    at(Instant(START + 14 * DAY - 5))
    assert states(proofkey)["ES256"] == ["announced", "signing"]
    at(Instant(START + 14 * DAY + 5))
    assert states(proofkey)["ES256"] == ["signing", "superseded"]


async def test_a_rotation_at_once_retires_the_key_before(
    store: SqliteServerStore, proofkey: Proofkey, at: Turn
) -> None:
    at(START)
    proofkey("keys", "add")
    proofkey("keys", "rotate", "--now")
    assert states(proofkey) == {"ES256": ["retired", "signing"], "RS256": ["retired", "signing"]}
    at(Instant(START + 14 * DAY + 60))
    assert states(proofkey)["ES256"] == ["removed", "signing"]
    assert proofkey("purge").out == "2\n"
    assert states(proofkey)["ES256"] == ["signing"]


async def test_a_key_is_not_added_under_another_master_key(
    store: SqliteServerStore, proofkey: Proofkey, config: Path
) -> None:
    proofkey("keys", "add")
    config.write_text(config.read_text().replace("0wYVbH1Zk3", "1wYVbH1Zk3"))
    done = proofkey("keys", "rotate")
    assert done.status == 2
    assert "KEY-12" in done.err
    assert len(await store.list_signing_keys()) == 2


async def test_no_private_key_is_shown_or_stored_open(
    store: SqliteServerStore, proofkey: Proofkey, config: Path
) -> None:
    shown = [proofkey(*arguments).out for arguments in (["keys", "add"], ["keys", "list", "--json"])]
    assert '"d"' not in "".join(shown)
    for record in await store.list_signing_keys():
        assert '"d"' not in record.sealed_private_jwk
        assert "d" not in record.public_jwk


# --- db, purge ---------------------------------------------------------------------------------------------------


def test_databases_are_made_and_upgraded(config: Path, proofkey: Proofkey) -> None:
    first, second = (proofkey("db", "upgrade", "--json").document for _ in range(2))
    assert [(Path(one["path"]).name, one["before"], one["after"]) for one in first] == [
        ("op.db", None, HEAD),
        ("rp.db", None, HEAD),
    ]
    assert [one["before"] for one in second] == [HEAD, HEAD]
    assert "up to date" in proofkey("db", "upgrade").out


async def test_purge_deletes_what_is_over_in_every_database(
    store: SqliteServerStore, proofkey: Proofkey, config: Path, at: Turn
) -> None:
    sessions = SqliteSessionStore.open(config.parent / "rp.db", Sealer(b"k" * 32))
    for number in range(600):
        await store.insert_interaction(an_interaction(f"flow {number}"))
    await sessions.insert_pending(a_pending_login())
    await sessions.insert_session(a_session())
    at(Instant(START + 601))
    assert proofkey("purge").out == "601\n"
    assert proofkey("purge", "--json").document == {"purged": 0}
    assert await sessions.find_session(a_session().id)
    await sessions.aclose()


async def test_long_purges_show_progress(
    store: SqliteServerStore, proofkey: Proofkey, at: Turn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proofkey.cli.purge._SHOWN_EVERY", 1)
    await store.insert_interaction(an_interaction())
    at(Instant(START + 601))
    done = proofkey("purge")
    assert (done.out, done.err) == ("1\n", "1 rows deleted\n")


async def test_sessions_in_redis_are_purged_and_have_no_schema(config: Path, proofkey: Proofkey, at: Turn) -> None:
    with running_redis() as server:
        config.write_text(config.read_text().replace("sqlite:///rp.db", server.url))
        sessions = RedisSessionStore(server.url, Sealer(b"k" * 32))
        await sessions.insert_pending(a_pending_login())
        await sessions.insert_session(a_session())
        at(Instant(START + 601))
        assert len(proofkey("db", "upgrade", "--json").document) == 1
        assert proofkey("purge").out == "1\n"
        assert await sessions.find_session(a_session().id)
        await sessions.aclose()
        shown = proofkey("config", "show")
        assert server.url.rpartition("@")[2] in shown.out
        assert PASSWORD not in shown.out + shown.err


# --- what they refuse --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [["user", "list"], ["client", "list"], ["keys", "list"]])
def test_a_memory_store_is_the_servers_own(config: Path, proofkey: Proofkey, arguments: list[str]) -> None:
    config.write_text(config.read_text().replace("sqlite:///op.db", "memory:"))
    done = proofkey(*arguments)
    assert done.status == 2
    assert "STO-01" in done.err


@pytest.mark.parametrize(
    "arguments", [["user", "list"], ["client", "list"], ["keys", "list"], ["db", "upgrade"], ["purge"]]
)
def test_a_store_that_cannot_be_opened_is_named_in_one_line(
    config: Path, proofkey: Proofkey, arguments: list[str]
) -> None:
    (config.parent / "op.db").write_bytes(b"garbage" * 1000)
    done = proofkey(*arguments)
    assert (done.status, done.out) == (2, "")
    assert str(config.parent / "op.db") in done.err
    assert len(done.err.splitlines()) == 1


@pytest.mark.parametrize("command", [("keys", "add"), ("keys", "rotate")], ids=["add", "rotate"])
async def test_keys_that_a_signer_has_are_not_made_here(
    store: SqliteServerStore, proofkey: Proofkey, with_signer: None, command: tuple[str, str]
) -> None:
    done = proofkey(*command)
    assert done.status == 2
    assert "active_from" in done.err
    assert not await store.list_signing_keys()


async def test_a_client_gets_no_algorithm_that_the_signer_has_not(
    store: SqliteServerStore, proofkey: Proofkey, with_signer: None
) -> None:
    words = ("client", "add", "web", "--redirect-uri", "https://rp.test/cb")
    done = proofkey(*words, "--id-token-alg", "PS256")
    assert done.status == 2
    assert "PS256" in done.err
    assert await store.find_client(ClientId("web")) is None
    assert proofkey(*words).status == 0
    assert not await store.list_signing_keys()
