"""`proofkey client`, on the store that a server has open."""

from pathlib import Path

import pytest

from proofkey.protocol.client_authentication import check_client_secret
from proofkey.protocol.text import ClientId, Secret
from proofkey.runtime.settings import Settings
from proofkey.store.sql import SqliteServerStore
from proofkey.testing.stores import (
    START,
    a_client,
    a_user,
)
from tests.cli.admin.admin_kit import Proofkey

# --- client ------------------------------------------------------------------------------------------------------


@pytest.mark.spec("O21-7.7-a")
async def test_a_client_is_added_and_its_secret_is_shown_once(
    store: SqliteServerStore, proofkey: Proofkey
) -> None:
    uri = "https://rp.test/auth/callback"
    done = proofkey("client", "add", "web", "--redirect-uri", uri, "--name", "The ‘Web’", "--scope", "openid a:b")
    client = await store.find_client(ClientId("web"))
    assert client
    assert client.redirect_uris == {uri}
    assert client.scope == ("openid", "a:b")
    assert client.id_token_signed_response_alg == "ES256"
    assert client.token_endpoint_auth_method == "client_secret_basic"

    import tomllib

    login = tomllib.loads(done.out)["login"]
    check_client_secret(Secret(login.pop("client_secret")), client)
    assert login == {
        "issuer": "https://login.acme.test",
        "client_id": "web",
        "public_url": "https://rp.test",
    }
    assert "client_secret" not in proofkey("client", "list", "--json").document[0]


@pytest.mark.spec("OC-15.1-a", "OC-8.1-a")
async def test_a_client_brings_the_keys_that_it_needs(store: SqliteServerStore, proofkey: Proofkey) -> None:
    words = ("--id-token-alg", "Ed25519", "--userinfo-alg", "EdDSA", "--pairwise")
    done = proofkey("client", "add", "web", "--redirect-uri", "https://rp.test/cb", *words, "--json")
    assert done.document["subject_type"] == "pairwise"
    client = await store.find_client(ClientId("web"))
    assert client
    found = (client.id_token_signed_response_alg, client.userinfo_signed_response_alg, client.subject_type)
    assert found == ("Ed25519", "EdDSA", "pairwise")
    assert {key.algorithm for key in await store.list_signing_keys()} >= {"Ed25519", "EdDSA"}


async def test_the_printed_configuration_is_one_that_settings_take(
    store: SqliteServerStore, proofkey: Proofkey, tmp_path: Path
) -> None:
    done = proofkey("client", "add", "web", "--redirect", "https://rp.test/auth/callback")
    file = tmp_path / "client.toml"
    file.write_text(done.out)
    settings = Settings.load(file, {})
    assert (settings.login.client_id, settings.login.public_url) == ("web", "https://rp.test")


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        (["--public"], {"token_endpoint_auth_method": "none", "application_type": "web"}),
        (["--native"], {"token_endpoint_auth_method": "none", "application_type": "native"}),
        (["--auth-method", "client_secret_post"], {"token_endpoint_auth_method": "client_secret_post"}),
        (["--post-logout-redirect-uri", "https://rp.test/"], {"post_logout_redirect_uris": ["https://rp.test/"]}),
        (["--grant", "authorization_code"], {"grant_types": ["authorization_code"]}),
        (
            ["--backchannel-logout-uri", "https://rp.test/out"],
            {"backchannel_logout_uri": "https://rp.test/out"},
        ),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
async def test_a_client_of_another_kind(
    store: SqliteServerStore, proofkey: Proofkey, options: list[str], wanted: dict[str, object]
) -> None:
    done = proofkey("client", "add", "one", "--redirect-uri", "https://rp.test/cb", *options, "--json")
    assert wanted.items() <= done.document.items()
    assert ("client_secret" in done.document) is (done.document["token_endpoint_auth_method"] != "none")


async def test_a_client_without_people_needs_no_redirect_uri(store: SqliteServerStore, proofkey: Proofkey) -> None:
    done = proofkey("client", "add", "job", "--grant", "client_credentials", "--scope", "orders:read", "--json")
    assert (done.document["grant_types"], done.document["response_types"]) == (["client_credentials"], [])


@pytest.mark.parametrize(
    ("arguments", "finding"),
    [
        (["web"], "CLI-17"),
        (["web", "--redirect-uri", "http://rp.test/cb"], "RED-"),
        (["web", "--redirect-uri", "https://rp.test/cb#x"], "RED-"),
        (["web", "--redirect-uri", "https://rp.test/cb", "--backchannel-logout-uri", "http://rp.test"], "CLI-17"),
        (["web", "--redirect-uri", "https://rp.test/cb", "--grant", "password"], "CLI-17"),
        (["web", "--redirect-uri", "https://rp.test/cb", "--scope", "a  b"], "SCP-01"),
        (["web", "--redirect-uri", "https://rp.test/cb", "--public", "--grant", "client_credentials"], "CLI-17"),
        (["sub-of-ann", "--redirect-uri", "https://rp.test/cb"], "CLI-17"),
        (["there", "--redirect-uri", "https://rp.test/cb"], "CLI-20"),
    ],
)
@pytest.mark.spec("9700-4.15-a", "9700-2.1-a")
async def test_a_bad_registration_is_refused(
    store: SqliteServerStore, proofkey: Proofkey, arguments: list[str], finding: str
) -> None:
    await store.put_user(a_user(), START)
    await store.put_client(a_client("there"), START)
    done = proofkey("client", "add", *arguments)
    assert (done.status, done.out) == (2, "")
    assert f"({finding}" in done.err
    assert [client.client_id for client in await store.list_clients()] == ["there"]


async def test_a_client_is_disabled_and_enabled(store: SqliteServerStore, proofkey: Proofkey) -> None:
    await store.put_client(a_client(), START)
    assert proofkey("client", "disable", "web", "--json").document == {"client_id": "web", "result": "disabled"}
    assert await store.find_client(ClientId("web")) == a_client(disabled=True)
    assert proofkey("client", "list").out.splitlines()[1].endswith("disabled")
    assert proofkey("client", "enable", "web").status == 0
    assert await store.find_client(ClientId("web")) == a_client()


@pytest.mark.parametrize("command", ["disable", "enable"])
async def test_an_unknown_client_is_said_to_be_unknown(
    store: SqliteServerStore, proofkey: Proofkey, command: str
) -> None:
    done = proofkey("client", command, "nobody")
    assert done.status == 2
    assert "CLI-10" in done.err
