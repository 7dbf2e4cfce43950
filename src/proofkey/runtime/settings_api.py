"""What `[api]` must not ask for: parts that contradict each other, or that need another one."""

from collections.abc import Iterator

from proofkey.errors import ConfigurationError
from proofkey.findings import Finding
from proofkey.protocol.secret_strength import check_secret_strength
from proofkey.protocol.uri import is_web_url
from proofkey.providers import dialect_named
from proofkey.resource_server.trust import check_internal_base_url
from proofkey.runtime.settings_model import ApiSettings, IntrospectionSettings, IssuerSettings
from proofkey.transport.address import shown_address


def check_api(api: ApiSettings) -> None:
    """Raises: ConfigurationError, which names the key and the fix."""
    _check_issuers(api)
    _check_audiences(api)
    for place, one in _trusted(api):
        _check_trusted(place, one)
    _check_dpop(api)
    _check_mtls(api)


def _check_issuers(api: ApiSettings) -> None:
    if api.issuer is None and not api.issuers:
        raise ConfigurationError(Finding.CONFIG_MISSING, key="api.issuer", variable="PROOFKEY_API_ISSUER")
    if not api.issuers:
        return
    own = ("issuer", "dialect", "tenants", "internal_base_url", "allow_insecure_internal_http", "introspection")
    mixed = next((key for key in own if getattr(api, key)), None)
    if mixed is not None:
        reason = "beside issuers; put it into the entry of the issuer that it belongs to"
        raise ConfigurationError(Finding.CONFIG_VALUE, key=f"api.{mixed}", reason=reason)
    names = [one.issuer for one in api.issuers]
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated is not None:
        raise ConfigurationError(
            Finding.CONFIG_VALUE, key="api.issuers", value=repeated[:200], reason="stands twice"
        )


def _check_audiences(api: ApiSettings) -> None:
    if api.audience or (api.issuers and all(one.audience for one in api.issuers)):
        return
    raise ConfigurationError(Finding.CONFIG_MISSING, key="api.audience", variable="PROOFKEY_API_AUDIENCE")


def _trusted(api: ApiSettings) -> Iterator[tuple[str, ApiSettings | IssuerSettings]]:
    if not api.issuers:
        yield "api", api
    for position, one in enumerate(api.issuers):
        yield f"api.issuers.{position}", one


def _check_trusted(place: str, one: ApiSettings | IssuerSettings) -> None:
    try:
        if one.dialect is not None:
            dialect_named(one.dialect)
        if one.internal_base_url is not None:
            check_internal_base_url(one.internal_base_url, allow_insecure_http=one.allow_insecure_internal_http)
    except ConfigurationError as error:
        facts = {**error.facts, "key": f"{place}.{error.facts.get('key', '')}"}
        raise ConfigurationError(error.finding, **facts) from error
    if one.introspection is not None:
        _check_introspection(f"{place}.introspection", one.introspection)


def _check_introspection(place: str, introspection: IntrospectionSettings) -> None:
    given = [introspection.client_secret, introspection.private_key_file]
    if given.count(None) != 1:
        reason = "needs client_secret, client_secret_file or private_key_file: one of them"
        raise ConfigurationError(Finding.CONFIG_VALUE, key=place, reason=reason)
    if introspection.client_secret is not None:
        check_secret_strength(introspection.client_secret, key=f"{place}.client_secret")
    endpoint = introspection.endpoint
    if endpoint is not None and not is_web_url(endpoint):
        key, reason = f"{place}.endpoint", "neither https nor http on loopback"
        raise ConfigurationError(Finding.CONFIG_VALUE, key=key, value=shown_address(endpoint), reason=reason)


def _check_dpop(api: ApiSettings) -> None:
    if api.dpop != "off" and api.public_url is None:
        fix = "public_url, the address that clients write into a proof's htu"
        raise ConfigurationError(Finding.CONFIG_MISSING, key="api.public_url", needed_by="api.dpop", fix=fix)
    if not api.dpop_nonces:
        return
    if api.dpop == "off":
        reason = 'needs dpop = "optional" or "required"'
        raise ConfigurationError(Finding.CONFIG_VALUE, key="api.dpop_nonces", reason=reason)
    if api.master_key is None:
        fix = "master_key_file with what `proofkey secret` prints"
        raise ConfigurationError(
            Finding.CONFIG_MISSING, key="api.master_key", needed_by="api.dpop_nonces", fix=fix
        )


def _check_mtls(api: ApiSettings) -> None:
    if not api.mtls:
        if api.client_certificate_header is not None:
            key = "api.client_certificate_header"
            raise ConfigurationError(Finding.CONFIG_VALUE, key=key, reason="needs mtls = true")
        return
    if not api.trusted_proxies:
        fix = 'trusted_proxies = ["10.0.0.5/32"], the proxies that may say which certificate a client showed'
        raise ConfigurationError(Finding.CONFIG_MISSING, key="api.trusted_proxies", needed_by="api.mtls", fix=fix)
    if api.client_certificate_header is None:
        fix = 'client_certificate_header = "Client-Cert", or the header that the proxy sets'
        key = "api.client_certificate_header"
        raise ConfigurationError(Finding.CONFIG_MISSING, key=key, needed_by="api.mtls", fix=fix)
