"""What every `ServerStore` must do about clients that describe themselves."""

from dataclasses import replace

import pytest

from proofkey.authorization_server.records import RegisteredClient
from proofkey.authorization_server.stores import ServerStore
from proofkey.protocol.text import ClientId, Instant
from proofkey.testing.stores import START, a_client, an_event
from tests.store.contract_kit import DAYS, LATER

ID = ClientId("https://app.test/client.json")


def described(name: str = "App", **changes: object) -> RegisteredClient:
    client = a_client(ID, self_registered=True, client_name=name, document_until=int(LATER), **changes)
    return RegisteredClient(client=client, token_digest="none", registered_at=START, expires_at=DAYS)


async def test_a_described_client_is_put_and_replaced(store: ServerStore) -> None:
    await store.put_document_client(described(), START, an_event())
    assert await store.find_client(ID) == described().client
    later = replace(described("Another"), expires_at=Instant(DAYS + 10))
    await store.put_document_client(later, LATER, None)
    assert await store.find_client(ID) == later.client
    assert await store.find_registered(ID) == later
    while await store.purge(DAYS):
        pass
    assert await store.find_client(ID) == later.client


@pytest.mark.spec("7591-5-a / V10-10.4.7")
async def test_one_that_nobody_allowed_anything_is_forgotten(store: ServerStore) -> None:
    await store.put_document_client(described(), START, None)
    while await store.purge(DAYS):
        pass
    assert await store.find_client(ID) is None


async def test_one_that_is_kept_stays_kept_and_follows_its_document(store: ServerStore) -> None:
    await store.put_document_client(described(), START, None)
    assert await store.keep_client(ID, START)
    await store.put_document_client(described("Another"), LATER, None)
    while await store.purge(DAYS):
        pass
    assert await store.find_client(ID) == described("Another").client


async def test_one_that_is_disabled_stays_so(store: ServerStore) -> None:
    await store.put_document_client(described(), START, None)
    assert await store.disable_client(ID, LATER, an_event())
    await store.put_document_client(described("Another"), LATER, None)
    found = await store.find_client(ID)
    assert found == replace(described("Another").client, disabled=True)
