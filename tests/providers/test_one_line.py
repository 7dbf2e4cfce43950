"""The providers in one line: what each becomes, and what it refuses."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from proofkey.client.config import LoginConfig, check_login_config
from proofkey.errors import ConfigurationError
from proofkey.protocol.text import ClientId, Issuer, Secret
from proofkey.providers import OIDC, Auth0, Cognito, Entra, Google, Keycloak, Okta, Provider
from proofkey.providers.login import config_at
from tests.client.login_kit import API, CLIENT_SECRET, RP

TENANT = "11111111-2222-4333-8444-555555555555"
OTHER = "66666666-7777-4888-8999-aaaaaaaaaaaa"
ENTRA = "https://login.microsoftonline.com"
PLAIN = ("openid", "profile")
OFFLINE = ("openid", "profile", "offline_access")
POOL = "eu-central-1_Example1"
WEB: dict[str, Any] = {"client_id": "web", "client_secret": CLIENT_SECRET}


def at(provider: Provider, *, own_scope: bool = False, **changes: Any) -> LoginConfig:
    values: dict[str, Any] = {
        "issuer": Issuer(provider.issuer),
        "client_id": ClientId(provider.client_id),
        "redirect_uri": f"{RP}/auth/callback",
        "post_logout_redirect_uri": f"{RP}/auth/signed-out",
        "scope": PLAIN,
    }
    return config_at(provider, LoginConfig(**{**values, **changes}), own_scope=own_scope)


@dataclass(frozen=True)
class Row:
    provider: Provider
    issuer: str
    name: str | None
    logout: str
    scope: tuple[str, ...] = PLAIN
    resource: tuple[str, ...] = ()
    parameters: tuple[tuple[str, str], ...] = ()
    prompt: frozenset[str] = frozenset()
    audiences: tuple[str, ...] = ()
    forces_pkce: bool = False


ROWS = {
    "oidc": Row(OIDC("https://id.test", **WEB), "https://id.test", None, "oidc"),
    "oidc-api": Row(
        OIDC("https://id.test", audience=API, **WEB),
        "https://id.test",
        None,
        "oidc",
        scope=OFFLINE,
        resource=(API,),
        audiences=(API,),
    ),
    "auth0": Row(Auth0("acme.eu.auth0.com", **WEB), "https://acme.eu.auth0.com/", "Auth0", "auth0_v2"),
    "auth0-api": Row(
        Auth0("login.acme.test", audience=API, **WEB),
        "https://login.acme.test/",
        "Auth0",
        "auth0_v2",
        scope=OFFLINE,
        parameters=(("audience", API),),
        audiences=(API,),
    ),
    "entra": Row(Entra(TENANT, **WEB), f"{ENTRA}/{TENANT}/v2.0", "Microsoft Entra ID", "oidc", forces_pkce=True),
    "entra-api": Row(
        Entra(TENANT, scopes=("api://a/read",), **WEB),
        f"{ENTRA}/{TENANT}/v2.0",
        "Microsoft Entra ID",
        "oidc",
        scope=(*OFFLINE, "api://a/read"),
        forces_pkce=True,
    ),
    "google": Row(
        Google(**WEB),
        "https://accounts.google.com",
        "Google",
        "none",
        parameters=(("access_type", "offline"),),
        prompt=frozenset({"consent"}),
    ),
    "google-online": Row(Google(offline=False, **WEB), "https://accounts.google.com", "Google", "none"),
    "keycloak": Row(
        Keycloak("https://sso.test/", "shop", audience=API, **WEB),
        "https://sso.test/realms/shop",
        "Keycloak",
        "oidc",
        audiences=(API,),
    ),
    "okta-org": Row(Okta("acme.okta.com", **WEB), "https://acme.okta.com", "Okta", "oidc"),
    "okta": Row(
        Okta("acme.okta.com", server="default", audience=API, **WEB),
        "https://acme.okta.com/oauth2/default",
        "Okta",
        "oidc",
        scope=OFFLINE,
        audiences=(API,),
    ),
    "cognito": Row(
        Cognito(POOL, audience=API, **WEB),
        f"https://cognito-idp.eu-central-1.amazonaws.com/{POOL}",
        "Amazon Cognito",
        "cognito",
        resource=(API,),
        audiences=(API,),
        forces_pkce=True,
    ),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_a_line_becomes_the_whole_client(row: Row) -> None:
    config = at(row.provider)
    check_login_config(config)
    assert (config.issuer, config.provider_name, config.dialect.logout) == (row.issuer, row.name, row.logout)
    assert (config.scope, config.resource, config.prompt) == (row.scope, row.resource, row.prompt)
    assert config.authorization_parameters == row.parameters
    assert config.audiences == row.audiences
    assert config.dialect.force_pkce is row.forces_pkce
    assert config.client_secret == CLIENT_SECRET


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_no_secret_is_shown(row: Row) -> None:
    assert CLIENT_SECRET.reveal() not in repr(row.provider)
    assert CLIENT_SECRET.reveal() not in repr(at(row.provider))


def test_what_was_chosen_beside_the_provider_stays() -> None:
    config = at(Google(**WEB), scope=("openid", "email"), own_scope=True, prompt=frozenset({"select_account"}))
    assert (config.scope, config.prompt) == (("openid", "email"), frozenset({"select_account"}))
    beside = at(Auth0("acme.eu.auth0.com", client_id="web"), resource=(API,), client_secret=CLIENT_SECRET)
    assert beside == at(Auth0("acme.eu.auth0.com", audience=API, **WEB))


def test_the_issuers_of_each_tenant_are_a_closed_list() -> None:
    one = at(Entra(TENANT.upper(), **WEB))
    assert one.token_issuers == {f"{ENTRA}/{TENANT}/v2.0"}
    several = at(Entra("organizations", tenants=(TENANT, OTHER), **WEB))
    assert several.token_issuers == {f"{ENTRA}/{TENANT}/v2.0", f"{ENTRA}/{OTHER}/v2.0"}
    assert several.published_as == {f"{ENTRA}/{{tenantid}}/v2.0"}
    assert at(Google(**WEB)).token_issuers == {"https://accounts.google.com", "accounts.google.com"}


REFUSED: dict[str, tuple[str, Callable[[], object]]] = {
    "auth0-url": ("domain", lambda: Auth0("https://acme.eu.auth0.com/", **WEB)),
    "auth0-path": ("domain", lambda: Auth0("acme.eu.auth0.com/x", **WEB)),
    "auth0-empty": ("domain", lambda: Auth0("", **WEB)),
    "auth0-case": ("domain", lambda: Auth0("Acme.eu.auth0.com", **WEB)),
    "entra-domain": ("tenants", lambda: Entra("acme.onmicrosoft.com", **WEB)),
    "entra-everybody": ("tenants", lambda: Entra("common", **WEB)),
    "entra-path": ("tenant", lambda: Entra(f"{TENANT}/x", **WEB)),
    "entra-audience": ("audience", lambda: at(Entra(TENANT, **WEB), resource=(API,))),
    "keycloak-realm": ("realm", lambda: Keycloak("https://sso.test", "a/b", **WEB)),
    "keycloak-dots": ("realm", lambda: Keycloak("https://sso.test", "..", **WEB)),
    "keycloak-http": (
        "issuer",
        lambda: check_login_config(at(Keycloak("http://sso.test", "shop", **WEB))),
    ),
    "okta-org-api": ("server", lambda: Okta("acme.okta.com", audience=API, **WEB)),
    "cognito-pool": ("user_pool", lambda: Cognito("Example1", **WEB)),
    "secret-twice": ("client_secret", lambda: at(Google(**WEB), client_secret=Secret("x" * 43))),
    "audience-twice": ("audience", lambda: at(OIDC("https://id.test", audience=API, **WEB), resource=(API,))),
}


@pytest.mark.parametrize(("key", "make"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_work_is_refused_by_name(key: str, make: Callable[[], object]) -> None:
    with pytest.raises(ConfigurationError) as refused:
        make()
    assert refused.value.facts["key"] == key
