"""Keys and certificates of clients, from the configuration to the role's policy."""

import json
from pathlib import Path

import pytest

from proofkey.authorization_server.policy import Policy
from proofkey.errors import ConfigurationError
from proofkey.findings import Finding
from proofkey.runtime.server_policy import server_policy
from proofkey.runtime.settings import Settings
from proofkey.testing.tokens import key_for_tests

KEY = key_for_tests("ES256", "client-key")
SERVER = """
[server]
issuer = "https://op.test"
master_key = "q8Jr2b0Nn1uYxw3dZ5v7AaKkLmPpQqRrSsTtUuVvWwX"
"""
PROXY = 'client_certificate_header = "Client-Cert"\ntrusted_proxies = ["10.0.0.5/32"]\n'
JWK = ", ".join(f"{name} = {json.dumps(value)}" for name, value in KEY.public_jwk.items())


def policy_of(folder: Path, text: str) -> Policy:
    file = folder / "proofkey.toml"
    file.write_text(SERVER + text)
    return server_policy(Settings.load(file, {}).server)


@pytest.mark.spec("9700-2.5-a", "9449-5.2-a")
def test_a_client_with_keys_signs_unless_it_says_otherwise(tmp_path: Path) -> None:
    text = f'clients = [{{ client_id = "a", jwks = {{ keys = [{{ {JWK} }}] }}, dpop_bound_access_tokens = true }}]'
    [client] = policy_of(tmp_path, text).clients
    assert client.token_endpoint_auth_method == "private_key_jwt"
    assert json.loads(client.jwks or "") == {"keys": [KEY.public_jwk]}
    assert client.dpop_bound_access_tokens


def test_nonces_and_certificates_are_off_until_they_are_switched_on(tmp_path: Path) -> None:
    plain = policy_of(tmp_path, "")
    assert (plain.dpop_nonces, plain.client_certificates, plain.certificate_methods) == (False, None, ())
    asked = policy_of(tmp_path, f"dpop_nonces = true\n{PROXY}")
    assert (asked.dpop_nonces, asked.client_certificates) == (True, "verified")
    asked = policy_of(tmp_path, f'{PROXY}client_certificates = "unverified"')
    assert asked.certificate_methods == ("self_signed_tls_client_auth",)


@pytest.mark.spec("8705-2-a")
def test_a_client_of_certificates_is_read(tmp_path: Path) -> None:
    members = 'token_endpoint_auth_method = "tls_client_auth", tls_client_auth_san_dns = "a.test"'
    [client] = policy_of(tmp_path, f'{PROXY}clients = [{{ client_id = "a", {members} }}]').clients
    assert (client.token_endpoint_auth_method, client.tls_client_auth_san_dns) == ("tls_client_auth", "a.test")


@pytest.mark.spec("9700-4.13-a")
@pytest.mark.parametrize(
    ("text", "key"),
    [
        pytest.param('client_certificate_header = "Client-Cert"', "server.trusted_proxies", id="from anybody"),
        pytest.param(
            'clients = [{ client_id = "a", token_endpoint_auth_method = "tls_client_auth" }]',
            "server.client_certificate_header",
            id="a client of certificates without the header",
        ),
        pytest.param(
            'clients = [{ client_id = "a", tls_client_certificate_bound_access_tokens = true }]',
            "server.client_certificate_header",
            id="bound tokens without the header",
        ),
    ],
)
def test_what_cannot_work_ends_the_start(tmp_path: Path, text: str, key: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        policy_of(tmp_path, text)
    assert (refused.value.finding, refused.value.facts["key"]) == (Finding.CONFIG_MISSING, key)
