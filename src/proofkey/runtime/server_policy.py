"""From the settings to the policy of the authorization server."""

from proofkey.authorization_server.policy import ConfiguredUser, Lifetimes, Policy, Resource
from proofkey.errors import ConfigurationError, InvalidScope, InvalidTarget
from proofkey.findings import Finding
from proofkey.protocol.messages import parse_resources
from proofkey.protocol.registration import AuthMethod, ClientRegistration
from proofkey.protocol.scope import parse_scope
from proofkey.protocol.text import ClientId, Issuer, Subject
from proofkey.runtime.settings import ClientSettings, LifetimesSettings, ServerSettings, UserSettings


def server_policy(settings: ServerSettings) -> Policy:
    """The section `[server]` as the role's policy; clients and users are put into the store at start.

    Raises: ConfigurationError.
    """
    resources = {
        one.identifier: Resource(identifier=one.identifier, scopes=one.scopes, clients=one.clients)
        for one in settings.resources
    }
    if settings.default_resource is not None:
        default = Resource(identifier=settings.default_resource)
        resources.setdefault(settings.default_resource, default)
    for resource in resources.values():
        _check_resource(resource)
    return Policy(
        issuer=Issuer(settings.issuer.rstrip("/")),
        lifetimes=_lifetimes(settings.lifetimes),
        resources=resources,
        default_resource=settings.default_resource,
        clients=tuple(_client(one) for one in settings.clients),
        users=tuple(_user(one) for one in settings.users),
        allow_insecure_no_throttles=settings.allow_insecure_no_throttles,
    )


def _client(settings: ClientSettings) -> ClientRegistration:
    secret = settings.client_secret
    method: AuthMethod = settings.token_endpoint_auth_method or ("client_secret_basic" if secret else "none")
    try:
        scope = parse_scope(settings.scope)
    except InvalidScope as error:
        raise ConfigurationError(
            Finding.CLIENT_METADATA_BAD, client_id=settings.client_id[:64], member="scope"
        ) from error
    return ClientRegistration(
        client_id=ClientId(settings.client_id),
        secret_digest=secret.digest() if secret else None,
        token_endpoint_auth_method=method,
        client_name=settings.client_name,
        application_type=settings.application_type,
        redirect_uris=frozenset(settings.redirect_uris),
        post_logout_redirect_uris=frozenset(settings.post_logout_redirect_uris),
        grant_types=frozenset(settings.grant_types),
        response_types=frozenset(settings.response_types),
        scope=scope,
        id_token_signed_response_alg=settings.id_token_signed_response_alg,
        skip_consent=settings.skip_consent,
        allow_insecure_without_pkce=settings.allow_insecure_without_pkce,
    )


def _user(settings: UserSettings) -> ConfiguredUser:
    return ConfiguredUser(
        username=settings.username,
        password=settings.password,
        sub=Subject(settings.sub) if settings.sub is not None else None,
        roles=settings.roles,
        claims=settings.claims,
    )


def _lifetimes(settings: LifetimesSettings) -> Lifetimes:
    return Lifetimes(**settings.model_dump())


def _check_resource(resource: Resource) -> None:
    try:
        parse_resources((("resource", resource.identifier),))
        for scope in resource.scopes:
            if parse_scope(scope) != (scope,):
                raise ConfigurationError(Finding.CONFIG_VALUE, key="resources.scopes", value=scope[:64])
    except (InvalidTarget, InvalidScope) as error:
        value = resource.identifier[:200]
        raise ConfigurationError(Finding.CONFIG_VALUE, key="resources", value=value) from error
