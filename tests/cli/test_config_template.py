"""`proofkey config template`."""

import json
import stat
from pathlib import Path

import pytest

from tests.cli.conftest import RunCli

PROVIDERS = ("auth0", "entra", "google", "keycloak", "okta", "cognito")
APP = ("--name", "Orders", "--public-url", "https://app.test")
API = ("--audience", "https://api.test", "--scope", "orders:read", "--role", "admin")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("provider", PROVIDERS)
def test_data_goes_to_stdout_and_the_uris_to_stderr(cli: RunCli, provider: str):
    ran = cli("config", "template", provider, *APP, *API)
    assert ran.status == 0
    if provider != "google":
        assert json.loads(ran.out)
    assert "https://app.test/auth/callback\n" in ran.err
    assert ("https://app.test/auth/signed-out\n" in ran.err) == (provider != "google")
    assert "\x1b" not in ran.out + ran.err


@pytest.mark.parametrize("provider", PROVIDERS)
def test_json_is_one_document_with_files_and_uris(cli: RunCli, provider: str):
    ran = cli("config", "template", provider, *APP, *API, "--json")
    document = json.loads(ran.out)
    assert document["provider"] == provider
    assert {"kind": "redirect URI", "uri": "https://app.test/auth/callback"} in document["register"]
    assert document["files"]
    assert document["registration"]["api"]["resource"] == "https://api.test"


def test_the_neutral_document_of_one_run_is_the_source_of_the_next(cli: RunCli, folder: Path):
    first = cli("config", "template", "auth0", *APP, *API, "--service-client", "worker", "--st-login", "--json")
    source = folder / "orders.json"
    source.write_text(json.dumps(json.loads(first.out)["registration"]))
    again = cli("config", "template", "auth0", "--registration", str(source), "--json")
    assert json.loads(again.out)["files"] == json.loads(first.out)["files"]


@pytest.mark.spec("ST-4")
def test_st_login_comes_back_to_its_own_path_from_login_and_logout(cli: RunCli):
    (client,) = json.loads(cli("config", "template", "auth0", *APP, "--st-login").out)["clients"]
    for name in ("callbacks", "allowed_logout_urls"):
        assert "https://app.test/oauth2callback" in client[name]


def test_the_configuration_gives_what_no_option_gives(cli: RunCli, folder: Path):
    (folder / "proofkey.toml").write_text(
        """
        [login]
        issuer = "https://id.test/realms/shop"
        client_id = "shop"
        client_secret_file = "not-there-before-the-registration"
        public_url = "https://shop.test"
        audience = "https://api.shop.test"
        scope = "openid profile orders:read"
        [server]
        resources = [{ identifier = "https://api.shop.test", scopes = ["orders:read", "orders:write"] }]
        """
    )
    realm = json.loads(cli("config", "template", "keycloak", "--role", "admin").out)
    (client,) = realm["clients"]
    assert (realm["realm"], client["clientId"]) == ("shop", "shop")
    assert client["redirectUris"] == ["https://shop.test/auth/callback"]
    assert {"orders:read", "orders:write"} <= {scope["name"] for scope in realm["clientScopes"]}
    other = json.loads(cli("config", "template", "keycloak", "--public-url", "https://other.test").out)
    assert other["clients"][0]["redirectUris"] == ["https://other.test/auth/callback"]


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (("keycloak",), "--public-url"),
        (("keycloak", "--public-url", "http://app.test"), "public_url"),
        (("keycloak", "--public-url", "https://app.test/path"), "public_url"),
        (("keycloak", *APP, "--scope", "orders:read"), "--audience"),
        (("keycloak", *APP, "--role", "admin"), "--audience"),
        (("keycloak", *APP, "--audience", "x", "--scope", 'a"b'), "scope"),
        (("keycloak", *APP, "--issuer", "http://id.test/realms/a"), "issuer"),
        (("keycloak", *APP, "--local"), "--local"),
        (("auth0", *APP, "--local", "--output", "out"), "--local"),
        (("keycloak", "--config", "missing.toml"), "missing.toml"),
        (("keycloak", "--registration", "missing.json"), "missing.json"),
        (("gitlab", *APP), "gitlab"),
    ],
)
def test_what_does_not_fit_ends_with_2_and_one_line(cli: RunCli, arguments: tuple[str, ...], names: str):
    ran = cli("config", "template", *arguments)
    assert (ran.status, ran.out) == (2, "")
    assert names in ran.err
    assert "fix:" in ran.err
    assert ran.err.count("\n") == 1


def test_files_go_into_a_folder_or_one_file_and_replace_nothing_unasked(cli: RunCli, folder: Path):
    ran = cli("config", "template", "keycloak", *APP, *API, "--output", "kc")
    assert (ran.status, ran.out) == (0, "")
    assert {path.name for path in (folder / "kc").iterdir()} == {"realm.json", "compose.yaml"}
    one = cli("config", "template", "keycloak", *APP, *API, "--output", "realm.json")
    assert (one.status, one.out) == (0, "")
    assert (folder / "realm.json").read_text() == (folder / "kc/realm.json").read_text()
    (folder / "realm.json").write_text("mine")
    refused = cli("config", "template", "keycloak", *APP, "--output", "realm.json")
    assert (refused.status, (folder / "realm.json").read_text()) == (2, "mine")
    assert "--force" in refused.err
    assert cli("config", "template", "keycloak", *APP, "--output", "realm.json", "--force").status == 0
    assert json.loads((folder / "realm.json").read_text())


@pytest.mark.spec("V13-13.3.1")
def test_a_local_realm_has_secrets_for_its_owner_alone_and_shows_none(cli: RunCli, folder: Path):
    ran = cli("config", "template", "keycloak", *APP, *API, "--local", "--output", "kc", "--json")
    assert ran.status == 0
    secrets = [(folder / "kc" / name).read_text().strip() for name in ("orders.secret", "users.password")]
    realm = (folder / "kc/realm.json").read_text()
    for secret in secrets:
        assert len(secret) >= 24
        assert secret in realm
        assert secret not in ran.out + ran.err
    for name in ("realm.json", "orders.secret", "users.password"):
        assert stat.S_IMODE((folder / "kc" / name).stat().st_mode) == 0o600
    assert [user["username"] for user in json.loads(realm)["users"]] == ["ann", "bob"]


def test_the_group_says_what_it_has(cli: RunCli):
    ran = cli("config")
    assert "template" in ran.out
    assert "streamlit" in ran.out
