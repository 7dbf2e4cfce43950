"""Telling kinds of tokens apart, for diagnosis."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofkey.protocol.token_kind import TokenKind, classify
from proofkey.testing.hostile_tokens import hostile_tokens
from proofkey.testing.personas import PERSONAS
from proofkey.testing.tokens import NOW, TokenMaker

MAKE = TokenMaker()
ENTRA = {"iss": "https://sts.windows.net/t/", "aud": "api://orders", "scp": "read", "sub": "s", "appid": "a"}
ASSERTION = {"iss": "app", "sub": "app", "aud": MAKE.issuer, "exp": NOW, "jti": "j"}
KEYCLOAK_ID = {"iss": MAKE.issuer, "aud": "app", "azp": "app", "sub": "s", "auth_time": 1, "typ": "ID"}

KINDS = {
    "access token": (MAKE.access_token(), TokenKind.ACCESS_TOKEN),
    "access token of an older issuer": (MAKE.access_token({"typ": "JWT"}), TokenKind.ACCESS_TOKEN),
    "media type": (MAKE.access_token({"typ": "application/at+jwt"}), TokenKind.ACCESS_TOKEN),
    "Entra's access token": (MAKE.sign(ENTRA, typ="JWT"), TokenKind.ACCESS_TOKEN),
    "ID token": (MAKE.id_token(), TokenKind.ID_TOKEN),
    "ID token with at_hash": (MAKE.id_token(nonce=None, at_hash="x"), TokenKind.ID_TOKEN),
    "ID token without nonce": (MAKE.id_token(nonce=None), TokenKind.ID_TOKEN),
    "ID token by azp": (MAKE.sign(KEYCLOAK_ID, typ="JWT"), TokenKind.ID_TOKEN),
    "Graph by id": (MAKE.access_token(aud="00000003-0000-0000-c000-000000000000"), TokenKind.GRAPH_TOKEN),
    "Graph by address": (MAKE.access_token(aud="https://graph.microsoft.com/"), TokenKind.GRAPH_TOKEN),
    "client assertion": (MAKE.sign(ASSERTION, typ="JWT"), TokenKind.CLIENT_ASSERTION),
    "refresh token of Keycloak": (MAKE.sign(MAKE.claims(typ="Offline"), typ="JWT"), TokenKind.REFRESH_TOKEN),
    "DPoP proof, untyped": (MAKE.sign({"htm": "GET", "htu": "x", "jti": "j"}, typ=None), TokenKind.DPOP_PROOF),
    "another JWT": (MAKE.sign({"iss": "x", "exp": 1}, typ="JWT"), TokenKind.OTHER_JWT),
    "JWE": ("eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..AA.AA.AA", TokenKind.ENCRYPTED),
    "opaque": ("2YotnFZFEjr1zCsicMWpAA", TokenKind.OPAQUE),
    "opaque with a dot": ("2Yotn.FZFEjr1zCsicMWpAA", TokenKind.OPAQUE),
    "of a GitHub OAuth app": ("gho_16C7e42F292c6912E7710c838347Ae178B4a", TokenKind.GITHUB_TOKEN),
    "personal, of GitHub": ("ghp_16C7e42F292c6912E7710c838347Ae178B4a", TokenKind.GITHUB_TOKEN),
    "of a GitHub app's installation": ("ghs_16C7e42F292c6912E7710c838347Ae178B4a", TokenKind.GITHUB_TOKEN),
    "fine-grained, of GitHub": ("github_pat_11ABCDEFG0abcdefghijkl_mnopqrst", TokenKind.GITHUB_TOKEN),
    "of Google": ("ya29.a0AfH6SMBx7example", TokenKind.GOOGLE_TOKEN),
    "of Google, with dots": ("ya29.c.Kp8B7.example", TokenKind.GOOGLE_TOKEN),
    "refresh token of Google": ("1//0gexampleexample", TokenKind.REFRESH_TOKEN),
    "refresh token of Microsoft": ("0.AXEAVtHNexample.AgABAwEexample.more", TokenKind.REFRESH_TOKEN),
    "opaque, of Auth0": (
        "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIiwiaXNzIjoiaHR0cHM6Ly9hY21lLmF1dGgwLmNvbS8ifQ..AA.AA.AA",
        TokenKind.AUTH0_TOKEN,
    ),
    "of Okta's org server": (
        MAKE.access_token({"typ": "application/okta-internal-at+jwt"}),
        TokenKind.OKTA_ORG_TOKEN,
    ),
    "logout token of Keycloak": (MAKE.sign(MAKE.claims(typ="Logout"), typ="JWT"), TokenKind.LOGOUT_TOKEN),
    "ID token of Cognito": (MAKE.sign({"token_use": "id", "client_id": "a"}, typ=None), TokenKind.ID_TOKEN),
    "access token of Authentik": (
        MAKE.sign({"aud": "a", "azp": "a", "uid": "u", "nonce": "n"}, typ="JWT"),
        TokenKind.ACCESS_TOKEN,
    ),
    "empty": ("", TokenKind.OPAQUE),
    "five parts of anything": ("a.b.c.d.e", TokenKind.DAMAGED),
    "header that is no JSON": ("AAAA.e30.AAAA", TokenKind.DAMAGED),
    "payload cut": (MAKE.access_token().replace(".", ".!", 1), TokenKind.DAMAGED),
    "too large": ("a" * 20_000, TokenKind.TOO_LARGE),
}


@pytest.mark.parametrize(("token", "kind"), KINDS.values(), ids=KINDS.keys())
def test_kind(token: str, kind: TokenKind) -> None:
    assert classify(token) is kind


@pytest.mark.parametrize("name", PERSONAS)
def test_the_tokens_of_every_provider_are_told_apart(name: str) -> None:
    make = TokenMaker.of(PERSONAS[name])
    assert classify(make.access_token()) is TokenKind.ACCESS_TOKEN
    assert classify(make.client_token()) is TokenKind.ACCESS_TOKEN
    assert classify(make.id_token()) is TokenKind.ID_TOKEN


def test_every_kind_but_the_access_token_has_a_finding() -> None:
    assert {kind for kind in TokenKind if kind.finding is None} == {TokenKind.ACCESS_TOKEN}


@given(st.text())
def test_any_text_is_classified(token: str) -> None:
    assert isinstance(classify(token), TokenKind)


def test_every_hostile_token_is_classified() -> None:
    for hostile in hostile_tokens(MAKE):
        assert isinstance(classify(hostile.token), TokenKind)
