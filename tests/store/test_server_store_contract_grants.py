"""What every `ServerStore` must do about grants, keys, throttles and upkeep, and what it refuses."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

import anyio
import pytest

from proofkey.authorization_server.records import Sender, Standing
from proofkey.authorization_server.stores import ServerStore
from proofkey.errors import ServerError
from proofkey.findings import Finding
from proofkey.protocol.text import ClientId, Instant, Subject, digest_of
from proofkey.protocol.throttle import Backoff, Limit, Refused
from proofkey.testing.stores import (
    START,
    a_client,
    a_sign_in,
    a_user,
    an_authorization,
    an_event,
    an_interaction,
)
from tests.store.contract_kit import DAYS, LATER, a_key, consent, grant, standing

# --- interactions ------------------------------------------------------------------------------------------------


async def test_an_interaction_comes_back_as_it_was(server_store: ServerStore) -> None:
    await server_store.insert_interaction(an_interaction())
    assert await server_store.find_interaction(an_interaction().digest) == an_interaction()
    assert await server_store.find_interaction("another") is None


async def test_an_interaction_remembers_the_sign_in_until_it_is_used(server_store: ServerStore) -> None:
    digest = an_interaction().digest
    await server_store.insert_interaction(an_interaction())
    await server_store.mark_signed_in(digest, LATER)
    await server_store.mark_shown(digest, "a page")
    assert await server_store.use_interaction(digest, LATER)
    await server_store.mark_signed_in(digest, DAYS)
    await server_store.mark_shown(digest, "another page")
    wanted = an_interaction(signed_in_since=LATER, shown="a page", used_at=LATER)
    assert await server_store.find_interaction(digest) == wanted


# --- authorizations ----------------------------------------------------------------------------------------------


async def test_a_standing_holds_all_that_the_decision_looks_at(store: ServerStore) -> None:
    await grant(store)
    await store.add_consent(consent(), an_event())
    wanted = Standing(
        authorization=an_authorization(),
        client=a_client(),
        user=a_user(),
        sign_in=a_sign_in(),
        consent=consent(),
    )
    assert await store.find_authorization("grant-1") == wanted
    assert await store.find_code(digest_of("code of grant-1")) == wanted
    assert await store.find_code("grant-1") is None
    assert await store.find_authorization(digest_of("code of grant-1")) is None


async def test_a_clients_own_authorization_has_no_person(store: ServerStore) -> None:
    await grant(
        store,
        sub=None,
        sid=None,
        nonce=None,
        auth_time=None,
        code_digest=None,
        code_challenge=None,
        redirect_uri=None,
        refresh_idle_expires_at=None,
        refresh_absolute_expires_at=None,
        scope=(),
        resource=(),
    )
    await grant(store, "another", sub=None, sid=None, code_digest=None)
    found = await standing(store)
    assert (found.client, found.user, found.sign_in, found.consent) == (a_client(), None, None, None)
    assert (found.authorization.scope, found.authorization.resource) == ((), ())


@pytest.mark.spec("6749-4.1.2-a")
async def test_a_used_code_starts_the_first_generation(store: ServerStore) -> None:
    await grant(store)
    assert await store.use_code("grant-1", LATER, an_event())
    assert (await standing(store)).authorization == an_authorization(code_used_at=LATER, generation=1)
    assert not await store.use_code("grant-1", LATER, an_event())
    assert not await store.use_code("nothing", LATER, an_event())


@pytest.mark.spec("X-rot-a")
async def test_rotation_moves_one_generation_on(store: ServerStore) -> None:
    await grant(store, generation=1, code_used_at=START)
    idle, kept = Instant(START + 500), Instant(START + 900)
    assert await store.rotate("grant-1", 1, LATER, idle, kept, an_event())
    assert (await standing(store)).authorization == an_authorization(
        generation=2, code_used_at=START, rotated_at=LATER, refresh_idle_expires_at=idle, expires_at=kept
    )
    for generation in (0, 1, 3):
        assert not await store.rotate("grant-1", generation, LATER, idle, kept, an_event())
    assert not await store.rotate("nothing", 1, LATER, idle, kept, an_event())


@pytest.mark.spec("9449-5-a", "9449-10-a")
async def test_the_first_sender_is_kept(store: ServerStore) -> None:
    first, second = Sender("j" * 43), Sender("k" * 43, "x" * 43)
    await grant(store)
    assert await store.use_code("grant-1", LATER, an_event(), first)
    bound = (await standing(store)).authorization
    assert (bound.dpop_jkt, bound.x5t_s256) == (first.jkt, None)
    assert await store.rotate("grant-1", 1, LATER, DAYS, DAYS, an_event(), second)
    assert await store.prolong("grant-1", 2, LATER, DAYS, DAYS, an_event(), Sender("l" * 43, "y" * 43))
    bound = (await standing(store)).authorization
    assert (bound.dpop_jkt, bound.x5t_s256) == (first.jkt, second.x5t_s256)


@pytest.mark.spec("F2-5.3.2.1-9")
async def test_a_family_is_prolonged_in_its_generation_as_often_as_asked(store: ServerStore) -> None:
    await grant(store, generation=1, code_used_at=START)
    idle, kept = Instant(START + 500), Instant(START + 900)
    for _ in range(2):
        assert await store.prolong("grant-1", 1, LATER, idle, kept, an_event())
    assert (await standing(store)).authorization == an_authorization(
        generation=1, code_used_at=START, refresh_idle_expires_at=idle, expires_at=kept
    )
    for generation in (0, 2):
        assert not await store.prolong("grant-1", generation, LATER, idle, kept, an_event())
    assert await store.revoke("grant-1", LATER, an_event())
    assert not await store.prolong("grant-1", 1, LATER, idle, kept, an_event())


@pytest.mark.spec("9700-2.2.2-a")
async def test_a_revoked_authorization_stays_dead(store: ServerStore) -> None:
    await grant(store, generation=1)
    assert await store.revoke("grant-1", LATER, an_event())
    assert not await store.revoke("grant-1", DAYS, an_event())
    assert not await store.use_code("grant-1", LATER, an_event())
    assert not await store.rotate("grant-1", 1, LATER, DAYS, DAYS, an_event())
    assert (await standing(store)).authorization == an_authorization(generation=1, revoked_at=LATER)
    assert not await store.revoke("nothing", LATER, an_event())


# --- what a store refuses ----------------------------------------------------------------------------------------


async def twice_a_sign_in(store: ServerStore) -> None:
    await store.insert_sign_in(a_sign_in(digest="another"), an_event())


async def a_handle_twice(store: ServerStore) -> None:
    await store.insert_sign_in(a_sign_in("sid-2", digest=a_sign_in().digest), an_event())


async def a_renewed_handle_twice(store: ServerStore) -> None:
    await store.insert_sign_in(a_sign_in("sid-2"), an_event())
    await store.renew_sign_in("sid-2", a_sign_in().digest, LATER, an_event())


async def twice_an_interaction(store: ServerStore) -> None:
    for _ in range(2):
        await store.insert_interaction(an_interaction())


async def twice_an_id(store: ServerStore) -> None:
    await grant(store)
    await grant(store, code_digest="another")


async def twice_a_code(store: ServerStore) -> None:
    await grant(store)
    await grant(store, "grant-2", code_digest=an_authorization().code_digest)


async def twice_a_kid(store: ServerStore) -> None:
    for _ in range(2):
        await store.insert_signing_key(a_key(), an_event())


async def a_sign_in_of_nobody(store: ServerStore) -> None:
    await store.insert_sign_in(a_sign_in("sid-2", sub=Subject("nobody")), an_event())


async def a_consent_to_nobody(store: ServerStore) -> None:
    await store.add_consent(replace(consent(), client_id=ClientId("nobody")), an_event())


async def a_grant_of_nobody(store: ServerStore) -> None:
    await grant(store, sub=Subject("nobody"))


async def a_grant_for_nobody(store: ServerStore) -> None:
    await grant(store, client_id=ClientId("nobody"))


@pytest.mark.parametrize(
    "fault",
    [
        twice_a_sign_in,
        a_handle_twice,
        a_renewed_handle_twice,
        twice_an_interaction,
        twice_an_id,
        twice_a_code,
        twice_a_kid,
        a_sign_in_of_nobody,
        a_consent_to_nobody,
        a_grant_of_nobody,
        a_grant_for_nobody,
    ],
)
async def test_a_store_refuses(store: ServerStore, fault: Callable[[ServerStore], Awaitable[None]]) -> None:
    with pytest.raises(ServerError) as raised:
        await fault(store)
    assert raised.value.finding is Finding.STORE_CONFLICT


# --- signing keys ------------------------------------------------------------------------------------------------


async def test_the_first_signing_keys_are_put_once(server_store: ServerStore) -> None:
    first = [a_key("b"), a_key("a")]
    assert await server_store.insert_first_signing_keys(first, an_event())
    assert not await server_store.insert_first_signing_keys([a_key("c")], an_event())
    assert await server_store.list_signing_keys() == [a_key("a"), a_key("b")]


@pytest.mark.spec("OC-10.1.1-a")
async def test_a_signing_key_is_added_and_retired(server_store: ServerStore) -> None:
    await server_store.insert_first_signing_keys([a_key()], an_event())
    await server_store.insert_signing_key(a_key("key-0", LATER), an_event())
    await server_store.retire_signing_key("key-1", LATER, DAYS, an_event())
    await server_store.retire_signing_key("nothing", LATER, DAYS, an_event())
    retired = replace(a_key(), retired_at=LATER, remove_at=DAYS)
    assert await server_store.list_signing_keys() == [retired, a_key("key-0", LATER)]


# --- throttles ---------------------------------------------------------------------------------------------------

LIMIT = Limit("addresses", burst=2, period=10)
BACKOFF = Backoff("accounts", free=2, first=30, longest=3600)


async def test_a_limit_counts_by_rule_and_key(server_store: ServerStore) -> None:
    assert await server_store.take(LIMIT, "a", START) is None
    assert await server_store.take(LIMIT, "a", START) is None
    assert await server_store.take(LIMIT, "a", START) == Refused(10)
    assert await server_store.take(LIMIT, "b", START) is None
    assert await server_store.take(replace(LIMIT, name="others"), "a", START) is None
    assert await server_store.take(LIMIT, "a", LATER) is None


async def test_failures_are_counted_until_they_are_forgotten(server_store: ServerStore) -> None:
    assert await server_store.take(BACKOFF, "ann", START) is None
    assert await server_store.take(BACKOFF, "ann", START) is None
    assert await server_store.take(BACKOFF, "ann", START) == Refused(30)
    await server_store.reset(BACKOFF, "ann")
    assert await server_store.take(BACKOFF, "ann", START) is None
    await server_store.reset(BACKOFF, "nobody")


async def test_to_look_counts_nothing(server_store: ServerStore) -> None:
    for _ in range(3):
        assert await server_store.look(LIMIT, "a", START) is None
    await server_store.take(LIMIT, "a", START)
    assert await server_store.look(LIMIT, "a", START) is None
    await server_store.take(LIMIT, "a", START)
    for _ in range(3):
        assert await server_store.look(LIMIT, "a", START) == Refused(10)
    assert await server_store.look(LIMIT, "b", START) is None
    assert await server_store.look(LIMIT, "a", LATER) is None


async def test_keys_with_attempts_are_listed_by_their_digests(server_store: ServerStore) -> None:
    for key in ("a", "b", "c"):
        await server_store.take(LIMIT, key, START)
    await server_store.take(replace(LIMIT, name="others"), "d", START)
    await server_store.reset(LIMIT, "b")
    assert sorted(await server_store.list_counted(LIMIT, START, 10)) == sorted([digest_of("a"), digest_of("c")])
    assert len(await server_store.list_counted(LIMIT, START, 1)) == 1
    assert await server_store.list_counted(LIMIT, LATER, 10) == []


async def test_attempts_at_once_are_all_counted(server_store: ServerStore) -> None:
    refused: list[Refused | None] = []

    async def attempt() -> None:
        refused.append(await server_store.take(Limit("many", burst=20, period=10), "key", START))

    async with anyio.create_task_group() as group:
        for _ in range(50):
            group.start_soon(attempt)
    assert refused.count(None) == 20


# --- upkeep ------------------------------------------------------------------------------------------------------


async def test_purge_takes_what_is_over_and_nothing_else(store: ServerStore) -> None:
    await store.insert_interaction(an_interaction("over"))
    await store.insert_interaction(an_interaction("live", expires_at=DAYS))
    await grant(store, "over", expires_at=LATER)
    await grant(store, "live")
    await store.insert_sign_in(a_sign_in("over", absolute_expires_at=LATER), an_event())
    await store.take(LIMIT, "over", START)
    await store.insert_signing_key(a_key("over"), an_event())
    await store.insert_signing_key(a_key("live"), an_event())
    await store.retire_signing_key("over", START, LATER, an_event())
    await store.retire_signing_key("live", START, DAYS, an_event())

    assert await store.purge(Instant(START + 600)) == 5
    assert await store.purge(Instant(START + 600)) == 0

    assert await store.find_interaction(an_interaction("over").digest) is None
    assert await store.find_interaction(an_interaction("live").digest)
    assert await store.find_authorization("over") is None
    assert await store.find_code(digest_of("code of over")) is None
    assert await store.find_authorization("live")
    assert await store.find_sign_in(a_sign_in("over").digest) is None
    assert await store.find_sign_in(a_sign_in().digest)
    assert [key.kid for key in await store.list_signing_keys()] == ["live"]


async def test_a_used_code_is_kept_while_its_tokens_may_live(store: ServerStore) -> None:
    await grant(store)
    await store.use_code("grant-1", START, an_event())
    await store.purge(Instant(START + 3600))
    assert (await standing(store)).authorization.code_used_at == START


async def test_failures_outlive_the_longest_delay(server_store: ServerStore) -> None:
    for _ in range(2):
        await server_store.take(BACKOFF, "ann", START)
    assert await server_store.purge(Instant(START + 30)) == 0
    assert await server_store.take(BACKOFF, "ann", Instant(START + 30)) is None
    assert await server_store.take(BACKOFF, "ann", Instant(START + 60)) == Refused(30)
    assert await server_store.purge(DAYS) == 1


async def test_purge_goes_on_in_batches_until_nothing_is_left(store: ServerStore) -> None:
    for number in range(25):
        await store.insert_interaction(an_interaction(f"flow {number}"))
        await grant(store, f"grant {number}")
    counts = [await store.purge(DAYS, batch=20) for _ in range(4)]
    assert counts == [20, 20, 11, 0]  # with ann's sign-in


async def test_a_store_answers_a_ping(server_store: ServerStore) -> None:
    await server_store.ping()


# --- single use, within one process ------------------------------------------------------------------------------


async def race(attempt: Callable[[], Awaitable[object]], times: int = 50) -> int:
    results: list[object] = []

    async def one() -> None:
        results.append(await attempt())

    async with anyio.create_task_group() as group:
        for _ in range(times):
            group.start_soon(one)
    return sum(result is True for result in results)


@pytest.mark.spec("X-rot-a", "6749-4.1.2-a")
async def test_of_many_tasks_one_wins(store: ServerStore) -> None:
    await grant(store)
    await grant(store, "family", generation=1)
    await store.insert_interaction(an_interaction())
    digest = an_interaction().digest
    assert await race(lambda: store.use_code("grant-1", LATER, an_event())) == 1
    assert await race(lambda: store.rotate("family", 1, LATER, DAYS, DAYS, an_event())) == 1
    assert await race(lambda: store.use_interaction(digest, LATER)) == 1
    assert await race(lambda: store.revoke("family", LATER, an_event())) == 1
    assert await race(lambda: store.end_sign_in("sid-1", LATER, an_event())) == 1
    assert await race(lambda: store.insert_first_signing_keys([a_key()], an_event())) == 1
