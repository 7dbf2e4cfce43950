"""`proofkey client add` where the server has types of authorization_details, or the profile fapi2."""

import json
from pathlib import Path

import pytest

from proofkey.protocol.text import ClientId
from proofkey.store.sql import SqliteServerStore
from proofkey.testing.tokens import key_for_tests
from tests.cli.admin.admin_kit import Proofkey

CALLBACK = ("--redirect-uri", "https://rp.test/cb")
MARK = "[server]\n"


def write(config: Path, line: str) -> None:
    config.write_text(config.read_text().replace(MARK, f"{MARK}        {line}\n"))


@pytest.mark.spec("9396-10")
async def test_a_client_gets_its_types(config: Path, store: SqliteServerStore, proofkey: Proofkey) -> None:
    refused = proofkey("client", "add", "web", *CALLBACK, "--details-type", "payment")
    assert refused.status == 2
    assert "authorization_details_types" in refused.err
    write(config, 'authorization_details_types = [{ type = "payment" }]')
    done = proofkey("client", "add", "web", *CALLBACK, "--details-type", "payment", "--json")
    assert done.document["authorization_details_types"] == ["payment"]
    client = await store.find_client(ClientId("web"))
    assert client
    assert client.authorization_details_types == ("payment",)


@pytest.mark.spec("F2-5.3.2.1", "F2-5.4.1")
async def test_a_client_fits_the_profile(
    config: Path, tmp_path: Path, store: SqliteServerStore, proofkey: Proofkey
) -> None:
    write(config, 'profile = "fapi2"')
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps({"keys": [key_for_tests("ES256", "k").public_jwk]}))
    refused = proofkey("client", "add", "web", *CALLBACK)
    assert refused.status == 2
    assert "token_endpoint_auth_method" in refused.err
    assert "fapi2" in refused.err
    refused = proofkey("client", "add", "web", *CALLBACK, "--jwks", str(keys), "--id-token-alg", "RS256")
    assert (refused.status, "id_token_signed_response_alg" in refused.err) == (2, True)
    assert await store.find_client(ClientId("web")) is None
    assert proofkey("client", "add", "web", *CALLBACK, "--jwks", str(keys)).status == 0


@pytest.mark.spec("F2-5.4.1")
async def test_the_first_keys_fit_the_profile(config: Path, store: SqliteServerStore, proofkey: Proofkey) -> None:
    write(config, 'profile = "fapi2"')
    assert proofkey("keys", "add").status == 0
    assert [record.algorithm for record in await store.list_signing_keys()] == ["ES256"]
