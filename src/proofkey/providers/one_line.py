"""The providers in one line each: `Login(Auth0("acme.eu.auth0.com", client_id=…, client_secret=…), …)`.

Each gives a `Provider`, which is data: nobody is asked, and nothing is read, before the first login. A client
without a secret is a public one, or one whose secret or key `Login` has by another keyword.
"""

import re
from dataclasses import replace
from typing import Final

from proofkey.errors import ConfigurationError
from proofkey.findings import Finding
from proofkey.protocol.dialect import Dialect, LoginDialect
from proofkey.protocol.redirect_uri import origin_of
from proofkey.protocol.text import ClientId, Issuer, Secret
from proofkey.providers.auth0 import AUTH0
from proofkey.providers.cognito import COGNITO
from proofkey.providers.entra import ENTRA
from proofkey.providers.google import GOOGLE
from proofkey.providers.keycloak import KEYCLOAK
from proofkey.providers.login import Provider
from proofkey.providers.okta import OKTA, OKTA_ORG

_ENTRA_HOST: Final = "https://login.microsoftonline.com"
_POOL: Final = re.compile(r"([a-z]{2}(?:-[a-z]+)+-\d+)_[A-Za-z0-9]+")
_SEGMENT: Final = re.compile(r"[A-Za-z0-9._~-]+")


def OIDC(  # noqa: N802 - reads as a type where it is used, as its fellows do
    issuer: str, *, client_id: str, client_secret: str | Secret | None = None, audience: str | None = None
) -> Provider:
    """Any provider that keeps to OpenID Connect and names APIs by `resource` (RFC 8707); our own server too."""
    return _provider(issuer, client_id, client_secret, LoginDialect(), audience=audience)


def Auth0(  # noqa: N802
    domain: str, *, client_id: str, client_secret: str | Secret | None = None, audience: str | None = None
) -> Provider:
    """`domain` like `acme.eu.auth0.com`, or the custom domain. `audience` is the API's identifier.

    Raises: ConfigurationError.
    """
    issuer = f"https://{_host(domain, 'domain')}/"
    return _of(AUTH0, issuer, client_id, client_secret, audience=audience)


def Entra(  # noqa: N802
    tenant: str,
    *,
    client_id: str,
    client_secret: str | Secret | None = None,
    scopes: tuple[str, ...] = (),
    tenants: tuple[str, ...] = (),
) -> Provider:
    """`tenant` is the directory id, or `organizations` with the allowed `tenants`, or `consumers`. `scopes` are
    those of an API, as `api://<application id>/<scope>`.

    Raises: ConfigurationError unless directory ids are GUIDs, or when tenants are needed and not named.
    """
    issuer = f"{_ENTRA_HOST}/{_segment(tenant, 'tenant').lower()}/v2.0"
    issuers = frozenset(name for name in ENTRA.token_issuers(issuer, tenants) if name.endswith("/v2.0"))
    made = _of(ENTRA, issuer, client_id, client_secret)
    return replace(made, scope=scopes, issuers=issuers, published_as=ENTRA.metadata_issuer(issuer))


def Google(  # noqa: N802
    *, client_id: str, client_secret: str | Secret | None = None, offline: bool = True
) -> Provider:
    """`offline`: ask for a refresh token, which Google gives only with consent at each login."""
    made = _of(GOOGLE, "https://accounts.google.com", client_id, client_secret)
    if offline:
        return made
    return replace(made, dialect=replace(made.dialect, authorization_parameters={}))


def Keycloak(  # noqa: N802
    base_url: str,
    realm: str,
    *,
    client_id: str,
    client_secret: str | Secret | None = None,
    audience: str | None = None,
) -> Provider:
    """`base_url` like `https://sso.example.com`, with `/auth` behind it before Keycloak 17. An audience mapper,
    and no parameter, puts `audience` into tokens; refresh tokens come by themselves.

    Raises: ConfigurationError.
    """
    issuer = f"{base_url.rstrip('/')}/realms/{_segment(realm, 'realm')}"
    return _of(KEYCLOAK, issuer, client_id, client_secret, audience=audience)


def Okta(  # noqa: N802
    domain: str,
    *,
    client_id: str,
    client_secret: str | Secret | None = None,
    server: str | None = None,
    audience: str | None = None,
) -> Provider:
    """`domain` like `acme.okta.com`. `server` is the custom authorization server, such as `default`; without one
    the org server signs people in, and its access tokens open no API of yours.

    Raises: ConfigurationError, also for an audience without a server.
    """
    issuer = f"https://{_host(domain, 'domain')}"
    if server is not None:
        issuer = f"{issuer}/oauth2/{_segment(server, 'server')}"
        return _of(OKTA, issuer, client_id, client_secret, audience=audience)
    if audience is not None:
        raise ConfigurationError(Finding.CONFIG_MISSING, key="server", fix=OKTA_ORG.opaque_remedy or "")
    return replace(_of(OKTA_ORG, issuer, client_id, client_secret), name="Okta")


def Cognito(  # noqa: N802
    user_pool: str, *, client_id: str, client_secret: str | Secret | None = None, audience: str | None = None
) -> Provider:
    """`user_pool` like `eu-central-1_AbCdEfGhI`, which names the region too. `audience` is a resource server, for
    pools whose plan knows resource binding.

    Raises: ConfigurationError.
    """
    found = _POOL.fullmatch(user_pool)
    if found is None:
        expected = "like eu-central-1_AbCdEfGhI"
        raise ConfigurationError(Finding.CONFIG_VALUE, key="user_pool", value=user_pool[:64], expected=expected)
    issuer = f"https://cognito-idp.{found[1]}.amazonaws.com/{user_pool}"
    return _of(COGNITO, issuer, client_id, client_secret, audience=audience)


def _of(
    dialect: Dialect,
    issuer: str,
    client_id: str,
    client_secret: str | Secret | None,
    *,
    audience: str | None = None,
) -> Provider:
    made = _provider(issuer, client_id, client_secret, dialect.login, audience=audience)
    return replace(made, name=dialect.title.partition(",")[0])


def _provider(
    issuer: str,
    client_id: str,
    client_secret: str | Secret | None,
    dialect: LoginDialect,
    *,
    audience: str | None = None,
) -> Provider:
    secret = Secret(client_secret) if isinstance(client_secret, str) else client_secret
    return Provider(
        issuer=Issuer(issuer),
        client_id=ClientId(client_id),
        client_secret=secret,
        audience=audience,
        dialect=dialect,
    )


def _host(domain: str, key: str) -> str:
    """The host alone, as a browser spells it. Raises: ConfigurationError."""
    try:
        if origin_of(f"https://{domain}") == f"https://{domain}":
            return domain
    except ValueError as error:
        raise ConfigurationError(Finding.CONFIG_VALUE, key=key, value=domain[:200], expected="a host") from error
    raise ConfigurationError(Finding.CONFIG_VALUE, key=key, value=domain[:200], expected="a host in lower case")


def _segment(value: str, key: str) -> str:
    """One segment of a path. Raises: ConfigurationError."""
    if not _SEGMENT.fullmatch(value) or value in (".", ".."):
        expected = "letters, digits and . _ ~ -"
        raise ConfigurationError(Finding.CONFIG_VALUE, key=key, value=value[:64], expected=expected)
    return value
