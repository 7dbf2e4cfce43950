"""What a refusal tells the log: the kind of token, the cause, both clocks, and what to set."""

import json
from typing import Any

import pytest

from proofkey.errors import InvalidToken
from proofkey.findings import Finding
from proofkey.protocol.access_token import verify_access_token
from proofkey.protocol.dialect import Dialect
from proofkey.protocol.text import encode_base64url
from proofkey.providers import dialect_named
from proofkey.testing.personas import PERSONAS
from proofkey.testing.tokens import NOW, TokenMaker, compact_json, key_for_tests, key_set_of

MAKE = TokenMaker()
ENTRA = TokenMaker.of(PERSONAS["entra"])
AUTH0_OPAQUE = "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIiwiaXNzIjoiaHR0cHM6Ly9hY21lLmF1dGgwLmNvbS8ifQ..AA.AA.AA"
JWE = f"{encode_base64url(compact_json({'alg': 'RSA-OAEP-256', 'enc': 'A256GCM'}))}.AA.AA.AA.AA"


def refusal_of(token: str, make: TokenMaker = MAKE, dialect: Dialect | None = None) -> InvalidToken:
    spoken = dialect or make.persona.dialect
    with pytest.raises(InvalidToken) as refusal:
        verify_access_token(
            token,
            key_set_of(make.key),
            issuer=make.persona.dialect.token_issuers(make.issuer, ()),
            audience=frozenset({make.audience}),
            now=NOW,
            dialect=spoken,
        )
    return refusal.value


OPAQUE: dict[str, tuple[str, str, Finding, str]] = {
    "opaque": ("rfc9068", "2YotnFZFEjr1zCsicMWpAA", Finding.TOKEN_IS_OPAQUE, ""),
    "opaque at Auth0": ("auth0", "2YotnFZFEjr1zCsicMWpAA", Finding.TOKEN_IS_AUTH0_OPAQUE, "audience="),
    "Auth0's JWE at Auth0": ("auth0", AUTH0_OPAQUE, Finding.TOKEN_IS_AUTH0_OPAQUE, "audience="),
    "Auth0's JWE elsewhere": ("rfc9068", AUTH0_OPAQUE, Finding.TOKEN_IS_AUTH0_OPAQUE, ""),
    "an encrypted token of an Auth0 API": ("auth0", JWE, Finding.TOKEN_ENCRYPTED, "Token Settings"),
    "encrypted": ("rfc9068", JWE, Finding.TOKEN_ENCRYPTED, ""),
    "Cognito's refresh token": ("cognito", JWE, Finding.TOKEN_IS_REFRESH_TOKEN, ""),
    "Zitadel's opaque token": ("zitadel", "2YotnFZFEjr1zCsicMWpAA", Finding.TOKEN_IS_OPAQUE, "JWT"),
    "Google": ("rfc9068", "ya29.a0AfH6SMB.x.y", Finding.TOKEN_IS_GOOGLE, ""),
    "GitHub": ("entra", "ghp_16C7e42F292c6912E7710c838347Ae178B4a", Finding.TOKEN_IS_GITHUB, ""),
    "Google's refresh token": ("google", "1//0gexample", Finding.TOKEN_IS_REFRESH_TOKEN, ""),
    "opaque at Entra": ("entra", "EwBwA8l6BAAUbDba3x2OMJElkF7gJ4z", Finding.TOKEN_IS_OPAQUE, "api://"),
    "five parts of nothing": ("auth0", "a.b.c.d.e", Finding.TOKEN_ENCRYPTED, "Token Settings"),
}


@pytest.mark.parametrize(("name", "token", "finding", "fix"), OPAQUE.values(), ids=OPAQUE.keys())
def test_a_token_that_is_no_jwt_is_named(name: str, token: str, finding: Finding, fix: str) -> None:
    refusal = refusal_of(token, dialect=dialect_named(name))
    assert refusal.finding is finding
    assert fix in refusal.facts.get("fix", finding.remedy)
    assert ("fix" in refusal.facts) or not fix
    assert refusal.description == "The access token is not valid."


@pytest.mark.spec("V9-9.2.1", "F2-5.3.2.1-13-rs")
def test_both_clocks_are_told() -> None:
    expired = refusal_of(MAKE.access_token(iat=NOW - 1000, exp=NOW - 100)).facts
    assert (expired["iat"], expired["exp"], expired["now"], expired["over_by"]) == (
        str(NOW - 1000),
        str(NOW - 100),
        str(NOW),
        "100 s",
    )
    early = refusal_of(MAKE.access_token(iat=NOW + 61, exp=NOW + 900)).facts
    assert (early["iat"], early["now"], early["issuer_ahead_by"]) == (str(NOW + 61), str(NOW), "61 s")


def test_a_graph_token_is_named_although_its_signature_never_verifies() -> None:
    graph = ENTRA.access_token({"nonce": "n"}, aud="00000003-0000-0000-c000-000000000000")
    head, payload, signature = graph.split(".")
    forged = f"{head}.{payload}.{'A' * len(signature)}"
    for token in (graph, forged):
        refusal = refusal_of(token, ENTRA)
        assert refusal.finding is Finding.TOKEN_IS_GRAPH
        assert "api://" in refusal.facts["fix"]


@pytest.mark.spec("8725b-3.8-a")
def test_a_token_of_another_issuer_with_an_unknown_key_is_named_so() -> None:
    foreign = TokenMaker(key_for_tests("ES256", "theirs"), "https://other.test")
    refusal = refusal_of(foreign.access_token())
    assert refusal.finding is Finding.TOKEN_ISSUER
    assert refusal.facts["check"] == Finding.TOKEN_KEY_UNKNOWN.id


@pytest.mark.spec("X-jwks-b")
def test_an_unknown_key_of_our_issuer_stays_one_so_that_keys_are_fetched() -> None:
    rotated = TokenMaker(key_for_tests("ES256", "rotated"))
    assert refusal_of(rotated.access_token()).finding is Finding.TOKEN_KEY_UNKNOWN


def test_another_tenant_of_the_provider_is_named_so() -> None:
    other = "https://login.microsoftonline.com/11111111-2222-4333-8444-555555555555/v2.0"
    stranger = TokenMaker(key_for_tests("ES256", "theirs"), other, persona=PERSONAS["entra"])
    for token in (stranger.access_token(), ENTRA.access_token(iss=other, tid=other.split("/")[3])):
        refusal = refusal_of(token, ENTRA)
        assert refusal.finding is Finding.TOKEN_TENANT
        assert "tenants" in refusal.facts["fix"]


LOGOUT = "http://schemas.openid.net/event/backchannel-logout"
KINDS: dict[str, tuple[dict[str, Any], str | None, Finding]] = {
    "refresh token": ({"typ": "Refresh"}, "JWT", Finding.TOKEN_IS_REFRESH_TOKEN),
    "logout token": ({"events": {LOGOUT: {}}}, "JWT", Finding.TOKEN_IS_LOGOUT_TOKEN),
    "client assertion": ({"sub": MAKE.issuer}, "JWT", Finding.TOKEN_IS_CLIENT_ASSERTION),
    "DPoP proof": ({"htm": "GET", "htu": "x"}, "dpop+jwt", Finding.TOKEN_IS_DPOP_PROOF),
    "access token in an older form": ({}, "JWT", Finding.TOKEN_TYPE),
}


@pytest.mark.spec("9068-4-a")
@pytest.mark.parametrize(("claims", "typ", "finding"), KINDS.values(), ids=KINDS.keys())
def test_a_jwt_of_another_kind_is_named(claims: dict[str, Any], typ: str, finding: Finding) -> None:
    refusal = refusal_of(MAKE.access_token({"typ": typ}, **claims))
    assert refusal.finding is finding
    if finding is Finding.TOKEN_TYPE:
        assert "dialect=" in finding.remedy
    else:
        assert refusal.facts["check"] == Finding.TOKEN_TYPE.id


def test_a_refresh_token_that_the_provider_signed_for_itself_is_named() -> None:
    """Keycloak 26.7 signs them with HS512."""
    head = encode_base64url(b'{"alg":"HS512","typ":"JWT","kid":"theirs"}')
    body = encode_base64url(json.dumps(MAKE.claims(typ="Refresh")).encode())
    refusal = refusal_of(f"{head}.{body}.{'A' * 86}")
    assert refusal.finding is Finding.TOKEN_IS_REFRESH_TOKEN
