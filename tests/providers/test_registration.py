"""The neutral registration."""

from typing import Any

import pytest

from proofkey.errors import ConfigurationError
from proofkey.findings import Finding
from proofkey.providers.registration import Registration, build_document, read_registration, slug_of

DOCUMENT: dict[str, Any] = {
    "name": "Orders",
    "issuer": "https://id.test/realms/orders",
    "clients": [
        {
            "client_id": "orders",
            "client_name": "Orders",
            "redirect_uris": ["https://app.test/auth/callback"],
            "post_logout_redirect_uris": ["https://app.test/auth/signed-out"],
            "backchannel_logout_uri": "https://app.test/auth/backchannel-logout",
            "scope": "openid profile offline_access orders:read",
        },
        {"client_id": "worker", "grant_types": ["client_credentials"], "response_types": []},
    ],
    "api": {
        "resource": "https://api.test",
        "scopes_supported": ["orders:read", "orders:write"],
        "roles": ["admin"],
    },
}


def read(**changes: Any) -> Registration:
    return read_registration({**DOCUMENT, **changes})


def client_with(**members: Any) -> list[dict[str, Any]]:
    return [{**DOCUMENT["clients"][0], **members}]


@pytest.mark.spec("7591-2", "9728-2")
def test_a_document_is_read_and_written_back():
    registration = read()
    assert [client.client_id for client in registration.web_clients] == ["orders"]
    assert [client.client_id for client in registration.service_clients] == ["worker"]
    assert (registration.scopes, registration.roles) == (("orders:read", "orders:write"), ("admin",))
    assert registration.api
    assert registration.api.name == "Orders API"
    assert read_registration(build_document(registration)) == registration


@pytest.mark.spec("7591-2")
@pytest.mark.parametrize(
    ("changes", "finding", "names"),
    [
        ({"name": ""}, Finding.CONFIG_MISSING, "name"),
        ({"name": 7}, Finding.CONFIG_VALUE, "name"),
        ({"clients": []}, Finding.CONFIG_MISSING, "clients"),
        ({"clients": "orders"}, Finding.CONFIG_VALUE, "clients"),
        ({"clients": ["orders"]}, Finding.CONFIG_VALUE, "clients"),
        ({"clints": []}, Finding.CONFIG_UNKNOWN_KEY, "clints"),
        ({"issuer": "http://id.test"}, Finding.ISSUER_INSECURE, "issuer"),
        ({"api": {"scopes_supported": []}}, Finding.CONFIG_MISSING, "api.resource"),
        ({"api": "https://api.test"}, Finding.CONFIG_VALUE, "api"),
        ({"api": {"resource": "x", "scopes_supported": ["a b"]}}, Finding.CONFIG_VALUE, "scopes_supported"),
        ({"api": {"resource": "x", "scopes_supported": "a"}}, Finding.CONFIG_VALUE, "scopes_supported"),
        ({"api": {"resource": "x", "role": []}}, Finding.CONFIG_UNKNOWN_KEY, "api.role"),
        ({"clients": client_with(client_secret="x" * 40)}, Finding.CONFIG_VALUE, "client_secret"),
        ({"clients": client_with(redirect_uris=["https://app.test/*"])}, Finding.REDIRECT_URI_MALFORMED, "*"),
        (
            {"clients": client_with(redirect_uris=["http://app.test/cb"])},
            Finding.REDIRECT_URI_INSECURE,
            "app.test",
        ),
        ({"clients": client_with(redirect_uris=["https://app.test/#f"])}, Finding.REDIRECT_URI_MALFORMED, "#f"),
        ({"clients": client_with(backchannel_logout_uri="http://a.test")}, Finding.CONFIG_VALUE, "backchannel"),
        ({"clients": client_with(redirect_uri="x")}, Finding.CONFIG_UNKNOWN_KEY, "redirect_uri"),
        ({"clients": client_with() + client_with(client_id="ORDERS")}, Finding.CONFIG_VALUE, "client_id"),
    ],
)
def test_a_document_is_refused_with_the_member(changes: dict[str, Any], finding: Finding, names: str):
    with pytest.raises(ConfigurationError) as refusal:
        read(**changes)
    assert refusal.value.finding is finding
    assert names in str(refusal.value.facts)


def test_http_on_loopback_is_for_development_at_any_provider():
    registration = read(clients=client_with(redirect_uris=["http://localhost:8501/oauth2callback"]))
    assert registration.clients[0].redirect_uris == ["http://localhost:8501/oauth2callback"]


@pytest.mark.parametrize(
    ("text", "slug"), [("Orders API", "orders-api"), ("a.b_c", "a-b-c"), ("żółw", "w"), ("--", "app"), ("", "app")]
)
def test_a_slug_is_lower_case_with_hyphens(text: str, slug: str):
    assert slug_of(text) == slug
