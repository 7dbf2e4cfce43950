"""What every `ServerStore` must do about opaque access tokens, and that one caller revokes one."""

from dataclasses import replace
from pathlib import Path

import pytest

from proofkey.authorization_server.records import OpaqueToken
from proofkey.authorization_server.stores import ServerStore
from proofkey.errors import ServerError
from proofkey.protocol.text import ClientId, Instant, Subject, digest_of
from proofkey.store.sql import SqliteServerStore
from proofkey.testing.races import Attempt, OpenServer, count_winners
from proofkey.testing.stores import START, a_client, a_user, an_authorization, an_event, an_opaque_token
from proofkey.testing.stores_check_then_set import CheckThenSetServerStore
from tests.store.contract_kit import LATER, consent, grant, standing

DIGEST = digest_of("opaque-1")


async def row(store: ServerStore) -> OpaqueToken:
    found = await store.find_opaque_token(DIGEST)
    assert found
    assert found.row
    return found.row


async def test_a_token_comes_back_with_all_that_the_decision_looks_at(store: ServerStore) -> None:
    await grant(store)
    await store.add_consent(consent(), an_event())
    await store.insert_opaque_token(an_opaque_token())
    found = await store.find_opaque_token(DIGEST)
    assert found
    assert found.row == an_opaque_token()
    assert found.holder == a_client()
    assert (found.authorization_id, found.grant) == ("grant-1", await standing(store))
    assert await store.find_opaque_token("opaque-1") is None


async def test_its_holder_need_not_be_the_client_of_the_grant(store: ServerStore) -> None:
    await grant(store)
    await store.put_client(a_client("api"), START)
    await store.insert_opaque_token(an_opaque_token(client_id=ClientId("api")))
    await store.disable_client(ClientId("api"), LATER, an_event())
    found = await store.find_opaque_token(DIGEST)
    assert found
    assert found.holder == a_client("api", disabled=True)
    assert found.grant
    assert found.grant.client == a_client()


async def test_what_is_gone_is_missing(store: ServerStore) -> None:
    await store.insert_opaque_token(an_opaque_token())
    await store.delete_user(Subject("sub-of-ann"), LATER, an_event())
    found = await store.find_opaque_token(DIGEST)
    assert found
    assert (found.authorization_id, found.grant) == ("grant-1", None), "the row of the grant was purged"


async def test_a_clients_own_token_has_neither_grant_nor_person(store: ServerStore) -> None:
    await store.insert_opaque_token(an_opaque_token(authorization_id=None, sub=None))
    found = await store.find_opaque_token(DIGEST)
    assert found
    assert (found.authorization_id, found.grant) == (None, None)
    assert await row(store) == an_opaque_token(authorization_id=None, sub=None)


async def test_it_is_revoked_once(store: ServerStore) -> None:
    await store.insert_opaque_token(an_opaque_token())
    assert await store.revoke_opaque_token(an_opaque_token(), LATER, an_event())
    assert not await store.revoke_opaque_token(an_opaque_token(), Instant(LATER + 1), an_event())
    assert await row(store) == an_opaque_token(revoked_at=LATER), "everything else of it stays"


async def test_a_token_without_a_row_is_remembered_as_revoked(store: ServerStore) -> None:
    token = an_opaque_token(claims={}, sub=None)
    assert await store.revoke_opaque_token(token, LATER, an_event())
    assert not await store.revoke_opaque_token(token, LATER, an_event())
    assert await row(store) == replace(token, revoked_at=LATER)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"client_id": ClientId("nobody")}, id="unknown client"),
        pytest.param({"sub": Subject("nobody")}, id="unknown user"),
    ],
)
async def test_a_reference_to_nobody_is_refused(store: ServerStore, changes: dict[str, str]) -> None:
    with pytest.raises(ServerError):
        await store.insert_opaque_token(an_opaque_token(**changes))
    with pytest.raises(ServerError):
        await store.revoke_opaque_token(an_opaque_token(**changes), LATER, an_event())
    assert await store.find_opaque_token(DIGEST) is None


async def test_two_tokens_are_never_one(store: ServerStore) -> None:
    await store.insert_opaque_token(an_opaque_token())
    with pytest.raises(ServerError):
        await store.insert_opaque_token(an_opaque_token(sub=None))
    assert await row(store) == an_opaque_token()


async def test_it_is_purged_when_it_is_over(store: ServerStore) -> None:
    await store.insert_opaque_token(an_opaque_token())
    await store.insert_opaque_token(an_opaque_token("longer", expires_at=Instant(START + 901)))
    while await store.purge(Instant(START + 899)):
        pass
    assert await row(store) == an_opaque_token()
    assert await store.purge(Instant(START + 900), batch=5)
    assert await store.find_opaque_token(DIGEST) is None
    assert await store.find_opaque_token(digest_of("longer"))


# --- races -------------------------------------------------------------------------------------------------------

RACES = [Attempt("revoke_opaque_token", (an_opaque_token(), LATER, an_event()))]
FRESH = Attempt("revoke_opaque_token", (an_opaque_token("a JWT", claims={}, sub=None), LATER, an_event()))


async def fill(file: Path) -> None:
    store = SqliteServerStore.open(file)
    await store.put_client(a_client(), START)
    await store.put_user(a_user(), START)
    await store.insert_authorization(an_authorization(sid=None), an_event())
    await store.insert_opaque_token(an_opaque_token())
    await store.aclose()


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.spec("7009-2-a", "threats §2 row 12")
async def test_of_fifty_in_two_processes_one_revokes(file: Path, anyio_backend: str) -> None:
    await fill(file)
    assert count_winners(OpenServer(file), [*RACES, FRESH]) == [1, 1]


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_store_that_checks_then_sets_lets_many_revoke(file: Path, anyio_backend: str) -> None:
    await fill(file)
    counts = count_winners(OpenServer(file, CheckThenSetServerStore), RACES)
    assert all(count > 1 for count in counts), counts
