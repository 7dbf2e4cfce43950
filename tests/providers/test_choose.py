"""Which dialect an issuer speaks, and what every dialect owes its readers."""

import pytest

from proofkey.errors import ConfigurationError
from proofkey.findings import Finding
from proofkey.protocol.dialect import RFC9068, Dialect, check_verifies, remedy_for
from proofkey.providers import DIALECTS, dialect_for, dialect_named, google_id_tokens

ISSUERS = {
    "https://acme.eu.auth0.com/": "auth0",
    "https://login.microsoftonline.com/7c1e6f4a-0b52-4c3e-9d8f-2a6b5c4d3e2f/v2.0": "entra",
    "https://login.microsoftonline.com/common/v2.0": "entra",
    "https://login.microsoftonline.us/7c1e6f4a-0b52-4c3e-9d8f-2a6b5c4d3e2f/v2.0": "entra",
    "https://sts.windows.net/7c1e6f4a-0b52-4c3e-9d8f-2a6b5c4d3e2f/": "entra",
    "https://accounts.google.com": "google",
    "https://id.acme.test/realms/acme": "keycloak",
    "http://localhost:8080/auth/realms/acme": "keycloak",
    "https://acme.okta.com": "okta_org",
    "https://acme.okta.com/oauth2/default": "okta",
    "https://acme.oktapreview.com/oauth2/aus1": "okta",
    "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_Example1": "cognito",
    "https://acme.zitadel.cloud": "zitadel",
    "https://auth.acme.test/application/o/orders/": "authentik",
    "https://github.com/login/oauth": "github",
    "https://token.actions.githubusercontent.com": "rfc9068",
    "https://id.acme.test": "rfc9068",
    "https://auth0.com.evil.test/": "rfc9068",
    "https://notauth0.com/": "rfc9068",
    "https://evil.test/login.microsoftonline.com/common/v2.0": "rfc9068",
    "https://id.acme.test/realms/": "rfc9068",
    "https://s3.amazonaws.com/cognito-idp.eu": "rfc9068",
    "accounts.google.com": "rfc9068",
    "": "rfc9068",
}


@pytest.mark.parametrize(("issuer", "name"), ISSUERS.items(), ids=ISSUERS)
def test_the_issuer_chooses_the_dialect(issuer: str, name: str) -> None:
    assert dialect_for(issuer).name == name


def test_a_dialect_may_be_named() -> None:
    assert dialect_named("proofkey").name == "proofkey"
    assert {dialect_named(name).name for name in DIALECTS} == set(DIALECTS)


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigurationError) as refusal:
        dialect_named("autho")
    assert "auth0" in refusal.value.facts["fix"]


ALL = [*DIALECTS.values(), google_id_tokens("app", allow_insecure_id_tokens=True)]


@pytest.mark.spec("9068-4-a", "9068-2.2")
@pytest.mark.parametrize("dialect", ALL, ids=lambda dialect: dialect.name)
def test_every_departure_is_named(dialect: Dialect) -> None:
    """A field that is not RFC 9068's has a line in `relaxes`; a dialect without departures has none."""
    rules = " · ".join(one.rule for one in dialect.relaxes)
    assert all(one.instead for one in dialect.relaxes)
    if not dialect.verifies:
        assert dialect.header_types == frozenset()
        return
    departures = {
        "typ": dialect.header_types != RFC9068.header_types,
        "client_id": dialect.client_id != RFC9068.client_id,
        "jti": not dialect.jti_required,
        "aud": dialect.audience != "aud",
        "scope": dialect.scope is not None,
        "roles": dialect.roles is not None,
        "sub": dialect.user_key is not None,
    }
    for name, departs in departures.items():
        assert not departs or name in rules
    if dialect.is_client_only is not None and dialect.name != "google-id-token":
        assert "sub of a client's own token" in rules


@pytest.mark.parametrize("dialect", ALL, ids=lambda dialect: dialect.name)
def test_every_dialect_says_where_its_facts_stand(dialect: Dialect) -> None:
    assert dialect.source.title
    assert dialect.source.date >= "2021-10"
    assert dialect.source.live == (dialect.name in {"proofkey", "keycloak"})


@pytest.mark.spec("X-failclosed")
@pytest.mark.parametrize("name", ["google", "github", "okta_org"])
def test_a_provider_for_login_only_stops_the_start_with_the_fix(name: str) -> None:
    dialect = dialect_named(name)
    with pytest.raises(ConfigurationError) as refusal:
        check_verifies(dialect)
    assert refusal.value.finding is Finding.DIALECT_LOGIN_ONLY
    assert refusal.value.facts["fix"] == dialect.opaque_remedy


def test_the_others_may_verify() -> None:
    for dialect in ALL:
        if dialect.verifies:
            check_verifies(dialect)


REMEDIES = {
    ("auth0", Finding.TOKEN_IS_AUTH0_OPAQUE): "audience=",
    ("auth0", Finding.TOKEN_SYMMETRIC): "RS256",
    ("entra", Finding.TOKEN_IS_GRAPH): "api://<application id>/<scope>",
    ("entra", Finding.TOKEN_AUDIENCE): "requestedAccessTokenVersion",
    ("entra", Finding.TOKEN_ISSUER): "requestedAccessTokenVersion",
    ("entra", Finding.TOKEN_TENANT): "tenants",
    ("keycloak", Finding.TOKEN_AUDIENCE): "audience mapper",
    ("keycloak", Finding.TOKEN_ISSUER): "KC_HOSTNAME",
    ("google", Finding.TOKEN_IS_OPAQUE): "allow_insecure_id_tokens",
    ("okta_org", Finding.TOKEN_IS_OKTA_ORG): "oauth2/default",
    ("cognito", Finding.TOKEN_AUDIENCE): "resource=",
    ("zitadel", Finding.TOKEN_AUDIENCE): "urn:zitadel:iam:org:project:id:",
    ("zitadel", Finding.TOKEN_IS_OPAQUE): "JWT",
    ("authentik", Finding.TOKEN_SYMMETRIC): "Signing Key",
    ("github", Finding.TOKEN_IS_OPAQUE): "login only",
    ("rfc9068", Finding.TOKEN_AUDIENCE): Finding.TOKEN_AUDIENCE.remedy,
}


@pytest.mark.parametrize(("case", "words"), REMEDIES.items(), ids=str)
def test_the_remedy_names_the_setting(case: tuple[str, Finding], words: str) -> None:
    assert words in remedy_for(case[1], dialect_named(case[0]))
