"""What a configuration must not ask for; each check is one line of a table or one small rule."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from proofkey.errors import ConfigurationError
from proofkey.findings import Finding
from proofkey.protocol.messages import SIGNED_MODES
from proofkey.protocol.metadata import check_own_issuer
from proofkey.protocol.registration import TLS_METHODS
from proofkey.protocol.secret_strength import check_secret_strength
from proofkey.protocol.text import Secret
from proofkey.protocol.uri import is_loopback_http, is_web_url, origin_of
from proofkey.runtime.settings_api import check_api
from proofkey.runtime.settings_client_documents import check_client_documents
from proofkey.runtime.settings_model import Document
from proofkey.runtime.settings_profile import check_profile, features_of
from proofkey.runtime.settings_registration import check_registration_settings
from proofkey.runtime.settings_server import ServerSettings
from proofkey.store.open import MEMORY, POSTGRESQL, REDIS, sqlite_path
from proofkey.transport.address import read_private_hosts, shown_address

Raw = Mapping[str, Any]


def _begins(*starts: str) -> Callable[[object], bool]:
    return lambda value: isinstance(value, str) and value.startswith(starts)


def _among(*values: object) -> Callable[[object], bool]:
    return lambda value: value in values


_KEY_VALUE_SERVERS: Final = _begins("redis", "valkey")


@dataclass(frozen=True, slots=True)
class NotBuilt:
    """A key (dotted, list positions left out) and the values of it that ask for a feature of a later version."""

    key: str
    asks: Callable[[object], bool]


NOT_BUILT: Final = (
    NotBuilt("server.store", _KEY_VALUE_SERVERS),
    NotBuilt(
        "server.clients.token_endpoint_auth_method",
        _among("client_secret_jwt"),
    ),
)
"""A later version that has the feature deletes its line."""


def check_built(values: Raw) -> None:
    """Raises: ConfigurationError for the first value that asks for a feature which is not there."""
    for row in NOT_BUILT:
        for place, value in _values_at(values, row.key.split(".")):
            if row.asks(value):
                shown = {"value": value} if isinstance(value, str) and len(value) < 40 and "@" not in value else {}
                raise ConfigurationError(Finding.CONFIG_NOT_BUILT, key=place, **shown)


def check_document(document: Document) -> None:
    """What the types cannot say. Raises: ConfigurationError."""
    for key, url in _urls(document):
        _check_url(key, url)
    if document.server is not None:
        check_own_issuer(document.server.issuer.rstrip("/"), key="server.issuer")
    for key, secret in _secrets(document):
        check_secret_strength(secret, key=key)
    _check_server(document)
    if document.api is not None:
        check_api(document.api)
    ca_file = document.outgoing.ca_file
    if ca_file is not None and not ca_file.is_file():
        key = "outgoing.ca_file"
        raise ConfigurationError(Finding.CONFIG_VALUE, key=key, file=str(ca_file), reason="no such file")
    read_private_hosts(document.outgoing.allow_insecure_private_hosts)


def resolved_store(key: str, url: str, base: Path) -> str:
    """`memory:`, a server's URL, or `sqlite:///` with the path made absolute.

    Raises: ConfigurationError for other forms.
    """
    redis = key in {"api.store", "login.store"}
    if url == MEMORY or url.startswith(POSTGRESQL) or (redis and url.startswith(REDIS)):
        return url
    try:
        return f"sqlite:///{sqlite_path(url, base).absolute()}"
    except ConfigurationError as error:
        forms = "memory:, sqlite:///path, postgresql://…" + (", redis://…" if redis else "")
        reason = f"none of {forms}"
        raise ConfigurationError(Finding.CONFIG_VALUE, key=key, reason=reason) from error


def _urls(document: Document) -> Iterator[tuple[str, str | None]]:
    for name in ("service_documentation", "op_policy_uri", "op_tos_uri") if document.server else ():
        yield f"server.{name}", getattr(document.server, name)
    if document.api is not None:
        yield "api.issuer", document.api.issuer
        yield "api.public_url", document.api.public_url
        for position, one in enumerate(document.api.issuers):
            yield f"api.issuers.{position}.issuer", one.issuer
    if document.login is not None:
        yield "login.issuer", document.login.issuer
        yield "login.public_url", document.login.public_url
        yield "login.api_url", document.login.api_url


def _check_url(key: str, url: str | None) -> None:
    if url is None or (is_web_url(url) and "?" not in url):
        return
    shown = shown_address(url)
    if url.lower().startswith("http://"):
        raise ConfigurationError(Finding.ISSUER_INSECURE, key=key, value=shown)
    raise ConfigurationError(Finding.CONFIG_VALUE, key=key, value=shown, reason="not an https URL without query")


def _secrets(document: Document) -> Iterator[tuple[str, Secret]]:
    if document.server is not None:
        yield "server.master_key", document.server.master_key
        for client in document.server.clients:
            if client.client_secret is not None:
                yield f"server.clients {client.client_id} client_secret", client.client_secret
    if document.api is not None and document.api.master_key is not None:
        yield "api.master_key", document.api.master_key
    if document.login is not None and document.login.client_secret is not None:
        yield "login.client_secret", document.login.client_secret
    if document.login is not None and document.login.session_secret is not None:
        yield "login.session_secret", document.login.session_secret


def _check_server(document: Document) -> None:
    server = document.server
    if server is None:
        return
    if server.workers > 1 and server.store == "memory:":
        raise ConfigurationError(Finding.STORE_NOT_SHARED, key="server.store", workers=str(server.workers))
    _check_features(server)
    if server.allow_insecure_no_throttles and not is_loopback_http(server.issuer):
        key = "server.allow_insecure_no_throttles"
        raise ConfigurationError(Finding.CONFIG_VALUE, key=key, reason="only with an http issuer on loopback")
    _check_certificates(server)
    check_registration_settings(server)
    check_client_documents(server)
    check_profile(server)
    for kind, names in (
        ("client_id", [client.client_id for client in server.clients]),
        ("username", [user.username for user in server.users]),
        ("identifier", [resource.identifier for resource in server.resources]),
        ("authorization_details_types", [one.type for one in server.authorization_details_types]),
    ):
        repeated = next((name for name in names if names.count(name) > 1), None)
        if repeated is not None:
            raise ConfigurationError(Finding.CONFIG_VALUE, key=kind, value=repeated[:200], reason="stands twice")


def _check_features(server: ServerSettings) -> None:
    """What the server or a client is held to is on: nobody could ever meet it else."""
    pushed = "require_pushed_authorization_requests"
    demanded = [(f"server.{pushed}", "par", server.require_pushed_authorization_requests)]
    for client in server.clients:
        place = f"server.clients {client.client_id[:64]}"
        signed_only = bool(client.response_modes) and set(client.response_modes) <= set(SIGNED_MODES)
        demanded += [
            (f"{place} {pushed}", "par", client.require_pushed_authorization_requests),
            (f"{place} require_signed_request_object", "jar", client.require_signed_request_object),
            (f"{place} response_modes", "jarm", signed_only),
        ]
    for key, feature, is_demanded in demanded:
        if is_demanded and feature not in features_of(server):
            raise ConfigurationError(Finding.CONFIG_VALUE, key=key, reason=f'features has no "{feature}"')


def _check_certificates(server: ServerSettings) -> None:
    """A forwarded certificate needs a proxy that is believed, and clients of that kind need the header."""
    if server.mtls_base_url is not None:
        _check_mtls_base_url(server, server.mtls_base_url.rstrip("/"))
    if server.client_certificate_header is not None:
        if not server.trusted_proxies:
            fix = 'trusted_proxies = ["10.0.0.5/32"], the proxies that may say which certificate a client showed'
            key, needed_by = "server.trusted_proxies", "server.client_certificate_header"
            raise ConfigurationError(Finding.CONFIG_MISSING, key=key, needed_by=needed_by, fix=fix)
        return
    for client in server.clients:
        method = client.token_endpoint_auth_method
        if method in TLS_METHODS or client.tls_client_certificate_bound_access_tokens:
            fix = 'client_certificate_header = "Client-Cert", or the header that the proxy sets'
            key = "server.client_certificate_header"
            raise ConfigurationError(Finding.CONFIG_MISSING, key=key, needed_by=client.client_id[:64], fix=fix)


def _check_mtls_base_url(server: ServerSettings, base: str) -> None:
    """RFC 8705 §5: an origin, with certificates that somebody forwards."""
    key = "server.mtls_base_url"
    if server.client_certificate_header is None:
        fix = 'client_certificate_header = "Client-Cert", or the header that the proxy sets'
        missing = "server.client_certificate_header"
        raise ConfigurationError(Finding.CONFIG_MISSING, key=missing, needed_by=key, fix=fix)
    _check_url(key, base)
    if base != origin_of(base):
        reason = "an origin, for the paths are the issuer's: https://mtls.op.test"
        raise ConfigurationError(Finding.CONFIG_VALUE, key=key, value=shown_address(base), reason=reason)


def _values_at(values: object, keys: list[str], place: str = "") -> Iterator[tuple[str, object]]:
    """Every value below that path of keys, lists entered, with the place where it stands."""
    if isinstance(values, list | tuple):
        for position, item in enumerate(cast("list[Any]", values)):
            yield from _values_at(item, keys, f"{place}.{position}")
    elif not keys:
        yield place, values
    elif isinstance(values, Mapping) and keys[0] in values:
        inner = cast("Raw", values)[keys[0]]
        where = f"{place}.{keys[0]}".lstrip(".")
        if len(keys) == 1:
            yield where, inner
        else:
            yield from _values_at(inner, keys[1:], where)
