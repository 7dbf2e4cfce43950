"""`proofkey client add`: how a client's requests come and its answers go back."""

import pytest

from proofkey.protocol.text import ClientId
from proofkey.store.sql import SqliteServerStore
from tests.cli.admin.admin_kit import Proofkey


@pytest.mark.spec("9126-5-a", "V10-10.4.12")
async def test_a_client_is_held_to_its_ways(store: SqliteServerStore, proofkey: Proofkey) -> None:
    words = ("--redirect-uri", "https://rp.test/cb", "--require-par", "--response-mode", "form_post", "--json")
    document = proofkey("client", "add", "web", *words).document
    assert document["require_pushed_authorization_requests"] is True
    assert document["response_modes"] == ["form_post"]
    found = await store.find_client(ClientId("web"))
    assert found
    assert found.require_pushed_authorization_requests
    assert found.response_modes == {"form_post"}


async def test_a_way_that_is_not_known_is_refused(store: SqliteServerStore, proofkey: Proofkey) -> None:
    done = proofkey("client", "add", "web", "--redirect-uri", "https://rp.test/cb", "--response-mode", "fragment")
    assert done.status == 2
    assert "response_modes" in done.err
    assert await store.find_client(ClientId("web")) is None
