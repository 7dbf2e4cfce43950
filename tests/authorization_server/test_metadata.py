"""The metadata document: requirements §7, only what is there."""

from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from proofkey.authorization_server.metadata import build_metadata
from proofkey.protocol.text import Issuer
from tests.authorization_server.driver import API, BILLING, POLICY


@pytest.mark.spec("OD-3-b", "OD-4.2-a", "OD-4.3-a", "MCP25-sec")
def test_the_document() -> None:
    assert build_metadata(POLICY) == {
        "issuer": "https://op.test",
        "authorization_endpoint": "https://op.test/authorize",
        "token_endpoint": "https://op.test/token",
        "userinfo_endpoint": "https://op.test/userinfo",
        "jwks_uri": "https://op.test/jwks",
        "revocation_endpoint": "https://op.test/revoke",
        "end_session_endpoint": "https://op.test/end-session",
        "scopes_supported": [
            "openid", "profile", "email", "offline_access", "orders:read", "orders:write", "bills:read",
        ],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "revocation_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "id_token_signing_alg_values_supported": ["RS256", "ES256"],
        "subject_types_supported": ["public"],
        "claims_supported": [
            "iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "at_hash", "amr", "sid", "name",
            "family_name",
            "given_name", "middle_name", "nickname", "preferred_username", "profile", "picture", "website",
            "gender", "birthdate", "zoneinfo", "locale", "updated_at", "roles", "email", "email_verified",
        ],
        "claim_types_supported": ["normal"],
        "claims_parameter_supported": False,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        "display_values_supported": ["page"],
        "ui_locales_supported": ["en"],
        "protected_resources": [API, BILLING],
    }  # fmt: skip


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
