"""What a client refuses to start with."""

from typing import Any

import pytest

from proofkey.client.config import check_login_config, check_public_url
from proofkey.errors import ConfigurationError
from proofkey.findings import Finding
from tests.client.login_kit import config_for


@pytest.mark.parametrize(
    "url",
    ["https://rp.test", "https://rp.test/", "https://rp.test:8443", "http://127.0.0.1:8501", "http://localhost",
     "http://[::1]:8000"],
)  # fmt: skip
def test_a_public_url_may_be(url: str) -> None:
    check_public_url(url)


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("http://rp.test", id="http away from loopback"),
        pytest.param("http://127.0.0.1.evil.test", id="a host that begins like loopback"),
        pytest.param("https://rp.test?x=1", id="a query"),
        pytest.param("https://rp.test/?x=1", id="a query after the slash"),
        pytest.param("https://rp.test#x", id="a fragment"),
        pytest.param("https://rp.test/app", id="a path"),
        pytest.param("https://ann@rp.test", id="user information"),
        pytest.param("https://ann:geheim@rp.test", id="a password"),
        pytest.param("rp.test", id="no scheme"),
        pytest.param("ftp://rp.test", id="another scheme"),
        pytest.param("https://", id="no host"),
        pytest.param("https://rp.test:0", id="port 0"),
        pytest.param("https://rp.test:99999", id="no port"),
        pytest.param("https://rp.test\\evil", id="a backslash"),
        pytest.param("https://rp test", id="a space"),
        pytest.param("", id="nothing"),
    ],
)
def test_a_public_url_is_refused_with(url: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        check_public_url(url)
    assert "\n" not in str(refused.value)
    assert "public_url" in str(refused.value)
    assert "geheim" not in str(refused.value)


@pytest.mark.parametrize(
    ("changes", "finding"),
    [
        pytest.param({"issuer": "http://op.test"}, Finding.ISSUER_INSECURE, id="http issuer off loopback"),
        pytest.param({"issuer": "https://op.test?x"}, Finding.CONFIG_VALUE, id="issuer with a query"),
        pytest.param({"client_id": ""}, Finding.CONFIG_MISSING, id="no client_id"),
        pytest.param({"client_id": " "}, Finding.CONFIG_MISSING, id="a blank client_id"),
        pytest.param({"prompt": frozenset({"none"})}, Finding.CONFIG_VALUE, id="prompt none"),
        pytest.param({"scope": ("profile",)}, Finding.CONFIG_VALUE, id="a scope without openid"),
        pytest.param(
            {"client_secret": None, "auth_method": "client_secret_basic"},
            Finding.CONFIG_MISSING,
            id="a method that needs a secret",
        ),
        pytest.param({"idle": 0}, Finding.CONFIG_VALUE, id="idle 0"),
        pytest.param({"idle": 100, "absolute": 50}, Finding.CONFIG_VALUE, id="idle longer than absolute"),
    ],
)
def test_a_configuration_is_refused_with(changes: dict[str, Any], finding: Finding) -> None:
    with pytest.raises(ConfigurationError) as refused:
        check_login_config(config_for(**changes))
    assert refused.value.finding is finding
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("issuer", ["https://op.test", "https://acme.eu.auth0.com/", "http://localhost:9000"])
def test_an_issuer_may_be(issuer: str) -> None:
    check_login_config(config_for(issuer=issuer))
