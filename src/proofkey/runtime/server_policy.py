"""From the settings to the policy of the authorization server."""

import json
from collections.abc import Mapping

from proofkey.authorization_server.policy import ConfiguredUser, DetailType, Policy, Resource
from proofkey.errors import ConfigurationError, InvalidScope, InvalidTarget
from proofkey.findings import Finding
from proofkey.protocol.messages import parse_resources
from proofkey.protocol.registration import AuthMethod, ClientRegistration
from proofkey.protocol.scope import parse_scope
from proofkey.protocol.text import ClientId, Issuer, Subject
from proofkey.runtime.settings import ClientSettings, ServerSettings, UserSettings
from proofkey.runtime.settings_client_documents import client_documents
from proofkey.runtime.settings_profile import features_of, lifetimes_of
from proofkey.runtime.settings_registration import self_registration


def server_policy(settings: ServerSettings) -> Policy:
    """The section `[server]` as the role's policy; clients and users are put into the store at start.

    Raises: ConfigurationError.
    """
    resources = {
        one.identifier: Resource(
            identifier=one.identifier,
            scopes=one.scopes,
            clients=one.clients,
            access_token_format=one.access_token_format,
        )
        for one in settings.resources
    }
    if settings.default_resource is not None:
        default = Resource(identifier=settings.default_resource)
        resources.setdefault(settings.default_resource, default)
    for resource in resources.values():
        _check_resource(resource)
    return Policy(
        issuer=Issuer(settings.issuer.rstrip("/")),
        lifetimes=lifetimes_of(settings),
        resources=resources,
        default_resource=settings.default_resource,
        service_documentation=settings.service_documentation,
        op_policy_uri=settings.op_policy_uri,
        op_tos_uri=settings.op_tos_uri,
        acr_values=_acr_values(settings.acr_values),
        sector_identifier_uris=frozenset(settings.sector_identifier_uris),
        authorization_details_types={
            one.type: DetailType(**one.model_dump()) for one in settings.authorization_details_types
        },
        clients=tuple(_client(one) for one in settings.clients),
        users=tuple(_user(one) for one in settings.users),
        client_certificates=settings.client_certificates if settings.client_certificate_header else None,
        mtls_base_url=settings.mtls_base_url.rstrip("/") if settings.mtls_base_url else None,
        dpop_nonces=settings.dpop_nonces,
        profile=settings.profile,
        features=features_of(settings),
        require_pushed_authorization_requests=settings.require_pushed_authorization_requests,
        registration=self_registration(settings.registration),
        client_documents=client_documents(settings.cimd),
        allow_insecure_no_throttles=settings.allow_insecure_no_throttles,
    )


def _client(settings: ClientSettings) -> ClientRegistration:
    secret = settings.client_secret
    method: AuthMethod = settings.token_endpoint_auth_method or _usual_method(settings)
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
        backchannel_logout_uri=settings.backchannel_logout_uri,
        backchannel_logout_session_required=settings.backchannel_logout_session_required,
        grant_types=frozenset(settings.grant_types),
        response_types=frozenset(settings.response_types),
        scope=scope,
        id_token_signed_response_alg=settings.id_token_signed_response_alg,
        userinfo_signed_response_alg=settings.userinfo_signed_response_alg,
        subject_type=settings.subject_type,
        sector_identifier_uri=settings.sector_identifier_uri,
        default_max_age=settings.default_max_age,
        require_auth_time=settings.require_auth_time,
        default_acr_values=settings.default_acr_values,
        access_token_format=settings.access_token_format,
        introspection_signed_response_alg=settings.introspection_signed_response_alg,
        response_modes=frozenset(settings.response_modes),
        require_pushed_authorization_requests=settings.require_pushed_authorization_requests,
        require_signed_request_object=settings.require_signed_request_object,
        request_object_signing_alg=settings.request_object_signing_alg,
        authorization_signed_response_alg=settings.authorization_signed_response_alg,
        skip_consent=settings.skip_consent,
        allow_insecure_without_pkce=settings.allow_insecure_without_pkce,
        jwks=None if settings.jwks is None else json.dumps(settings.jwks, sort_keys=True, default=str),
        jwks_uri=settings.jwks_uri,
        token_endpoint_auth_signing_alg=settings.token_endpoint_auth_signing_alg,
        authorization_details_types=settings.authorization_details_types,
        dpop_bound_access_tokens=settings.dpop_bound_access_tokens,
        tls_client_auth_subject_dn=settings.tls_client_auth_subject_dn,
        tls_client_auth_san_dns=settings.tls_client_auth_san_dns,
        tls_client_auth_san_uri=settings.tls_client_auth_san_uri,
        tls_client_auth_san_ip=settings.tls_client_auth_san_ip,
        tls_client_auth_san_email=settings.tls_client_auth_san_email,
        tls_client_certificate_bound_access_tokens=settings.tls_client_certificate_bound_access_tokens,
    )


def _usual_method(settings: ClientSettings) -> AuthMethod:
    """What its credential is for; none without one."""
    if settings.client_secret is not None:
        return "client_secret_basic"
    return "none" if settings.jwks is None and settings.jwks_uri is None else "private_key_jwt"


def _acr_values(settings: Mapping[str, tuple[str, ...]]) -> Mapping[str, tuple[str, ...]]:
    """Names that fit into a parameter separated by spaces, each with at least one factor."""
    for name, factors in settings.items():
        if not name or not name.isascii() or not name.isprintable() or " " in name or not factors:
            key, reason = "acr_values", "a name without spaces, and the factors that it takes"
            raise ConfigurationError(Finding.CONFIG_VALUE, key=key, value=name[:64], reason=reason)
    return settings


def _user(settings: UserSettings) -> ConfiguredUser:
    return ConfiguredUser(
        username=settings.username,
        password=settings.password,
        sub=Subject(settings.sub) if settings.sub is not None else None,
        roles=settings.roles,
        claims=settings.claims,
    )


def _check_resource(resource: Resource) -> None:
    try:
        parse_resources((("resource", resource.identifier),))
        for scope in resource.scopes:
            if parse_scope(scope) != (scope,):
                raise ConfigurationError(Finding.CONFIG_VALUE, key="resources.scopes", value=scope[:64])
    except (InvalidTarget, InvalidScope) as error:
        value = resource.identifier[:200]
        raise ConfigurationError(Finding.CONFIG_VALUE, key="resources", value=value) from error
