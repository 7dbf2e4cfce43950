"""From `[api]` to the keywords of `Protect`."""

from collections.abc import Mapping, Sequence
from typing import Literal, TypedDict

from proofkey.protocol.text import Secret
from proofkey.runtime.introspection import Introspection
from proofkey.runtime.settings_model import ApiSettings, IntrospectionSettings, IssuerSettings
from proofkey.runtime.settings_values import Names
from proofkey.runtime.trust import TrustedIssuer


class ProtectKeywords(TypedDict):
    """What the configuration says of a protected API."""

    issuer: str | None
    issuers: Sequence[TrustedIssuer]
    audience: str | Sequence[str]
    dialect: str | None
    tenants: Sequence[str]
    internal_base_url: str | None
    allow_insecure_internal_http: bool
    introspection: Introspection | None
    remember_tokens: int
    scope_hierarchy: Mapping[str, Sequence[str]]
    public_url: str | None
    dpop: Literal["off", "optional", "required"]
    dpop_nonces: Secret | None
    replay_store: str
    mtls: bool
    trusted_proxies: Sequence[str]
    client_certificate_header: str | None
    resource_name: str | None
    log_acceptances: bool
    docs_client_id: str | None


def protect_keywords(settings: ApiSettings) -> ProtectKeywords:
    """For `Protect(**protect_keywords(settings.api))`; nothing of the section is left out."""
    return ProtectKeywords(
        issuer=settings.issuer,
        issuers=tuple(_trusted(one) for one in settings.issuers),
        audience=_names(settings.audience),
        dialect=settings.dialect,
        tenants=settings.tenants,
        internal_base_url=settings.internal_base_url,
        allow_insecure_internal_http=settings.allow_insecure_internal_http,
        introspection=_introspection(settings.introspection),
        remember_tokens=settings.remember_tokens,
        scope_hierarchy=settings.scope_hierarchy,
        public_url=settings.public_url,
        dpop=settings.dpop,
        dpop_nonces=settings.master_key if settings.dpop_nonces else None,
        replay_store=settings.store,
        mtls=settings.mtls,
        trusted_proxies=settings.trusted_proxies,
        client_certificate_header=settings.client_certificate_header,
        resource_name=settings.resource_name,
        log_acceptances=settings.log_acceptances,
        docs_client_id=settings.docs_client_id,
    )


def _trusted(one: IssuerSettings) -> TrustedIssuer:
    return TrustedIssuer(
        issuer=one.issuer,
        audience=_names(one.audience),
        dialect=one.dialect,
        tenants=one.tenants,
        internal_base_url=one.internal_base_url,
        allow_insecure_internal_http=one.allow_insecure_internal_http,
        introspection=_introspection(one.introspection),
        until=one.until,
    )


def _introspection(asked: IntrospectionSettings | None) -> Introspection | None:
    if asked is None:
        return None
    return Introspection(
        client_id=asked.client_id,
        client_secret=asked.client_secret,
        private_key_file=asked.private_key_file,
        endpoint=asked.endpoint,
        max_age=asked.max_age,
        size=asked.size,
        signed=asked.signed,
        always=asked.always,
        assertion_audience=asked.assertion_audience,
        allow_insecure_missing_audience=asked.allow_insecure_missing_audience,
    )


def _names(names: Names | None) -> str | Sequence[str]:
    return () if names is None else names
