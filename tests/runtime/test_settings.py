"""The one configuration: what is read, and what ends the start in one line."""

import logging
from pathlib import Path

import pytest

from proofkey.errors import ConfigurationError
from proofkey.findings import Finding
from proofkey.runtime.server_policy import server_policy
from proofkey.runtime.settings import Settings
from proofkey.runtime.settings_checks import NOT_BUILT
from proofkey.runtime.settings_model import MODELS

SECRET = "q8Jr2b0Nn1uYxw3dZ5v7AaKkLmPpQqRrSsTtUuVvWwX"
OTHER = "Zz9yX8wV7uT6sR5qP4oN3mL2kJ1iH0gF_eDcBa-9876"

EVERYTHING = """
[server]
issuer = "https://op.test"
workers = 2
store = "sqlite:///op.db"
master_key_file = "master.key"
trusted_proxies = ["127.0.0.1/32"]
profile = "standard"
features = []
lifetimes = { code = 60, access_token = 900, refresh_grace = 10 }
default_resource = "https://api.test"
resources = [{ identifier = "https://api.test", scopes = ["orders:read", "orders:write"], clients = ["api"] }]
users = [{ username = "ann", password = "x", sub = "u1", roles = ["admin"], claims = { email = "ann@op.test" } }]
[[server.clients]]
client_id = "web"
client_secret = "SECRET"
redirect_uris = ["https://rp.test/auth/callback"]
scope = "openid orders:read"
[outgoing]
ca_file = "ca.pem"
[api]
issuer = "https://op.test"
audience = "https://api.test"
public_url = "https://api.test"
dpop = "off"
store = "memory:"
[login]
issuer = "https://op.test"
client_id = "web"
client_secret_file = "web.secret"
public_url = "https://rp.test"
audience = "https://api.test"
api_url = "https://api.test"
scope = "openid"
store = "sqlite:///sessions.db"
[log]
level = "debug"
""".replace("SECRET", SECRET)

SERVER = f"""
[server]
issuer = "https://op.test"
master_key = "{SECRET}"
"""
API = """
[api]
issuer = "https://op.test"
audience = "https://api.test"
"""
LOGIN = """
[login]
issuer = "https://op.test"
client_id = "web"
public_url = "https://rp.test"
"""


def write(folder: Path, text: str) -> Path:
    for name in ("master.key", "web.secret"):
        file = folder / name
        file.write_text(f"{SECRET}\n")
        file.chmod(0o600)
    (folder / "ca.pem").write_text("")
    config = folder / "proofkey.toml"
    config.write_text(text)
    return config


def load(folder: Path, text: str, **environ: str) -> Settings:
    return Settings.load(write(folder, text), environ)


def refusal(folder: Path, text: str, **environ: str) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        load(folder, text, **environ)
    assert "\n" not in str(caught.value)
    assert SECRET not in str(caught.value)
    assert OTHER not in str(caught.value)
    return caught.value


def test_every_documented_key_is_read_under_its_own_name(tmp_path: Path):
    settings = load(tmp_path, EVERYTHING)
    server, login = settings.server, settings.login
    assert (server.issuer, server.workers, server.profile) == ("https://op.test", 2, "standard")
    assert server.master_key.reveal() == SECRET
    assert (server.lifetimes.code, server.lifetimes.access_token, server.lifetimes.refresh_grace) == (60, 900, 10)
    assert server.trusted_proxies == ("127.0.0.1/32",)
    assert server.resources[0].scopes == ("orders:read", "orders:write")
    client_secret = server.clients[0].client_secret
    assert client_secret is not None
    assert client_secret.reveal() == SECRET
    assert server.users[0].claims == {"email": "ann@op.test"}
    assert settings.api.audience == "https://api.test"
    assert login.client_secret is not None
    assert login.client_secret.reveal() == SECRET
    assert (login.scope, login.api_url) == ("openid", "https://api.test")
    assert settings.log.level == "debug"


def test_paths_are_relative_to_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    settings = load(tmp_path, EVERYTHING)
    assert settings.server.store == f"sqlite:///{tmp_path}/op.db"
    assert settings.login.store == f"sqlite:///{tmp_path}/sessions.db"
    assert settings.outgoing.ca_file == tmp_path / "ca.pem"
    assert settings.server.master_key_file == tmp_path / "master.key"


@pytest.mark.parametrize("url", ["redis://:canary@h/0", "rediss://h", "valkey://h", "postgresql://:canary@h/rp"])
def test_the_sessions_of_a_login_may_live_on_a_server(tmp_path: Path, url: str):
    settings = load(tmp_path, LOGIN + f'store = "{url}"')
    assert settings.login.store == url
    assert "canary" not in repr(settings.login)


def test_an_absolute_store_stays(tmp_path: Path):
    assert load(tmp_path, SERVER + 'store = "sqlite:////var/lib/op.db"').server.store == "sqlite:////var/lib/op.db"


def test_without_a_config_the_file_in_the_working_directory_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    write(tmp_path, API)
    monkeypatch.chdir(tmp_path)
    assert Settings.load(None, {}).api.audience == "https://api.test"


def test_the_environment_alone_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    environ = {"PROOFKEY_API_ISSUER": "https://op.test", "PROOFKEY_API_AUDIENCE": "https://api.test", "HOME": "/"}
    settings = Settings.load(None, environ)
    assert settings.api.audience == "https://api.test"
    assert not settings.has("server")


def test_the_environment_wins_key_by_key(tmp_path: Path):
    settings = load(
        tmp_path,
        EVERYTHING,
        PROOFKEY_SERVER_WORKERS="1",
        PROOFKEY_LOG_LEVEL="WARNING",
        PROOFKEY_SERVER_LIFETIMES='{"code": 5}',
        PROOFKEY_SERVER_TRUSTED_PROXIES='["10.0.0.0/8"]',
        PROOFKEY_LOGIN_CLIENT_SECRET=OTHER,
    )
    assert (settings.server.workers, settings.server.lifetimes.code) == (1, 5)
    assert settings.server.trusted_proxies == ("10.0.0.0/8",)
    assert settings.server.issuer == "https://op.test"
    assert settings.log.level == "warning"
    secret = settings.login.client_secret
    assert secret is not None
    assert secret.reveal() == OTHER  # the file's client_secret_file stands back


@pytest.mark.parametrize("section", ["server", "api", "login"])
def test_a_section_that_is_missing_is_named_when_it_is_asked_for(tmp_path: Path, section: str):
    settings = load(tmp_path, "")
    with pytest.raises(ConfigurationError) as caught:
        getattr(settings, section)
    assert caught.value.finding is Finding.CONFIG_MISSING
    assert caught.value.facts["key"] == f"[{section}]"


@pytest.mark.parametrize(
    ("text", "environ", "key", "meant"),
    [
        (SERVER + "isuer = 1", {}, "server.isuer", "server.issuer"),
        (SERVER + "lifetimes = { cod = 60 }", {}, "server.lifetimes.cod", "server.lifetimes.code"),
        (
            SERVER + 'clients = [{ client_id = "a", redirect_uri = "x" }]',
            {},
            "server.clients.0.redirect_uri",
            "server.clients.0.redirect_uris",
        ),
        ("[sever]", {}, "sever", "server"),
        ("issuer = 1", {}, "issuer", None),
        (API, {"PROOFKEY_API_AUDIENC": "x"}, "api.audienc", "api.audience"),
        (API, {"PROOFKEY_AIP_AUDIENCE": "x"}, "PROOFKEY_AIP_AUDIENCE", "PROOFKEY_API_AUDIENCE"),
        (
            API,
            {"PROOFKEY_ALLOW_INSECURE_CLOCK": "x"},
            "PROOFKEY_ALLOW_INSECURE_CLOCK",
            "PROOFKEY_ALLOW_INSECURE_CLOCK_FILE",
        ),
        (API, {"PROOFKEY_ZZZ": "x"}, "PROOFKEY_ZZZ", None),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 40 else "",
)
def test_an_unknown_key_is_named_with_what_was_meant(
    tmp_path: Path, text: str, environ: dict[str, str], key: str, meant: str | None
):
    error = refusal(tmp_path, text, **environ)
    assert error.finding is Finding.CONFIG_UNKNOWN_KEY
    assert error.facts["key"] == key
    assert error.facts.get("did_you_mean") == meant


def test_the_clock_file_is_no_setting_and_no_mistake(tmp_path: Path):
    assert load(tmp_path, API, PROOFKEY_ALLOW_INSECURE_CLOCK_FILE="/x").has("api")


def test_a_login_may_have_a_key_in_place_of_a_secret_and_its_own_secret_for_the_store(tmp_path: Path):
    (tmp_path / "session.secret").write_text(SECRET)
    lines = [line for line in LOGIN.splitlines() if not line.startswith("client_secret")]
    strong = 'par = "required"\nuserinfo = false\nacr_values = "phr"\nprivate_key_file = "client.pem"\n'
    text = "\n".join(lines) + "\n" + strong + 'session_secret_file = "session.secret"\n'
    login = load(tmp_path, text).login
    assert login.private_key_file == tmp_path / "client.pem"
    assert login.session_secret is not None
    assert login.session_secret.reveal() == SECRET
    assert (login.par, login.userinfo, login.acr_values) == ("required", False, "phr")


NOT_YET = {
    "server.store": SERVER + 'store = "redis://u:p@h/0"',
    "server.clients.token_endpoint_auth_method": SERVER
    + 'clients = [{ client_id = "a" }, { client_id = "b", token_endpoint_auth_method = "client_secret_jwt" }]',
}


def test_every_line_of_the_table_of_unbuilt_values_has_an_example():
    assert {row.key for row in NOT_BUILT} == set(NOT_YET)


@pytest.mark.parametrize("key", NOT_YET)
def test_a_value_whose_feature_is_not_built_ends_the_start(tmp_path: Path, key: str):
    error = refusal(tmp_path, NOT_YET[key])
    assert error.finding is Finding.CONFIG_NOT_BUILT
    assert "".join(part for part in f"{error.facts['key']}." if not part.isdigit()).replace("..", ".") == f"{key}."
    assert "p@h" not in str(error)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (API.replace("audience", "# audience"), "api.audience"),
        ("[api]", "api.issuer"),
        (f'[server]\nmaster_key = "{SECRET}"', "server.issuer"),
        ('[server]\nissuer = "https://op.test"', "server.master_key"),
        (LOGIN.replace("public_url", "# public_url"), "login.public_url"),
        (SERVER + 'users = [{ username = "ann" }]', "server.users.0.password"),
    ],
)
def test_a_missing_key_is_named(tmp_path: Path, text: str, key: str):
    error = refusal(tmp_path, text)
    assert error.finding is Finding.CONFIG_MISSING
    assert error.facts["key"] == key


@pytest.mark.spec("9700-2.6-d")
@pytest.mark.parametrize(
    ("text", "key"),
    [
        (SERVER.replace("https://op.test", "http://op.test"), "server.issuer"),
        (API.replace("https://op.test", "http://10.0.0.1:9000"), "api.issuer"),
        (LOGIN.replace("https://op.test", "http://127.0.0.1.evil.test"), "login.issuer"),
        (LOGIN.replace("https://rp.test", "http://rp.test"), "login.public_url"),
        (LOGIN + 'api_url = "HTTP://api.test"', "login.api_url"),
    ],
)
def test_plain_http_away_from_loopback_is_refused(tmp_path: Path, text: str, key: str):
    error = refusal(tmp_path, text)
    assert error.finding is Finding.ISSUER_INSECURE
    assert error.facts["key"] == key


@pytest.mark.parametrize("host", ["localhost:9000", "127.0.0.1:9000", "[::1]:9000"])
def test_plain_http_on_loopback_is_taken(tmp_path: Path, host: str):
    assert load(tmp_path, SERVER.replace("https://op.test", f"http://{host}")).server.issuer == f"http://{host}"


@pytest.mark.parametrize(
    "url", ["op.test", "ftp://op.test", "https://", "https://user:pass@op.test", "https://op.test#x"]
)
def test_a_url_that_is_none_is_refused_without_its_credentials(tmp_path: Path, url: str):
    error = refusal(tmp_path, SERVER.replace("https://op.test", url))
    assert error.finding is Finding.CONFIG_VALUE
    assert "pass" not in str(error)


@pytest.mark.spec("X-secrets")
@pytest.mark.parametrize(
    "secret",
    [
        "changeme",
        "hunter2-hunter2",
        "x" * 31,
        "x" * 64,
        "change-me-change-me-change-me-change-me",
        "PLACEHOLDER_PLACEHOLDER_PLACEHOLDER",
        "your-secret-goes-here-0123456789abcdef",
        "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
        "09D25E094FAA6CA2556C818166B7A9563B93F7099F6F0F4CAA6CF63B88E8D3E7",
        "a-string-secret-at-least-256-bits-long",
        "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
    ],
)
def test_a_short_or_well_known_secret_is_refused_wherever_it_stands(tmp_path: Path, secret: str):
    client = f'clients = [{{ client_id = "a", client_secret = "{secret}" }}]'
    for text in (SERVER.replace(SECRET, secret), SERVER + client, LOGIN + f'client_secret = "{secret}"'):
        error = refusal(tmp_path, text)
        assert error.finding is Finding.SECRET_WEAK
        assert secret not in str(error)


def test_the_passwords_of_users_are_taken_as_they_are(tmp_path: Path):
    users = SERVER + 'users = [{ username = "ann", password = " x " }]'
    assert load(tmp_path, users).server.users[0].password.reveal() == " x "


@pytest.mark.spec("threats 2 row 17")
@pytest.mark.parametrize(
    "content", [None, b"", b"\n", b"\xff\xfe\x00"], ids=["missing", "empty", "blank", "not text"]
)
def test_a_secret_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None):
    config = write(tmp_path, SERVER.replace(f'master_key = "{SECRET}"', 'master_key_file = "other.key"'))
    if content is not None:
        (tmp_path / "other.key").write_bytes(content)
    with pytest.raises(ConfigurationError) as caught:
        Settings.load(config, {})
    assert caught.value.finding is Finding.SECRET_FILE_UNREADABLE
    assert caught.value.facts["file"] == str(tmp_path / "other.key")
    assert caught.value.facts["key"] == "server.master_key_file"


def test_a_secret_and_its_file_together_are_refused(tmp_path: Path):
    error = refusal(tmp_path, SERVER + 'master_key_file = "master.key"')
    assert error.finding is Finding.CONFIG_VALUE
    assert error.facts["key"] == "server.master_key_file"


def test_a_secret_file_that_everybody_may_read_is_warned_about(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    config = write(tmp_path, EVERYTHING)
    (tmp_path / "master.key").chmod(0o644)
    with caplog.at_level(logging.WARNING, logger="proofkey"):
        Settings.load(config, {})
    assert "settings.secret_file_open_to_all" in caplog.text
    assert "master.key" in caplog.text
    assert SECRET not in caplog.text


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        (SERVER + "workers = 0", Finding.CONFIG_VALUE),
        (SERVER + 'workers = "many"', Finding.CONFIG_VALUE),
        (SERVER + "lifetimes = { code = 601 }", Finding.CONFIG_VALUE),
        (SERVER + "lifetimes = { access_token = 3601 }", Finding.CONFIG_VALUE),
        (SERVER + 'trusted_proxies = ["300.0.0.1"]', Finding.CONFIG_VALUE),
        (SERVER + 'profile = "bogus"', Finding.CONFIG_VALUE),
        (SERVER + 'store = "mysql://x"', Finding.CONFIG_VALUE),
        (SERVER + 'store = "sqlite:///"', Finding.CONFIG_VALUE),
        (SERVER + 'store = "sqlite:///:memory:"', Finding.CONFIG_VALUE),
        (SERVER + 'clients = [{ client_id = "a" }, { client_id = "a" }]', Finding.CONFIG_VALUE),
        (SERVER + 'clients = [{ client_id = "a", token_endpoint_auth_method = "magic" }]', Finding.CONFIG_VALUE),
        (SERVER + "allow_insecure_no_throttles = true", Finding.CONFIG_VALUE),
        (SERVER.replace(f'"{SECRET}"', "12"), Finding.CONFIG_VALUE),
        ("server = 1", Finding.CONFIG_VALUE),
        ('[log]\nlevel = "loud"', Finding.CONFIG_VALUE),
        (f'{SERVER}workers = 2\nstore = "memory:"', Finding.STORE_NOT_SHARED),
        ('[outgoing]\nca_file = "none.pem"', Finding.CONFIG_VALUE),
        ("x = = 1", Finding.CONFIG_FILE),
    ],
)
def test_a_wrong_value_ends_the_start_in_one_line(tmp_path: Path, text: str, finding: Finding):
    assert refusal(tmp_path, text).finding is finding


def test_throttles_may_be_off_on_loopback(tmp_path: Path):
    text = SERVER.replace("https://op.test", "http://localhost:9000") + "allow_insecure_no_throttles = true"
    assert load(tmp_path, text).server.allow_insecure_no_throttles


def test_toml_faults_are_named_by_place_and_never_quoted(tmp_path: Path):
    error = refusal(tmp_path, f'[server]\nmaster_key = "{SECRET}" oops')
    assert "line 2" in error.facts["reason"]


@pytest.mark.parametrize("make", ["missing", "folder", "binary"])
def test_a_config_that_cannot_be_read_is_named(tmp_path: Path, make: str):
    config = tmp_path / "c.toml"
    if make == "folder":
        config.mkdir()
    elif make == "binary":
        config.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError) as caught:
        Settings.load(config, {})
    assert caught.value.finding is Finding.CONFIG_FILE
    assert caught.value.facts["file"] == str(config)


def test_json_of_the_environment_is_named_when_it_is_none(tmp_path: Path):
    error = refusal(tmp_path, SERVER, PROOFKEY_SERVER_CLIENTS=f'[{{"client_secret": "{OTHER}"')
    assert error.finding is Finding.CONFIG_VALUE
    assert error.facts["key"] == "PROOFKEY_SERVER_CLIENTS"


@pytest.mark.spec("threats 2 row 24")
def test_no_repr_shows_a_secret(tmp_path: Path):
    settings = load(tmp_path, EVERYTHING)
    for shown in (repr(settings), str(settings.server), repr(settings.login), repr(settings.server.model_dump())):
        assert SECRET not in shown


def test_settings_are_frozen(tmp_path: Path):
    settings = load(tmp_path, EVERYTHING)
    with pytest.raises(Exception, match="frozen"):
        settings.server.workers = 7


def test_every_section_refuses_unknown_keys():
    assert all(model.model_config.get("extra") == "forbid" for model in MODELS.values())


@pytest.mark.spec("requirements §7")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", {"par"}, id="a default install"),
        pytest.param("features = []", set(), id="nothing"),
        pytest.param('features = ["par", "jar", "jarm"]', {"par", "jar", "jarm"}, id="as listed"),
    ],
)
def test_a_list_of_features_says_all_of_it(tmp_path: Path, text: str, expected: set[str]):
    assert server_policy(load(tmp_path, SERVER + text).server).features == expected


HELD_TO = 'clients = [{ client_id = "a", redirect_uris = ["https://rp.test/cb"], %s }]'


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('features = ["pra"]', "server.features.0"),
        (
            "features = []\nrequire_pushed_authorization_requests = true",
            "server.require_pushed_authorization_requests",
        ),
        (
            f"features = []\n{HELD_TO % 'require_pushed_authorization_requests = true'}",
            "server.clients a require_pushed_authorization_requests",
        ),
        (HELD_TO % "require_signed_request_object = true", "server.clients a require_signed_request_object"),
        (HELD_TO % 'response_modes = ["jwt", "form_post.jwt"]', "server.clients a response_modes"),
        ("lifetimes = { pushed_request = 600 }", "server.lifetimes.pushed_request"),
        ("lifetimes = { pushed_request = 4 }", "server.lifetimes.pushed_request"),
    ],
)
@pytest.mark.spec("9126-5-a", "F2-5.3.2.2-12")
def test_what_a_server_cannot_ask_of_requests_ends_the_start(tmp_path: Path, text: str, key: str):
    assert refusal(tmp_path, SERVER + text).facts["key"] == key


def test_a_client_says_how_its_requests_come_and_go(tmp_path: Path):
    members = (
        'client_id = "a", redirect_uris = ["https://rp.test/cb"], response_modes = ["form_post"]',
        "require_pushed_authorization_requests = true, require_signed_request_object = true",
        'request_object_signing_alg = "PS256", authorization_signed_response_alg = "PS256"',
    )
    text = f"features = ['par', 'jar']\nclients = [{{ {', '.join(members)} }}]"
    (client,) = server_policy(load(tmp_path, SERVER + text).server).clients
    assert client.response_modes == {"form_post"}
    assert client.require_pushed_authorization_requests
    assert client.require_signed_request_object
    assert (client.request_object_signing_alg, client.authorization_signed_response_alg) == ("PS256", "PS256")
