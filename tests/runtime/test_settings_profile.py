"""`profile = "fapi2"`, types of authorization_details and the origin for certificates in the settings."""

from pathlib import Path

import pytest

from proofkey.authorization_server.policy import DetailType
from proofkey.errors import ConfigurationError
from proofkey.findings import Finding
from proofkey.runtime.server_policy import server_policy
from proofkey.runtime.settings import Settings

KEY = "a master key for tests that is long enough"
PLAIN = """
[server]
issuer = "https://op.test/tenant"
store = "memory:"
master_key_file = "master.key"
"""
FAPI = f'{PLAIN}profile = "fapi2"\n'
PROXY = 'trusted_proxies = ["127.0.0.1/32"]\nclient_certificate_header = "Client-Cert"\n'


def load(folder: Path, text: str) -> Settings:
    (folder / "master.key").write_text(KEY)
    (folder / "proofkey.toml").write_text(text)
    return Settings.load(folder / "proofkey.toml", {})


@pytest.mark.spec("F2-5.3.2.2-2..4", "F2-5.3.2.1-11", "F2-5.3.2.1-9", "F2-5.3.2.2-12")
def test_the_profile_sets_what_is_not_written(tmp_path: Path) -> None:
    policy = server_policy(load(tmp_path, FAPI).server)
    assert policy.is_fapi
    assert policy.pushes_alone
    assert policy.features == {"par", "jar", "jarm"}
    assert (policy.lifetimes.code, policy.lifetimes.refresh_grace) == (60, 0)
    assert policy.lifetimes.pushed_request < 600
    plain = server_policy(load(tmp_path, PLAIN).server)
    assert not plain.is_fapi
    assert not plain.pushes_alone
    assert plain.features == {"par"}
    assert plain.lifetimes.refresh_grace == 10


ALLOWED = {
    "par alone": 'features = ["par"]',
    "a shorter code": "lifetimes = { code = 30, refresh_grace = 0 }",
    "pushed requests": "require_pushed_authorization_requests = true",
}
REFUSED = {
    "no par": ('features = ["jar", "jarm"]', "server.features"),
    "no features": ("features = []", "server.features"),
    "plain requests": (
        "require_pushed_authorization_requests = false",
        "server.require_pushed_authorization_requests",
    ),
    "a longer code": ("lifetimes = { code = 61 }", "server.lifetimes.code"),
    "a grace": ("lifetimes = { refresh_grace = 10 }", "server.lifetimes.refresh_grace"),
}


@pytest.mark.spec("F2-5.3.2.1")
@pytest.mark.parametrize("line", ALLOWED.values(), ids=ALLOWED)
def test_what_fits_the_profile_may_be_written(tmp_path: Path, line: str) -> None:
    assert server_policy(load(tmp_path, f"{FAPI}{line}\n").server).is_fapi


@pytest.mark.spec("F2-5.3.2.1")
@pytest.mark.parametrize(("line", "key"), REFUSED.values(), ids=REFUSED)
def test_what_contradicts_the_profile_ends_the_start(tmp_path: Path, line: str, key: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load(tmp_path, f"{FAPI}{line}\n")
    assert refused.value.facts["key"] == key
    assert "fapi2" in refused.value.facts["reason"]
    load(tmp_path, f"{PLAIN}{line}\n")


def test_a_server_of_the_profile_has_throttles(tmp_path: Path) -> None:
    text = FAPI.replace("https://op.test/tenant", "http://127.0.0.1:9000")
    with pytest.raises(ConfigurationError) as refused:
        load(tmp_path, f"{text}allow_insecure_no_throttles = true\n")
    assert refused.value.facts["key"] == "server.allow_insecure_no_throttles"
    load(tmp_path, text)


def test_another_profile_is_none(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load(tmp_path, f'{PLAIN}profile = "fapi1"\n')
    assert refused.value.finding is Finding.CONFIG_VALUE


# --- types of authorization_details ---------------------------------------------------------------------------

TYPES = """
authorization_details_types = [{ type = "payment", title = "Pay", fields = ["amount"], ask_again = true }]
[[server.clients]]
client_id = "web"
redirect_uris = ["https://rp.test/cb"]
authorization_details_types = ["payment"]
"""


@pytest.mark.spec("9396-10")
def test_types_reach_the_policy(tmp_path: Path) -> None:
    policy = server_policy(load(tmp_path, PLAIN + TYPES).server)
    expected = DetailType(type="payment", title="Pay", fields=("amount",), ask_again=True)
    assert policy.authorization_details_types == {"payment": expected}
    assert policy.clients[0].authorization_details_types == ("payment",)


def test_a_type_stands_once(tmp_path: Path) -> None:
    twice = 'authorization_details_types = [{ type = "a" }, { type = "a" }]\n'
    with pytest.raises(ConfigurationError) as refused:
        load(tmp_path, PLAIN + twice)
    assert refused.value.facts["reason"] == "stands twice"


# --- the origin for certificates ------------------------------------------------------------------------------


@pytest.mark.spec("8705-5")
@pytest.mark.parametrize("base", ["https://mtls.op.test", "https://mtls.op.test/", "https://op.test:8443"])
def test_the_origin_for_certificates_is_read(tmp_path: Path, base: str) -> None:
    policy = server_policy(load(tmp_path, f'{PLAIN}{PROXY}mtls_base_url = "{base}"\n').server)
    alias = f"{base.rstrip('/')}/tenant/token"
    assert policy.addresses("/token") == ("https://op.test/tenant/token", alias)


ORIGINS = {
    "with a path": (f'{PROXY}mtls_base_url = "https://mtls.op.test/tenant"\n', "server.mtls_base_url"),
    "http": (f'{PROXY}mtls_base_url = "http://mtls.op.test"\n', "server.mtls_base_url"),
    "with a query": (f'{PROXY}mtls_base_url = "https://mtls.op.test?a"\n', "server.mtls_base_url"),
    "no header": ('mtls_base_url = "https://mtls.op.test"\n', "server.client_certificate_header"),
}


@pytest.mark.spec("8705-5")
@pytest.mark.parametrize(("text", "key"), ORIGINS.values(), ids=ORIGINS)
def test_what_is_no_origin_or_has_no_certificates_ends_the_start(tmp_path: Path, text: str, key: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load(tmp_path, PLAIN + text)
    assert refused.value.facts["key"] == key
