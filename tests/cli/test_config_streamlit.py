"""`proofkey config streamlit`: what it writes, and that the installed Streamlit reads it."""

import json
import stat
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from streamlit import auth_util, config
from streamlit.runtime.secrets import Secrets
from streamlit.web.server.starlette import starlette_auth_routes

from tests.cli.conftest import Ran, RunCli

SECRET = "Hq7vXc2Lr9Zt4Mw8Np1Sk6Fb3GyTaEuIoRiVhWnDsQj"
ISSUERS = {
    "auth0": "https://tenant.eu.auth0.com/",
    "entra": "https://login.microsoftonline.com/7c1e0d6e-0000-4000-8000-000000000001/v2.0",
    "google": "https://accounts.google.com",
    "keycloak": "https://id.test/realms/orders",
    "okta": "https://org.okta.com/oauth2/default",
    "cognito": "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCdEf",
    "proofkey": "https://op.test",
}
API = ("--audience", "https://api.test", "--scope", "orders:read")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


Write = Callable[..., Ran]


@pytest.fixture
def write(cli: RunCli) -> Write:
    def call(provider: str, *more: str, public_url: str = "https://app.test", stdin: str = SECRET) -> Ran:
        api = () if provider == "google" else API
        words = ("--issuer", ISSUERS[provider], "--client-id", "client-1", "--public-url", public_url)
        return cli("config", "streamlit", provider, *words, *api, *more, stdin=f"{stdin}\n")

    return call


def secrets_of(project: Path) -> dict[str, Any]:
    return tomllib.loads((project / ".streamlit/secrets.toml").read_text())


@pytest.mark.spec("ST-1", "ST-2", "ST-11", "ST-13")
def test_auth0_gets_pkce_audience_scopes_and_the_token(write: Write, project: Path):
    ran = write("auth0")
    assert (ran.status, ran.out) == (0, 'st.login("auth0")\n')
    auth = secrets_of(project)["auth"]
    assert auth["redirect_uri"] == "https://app.test/oauth2callback"
    assert auth["expose_tokens"] == ["access"]
    assert len(auth["cookie_secret"]) == 43
    assert auth["auth0"] == {
        "client_id": "client-1",
        "client_secret": SECRET,
        "server_metadata_url": "https://tenant.eu.auth0.com/.well-known/openid-configuration",
        "client_kwargs": {"scope": "openid profile email orders:read", "code_challenge_method": "S256"},
        "authorize_params": {"audience": "https://api.test"},
    }
    assert "https://app.test/oauth2callback" in ran.err


@pytest.mark.spec("ST-13")
@pytest.mark.parametrize(
    ("provider", "scope", "parameters"),
    [
        ("entra", "https://api.test/orders:read", None),
        ("keycloak", "orders:read", None),
        ("okta", "orders:read", None),
        ("cognito", "https://api.test/orders:read", {"resource": "https://api.test"}),
        ("proofkey", "orders:read", {"resource": "https://api.test"}),
    ],
)
def test_each_provider_is_asked_for_the_api_in_its_own_way(
    write: Write, project: Path, provider: str, scope: str, parameters: dict[str, str] | None
):
    assert write(provider).status == 0
    section = secrets_of(project)["auth"][provider]
    assert section["client_kwargs"]["scope"] == f"openid profile email {scope}"
    assert section.get("authorize_params") == parameters


@pytest.mark.spec("V13-13.3.1", "ST-11")
def test_the_file_is_its_owners_alone_and_the_secret_is_shown_nowhere(write: Write, project: Path):
    ran = write("keycloak", "--json")
    file = project / ".streamlit/secrets.toml"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    cookie_secret = secrets_of(project)["auth"]["cookie_secret"]
    for secret in (SECRET, cookie_secret):
        assert secret not in ran.out + ran.err + (project / ".streamlit/config.toml").read_text()
    document = json.loads(ran.out)
    assert (
        document["redirect_uris"] == document["post_logout_redirect_uris"] == ["https://app.test/oauth2callback"]
    )
    assert write("keycloak", "--force").status == 0
    assert secrets_of(project)["auth"]["cookie_secret"] != cookie_secret


def test_a_file_that_is_there_is_replaced_only_by_force(write: Write, project: Path):
    file = project / ".streamlit/secrets.toml"
    file.parent.mkdir()
    file.write_text("[database]\n")
    refused = write("keycloak")
    assert (refused.status, file.read_text()) == (2, "[database]\n")
    assert not (project / ".gitignore").exists()
    assert write("keycloak", "--force").status == 0
    assert "database" not in secrets_of(project)


def test_the_secret_may_come_from_a_file_or_the_configuration(write: Write, project: Path):
    (project / "web.secret").write_text(f"{SECRET}\n")
    assert write("keycloak", "--client-secret-file", "web.secret", stdin="").status == 0
    assert secrets_of(project)["auth"]["keycloak"]["client_secret"] == SECRET
    (project / "proofkey.toml").write_text('[login]\nclient_secret_file = "web.secret"\n')
    assert write("okta", "--force", stdin="").status == 0
    assert secrets_of(project)["auth"]["okta"]["client_secret"] == SECRET


@pytest.mark.parametrize(
    ("secret", "finding"), [("", "missing"), ("short", "SEC-01"), ("changeme" * 8, "SEC-01")], ids=str
)
def test_a_secret_that_could_be_guessed_is_refused(write: Write, project: Path, secret: str, finding: str):
    ran = write("keycloak", stdin=secret)
    assert ran.status == 2
    assert finding in ran.err
    assert not (project / ".streamlit/secrets.toml").exists()


@pytest.mark.parametrize(
    ("provider", "words", "names"),
    [
        ("keycloak", ("--client-id", "c", "--public-url", "https://app.test"), "--issuer"),
        ("keycloak", ("--issuer", "https://id.test", "--public-url", "https://app.test"), "--client-id"),
        ("keycloak", ("--issuer", "https://id.test", "--client-id", "c"), "--public-url"),
        (
            "keycloak",
            ("--issuer", "http://id.test", "--client-id", "c", "--public-url", "https://a.test"),
            "--issuer",
        ),
        ("google", ("--client-id", "c", "--public-url", "https://a.test", "--audience", "x"), "--audience"),
        (
            "entra",
            ("--issuer", "https://e.test", "--client-id", "c", "--public-url", "https://a.test", "--scope", "s"),
            "--audience",
        ),
    ],
)
def test_what_is_missing_is_named(cli: RunCli, provider: str, words: tuple[str, ...], names: str):
    ran = cli("config", "streamlit", provider, *words, stdin=SECRET)
    assert (ran.status, ran.out) == (2, "")
    assert names in ran.err


# --- git -----------------------------------------------------------------------------------------------------
def git(*words: str) -> int:
    return subprocess.run(["git", *words], capture_output=True, check=False).returncode


def test_git_ignores_the_file_before_it_is_written(write: Write, project: Path):
    git("init")
    (project / ".gitignore").write_text("*.pyc")
    ran = write("keycloak")
    assert ".gitignore" in ran.err
    assert (project / ".gitignore").read_text() == "*.pyc\n/.streamlit/secrets.toml\n"
    assert git("check-ignore", "-q", ".streamlit/secrets.toml") == 0
    assert ".gitignore" not in write("keycloak", "--force").err


@pytest.mark.parametrize("line", [".streamlit/", "secrets.toml", "/.streamlit/secrets.toml", ".streamlit"])
@pytest.mark.parametrize("repository", [True, False], ids=["repository", "none yet"])
def test_a_gitignore_that_names_it_stays(write: Write, project: Path, line: str, repository: bool):
    if repository:
        git("init")
    (project / ".gitignore").write_text(f"{line}\n")
    assert write("keycloak").status == 0
    assert (project / ".gitignore").read_text() == f"{line}\n"


def test_a_file_that_git_tracks_is_refused(write: Write, project: Path):
    git("init")
    file = project / ".streamlit/secrets.toml"
    file.parent.mkdir()
    file.write_text("")
    git("add", "-f", str(file))
    ran = write("keycloak", "--force")
    assert (ran.status, file.read_text()) == (2, "")
    assert "SEC-30" in ran.err


def test_a_gitignore_that_takes_it_out_again_is_refused(write: Write, project: Path):
    git("init")
    (project / ".streamlit").mkdir()
    (project / ".streamlit/.gitignore").write_text("!secrets.toml\n")
    ran = write("keycloak")
    assert ran.status == 2
    assert not (project / ".streamlit/secrets.toml").exists()


# --- config.toml ---------------------------------------------------------------------------------------------
@pytest.mark.spec("ST-12")
@pytest.mark.parametrize(
    ("public_url", "server", "browser"),
    [
        ("http://localhost:8501", {"port": 8501}, {"serverAddress": "localhost", "serverPort": 8501}),
        ("https://app.test", {}, {"serverAddress": "app.test", "serverPort": 443}),
    ],
)
def test_config_toml_keeps_streamlits_protection_on(
    write: Write, project: Path, public_url: str, server: dict[str, Any], browser: dict[str, Any]
):
    assert write("keycloak", public_url=public_url).status == 0
    document = tomllib.loads((project / ".streamlit/config.toml").read_text())
    assert document["server"] == {"enableCORS": True, "enableXsrfProtection": True, **server}
    assert document["browser"] == browser


@pytest.mark.spec("ST-12")
@pytest.mark.parametrize(
    ("text", "status"),
    [
        ('[theme]\nbase = "dark"\n', 0),
        ("[server]\nenableCORS = false\n", 2),
        ("[server]\nenableXsrfProtection = false\n", 2),
        ("[server\n", 2),
    ],
)
def test_a_config_toml_of_ones_own_stays_and_must_not_undo_it(write: Write, project: Path, text: str, status: int):
    file = project / ".streamlit/config.toml"
    file.parent.mkdir()
    file.write_text(text)
    assert write("keycloak").status == status
    assert file.read_text() == text
    assert (project / ".streamlit/secrets.toml").exists() == (status == 0)


# --- Google's file -------------------------------------------------------------------------------------------
def test_googles_downloaded_file_gives_id_and_secret(cli: RunCli, project: Path):
    web = {
        "client_id": "1.apps.test",
        "client_secret": SECRET,
        "redirect_uris": ["https://app.test/oauth2callback"],
    }
    (project / "client_secret.json").write_text(json.dumps({"web": web}))
    words = ("--client-file", "client_secret.json", "--public-url")
    ran = cli("config", "streamlit", "google", *words, "https://app.test")
    assert ran.status == 0
    assert "not in the downloaded file" not in ran.err
    auth = secrets_of(project)["auth"]
    assert "expose_tokens" not in auth
    assert auth["google"]["client_id"] == "1.apps.test"
    assert auth["google"]["server_metadata_url"].startswith("https://accounts.google.com/")
    other = cli("config", "streamlit", "google", *words, "https://other.test", "--force")
    assert "not in the downloaded file" in other.err
    (project / "client_secret.json").write_text(json.dumps({"installed": web}))
    refused = cli("config", "streamlit", "google", *words, "https://app.test", "--force")
    assert refused.status == 2
    assert SECRET not in refused.err


# --- the installed Streamlit ---------------------------------------------------------------------------------
@pytest.fixture
def read_by_streamlit(project: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Streamlit's own readers look at the project's files."""

    def load() -> None:
        before = config.get_option("secrets.files")
        config.set_option("secrets.files", [str(project / ".streamlit/secrets.toml")])
        secrets = Secrets()
        assert secrets.load_if_toml_exists()
        monkeypatch.setattr(auth_util, "secrets_singleton", secrets)
        config.set_option("secrets.files", before)

    return load


@pytest.mark.spec("ST-1", "ST-2", "ST-13")
@pytest.mark.parametrize("provider", ISSUERS)
async def test_the_installed_streamlit_takes_the_file_and_sends_what_it_says(
    write: Write, provider: str, read_by_streamlit: Callable[[], None]
):
    """To a provider whose metadata do not announce PKCE, as Entra's do not."""
    assert write(provider).status == 0
    read_by_streamlit()
    auth_util.validate_auth_credentials(provider)
    assert auth_util.get_expose_tokens_config() == ([] if provider == "google" else ["access"])
    assert auth_util.get_validated_redirect_uri() == "https://app.test/oauth2callback"
    client, redirect_uri = starlette_auth_routes._create_oauth_client(provider)
    client.server_metadata = {"authorization_endpoint": "https://id.test/authorize", "_loaded_at": 1}
    made = await client.create_authorization_url(redirect_uri)
    query = {name: values[0] for name, values in parse_qs(urlsplit(made["url"]).query).items()}
    assert (query["response_type"], query["client_id"]) == ("code", "client-1")
    assert (query["code_challenge_method"], len(query["code_challenge"])) == ("S256", 43)
    assert query["redirect_uri"] == "https://app.test/oauth2callback"
    asked = {"auth0": ("audience", "https://api.test"), "proofkey": ("resource", "https://api.test")}
    if provider in asked:
        name, value = asked[provider]
        assert query[name] == value
    if provider != "google":
        assert query["scope"].rpartition(" ")[2].endswith("orders:read")
