"""`proofkey client add --device`: clients that have no browser of their own (RFC 8628)."""

import pytest

from proofkey.protocol.text import ClientId
from proofkey.protocol.token_messages import DEVICE_CODE
from proofkey.store.sql import SqliteServerStore
from tests.cli.admin.admin_kit import Proofkey


@pytest.mark.spec("8628-3.1..3.5")
@pytest.mark.parametrize(
    ("words", "grants"),
    [
        pytest.param(["--public"], {DEVICE_CODE, "refresh_token"}, id="public, without a redirect URI"),
        pytest.param([], {DEVICE_CODE, "refresh_token"}, id="with a secret"),
        pytest.param(
            ["--redirect-uri", "https://rp.test/cb"],
            {DEVICE_CODE, "refresh_token", "authorization_code"},
            id="beside the code flow",
        ),
        pytest.param(["--grant", DEVICE_CODE], {DEVICE_CODE}, id="without refresh tokens"),
    ],
)
async def test_a_device_needs_no_redirect_uri(
    store: SqliteServerStore, proofkey: Proofkey, words: list[str], grants: set[str]
) -> None:
    added = proofkey("client", "add", "tv", "--device", *words, "--json")
    assert set(added.document["grant_types"]) == grants
    found = await store.find_client(ClientId("tv"))
    assert found is not None
    assert found.grant_types == grants
    assert found.is_public == ("--public" in words)
