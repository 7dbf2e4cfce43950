"""From `[server]` to the policy."""

from pathlib import Path

import pytest

from proofkey.authorization_server.policy import Lifetimes
from proofkey.errors import ConfigurationError
from proofkey.protocol.text import Secret
from proofkey.runtime.server_policy import server_policy
from proofkey.runtime.settings import Settings

SECRET = "3Yk1_FG2m-Lq7PzS0vJxWbNc8dRtUeHa9iQoZyXw4Ks"
TOML = f"""
[server]
issuer = "https://op.test/"
master_key_file = "master.key"
store = "memory:"
default_resource = "https://other.test"
lifetimes = {{ code = 30, access_token = 600, refresh_grace = 0 }}
resources = [{{ identifier = "https://api.test", scopes = ["orders:read"], clients = ["api"] }}]
[[server.clients]]
client_id = "web"
client_secret = "{SECRET}"
redirect_uris = ["https://rp.test/"]
scope = "openid email"
[[server.clients]]
client_id = "spa"
redirect_uris = ["https://rp.test/"]
[[server.users]]
username = "ann"
password = "x"
sub = "u1"
roles = ["admin"]
claims = {{ email = "ann@op.test" }}
"""


def _load(path: Path, text: str) -> Settings:
    (path / "master.key").write_text(SECRET)
    (path / "proofkey.toml").write_text(text)
    return Settings.load(path / "proofkey.toml", {})


OPENID = """
[[server.clients]]
client_id = "shop"
redirect_uris = ["https://a.test/", "https://b.test/"]
id_token_signed_response_alg = "PS256"
userinfo_signed_response_alg = "Ed25519"
subject_type = "pairwise"
sector_identifier_uri = "https://a.test/sector"
default_max_age = 300
require_auth_time = true
default_acr_values = ["urn:two"]
"""
IN_SERVER = """
acr_values = { "urn:one" = ["pwd"], "urn:two" = ["pwd", "otp"] }
sector_identifier_uris = ["https://a.test/sector"]
[[server.clients]]
client_id = "web"
"""


@pytest.mark.spec("OR-2-a", "OC-8.1-a", "9470-4-a")
def test_what_openid_adds_is_read(tmp_path: Path) -> None:
    text = TOML.replace('\n[[server.clients]]\nclient_id = "web"\n', IN_SERVER) + OPENID
    policy = server_policy(_load(tmp_path, text).server)
    assert list(policy.acr_values.items()) == [("urn:one", ("pwd",)), ("urn:two", ("pwd", "otp"))]
    assert policy.sector_identifier_uris == {"https://a.test/sector"}
    shop = policy.clients[-1]
    assert (shop.id_token_signed_response_alg, shop.userinfo_signed_response_alg) == ("PS256", "Ed25519")
    assert (shop.subject_type, shop.sector_identifier_uri) == ("pairwise", "https://a.test/sector")
    assert (shop.default_max_age, shop.require_auth_time, shop.default_acr_values) == (300, True, ("urn:two",))


@pytest.mark.parametrize("line", ['acr_values = { "a b" = ["pwd"] }', "acr_values = { a = [] }"])
def test_a_class_that_cannot_be_asked_for_is_refused(tmp_path: Path, line: str) -> None:
    text = TOML.replace("[[server.clients]]", line + "\n[[server.clients]]", 1)
    with pytest.raises(ConfigurationError):
        server_policy(_load(tmp_path, text).server)


def test_a_section_becomes_a_policy(tmp_path: Path) -> None:
    policy = server_policy(_load(tmp_path, TOML).server)
    assert policy.issuer == "https://op.test"
    assert policy.lifetimes == Lifetimes(code=30, access_token=600, refresh_grace=0)
    assert policy.audiences == {"https://op.test", "https://api.test", "https://other.test"}
    assert policy.resources["https://api.test"].clients == ("api",)
    assert policy.audience_of(()) == ("https://other.test",)
    web, spa = policy.clients
    assert (web.token_endpoint_auth_method, spa.token_endpoint_auth_method) == ("client_secret_basic", "none")
    assert web.secret_digest == Secret(SECRET).digest()
    assert spa.secret_digest is None
    assert web.scope == ("openid", "email")
    (ann,) = policy.users
    assert (ann.username, ann.sub, ann.roles, ann.claims) == ("ann", "u1", ("admin",), {"email": "ann@op.test"})
    assert SECRET not in repr(policy)


def test_the_lifetimes_of_settings_and_policy_are_the_same() -> None:
    from proofkey.runtime.settings import LifetimesSettings

    assert Lifetimes(**LifetimesSettings().model_dump()) == Lifetimes()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('scope = "openid email"', 'scope = "openid  email"'),
        ('identifier = "https://api.test"', 'identifier = "api"'),
        ('identifier = "https://api.test"', 'identifier = "https://api.test/#x"'),
        ('["orders:read"]', '["orders:read orders:write"]'),
        ('["orders:read"]', '["orders\\\\read"]'),
    ],
)
def test_a_section_is_refused(tmp_path: Path, old: str, new: str) -> None:
    assert old in TOML
    settings = _load(tmp_path, TOML.replace(old, new)).server
    with pytest.raises(ConfigurationError):
        server_policy(settings)
