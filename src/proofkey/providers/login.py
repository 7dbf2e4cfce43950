"""A provider to sign in at: a frozen value, and the client's configuration that is made of it."""

from dataclasses import dataclass, field, replace
from typing import Final

from proofkey.client.config import LoginConfig
from proofkey.errors import ConfigurationError
from proofkey.findings import Finding
from proofkey.protocol.client_assertion import ClientMethod
from proofkey.protocol.dialect import LoginDialect
from proofkey.protocol.text import ClientId, Issuer, Pairs, Secret

STANDARD: Final = ("openid", "profile")


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One client's registration at one provider; made by `Auth0`, `Entra` and the like, or by `OIDC`."""

    name: str | None = None
    """For people to read; None: the issuer's host."""
    issuer: Issuer
    client_id: ClientId
    client_secret: Secret | None = None
    auth_method: ClientMethod | None = None
    """None: as the metadata offer."""
    audience: str | None = None
    scope: tuple[str, ...] = ()
    """Scopes of an API, beside those of OpenID Connect."""
    dialect: LoginDialect = field(default_factory=LoginDialect)
    issuers: frozenset[str] = frozenset()
    published_as: frozenset[str] = frozenset()
    """Both as in `LoginConfig`."""


def config_at(provider: Provider, config: LoginConfig, *, own_scope: bool) -> LoginConfig:
    """The client at that provider: its parameters, its scopes, and how it is told of the API. `own_scope` says
    that the scope of `config` was chosen, and stays.

    Raises: ConfigurationError when something is said twice, or an API cannot be asked for in this way.
    """
    dialect = provider.dialect
    chosen = config.resource[0] if config.resource else None
    _check_once("client_secret", provider.client_secret, config.client_secret)
    _check_once("audience", provider.audience, chosen)
    audience = chosen or provider.audience
    scope = config.scope if own_scope else _scope(provider, audience)
    if audience is not None and dialect.audience_parameter == "scope" and not set(scope) - _PLAIN:
        fix = 'scopes=("api://<application id>/<scope>", …): there is no other way to ask for an API here'
        raise ConfigurationError(Finding.CONFIG_VALUE, key="audience", value=audience[:200], fix=fix)
    sends_resource = dialect.audience_parameter == "resource"
    return replace(
        config,
        client_secret=config.client_secret or provider.client_secret,
        auth_method=config.auth_method or provider.auth_method,
        resource=(audience,) if audience is not None and sends_resource else (),
        scope=scope,
        prompt=config.prompt or frozenset(dialect.authorization_parameters.get("prompt", "").split()),
        dialect=dialect,
        provider_name=provider.name,
        authorization_parameters=_parameters(dialect, audience),
        issuers=provider.issuers,
        published_as=provider.published_as,
        unsent_audience=None if sends_resource else audience,
    )


_PLAIN: Final = frozenset({"openid", "profile", "email", "address", "phone", "offline_access"})


def _scope(provider: Provider, audience: str | None) -> tuple[str, ...]:
    """Refresh tokens are asked for where an API is called, and where a scope is what brings them."""
    calls_api = audience is not None or bool(provider.scope)
    offline = ("offline_access",) if calls_api and provider.dialect.offline_access else ()
    return tuple(dict.fromkeys((*STANDARD, *offline, *provider.scope)))


def _parameters(dialect: LoginDialect, audience: str | None) -> Pairs:
    own = tuple((name, value) for name, value in dialect.authorization_parameters.items() if name != "prompt")
    if audience is not None and dialect.audience_parameter == "audience":
        return (*own, ("audience", audience))
    return own


def _check_once(key: str, first: object, second: object) -> None:
    if first is not None and second is not None:
        reason = "given twice, at the provider and beside it"
        raise ConfigurationError(Finding.CONFIG_VALUE, key=key, reason=reason)
