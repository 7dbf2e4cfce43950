"""What every `SessionStore` must do."""

import anyio
import pytest

from proofkey.client.stores import SessionStore
from proofkey.errors import ServerError
from proofkey.findings import Finding
from proofkey.protocol.text import Instant, Subject
from proofkey.testing.stores import START, a_pending_login, a_session, some_tokens

LATER = Instant(START + 10)
DAYS = Instant(START + 40 * 86_400)
ID = a_session().id


# --- pending logins ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "pending",
    [a_pending_login(), a_pending_login("bare", resource=(), scope=(), max_age=None)],
    ids=["full", "bare"],
)
async def test_a_pending_login_is_taken_once(session_store: SessionStore, pending) -> None:
    await session_store.insert_pending(pending)
    assert await session_store.find_pending(pending.state_digest) == pending
    assert await session_store.take_pending(pending.state_digest) == pending
    assert await session_store.take_pending(pending.state_digest) is None
    assert await session_store.find_pending(pending.state_digest) is None


async def test_a_state_is_not_used_twice(session_store: SessionStore) -> None:
    await session_store.insert_pending(a_pending_login())
    with pytest.raises(ServerError) as raised:
        await session_store.insert_pending(a_pending_login(next_path="/other"))
    assert raised.value.finding is Finding.STORE_CONFLICT
    assert await session_store.find_pending(a_pending_login().state_digest) == a_pending_login()


@pytest.mark.spec("9700-4.7.1-a")
async def test_one_of_many_callbacks_gets_the_pending_login(session_store: SessionStore) -> None:
    await session_store.insert_pending(a_pending_login())
    got: list[object] = []

    async def callback() -> None:
        got.append(await session_store.take_pending(a_pending_login().state_digest))

    async with anyio.create_task_group() as group:
        for _ in range(50):
            group.start_soon(callback)
    assert sum(one is not None for one in got) == 1


# --- sessions ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "session",
    [
        a_session(),
        a_session(
            "bare",
            claims={},
            sid=None,
            tokens=some_tokens(access_expires_at=None, refresh_token=None, id_token=None, scope=()),
        ),
    ],
    ids=["full", "bare"],
)
async def test_a_session_comes_back_as_it_was(session_store: SessionStore, session) -> None:
    await session_store.insert_session(session)
    assert await session_store.find_session(session.id) == session
    assert await session_store.find_session("another") is None


async def test_a_session_id_is_not_used_twice(session_store: SessionStore) -> None:
    await session_store.insert_session(a_session())
    with pytest.raises(ServerError):
        await session_store.insert_session(a_session(sub="sub-of-bob"))
    assert await session_store.find_session(ID) == a_session()


async def test_seen_at_moves_forward_only(session_store: SessionStore) -> None:
    await session_store.insert_session(a_session())
    for now in (LATER, START):
        await session_store.touch_session(ID, now)
        assert await session_store.find_session(ID) == a_session(seen_at=LATER)
    await session_store.touch_session("nobody", LATER)


async def test_new_tokens_replace_the_version_they_were_made_from(session_store: SessionStore) -> None:
    await session_store.insert_session(a_session())
    assert await session_store.replace_tokens(ID, 0, some_tokens("2"), LATER)
    assert not await session_store.replace_tokens(ID, 0, some_tokens("3"), LATER)
    assert not await session_store.replace_tokens("nobody", 0, some_tokens("3"), LATER)
    assert await session_store.find_session(ID) == a_session(tokens=some_tokens("2"), version=1)


async def test_a_session_that_is_over_gets_no_new_tokens(session_store: SessionStore) -> None:
    await session_store.insert_session(a_session())
    assert not await session_store.replace_tokens(ID, 0, some_tokens("2"), DAYS)


@pytest.mark.spec("N63-5.1")
async def test_an_ended_session_is_gone(session_store: SessionStore) -> None:
    await session_store.insert_session(a_session())
    assert await session_store.end_session(ID)
    assert not await session_store.end_session(ID)
    assert await session_store.find_session(ID) is None


# --- sessions of a person, and of a session at the provider ------------------------------------------------------

ISSUER = a_session().issuer
ANN = a_session().sub


@pytest.mark.spec("BL-2.6-a", "threats §2 row 38")
async def test_sessions_are_found_by_person_and_by_the_providers_session(session_store: SessionStore) -> None:
    older = a_session("b", created_at=Instant(START - 5))
    newer = a_session("a", sid=None)
    of_bob = a_session("c", sub="sub-of-bob")
    elsewhere = a_session("d", issuer="https://other.test")
    for session in (newer, older, of_bob, elsewhere):
        await session_store.insert_session(session)
    assert await session_store.sessions_of_sub(ISSUER, ANN) == (older, newer)
    assert {one.id for one in await session_store.sessions_of_sid(ISSUER, "sid-1")} == {older.id, of_bob.id}
    assert await session_store.sessions_of_sid(ISSUER, "") == ()
    assert await session_store.sessions_of_sub(ISSUER, Subject("nobody")) == ()
    await session_store.end_session(older.id)
    assert await session_store.sessions_of_sub(ISSUER, ANN) == (newer,)


# --- logout tokens -----------------------------------------------------------------------------------------------


@pytest.mark.spec("X-bcl-order")
async def test_a_logout_token_is_used_by_one_caller(session_store: SessionStore) -> None:
    got: list[bool] = []
    assert not await session_store.is_logout_token_used("digest")

    async def use() -> None:
        got.append(await session_store.use_logout_token("digest", DAYS))

    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(use)
    assert sorted(got) == [False] * 19 + [True]
    assert await session_store.is_logout_token_used("digest")
    assert not await session_store.is_logout_token_used("other")


async def test_a_logout_token_is_remembered_until_it_is_over(session_store: SessionStore) -> None:
    await session_store.use_logout_token("digest", LATER)
    assert await session_store.purge_sessions(Instant(LATER - 1)) == 0
    assert await session_store.is_logout_token_used("digest")
    assert await session_store.purge_sessions(LATER) == 1
    assert not await session_store.is_logout_token_used("digest")


# --- the refresh lock --------------------------------------------------------------------------------------------


async def test_the_refresh_lock_has_one_holder_until_it_is_released_or_over(session_store: SessionStore) -> None:
    await session_store.insert_session(a_session())
    assert await session_store.acquire_refresh(ID, "a", START, 30)
    assert not await session_store.acquire_refresh(ID, "b", LATER, 30)
    assert not await session_store.acquire_refresh(ID, "a", LATER, 30)
    await session_store.release_refresh(ID, "b")
    assert not await session_store.acquire_refresh(ID, "b", LATER, 30)
    await session_store.release_refresh(ID, "a")
    assert await session_store.acquire_refresh(ID, "b", LATER, 30)
    assert await session_store.acquire_refresh(ID, "c", Instant(LATER + 30), 30)


async def test_a_late_release_does_not_take_the_lock_of_another(session_store: SessionStore) -> None:
    await session_store.insert_session(a_session())
    await session_store.acquire_refresh(ID, "slow", START, 5)
    await session_store.acquire_refresh(ID, "next", LATER, 30)
    await session_store.release_refresh(ID, "slow")
    assert not await session_store.acquire_refresh(ID, "third", LATER, 30)


async def test_only_a_session_has_a_refresh_lock(session_store: SessionStore) -> None:
    assert not await session_store.acquire_refresh(ID, "a", START, 30)
    await session_store.insert_session(a_session())
    await session_store.acquire_refresh(ID, "a", START, 30)
    await session_store.end_session(ID)
    await session_store.insert_session(a_session())
    assert await session_store.acquire_refresh(ID, "b", START, 30)


# --- upkeep ------------------------------------------------------------------------------------------------------


async def test_purge_takes_what_is_over_in_batches(session_store: SessionStore) -> None:
    for number in range(5):
        await session_store.insert_pending(a_pending_login(f"state {number}"))
        await session_store.insert_session(a_session(f"cookie {number}"))
    await session_store.insert_pending(a_pending_login("live", expires_at=DAYS))
    await session_store.insert_session(a_session("live", absolute_expires_at=DAYS))
    over = Instant(START + 43_200)
    assert [await session_store.purge_sessions(over, batch=8) for _ in range(3)] == [8, 2, 0]
    assert await session_store.find_session(a_session("live").id)
    assert await session_store.find_pending(a_pending_login("live").state_digest)


async def test_a_store_answers_a_ping(session_store: SessionStore) -> None:
    await session_store.ping()
