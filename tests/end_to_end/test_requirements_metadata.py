"""requirements.md §1.9 and §7 from outside: what the server says about itself, and its keys."""

import base64
import json
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.end_to_end.provider_kit import API, MAIL, Provider, everywhere, header_of, wait_until

ALGORITHMS = {"RS256", "ES256", "PS256", "Ed25519", "EdDSA"}
"""Those that a client of the tests is registered for."""
pytestmark = [pytest.mark.timeout(180)]

OPENID, OAUTH = "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"


def origin(op: Provider) -> str:
    parts = urlsplit(op.issuer)
    return f"{parts.scheme}://{parts.netloc}"


SIGNED_BY_CLIENTS = {
    *("ES256", "ES384", "ES512", "Ed25519", "EdDSA"),
    *("PS256", "PS384", "PS512", "RS256", "RS384", "RS512"),
}


def expected(issuer: str) -> dict[str, Any]:
    methods = ["client_secret_basic", "client_secret_post", "private_key_jwt", "none"]
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": f"{issuer}/token",
        "userinfo_endpoint": f"{issuer}/userinfo",
        "jwks_uri": f"{issuer}/jwks",
        "revocation_endpoint": f"{issuer}/revoke",
        "introspection_endpoint": f"{issuer}/introspect",
        "introspection_endpoint_auth_methods_supported": set(methods) - {"none"},
        "introspection_signing_alg_values_supported": ALGORITHMS,
        "end_session_endpoint": f"{issuer}/end-session",
        "backchannel_logout_supported": True,
        "backchannel_logout_session_supported": True,
        "scopes_supported": {
            *("openid", "profile", "email", "address", "phone", "offline_access"),
            *("orders:read", "orders:write", "mail:read"),
        },
        "response_types_supported": ["code"],
        "response_modes_supported": {"query", "form_post"},
        "grant_types_supported": {
            *("authorization_code", "refresh_token", "client_credentials"),
            "urn:ietf:params:oauth:grant-type:token-exchange",
        },
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
        "token_endpoint_auth_methods_supported": set(methods),
        "revocation_endpoint_auth_methods_supported": set(methods),
        "id_token_signing_alg_values_supported": ALGORITHMS,
        "userinfo_signing_alg_values_supported": ALGORITHMS,
        "acr_values_supported": ["urn:op:password", "urn:op:two-factors"],
        "subject_types_supported": {"public", "pairwise"},
        "claim_types_supported": ["normal"],
        "claims_parameter_supported": True,
        "request_parameter_supported": False,
        "pushed_authorization_request_endpoint": f"{issuer}/par",
        "require_pushed_authorization_requests": False,
        "token_endpoint_auth_signing_alg_values_supported": SIGNED_BY_CLIENTS,
        "revocation_endpoint_auth_signing_alg_values_supported": SIGNED_BY_CLIENTS,
        "introspection_endpoint_auth_signing_alg_values_supported": SIGNED_BY_CLIENTS,
        "dpop_signing_alg_values_supported": SIGNED_BY_CLIENTS,
        "tls_client_certificate_bound_access_tokens": False,
        "request_uri_parameter_supported": False,
        "prompt_values_supported": {"none", "login", "consent", "select_account"},
        "display_values_supported": ["page"],
        "ui_locales_supported": ["en"],
        "protected_resources": {API, MAIL},
    }


@pytest.mark.spec("OD-4-a", "8414-3-a", "OD-4.3-a", "MCP26")
def test_the_document_stands_wherever_it_is_looked_for(op: Provider, later: Provider) -> None:
    for provider in (op, later):
        path = urlsplit(provider.issuer).path
        base = origin(provider)
        places = {base + path + OPENID, base + path + OAUTH, base + OPENID + path, base + OAUTH + path}
        answers = [provider.ask("GET", place) for place in places]
        assert len(places) == (4 if path else 2)
        assert {one.status_code for one in answers} == {200}
        assert len({one.content for one in answers}) == 1
        assert answers[0].json()["issuer"] == provider.issuer
        for one in answers:
            assert one.headers["content-type"] == "application/json"
            assert "max-age" in one.headers["cache-control"]
            assert one.headers["access-control-allow-origin"] == "*"
    assert later.ask("GET", origin(later) + OPENID).status_code == 404, "another issuer's place"


@pytest.mark.spec("requirements §7", "OD-3-b", "OD-4.2-a", "MCP25-sec", "9700-2.1.1-d", "9207-2-a", "8414-3-a")
def test_it_says_what_there_is_and_nothing_else(op: Provider) -> None:
    document = op.ask("GET", OPENID).json()
    claims = document.pop("claims_supported")
    for name, value in expected(op.issuer).items():
        found = document.pop(name)
        assert (set(found) if isinstance(value, set) else found) == value, name
    assert document == {}
    assert set(claims) >= {"iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "amr", "sid", "name", "email"}
    assert len(claims) == len(set(claims))


@pytest.mark.spec("OD-4.2-a")
def test_every_address_in_it_answers(op: Provider) -> None:
    for name, value in op.ask("GET", OPENID).json().items():
        if isinstance(value, str) and value.startswith(op.issuer) and name != "issuer":
            assert op.ask("GET", value).status_code in (200, 400, 401, 405), name


@pytest.mark.spec("OD-3-a", "8725b-3.1-a", "V11-11.2.3", "F2-5.4.1", "F2-5.4.2", "OC-10.1.1-a")
def test_the_key_set_holds_public_keys_one_algorithm_each(op: Provider) -> None:
    answer = op.ask("GET", "/jwks")
    keys = answer.json()["keys"]
    assert {key["alg"] for key in keys} == ALGORITHMS
    assert len({key["kid"] for key in keys}) == len(keys)
    for key in keys:
        assert key["use"] == "sig"
        assert not {"d", "p", "q", "dp", "dq", "qi", "k", "oth"} & set(key)
        if key["kty"] != "RSA":
            assert (key["kty"], key["crv"]) in {("EC", "P-256"), ("OKP", "Ed25519")}
        else:
            assert len(base64.urlsafe_b64decode(key["n"] + "==")) * 8 >= 3072
    assert answer.headers["cache-control"] == "public, max-age=3600"


@pytest.mark.spec("OC-10.1.1-a", "F2-5.4.2", "design §4.5")
def test_a_key_is_published_before_it_signs_and_kept_after(op: Provider) -> None:
    party = op.party("first")
    old = header_of(party.sign_in(op.person()).access_token)["kid"]
    announced = json.loads(op.run("keys", "add", "--algorithm", "ES256", "--json").stdout)
    (waiting,) = [key["kid"] for key in announced]
    wait_until(lambda: everywhere(op, waiting))
    assert header_of(party.sign_in(op.person()).access_token)["kid"] == old
    for _ in range(2):
        made = json.loads(op.run("keys", "rotate", "--algorithm", "ES256", "--now", "--json").stdout)
        (new,) = [key["kid"] for key in made]
        wait_until(partial(everywhere, op, new))
        tokens = [party.sign_in(op.person()).access_token for _ in range(6)]
        assert {header_of(token)["kid"] for token in tokens} == {new}
        keys = op.ask("GET", "/jwks").json()["keys"]
        kids = [key["kid"] for key in keys]
        assert {old, waiting, new} <= set(kids)
        assert len(kids) == len(set(kids))
        assert all(party.userinfo(token).status_code == 200 for token in tokens)
