"""`proofkey client add`: what kind of tokens a client gets, and the grant by which an API passes them on."""

import pytest

from proofkey.protocol.text import ClientId
from proofkey.protocol.token_messages import TOKEN_EXCHANGE
from proofkey.store.sql import SqliteServerStore
from tests.cli.admin.admin_kit import Proofkey


async def test_a_client_gets_opaque_tokens_when_it_is_asked_for(
    store: SqliteServerStore, proofkey: Proofkey
) -> None:
    words = ("--redirect-uri", "https://rp.test/cb", "--access-token-format", "opaque", "--json")
    assert proofkey("client", "add", "web", *words).document["access_token_format"] == "opaque"
    found = await store.find_client(ClientId("web"))
    assert found
    assert found.access_token_format == "opaque"


@pytest.mark.spec("8693-2-a †")
async def test_an_api_gets_the_grant_and_a_public_client_does_not(
    store: SqliteServerStore, proofkey: Proofkey
) -> None:
    added = proofkey("client", "add", "api", "--grant", TOKEN_EXCHANGE, "--scope", "stock:read", "--json")
    assert added.document["grant_types"] == [TOKEN_EXCHANGE]
    assert await store.find_client(ClientId("api"))
    refused = proofkey("client", "add", "spa", "--grant", TOKEN_EXCHANGE, "--public")
    assert refused.status == 2
    assert await store.find_client(ClientId("spa")) is None
