"""Google: opaque access tokens are refused with the way out; ID tokens only when asked for loudly."""

from typing import Any

import pytest

from proofkey.errors import ConfigurationError, InvalidToken
from proofkey.findings import Finding
from proofkey.protocol.access_token import AccessToken, verify_access_token
from proofkey.protocol.dialect import Dialect
from proofkey.providers.google import GOOGLE, google_id_tokens
from proofkey.testing.tokens import NOW, TokenMaker, key_for_tests, key_set_of

MAKE = TokenMaker(key_for_tests("ES256"), "https://accounts.google.com", "app")
WORKSPACE = google_id_tokens("app", "android", hosted_domain="acme.test", allow_insecure_id_tokens=True)


def id_token(**changed: Any) -> str:
    return MAKE.id_token(**{"azp": "app", "hd": "acme.test", "email": "ann@acme.test", **changed})


def verify(token: str, dialect: Dialect = WORKSPACE) -> AccessToken:
    return verify_access_token(
        token,
        key_set_of(MAKE.key),
        issuer=dialect.token_issuers(MAKE.issuer, ()),
        audience=frozenset({"app", "android", "api"}),
        now=NOW,
        dialect=dialect,
    )


def test_an_id_token_of_the_domain_is_taken() -> None:
    token = verify(id_token())
    assert (token.sub, token.client_id, token.scope, token.roles) == ("u1", "app", (), ())
    assert not token.is_client_only


@pytest.mark.parametrize("iss", ["https://accounts.google.com", "accounts.google.com"])
def test_both_spellings_of_the_issuer_are_taken(iss: str) -> None:
    assert verify(id_token(iss=iss)).iss == iss


REFUSED: dict[str, tuple[dict[str, Any], Finding]] = {
    "another client's": ({"aud": "other"}, Finding.TOKEN_AUDIENCE),
    "for the API by name, no client of ours": ({"aud": "api"}, Finding.TOKEN_AUDIENCE),
    "for several": ({"aud": ["app", "other"]}, Finding.TOKEN_AUDIENCE),
    "another domain": ({"hd": "evil.test"}, Finding.TOKEN_HOSTED_DOMAIN),
    "a private account": ({"hd": None}, Finding.TOKEN_HOSTED_DOMAIN),
    "hd a list": ({"hd": ["acme.test"]}, Finding.TOKEN_CLAIM_TYPE),
    "azp a number": ({"azp": 7}, Finding.TOKEN_CLAIM_TYPE),
    "another issuer": ({"iss": "https://evil.test"}, Finding.TOKEN_ISSUER),
    "expired": ({"exp": NOW - 60}, Finding.TOKEN_EXPIRED),
}


@pytest.mark.spec("8725b-3.9-a")
@pytest.mark.parametrize(("claims", "finding"), REFUSED.values(), ids=REFUSED.keys())
def test_an_id_token_is_refused(claims: dict[str, Any], finding: Finding) -> None:
    with pytest.raises(InvalidToken) as refusal:
        verify(id_token(**claims))
    assert refusal.value.finding is finding


def test_without_a_domain_any_account_may_call() -> None:
    anybody = google_id_tokens("app", allow_insecure_id_tokens=True)
    assert verify(id_token(hd=None, azp=None), anybody).client_id == "app"


@pytest.mark.spec("9068-4-a")
def test_without_the_loud_word_no_token_of_google_is_taken() -> None:
    for token in (id_token(), MAKE.access_token(), MAKE.access_token({"typ": "JWT"})):
        with pytest.raises(InvalidToken) as refusal:
            verify(token, GOOGLE)
        assert refusal.value.finding in {Finding.TOKEN_IS_ID_TOKEN, Finding.TOKEN_TYPE}


@pytest.mark.parametrize("token", ["ya29.a0AfH6SMBx7example", "ya29.c.Kp8B7example"])
def test_an_access_token_of_google_is_named_with_the_way_out(token: str) -> None:
    for dialect in (GOOGLE, WORKSPACE):
        with pytest.raises(InvalidToken) as refusal:
            verify(token, dialect)
        assert refusal.value.finding is Finding.TOKEN_IS_GOOGLE
        assert "ID token" in refusal.value.facts["fix"]


@pytest.mark.spec("X-failclosed")
@pytest.mark.parametrize(
    ("client_ids", "options", "key"),
    [
        (("app",), {}, "allow_insecure_id_tokens"),
        ((), {"allow_insecure_id_tokens": True}, "client_ids"),
        ((" ",), {"allow_insecure_id_tokens": True}, "client_ids"),
    ],
    ids=["no consent", "no client", "a blank client"],
)
def test_half_a_configuration_stops_the_start(
    client_ids: tuple[str, ...], options: dict[str, Any], key: str
) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        google_id_tokens(*client_ids, **options)
    assert refusal.value.facts["key"] == key


def test_tenants_are_not_silently_ignored() -> None:
    with pytest.raises(ConfigurationError) as refusal:
        WORKSPACE.token_issuers(MAKE.issuer, ("acme.test",))
    assert "hosted_domain" in refusal.value.facts["fix"]
