"""What every `ServerStore` must do about clients that registered themselves."""

from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from proofkey.authorization_server.records import RegisteredClient
from proofkey.authorization_server.stores import ServerStore
from proofkey.errors import ServerError
from proofkey.findings import Finding
from proofkey.protocol.registration import ClientRegistration
from proofkey.protocol.text import ClientId, digest_of
from proofkey.store.sql import SqliteServerStore
from proofkey.testing.races import Attempt, OpenServer, count_winners
from proofkey.testing.stores import START, a_client, an_event
from proofkey.testing.stores_check_then_set import CheckThenSetServerStore
from tests.store.contract_kit import ANN, DAYS, LATER, consent, grant, standing

NAME = ClientId("self")
TOKEN, OTHER = digest_of("a token"), digest_of("another token")
RACE = [Attempt("replace_registered", (a_client(NAME, self_registered=True), TOKEN, OTHER, LATER, an_event()))]


def a_registered(**changes: object) -> RegisteredClient:
    client = a_client(NAME, self_registered=True, contacts=("ann@rp.test",), changed_at=START)
    members = {"client": client, "token_digest": TOKEN, "registered_at": START, "expires_at": DAYS}
    return RegisteredClient(**members | changes)  # type: ignore[arg-type]  # the callers name its fields


async def put(store: ServerStore) -> ClientRegistration:
    registered = a_registered()
    await store.insert_registered(registered, an_event())
    return registered.client


async def use(store: ServerStore) -> None:
    assert await store.keep_client(NAME, LATER)
    await store.add_consent(replace(consent("openid"), client_id=NAME), an_event())
    await grant(store, "of-self", client_id=NAME)


async def test_a_registration_comes_back_as_it_was(store: ServerStore) -> None:
    client = await put(store)
    assert await store.find_registered(NAME) == a_registered()
    assert await store.find_client(NAME) == client
    assert client in await store.list_clients()
    assert await store.find_registered(ClientId("web")) is None
    assert not await store.keep_client(ClientId("web"), LATER)
    with pytest.raises(ServerError) as refused:
        await put(store)
    assert refused.value.finding is Finding.STORE_CONFLICT


@pytest.mark.spec("7591-5-a / V10-10.4.7")
async def test_one_that_nobody_allowed_anything_is_forgotten(store: ServerStore) -> None:
    await put(store)
    await store.insert_registered(a_registered(client=a_client("kept", self_registered=True)), an_event())
    assert await store.keep_client(ClientId("kept"), LATER)
    while await store.purge(DAYS):
        pass
    assert await store.find_client(NAME) is None
    assert await store.find_registered(NAME) is None
    assert not await store.keep_client(NAME, DAYS)
    kept = await store.find_registered(ClientId("kept"))
    assert kept
    assert kept.expires_at is None
    assert await store.find_client(ClientId("kept")) == kept.client


async def test_in_use_it_has_grants_like_any_other(store: ServerStore) -> None:
    client = await put(store)
    await use(store)
    assert await store.keep_client(NAME, LATER)
    assert (await standing(store, "of-self")).client == client
    assert await store.find_consent(ANN, NAME)
    assert [one for one in await store.list_clients() if one.client_id == NAME] == [client]


@pytest.mark.parametrize("in_use", [False, True], ids=["unused", "in use"])
@pytest.mark.spec("7592 †")
async def test_one_token_replaces_it_once(store: ServerStore, in_use: bool) -> None:
    client = await put(store)
    if in_use:
        await use(store)
    changed = replace(client, client_name="Another")
    assert not await store.replace_registered(changed, OTHER, OTHER, LATER, an_event())
    assert await store.find_client(NAME) == client
    assert await store.replace_registered(changed, TOKEN, OTHER, LATER, an_event())
    assert not await store.replace_registered(client, TOKEN, TOKEN, LATER, an_event())
    assert await store.find_client(NAME) == changed
    found = await store.find_registered(NAME)
    assert found
    assert (found.client, found.token_digest) == (changed, OTHER)
    await store.keep_client(NAME, LATER)
    assert await store.find_client(NAME) == changed
    assert not await store.replace_registered(
        replace(client, client_id=ClientId("web")), OTHER, OTHER, LATER, an_event()
    )


async def test_the_operator_s_word_outlives_an_update(store: ServerStore) -> None:
    client = await put(store)
    assert await store.disable_client(NAME, LATER, an_event())
    assert await store.replace_registered(client, TOKEN, OTHER, LATER, an_event())
    found = await store.find_client(NAME)
    assert found
    assert found.disabled
    registered = await store.find_registered(NAME)
    assert registered
    assert registered.client.disabled
    assert await store.enable_client(NAME, LATER, an_event())
    assert await store.find_client(NAME) == client


@pytest.mark.spec("7592 †")
async def test_deleted_and_unused_it_is_gone(store: ServerStore) -> None:
    await put(store)
    assert not await store.delete_registered(NAME, OTHER, LATER, an_event())
    assert await store.delete_registered(NAME, TOKEN, LATER, an_event())
    assert not await store.delete_registered(NAME, TOKEN, LATER, an_event())
    assert await store.find_client(NAME) is None
    assert not await store.enable_client(NAME, LATER, an_event())
    assert not await store.disable_client(NAME, LATER, an_event())


@pytest.mark.spec("7592 †")
async def test_deleted_with_grants_it_stays_dead(store: ServerStore) -> None:
    await put(store)
    await use(store)
    assert await store.delete_registered(NAME, TOKEN, LATER, an_event())
    assert await store.find_registered(NAME) is None
    left = (await standing(store, "of-self")).client
    assert left
    assert left.disabled
    assert left.is_emptied
    assert not left.redirect_uris
    assert left.secret_digest is None
    assert not await store.enable_client(NAME, LATER, an_event())
    assert not await store.replace_registered(a_registered().client, TOKEN, OTHER, LATER, an_event())


async def test_of_many_tasks_one_updates_it(store: ServerStore) -> None:
    client = await put(store)
    won: list[bool] = []

    async def attempt(number: int) -> None:
        won.append(await store.replace_registered(client, TOKEN, digest_of(str(number)), LATER, an_event()))

    async with anyio.create_task_group() as group:
        for number in range(50):
            group.start_soon(attempt, number)
    assert won.count(True) == 1


async def fill(file: Path) -> None:
    store = SqliteServerStore.open(file)
    await put(store)
    await store.aclose()


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.spec("7592 †")
async def test_of_fifty_in_two_processes_one_updates_it(file: Path, anyio_backend: str) -> None:
    await fill(file)
    assert count_winners(OpenServer(file), RACE) == [1]


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_store_that_checks_then_sets_has_many_winners(file: Path, anyio_backend: str) -> None:
    await fill(file)
    (count,) = count_winners(OpenServer(file, CheckThenSetServerStore), RACE)
    assert count > 1
