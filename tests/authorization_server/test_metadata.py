"""The metadata document: requirements §7, only what is there."""

from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest

from proofkey.authorization_server.metadata import build_metadata
from proofkey.protocol.text import Issuer
from tests.authorization_server.driver import API, BILLING, POLICY

METHODS = ["client_secret_basic", "client_secret_post", "private_key_jwt", "none"]
ALGORITHMS = [
    "ES256", "ES384", "ES512", "Ed25519", "EdDSA", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512",
]  # fmt: skip


@pytest.mark.spec("OD-3-b", "OD-4.2-a", "OD-4.3-a", "MCP25-sec")
def test_the_document() -> None:
    assert build_metadata(POLICY) == {
        "issuer": "https://op.test",
        "authorization_endpoint": "https://op.test/authorize",
        "token_endpoint": "https://op.test/token",
        "userinfo_endpoint": "https://op.test/userinfo",
        "jwks_uri": "https://op.test/jwks",
        "revocation_endpoint": "https://op.test/revoke",
        "introspection_endpoint": "https://op.test/introspect",
        "end_session_endpoint": "https://op.test/end-session",
        "backchannel_logout_supported": True,
        "backchannel_logout_session_supported": True,
        "scopes_supported": [
            "openid", "profile", "email", "address", "phone", "offline_access",
            "orders:read", "orders:write", "bills:read",
        ],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query", "form_post"],
        "pushed_authorization_request_endpoint": "https://op.test/par",
        "require_pushed_authorization_requests": False,
        "grant_types_supported": [
            "authorization_code", "refresh_token", "client_credentials",
            "urn:ietf:params:oauth:grant-type:token-exchange",
        ],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
        "token_endpoint_auth_methods_supported": METHODS,
        "revocation_endpoint_auth_methods_supported": METHODS,
        "token_endpoint_auth_signing_alg_values_supported": ALGORITHMS,
        "revocation_endpoint_auth_signing_alg_values_supported": ALGORITHMS,
        "introspection_endpoint_auth_signing_alg_values_supported": ALGORITHMS,
        "dpop_signing_alg_values_supported": ALGORITHMS,
        "tls_client_certificate_bound_access_tokens": False,
        "introspection_endpoint_auth_methods_supported": [
            "client_secret_basic", "client_secret_post", "private_key_jwt",
        ],
        "introspection_signing_alg_values_supported": ["RS256", "ES256"],
        "id_token_signing_alg_values_supported": ["RS256", "ES256"],
        "userinfo_signing_alg_values_supported": ["RS256", "ES256"],
        "subject_types_supported": ["public", "pairwise"],
        "claims_supported": [
            "iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "at_hash", "acr", "amr", "sid", "name",
            "family_name",
            "given_name", "middle_name", "nickname", "preferred_username", "profile", "picture", "website",
            "gender", "birthdate", "zoneinfo", "locale", "updated_at", "roles", "email", "email_verified",
            "address", "phone_number", "phone_number_verified",
        ],
        "claim_types_supported": ["normal"],
        "claims_parameter_supported": True,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        "display_values_supported": ["page"],
        "ui_locales_supported": ["en"],
        "protected_resources": [API, BILLING],
    }  # fmt: skip


@pytest.mark.spec("OC-15.1-a", "OD-3")
def test_algorithms_and_classes_are_those_that_are_there() -> None:
    policy = replace(POLICY, acr_values={"urn:pwd": ("pwd",), "urn:two": ("pwd", "otp")})
    document = build_metadata(policy, ("ES256", "RS256", "PS256", "Ed25519"))
    for member in ("id_token_signing_alg_values_supported", "userinfo_signing_alg_values_supported"):
        assert document[member] == ["RS256", "ES256", "PS256", "Ed25519"]
    assert document["acr_values_supported"] == ["urn:pwd", "urn:two"]


@pytest.mark.spec("OD-4.2-a")
def test_empty_lists_are_left_out() -> None:
    assert "protected_resources" not in build_metadata(replace(POLICY, resources={}))


@pytest.mark.spec("OD-4-a")
def test_endpoints_are_under_an_issuer_with_a_path() -> None:
    issuer = Issuer("http://localhost:8000/idp")
    document = build_metadata(replace(POLICY, issuer=issuer))
    assert document["issuer"] == issuer
    for name, value in document.items():
        if name.endswith(("_endpoint", "_uri")):
            assert value.startswith(issuer + "/")
            assert "//" not in urlsplit(value).path


@pytest.mark.spec("8414†", "8693-2-a †", "7662-2.1-a")
def test_without_an_api_no_token_is_exchanged_and_nobody_asks_without_credentials() -> None:
    document = build_metadata(replace(POLICY, resources={}))
    assert document["grant_types_supported"] == ["authorization_code", "refresh_token", "client_credentials"]
    assert "none" not in document["introspection_endpoint_auth_methods_supported"]
    assert document["introspection_endpoint_auth_methods_supported"]


@pytest.mark.spec("OD-3", "RFC 8414 §2")
@pytest.mark.parametrize("name", ["service_documentation", "op_policy_uri", "op_tos_uri"])
def test_a_page_of_the_operator_is_named_where_there_is_one(name: str) -> None:
    page: dict[str, Any] = {name: "https://op.test/page"}
    assert build_metadata(replace(POLICY, **page))[name] == "https://op.test/page"
    assert name not in build_metadata(POLICY)
