"""`proofkey client add --jwks`: a client that signs instead of sending a secret."""

import json
from pathlib import Path

import pytest

from proofkey.protocol.text import ClientId
from proofkey.store.sql import SqliteServerStore
from proofkey.testing.tokens import key_for_tests, key_set_document
from tests.cli.admin.admin_kit import Proofkey

KEY = key_for_tests("ES256", "client-key")


@pytest.mark.spec("9700-2.5-a", "9449-5.2-a")
async def test_a_client_with_keys_has_no_secret(
    store: SqliteServerStore, proofkey: Proofkey, tmp_path: Path
) -> None:
    file = tmp_path / "keys.json"
    file.write_bytes(key_set_document(KEY))
    redirect = ("--redirect-uri", "https://rp.test/cb")
    done = proofkey("client", "add", "signed", *redirect, "--jwks", str(file), "--dpop", "--json")
    assert "client_secret" not in done.document
    client = await store.find_client(ClientId("signed"))
    assert client
    assert (client.token_endpoint_auth_method, client.secret_digest) == ("private_key_jwt", None)
    assert json.loads(client.jwks or "") == {"keys": [KEY.public_jwk]}
    assert client.dpop_bound_access_tokens


@pytest.mark.spec("7591-2")
async def test_a_client_with_keys_elsewhere_has_no_secret(store: SqliteServerStore, proofkey: Proofkey) -> None:
    options = ("--redirect-uri", "https://rp.test/cb", "--jwks-uri", "https://rp.test/jwks")
    done = proofkey("client", "add", "signed", *options, "--json")
    assert done.document["jwks_uri"] == "https://rp.test/jwks"
    assert "client_secret" not in done.document
    client = await store.find_client(ClientId("signed"))
    assert client
    assert (client.token_endpoint_auth_method, client.jwks, client.secret_digest) == (
        "private_key_jwt",
        None,
        None,
    )
    assert (client.jwks_uri, client.is_public) == ("https://rp.test/jwks", False)


@pytest.mark.parametrize(
    "options",
    [("--jwks-uri", "http://rp.test/jwks"), ("--jwks-uri", "https://rp.test/jwks", "--public")],
    ids=["http", "a public client"],
)
async def test_keys_elsewhere_are_refused_where_they_cannot_be(
    store: SqliteServerStore, proofkey: Proofkey, options: tuple[str, ...]
) -> None:
    done = proofkey("client", "add", "signed", "--redirect-uri", "https://rp.test/cb", *options)
    assert done.status == 2
    assert "jwks_uri" in done.err
    assert await store.find_client(ClientId("signed")) is None


@pytest.mark.parametrize(
    ("content", "options"),
    [
        pytest.param(json.dumps({"keys": [KEY.private_jwk]}), (), id="a private key"),
        pytest.param("no JSON", (), id="no key set"),
        pytest.param(key_set_document(KEY).decode(), ("--public",), id="a public client"),
    ],
)
async def test_such_a_client_is_refused_in_one_line(
    store: SqliteServerStore, proofkey: Proofkey, tmp_path: Path, content: str, options: tuple[str, ...]
) -> None:
    file = tmp_path / "keys.json"
    file.write_text(content)
    redirect = ("--redirect-uri", "https://rp.test/cb")
    done = proofkey("client", "add", "signed", *redirect, "--jwks", str(file), *options)
    assert done.status == 2
    assert "jwks" in done.err
    assert KEY.private_jwk["d"] not in done.err
    assert await store.find_client(ClientId("signed")) is None
