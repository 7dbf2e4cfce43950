"""What an application registers at a provider: its clients in the names of RFC 7591 §2, its API in RFC 9728's."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from proofkey.errors import ConfigurationError, InvalidScope
from proofkey.findings import Finding
from proofkey.protocol.registration import TLS_METHODS, ClientRegistration
from proofkey.protocol.registration_document import parse_registration
from proofkey.protocol.scope import parse_scope
from proofkey.protocol.uri import is_web_url

STANDARD_SCOPES: Final = frozenset({"openid", "profile", "email", "address", "phone", "offline_access"})
"""OIDC Core §5.4, §11: scopes of the provider itself, not of an API."""
_DEVELOPMENT: Final = "http://localhost"
"""Stands for the issuer where redirect URIs are checked: every provider here takes http on loopback hosts."""
_OWN: Final = frozenset({"backchannel_logout_uri", "dpop_bound_access_tokens"})
_IN_NO_TEMPLATE: Final = frozenset(
    {
        "authorization_details_types", "backchannel_logout_session_required", "client_uri", "contacts",
        "jwks", "jwks_uri",
        "logo_uri", "policy_uri", "software_id", "software_version", "tls_client_auth_san_dns",
        "tls_client_auth_san_email", "tls_client_auth_san_ip", "tls_client_auth_san_uri",
        "tls_client_auth_subject_dn", "tls_client_certificate_bound_access_tokens",
        "token_endpoint_auth_signing_alg", "tos_uri",
    }
)  # fmt: skip
"""Our server takes them; the registration files do not say them yet."""
_TOP: Final = frozenset({"name", "issuer", "clients", "api"})
_NO_SLUG: Final = re.compile(r"[^a-z0-9]+")
_API: Final = frozenset({"resource", "resource_name", "scopes_supported", "roles", "introspection"})


def slug_of(text: str) -> str:
    """Lower-case letters, digits and hyphens; `app` when nothing is left."""
    return _NO_SLUG.sub("-", text.lower()).strip("-") or "app"


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """One client: what every server knows of it, and what only some do."""

    registration: ClientRegistration
    backchannel_logout_uri: str | None = None
    dpop_bound_access_tokens: bool = False

    @property
    def client_id(self) -> str:
        return self.registration.client_id

    @property
    def name(self) -> str:
        return self.registration.client_name or self.registration.client_id

    @property
    def signs_people_in(self) -> bool:
        return "authorization_code" in self.registration.grant_types

    @property
    def acts_for_itself(self) -> bool:
        return "client_credentials" in self.registration.grant_types

    @property
    def redirect_uris(self) -> list[str]:
        return sorted(self.registration.redirect_uris)

    @property
    def post_logout_redirect_uris(self) -> list[str]:
        return sorted(self.registration.post_logout_redirect_uris)


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """The protected resource (RFC 9728 §2). `audience` is what its access tokens carry as `aud`."""

    audience: str
    name: str
    scopes: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    introspection: bool = False
    """The API has a client of its own, named like its audience, by which it asks about tokens (RFC 7662)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """One application at one provider. `issuer` is None where the provider still has to make it."""

    name: str
    clients: tuple[Client, ...]
    api: Api | None = None
    issuer: str | None = None

    @property
    def web_clients(self) -> tuple[Client, ...]:
        return tuple(client for client in self.clients if client.signs_people_in)

    @property
    def service_clients(self) -> tuple[Client, ...]:
        return tuple(client for client in self.clients if client.acts_for_itself and not client.signs_people_in)

    @property
    def scopes(self) -> tuple[str, ...]:
        return self.api.scopes if self.api is not None else ()

    @property
    def roles(self) -> tuple[str, ...]:
        return self.api.roles if self.api is not None else ()


def read_registration(document: Mapping[str, Any]) -> Registration:
    """`{"name": …, "issuer": …, "clients": [RFC 7591 §2], "api": {"resource": …, "scopes_supported": [],
    "roles": []}}`; client secrets have no place in it.

    Raises: ConfigurationError, which names the member.
    """
    _check_names(document, _TOP, "registration")
    name, issuer = _text(document, "name"), _text(document, "issuer")
    if not name:
        raise ConfigurationError(Finding.CONFIG_MISSING, key="name")
    if issuer and not is_web_url(issuer):
        raise ConfigurationError(Finding.ISSUER_INSECURE, key="issuer", value=issuer[:200])
    clients = tuple(_read_client(one) for one in _tables(document, "clients"))
    if not clients:
        raise ConfigurationError(Finding.CONFIG_MISSING, key="clients")
    if len({slug_of(client.client_id) for client in clients}) < len(clients):
        reason = "two have the same letters and digits; files and resources are named by them"
        raise ConfigurationError(Finding.CONFIG_VALUE, key="clients.client_id", reason=reason)
    api = document.get("api")
    return Registration(
        name=name, clients=clients, issuer=issuer or None, api=None if api is None else _read_api(api, name)
    )


def build_document(registration: Registration) -> dict[str, Any]:
    """What `read_registration` reads."""
    document: dict[str, Any] = {"name": registration.name}
    if registration.issuer is not None:
        document["issuer"] = registration.issuer
    document["clients"] = [_client_document(client) for client in registration.clients]
    if registration.api is not None:
        document["api"] = {
            "resource": registration.api.audience,
            "resource_name": registration.api.name,
            "scopes_supported": list(registration.api.scopes),
            "roles": list(registration.api.roles),
            "introspection": registration.api.introspection,
        }
    return document


def _client_document(client: Client) -> dict[str, Any]:
    registration = client.registration
    members: dict[str, Any] = {
        "client_id": registration.client_id,
        "client_name": registration.client_name,
        "application_type": registration.application_type,
        "token_endpoint_auth_method": registration.token_endpoint_auth_method,
        "redirect_uris": client.redirect_uris or None,
        "post_logout_redirect_uris": client.post_logout_redirect_uris or None,
        "grant_types": sorted(registration.grant_types),
        "response_types": sorted(registration.response_types),
        "scope": " ".join(registration.scope),
        "backchannel_logout_uri": client.backchannel_logout_uri,
        "dpop_bound_access_tokens": client.dpop_bound_access_tokens,
    }
    return {name: value for name, value in members.items() if value is not None and value is not False}


def _read_client(document: Mapping[str, Any]) -> Client:
    if "client_secret" in document or "client_secret_file" in document:
        reason = "the provider makes the secret; it has no place in a registration file"
        raise ConfigurationError(Finding.CONFIG_VALUE, key="clients.client_secret", reason=reason)
    plain = {name: value for name, value in document.items() if name not in _OWN}
    logout = _text(document, "backchannel_logout_uri")
    if logout and not is_web_url(logout):
        key = "clients.backchannel_logout_uri"
        raise ConfigurationError(Finding.CONFIG_VALUE, key=key, value=logout[:200], expected="https")
    _check_in_templates(plain)
    client = parse_registration(plain, issuer=_DEVELOPMENT, secret_made_elsewhere=True)
    for uri in (*client.redirect_uris, *client.post_logout_redirect_uris):
        if "*" in uri:
            reason = "* is a wildcard at some providers"
            raise ConfigurationError(Finding.REDIRECT_URI_MALFORMED, uri=uri[:200], reason=reason)
    return Client(
        registration=client,
        backchannel_logout_uri=logout or None,
        dpop_bound_access_tokens=_flag(document, "dpop_bound_access_tokens"),
    )


def _check_in_templates(document: Mapping[str, Any]) -> None:
    """Raises: ConfigurationError for what the registration files cannot say."""
    client_id = str(document.get("client_id", ""))[:64]
    for name in document:
        if name in _IN_NO_TEMPLATE:
            raise ConfigurationError(Finding.CONFIG_NOT_BUILT, client_id=client_id, member=name)
    if document.get("token_endpoint_auth_method") in ("private_key_jwt", *TLS_METHODS):
        member = "token_endpoint_auth_method"
        raise ConfigurationError(Finding.CONFIG_NOT_BUILT, client_id=client_id, member=member)


def _read_api(document: object, application: str) -> Api:
    if not isinstance(document, Mapping):
        raise ConfigurationError(Finding.CONFIG_VALUE, key="api", expected="a table")
    table = cast("Mapping[str, Any]", document)
    _check_names(table, _API, "api")
    audience = _text(table, "resource")
    if not audience:
        raise ConfigurationError(Finding.CONFIG_MISSING, key="api.resource")
    scopes = _texts(table, "scopes_supported")
    try:
        if parse_scope(" ".join(scopes)) != scopes:
            raise InvalidScope(Finding.SCOPE_MALFORMED)
    except InvalidScope as error:
        raise ConfigurationError(
            Finding.CONFIG_VALUE, key="api.scopes_supported", reason=error.finding.sentence
        ) from error
    return Api(
        audience=audience,
        name=_text(table, "resource_name") or f"{application} API",
        scopes=scopes,
        roles=_texts(table, "roles"),
        introspection=_flag(table, "introspection"),
    )


def _check_names(document: Mapping[str, Any], known: frozenset[str], place: str) -> None:
    for name in document:
        if name not in known:
            raise ConfigurationError(Finding.CONFIG_UNKNOWN_KEY, key=f"{place}.{name}"[:80])


def _text(document: Mapping[str, Any], name: str) -> str:
    value: object = document.get(name, "")
    if not isinstance(value, str) or not value.isprintable():
        raise ConfigurationError(Finding.CONFIG_VALUE, key=name, expected="printable text")
    return value


def _flag(document: Mapping[str, Any], name: str) -> bool:
    value: object = document.get(name, False)
    if not isinstance(value, bool):
        raise ConfigurationError(Finding.CONFIG_VALUE, key=name, expected="true or false")
    return value


def _texts(document: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value: object = document.get(name, [])
    items = cast("list[object]", value) if isinstance(value, list | tuple) else [None]
    if not all(isinstance(item, str) and item and item.isprintable() for item in items):
        raise ConfigurationError(Finding.CONFIG_VALUE, key=name, expected="a list of texts")
    return tuple(dict.fromkeys(cast("list[str]", items)))


def _tables(document: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    value: object = document.get(name, [])
    items = cast("list[object]", value) if isinstance(value, list | tuple) else [None]
    if not all(isinstance(item, Mapping) for item in items):
        raise ConfigurationError(Finding.CONFIG_VALUE, key=name, expected="a list of tables")
    return cast("list[Mapping[str, Any]]", items)
