"""`[api]`: what is read, under which names, and which parts need each other."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from proofkey.errors import ConfigurationError
from proofkey.findings import Finding
from proofkey.runtime.settings import ApiSettings, Settings
from proofkey.testing.toml import toml_document

SECRET = "q8Jr2b0Nn1uYxw3dZ5v7AaKkLmPpQqRrSsTtUuVvWwX"
ISSUER = {"issuer": "https://op.test"}
API = {**ISSUER, "audience": "https://api.test"}
EVERYTHING: dict[str, Any] = {
    **API,
    "dialect": "keycloak",
    "tenants": ["one", "two"],
    "internal_base_url": "http://keycloak:8080",
    "allow_insecure_internal_http": True,
    "introspection": {
        "client_id": "api",
        "client_secret_file": "secret",
        "endpoint": "https://op.test/introspect",
        "max_age": 30,
        "size": 10,
        "signed": True,
        "always": True,
    },
    "public_url": "https://api.test",
    "resource_name": "Orders",
    "docs_client_id": "docs",
    "scope_hierarchy": {"orders:admin": ["orders:read", "orders:write"]},
    "dpop": "required",
    "store": "redis://:canary@redis.test/0",
    "dpop_nonces": True,
    "master_key_file": "secret",
    "mtls": True,
    "trusted_proxies": ["10.0.0.5"],
    "client_certificate_header": "Client-Cert",
    "remember_tokens": 100,
    "log_acceptances": True,
}


def load(folder: Path, api: dict[str, Any], **environ: str) -> ApiSettings:
    for name, text in (("secret", SECRET), ("store.url", "postgresql://u:canary@db.test/api")):
        (folder / name).write_text(text + "\n")
        (folder / name).chmod(0o600)
    config = folder / "proofkey.toml"
    config.write_text(toml_document({"api": api}))
    return Settings.load(config, environ).api


def refusal(folder: Path, api: dict[str, Any], **environ: str) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        load(folder, api, **environ)
    assert "\n" not in str(caught.value)
    assert SECRET not in str(caught.value)
    assert "canary" not in str(caught.value)
    return caught.value


def test_every_key_is_read_under_its_own_name(tmp_path: Path) -> None:
    api = load(tmp_path, EVERYTHING)
    plain = {"introspection", "master_key_file", "trusted_proxies", "tenants", "scope_hierarchy"}
    assert {key: getattr(api, key) for key in EVERYTHING if key not in plain} == {
        key: value for key, value in EVERYTHING.items() if key not in plain
    }
    assert api.master_key is not None
    assert api.master_key.reveal() == SECRET
    assert (api.tenants, api.trusted_proxies) == (("one", "two"), ("10.0.0.5/32",))
    assert api.scope_hierarchy == {"orders:admin": ("orders:read", "orders:write")}
    asked = api.introspection
    assert asked is not None
    assert asked.client_secret is not None
    assert asked.client_secret.reveal() == SECRET
    assert (asked.endpoint, asked.max_age, asked.size) == ("https://op.test/introspect", 30, 10)
    assert (asked.signed, asked.always) == (True, True)


def test_every_key_is_in_the_example_above() -> None:
    assert set(ApiSettings.model_fields) == {*EVERYTHING, "issuers", "store_file", "master_key"}


@pytest.mark.parametrize("key", [key for key in EVERYTHING if key not in API])
def test_every_key_is_a_variable_of_the_environment_too(tmp_path: Path, key: str) -> None:
    value = EVERYTHING[key]
    if key == "master_key_file":
        value = str(tmp_path / "secret")
    text = value if isinstance(value, str) else json.dumps(value)
    without = {name: one for name, one in EVERYTHING.items() if name != key}
    read = load(tmp_path, without, **{f"PROOFKEY_API_{key.upper()}": text})
    assert getattr(read, key) == getattr(load(tmp_path, EVERYTHING), key)


def test_two_variables_alone_protect_an_api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    api = Settings.load(
        None, {"PROOFKEY_API_ISSUER": "https://op.test", "PROOFKEY_API_AUDIENCE": "https://api.test"}
    ).api
    assert (api.issuer, api.names, api.dpop, api.store) == (
        "https://op.test",
        ("https://api.test",),
        "off",
        "memory:",
    )


@pytest.mark.parametrize(
    ("given", "names"), [("https://a.test", ("https://a.test",)), (["a", "b"], ("a", "b"))], ids=["one", "two"]
)
def test_an_audience_is_one_name_or_several(tmp_path: Path, given: object, names: tuple[str, ...]) -> None:
    assert load(tmp_path, {**ISSUER, "audience": given}).names == names
    text = given if isinstance(given, str) else json.dumps(given)
    assert load(tmp_path, ISSUER, PROOFKEY_API_AUDIENCE=text).names == names


def test_several_issuers_have_what_is_their_own(tmp_path: Path) -> None:
    config = tmp_path / "proofkey.toml"
    config.write_text(
        """
        [api]
        audience = "https://api.test"
        issuers = [
          { issuer = "https://old.test", audience = "old-api", until = 2027-03-01T00:00:00+01:00 },
          { issuer = "https://b.test", dialect = "auth0", tenants = ["t"], internal_base_url = "https://in.test" },
        ]
        """
    )
    old, new = Settings.load(config, {}).api.issuers
    assert (old.issuer, old.audience, new.audience) == ("https://old.test", "old-api", None)
    assert old.until == datetime(2027, 2, 28, 23, tzinfo=UTC)
    assert old.until.utcoffset() == timedelta(hours=1)
    assert (new.dialect, new.tenants, new.internal_base_url) == ("auth0", ("t",), "https://in.test")
    assert Settings.load(config, {}).api.names == ("https://api.test", "old-api")


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("memory:", "memory:"),
        ("sqlite:///replay.db", "sqlite:///{folder}/replay.db"),
        ("sqlite:////var/lib/replay.db", "sqlite:////var/lib/replay.db"),
        ("postgresql://u:p@db.test/api", "postgresql://u:p@db.test/api"),
        ("postgres://db.test/api", "postgres://db.test/api"),
        ("redis://redis.test", "redis://redis.test"),
        ("rediss://redis.test", "rediss://redis.test"),
    ],
)
def test_a_store_of_each_kind_is_taken(tmp_path: Path, url: str, kept: str) -> None:
    assert load(tmp_path, {**API, "store": url}).store == kept.format(folder=tmp_path)


@pytest.mark.spec("threats 2 row 24")
def test_a_store_with_a_password_may_stand_in_a_file_and_shows_in_no_repr(tmp_path: Path) -> None:
    api = load(tmp_path, {**API, "store_file": "store.url"})
    assert api.store == "postgresql://u:canary@db.test/api"
    assert "canary" not in repr(api)
    api = load(tmp_path, {**API, "store": "memory:"}, PROOFKEY_API_STORE_FILE=str(tmp_path / "store.url"))
    assert api.store == "postgresql://u:canary@db.test/api"


def without(*keys: str, **more: object) -> dict[str, Any]:
    return {key: value for key, value in {**EVERYTHING, **more}.items() if key not in keys}


@pytest.mark.parametrize(
    ("api", "finding", "key", "told"),
    [
        (without("issuer"), Finding.CONFIG_MISSING, "api.issuer", "PROOFKEY_API_ISSUER"),
        (without("audience"), Finding.CONFIG_MISSING, "api.audience", "PROOFKEY_API_AUDIENCE"),
        (
            {"issuers": [{**API}, {"issuer": "https://b.test"}]},
            Finding.CONFIG_MISSING,
            "api.audience",
            "PROOFKEY_API_AUDIENCE",
        ),
        ({**API, "issuers": [API]}, Finding.CONFIG_VALUE, "api.issuer", "beside issuers"),
        ({"dialect": "okta", "issuers": [API]}, Finding.CONFIG_VALUE, "api.dialect", "beside issuers"),
        ({"issuers": [API, API]}, Finding.CONFIG_VALUE, "api.issuers", "twice"),
        ({"issuers": [{**API, "issuer": "http://b.test"}]}, Finding.ISSUER_INSECURE, "api.issuers.0.issuer", ""),
        ({"issuers": [{"audience": "a"}]}, Finding.CONFIG_MISSING, "api.issuers.0.issuer", ""),
        (
            {"issuers": [{**API, "until": "2027-03-01T00:00:00"}]},
            Finding.CONFIG_VALUE,
            "api.issuers.0.until",
            "timezone",
        ),
        ({**API, "dialect": "keykloak"}, Finding.CONFIG_VALUE, "api.dialect", "keycloak"),
        (
            {"issuers": [{**API, "dialect": "keykloak"}]},
            Finding.CONFIG_VALUE,
            "api.issuers.0.dialect",
            "keycloak",
        ),
        (
            without("allow_insecure_internal_http"),
            Finding.ISSUER_INSECURE,
            "api.internal_base_url",
            "allow_insecure_internal_http",
        ),
        (
            {**API, "introspection": {"client_id": "api"}},
            Finding.CONFIG_VALUE,
            "api.introspection",
            "client_secret_file",
        ),
        (
            {**API, "introspection": {"client_id": "a", "client_secret": SECRET, "private_key_file": "k"}},
            Finding.CONFIG_VALUE,
            "api.introspection",
            "one of them",
        ),
        (without("public_url"), Finding.CONFIG_MISSING, "api.public_url", "api.dpop"),
        ({**API, "dpop": "maybe"}, Finding.CONFIG_VALUE, "api.dpop", "required"),
        (without("master_key_file"), Finding.CONFIG_MISSING, "api.master_key", "proofkey secret"),
        (without(dpop="off"), Finding.CONFIG_VALUE, "api.dpop_nonces", "optional"),
        (without("master_key_file", master_key="x" * 32), Finding.SECRET_WEAK, "api.master_key", ""),
        (without("trusted_proxies"), Finding.CONFIG_MISSING, "api.trusted_proxies", "api.mtls"),
        (
            without("client_certificate_header"),
            Finding.CONFIG_MISSING,
            "api.client_certificate_header",
            "Client-Cert",
        ),
        ({**API, "store": "mysql://u:canary@db.test/x"}, Finding.CONFIG_VALUE, "api.store", "redis://"),
        ({**API, "remember_tokens": -1}, Finding.CONFIG_VALUE, "api.remember_tokens", ""),
        ({**API, "audience": 5}, Finding.CONFIG_VALUE, "api.audience", ""),
        ({**API, "audience": []}, Finding.CONFIG_MISSING, "api.audience", ""),
    ],
)
def test_parts_that_do_not_fit_end_the_start_in_one_line_that_names_the_fix(
    tmp_path: Path, api: dict[str, Any], finding: Finding, key: str, told: str
) -> None:
    error = refusal(tmp_path, api)
    assert (error.finding, error.facts["key"]) == (finding, key)
    assert told in str(error)


@pytest.mark.parametrize(
    ("api", "key", "meant"),
    [
        ({**API, "dopp": "off"}, "api.dopp", "api.dpop"),
        ({**API, "scope_hierachy": {}}, "api.scope_hierachy", "api.scope_hierarchy"),
        (
            {**API, "introspection": {"client_id": "a", "client_secret": SECRET, "maxage": 1}},
            "api.introspection.maxage",
            "api.introspection.max_age",
        ),
        ({"issuers": [{**API, "dialekt": "okta"}]}, "api.issuers.0.dialekt", "api.issuers.0.dialect"),
    ],
)
def test_an_unknown_key_is_named_with_what_was_meant(
    tmp_path: Path, api: dict[str, Any], key: str, meant: str
) -> None:
    error = refusal(tmp_path, api)
    assert error.finding is Finding.CONFIG_UNKNOWN_KEY
    assert (error.facts["key"], error.facts["did_you_mean"]) == (key, meant)


def test_the_private_key_of_introspection_is_relative_to_the_file(tmp_path: Path) -> None:
    introspection = {"client_id": "api", "private_key_file": "api.pem"}
    for api in ({**API, "introspection": introspection}, {"issuers": [{**API, "introspection": introspection}]}):
        read = load(tmp_path, api)
        asked = read.introspection or read.issuers[0].introspection
        assert asked is not None
        assert asked.private_key_file == tmp_path / "api.pem"
