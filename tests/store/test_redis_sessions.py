"""Sessions in Redis while the server is away, frozen, full, restarted, or may evict: never a silent logout."""

import asyncio
import os
import traceback
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from proofkey.client.stores import SessionStore
from proofkey.errors import ConfigurationError, Unavailable
from proofkey.findings import Finding
from proofkey.protocol.text import Instant, Issuer
from proofkey.store import redis_sessions
from proofkey.store.open import open_session_store
from proofkey.store.redis_sessions import RedisSessionStore
from proofkey.store.sealed import Sealer
from proofkey.testing.races import Attempt, OpenSessionsAt, count_winners
from proofkey.testing.redis_check_then_set import CheckThenSetRedisSessions
from proofkey.testing.redis_server import PASSWORD, RedisServer, running_redis
from proofkey.testing.server import free_port
from proofkey.testing.stores import START, a_pending_login, a_session, some_tokens
from tests.transport.loopback_server import certificate

pytestmark = pytest.mark.timeout(180)
KEY = b"k" * 32
ID = a_session().id
STATE = a_pending_login().state_digest
LATER = Instant(START + 10)
HANGS = 60

CALLS: dict[str, Callable[[SessionStore], Awaitable[object]]] = {
    "insert_pending": lambda store: store.insert_pending(a_pending_login("another")),
    "find_pending": lambda store: store.find_pending(STATE),
    "take_pending": lambda store: store.take_pending(STATE),
    "insert_session": lambda store: store.insert_session(a_session("another")),
    "find_session": lambda store: store.find_session(ID),
    "sessions_of_sub": lambda store: store.sessions_of_sub(a_session().issuer, a_session().sub),
    "touch_session": lambda store: store.touch_session(ID, LATER),
    "replace_tokens": lambda store: store.replace_tokens(ID, 0, some_tokens("2"), LATER),
    "acquire_refresh": lambda store: store.acquire_refresh(ID, "a", LATER, 30),
    "release_refresh": lambda store: store.release_refresh(ID, "a"),
    "is_logout_token_used": lambda store: store.is_logout_token_used("digest"),
    "use_logout_token": lambda store: store.use_logout_token("digest", LATER),
    "end_session": lambda store: store.end_session(ID),
    "purge_sessions": lambda store: store.purge_sessions(LATER),
    "ping": lambda store: store.ping(),
}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def server(redis: RedisServer) -> Generator[RedisServer]:
    yield redis
    if redis.process is None or redis.process.poll() is not None:
        redis.start()


@pytest.fixture
async def store(server: RedisServer) -> AsyncGenerator[RedisSessionStore]:
    store = RedisSessionStore(server.url, Sealer(KEY))
    await store.insert_session(a_session())
    await store.insert_pending(a_pending_login())
    yield store
    await store.aclose()


async def refusal(call: Awaitable[object]) -> Unavailable:
    with anyio.fail_after(HANGS), pytest.raises(Unavailable) as raised:
        await call
    assert PASSWORD not in "".join(traceback.format_exception(raised.value)) + str(raised.value.facts)
    return raised.value


# --- the server is away ------------------------------------------------------------------------------------------


@pytest.mark.spec("threats §2 row 9", "threats §2 row 10")
async def test_without_the_server_every_call_is_unavailable_and_none_says_that_nobody_is_signed_in(
    server: RedisServer, store: RedisSessionStore
) -> None:
    server.kill()
    refused = {name: (await refusal(call(store))).finding for name, call in CALLS.items()}
    assert refused == dict.fromkeys(CALLS, Finding.STORE_UNAVAILABLE)


@pytest.mark.spec("threats §2 row 9")
async def test_a_frozen_server_is_given_up_in_time_and_used_again(
    server: RedisServer, store: RedisSessionStore
) -> None:
    server.freeze()
    try:
        refused = await asyncio.gather(*(refusal(call(store)) for name, call in CALLS.items() if "_" in name))
    finally:
        server.freeze(False)
    assert {error.finding for error in refused} == {Finding.STORE_UNAVAILABLE}
    other = RedisSessionStore(server.url, Sealer(KEY))
    await other.insert_session(a_session("after"))
    assert await store.find_session(a_session("after").id) == a_session("after")
    await other.aclose()


async def test_a_restart_with_a_disk_keeps_everybody_signed_in_on_the_same_store() -> None:
    with running_redis("--appendonly", "yes", "--appendfsync", "always") as server:
        store = RedisSessionStore(server.url, Sealer(KEY))
        await store.insert_session(a_session())
        await store.insert_pending(a_pending_login())
        server.kill()
        await refusal(store.find_session(ID))
        server.start()
        assert await store.find_session(ID) == a_session()
        assert await store.take_pending(STATE) == a_pending_login()
        await store.aclose()


@pytest.mark.spec("threats §2 row 16")
async def test_a_full_server_refuses_what_is_new_and_signs_nobody_out(
    server: RedisServer, store: RedisSessionStore
) -> None:
    server.ask("CONFIG", "SET", "maxmemory", "1")
    try:
        for name in ("insert_session", "insert_pending", "replace_tokens"):
            assert (await refusal(CALLS[name](store))).facts["reason"] == "OutOfMemoryError"
        assert await store.find_session(ID) == a_session()
    finally:
        server.ask("CONFIG", "SET", "maxmemory", "0")
    assert await store.replace_tokens(ID, 0, some_tokens("2"), LATER)


@pytest.mark.spec("threats §2 row 14")
@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
async def test_that_nobody_is_signed_in_is_not_believed_of_a_server_that_may_evict(policy: str) -> None:
    with running_redis("--maxmemory", "20mb", "--maxmemory-policy", policy) as server:
        store = RedisSessionStore(server.url, Sealer(KEY))
        listed = store.sessions_of_sub(a_session().issuer, a_session().sub)
        for call in (
            store.find_session(ID),
            store.find_pending(STATE),
            store.take_pending(STATE),
            store.insert_session(a_session()),
            store.insert_pending(a_pending_login()),
            store.ping(),
            listed,
        ):
            error = await refusal(call)
            assert (error.finding, error.facts["policy"]) == (Finding.STORE_EVICTS, policy)
        server.ask("CONFIG", "SET", "maxmemory-policy", "noeviction")
        await store.insert_session(a_session())
        assert await store.find_session("another") is None
        await store.aclose()


async def test_a_wrong_password_is_refused_and_not_shown(server: RedisServer) -> None:
    store = RedisSessionStore(server.url.replace(PASSWORD, f"{PASSWORD}-wrong"), Sealer(KEY))
    assert (await refusal(store.find_session(ID))).facts["reason"] == "AuthenticationError"
    await store.aclose()


# --- time --------------------------------------------------------------------------------------------------------


async def test_redis_frees_what_is_over_by_itself_but_not_before(
    server: RedisServer, store: RedisSessionStore
) -> None:
    lives = {key: int(server.ask("TTL", key).removeprefix(":")) for key in keys_of(server)}
    session = a_session()
    life = session.absolute_expires_at - session.created_at + 60
    assert len(lives) == 6
    for key, seconds in lives.items():
        wanted = 660 if "pending" in key else life
        assert wanted - 30 <= seconds <= wanted, key


async def test_what_lives_longer_keeps_the_lists_that_name_it(
    server: RedisServer, store: RedisSessionStore
) -> None:
    longer = a_session("longer", absolute_expires_at=Instant(START + 900_000))
    shorter = a_session("shorter", absolute_expires_at=Instant(START + 600))
    for session in (longer, shorter):
        await store.insert_session(session)
    lists = [key for key in keys_of(server) if ":sub:" in key or ":sid:" in key or "all-sessions" in key]
    assert len(lists) == 3
    assert all(int(server.ask("TTL", key).removeprefix(":")) > 800_000 for key in lists)


async def test_the_logins_that_wait_are_bounded_and_the_first_to_end_makes_room(
    server: RedisServer, store: RedisSessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_sessions, "MOST_PENDING", 3)
    many = [a_pending_login(f"{n}", expires_at=Instant(START + 700 + n)) for n in range(5)]
    for pending in many:
        await store.insert_pending(pending)
    found = [await store.find_pending(one.state_digest) is not None for one in (a_pending_login(), *many)]
    assert found == [False, False, False, True, True, True]


# --- indexes -----------------------------------------------------------------------------------------------------


async def test_sessions_are_listed_by_person_and_by_the_providers_session(store: RedisSessionStore) -> None:
    first = a_session()
    other = a_session("phone", sid="another", created_at=Instant(START + 1))
    bob = a_session("bob", sub="sub-of-bob", sid=None)
    for session in (other, bob):
        await store.insert_session(session)
    assert first.sid
    assert await store.sessions_of_sub(first.issuer, first.sub) == (first, other)
    assert await store.sessions_of_sid(first.issuer, first.sid) == (first,)
    assert await store.sessions_of_sub(Issuer("https://other.test"), first.sub) == ()
    await store.end_session(first.id)
    assert await store.sessions_of_sub(first.issuer, first.sub) == (other,)
    assert await store.sessions_of_sid(first.issuer, first.sid) == ()


async def test_nothing_is_left_of_sessions_that_ended(server: RedisServer, store: RedisSessionStore) -> None:
    await store.end_session(ID)
    await store.take_pending(STATE)
    assert keys_of(server) == []
    await store.insert_session(a_session())
    await store.insert_pending(a_pending_login())
    assert await store.purge_sessions(Instant(START + 40 * 86_400)) == 2
    assert keys_of(server) == []


# --- sealed ------------------------------------------------------------------------------------------------------


async def test_nothing_of_a_person_stands_in_redis_and_another_key_opens_nothing(
    server: RedisServer, store: RedisSessionStore
) -> None:
    held = keys_of(server)
    held += [server.ask("HGET", key, field) for key in held if ":session:" in key for field in ("fixed", "tokens")]
    held += [server.ask("GET", key) for key in held if ":pending:" in key]
    session, pending = a_session(), a_pending_login()
    secrets = (session.sub, session.tokens.access_token.reveal(), pending.code_verifier.reveal(), "orders:read")
    assert not [secret for secret in secrets for text in held if secret in text]
    other = RedisSessionStore(server.url, Sealer(b"o" * 32))
    assert await other.find_session(ID) is None
    assert await other.sessions_of_sub(session.issuer, session.sub) == ()
    assert await other.take_pending(STATE) is None
    await other.aclose()


async def test_the_sealed_texts_of_two_sessions_cannot_be_swapped(
    server: RedisServer, store: RedisSessionStore
) -> None:
    await store.insert_session(a_session("bob", sub="sub-of-bob"))
    ann, bob = (f"proofkey:login:session:{one}" for one in (ID, a_session("bob").id))
    server.ask("HSET", ann, "fixed", server.ask("HGET", bob, "fixed"))
    assert await store.find_session(ID) is None


# --- sent twice --------------------------------------------------------------------------------------------------


async def test_what_a_driver_sends_again_after_a_lost_answer_has_won_once(
    store: RedisSessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "urandom", lambda size: b"h" * size)
    for _ in range(2):
        await store.insert_session(a_session("b"))
        await store.insert_pending(a_pending_login("b"))
        assert await store.acquire_refresh(ID, "a", START, 30)
        assert await store.replace_tokens(ID, 0, some_tokens("2"), START)
    assert (await store.find_session(ID)) == replace(a_session(), tokens=some_tokens("2"), version=1)
    monkeypatch.setattr(os, "urandom", lambda size: b"i" * size)
    assert not await store.acquire_refresh(ID, "a", START, 30)


# --- races -------------------------------------------------------------------------------------------------------

RACES = [
    Attempt("acquire_refresh", (ID, "a holder", START, 30)),
    Attempt("take_pending", (STATE,)),
    Attempt("use_logout_token", ("digest", LATER)),
    Attempt("end_session", (ID,)),
]


@pytest.mark.spec("9700-4.7.1-a", "X-refresh-lock", "threats §2 row 12")
async def test_of_two_hundred_in_two_processes_one_wins(server: RedisServer, store: RedisSessionStore) -> None:
    opened = OpenSessionsAt(server.url, KEY)
    assert count_winners(opened, RACES, competitors=200) == [1, 1, 1, 1]


async def test_a_store_that_checks_then_sets_has_many_winners(
    server: RedisServer, store: RedisSessionStore
) -> None:
    opened = OpenSessionsAt(server.url, KEY, CheckThenSetRedisSessions)
    counts = count_winners(opened, RACES, competitors=200)
    assert all(count > 1 for count in counts), counts


@pytest.mark.parametrize(("kind", "wins"), [(RedisSessionStore, {1}), (CheckThenSetRedisSessions, {40})])
async def test_of_many_refreshed_tokens_of_one_version_one_is_stored(
    server: RedisServer, store: RedisSessionStore, kind: type[RedisSessionStore], wins: set[int]
) -> None:
    workers = [kind(server.url, Sealer(KEY)) for _ in range(2)]
    calls = [workers[n % 2].replace_tokens(ID, 0, some_tokens(f"{n}"), START) for n in range(40)]
    assert {sum(await asyncio.gather(*calls))} == wins
    found = await store.find_session(ID)
    assert found is not None
    assert found.version == 1
    for worker in workers:
        await worker.aclose()


# --- the URL -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["redis", "valkey"])
async def test_a_url_opens_it(server: RedisServer, scheme: str) -> None:
    store = open_session_store(server.url.replace("redis:", f"{scheme}:"), Sealer(KEY))
    await store.insert_session(a_session())
    assert await store.find_session(ID) == a_session()
    await store.aclose()


@pytest.mark.parametrize(
    "url",
    [
        "rediss://u:canary@h/0?ssl_cert_reqs=none",
        "rediss://u:canary@h/0?ssl_check_hostname=false",
        "redis://u:canary@h:port",
    ],
)
def test_a_url_that_weakens_or_is_none_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        open_session_store(url, Sealer(KEY))
    assert "canary" not in str(raised.value) + str(raised.value.facts)


async def test_tls_is_believed_of_the_named_authority_alone(tmp_path: Path) -> None:
    authority, _ = certificate(tmp_path)
    port = free_port()
    files = ["--tls-cert-file", str(authority), "--tls-key-file", str(tmp_path / "key.pem")]
    with running_redis("--tls-port", str(port), *files, "--tls-auth-clients", "no"):
        url = f"rediss://:{PASSWORD}@127.0.0.1:{port}/0"
        store, stranger = (
            open_session_store(one, Sealer(KEY)) for one in (f"{url}?ssl_ca_certs={authority}", url)
        )
        await store.insert_session(a_session())
        assert await store.find_session(ID) == a_session()
        assert (await refusal(stranger.find_session(ID))).finding is Finding.STORE_UNAVAILABLE
        await store.aclose()
        await stranger.aclose()


def keys_of(server: RedisServer) -> list[str]:
    found = server.ask("EVAL", "return table.concat(redis.call('KEYS', '*'), ' ')", "0")
    return found.split()
