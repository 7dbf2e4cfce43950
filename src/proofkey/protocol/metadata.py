"""Server and protected-resource metadata, the URLs where it stands, and the issuer check."""

from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final, cast

from proofkey.errors import ConfigurationError, Unavailable
from proofkey.findings import Finding
from proofkey.protocol.json_strict import parse_object
from proofkey.protocol.text import Issuer
from proofkey.protocol.uri import is_http_url, is_loopback_http, is_web_url, move_origin, origin_of, split_uri

OPENID: Final = "/.well-known/openid-configuration"
OAUTH: Final = "/.well-known/oauth-authorization-server"
RESOURCE: Final = "/.well-known/oauth-protected-resource"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerMetadata:
    """OpenID Discovery §3, RFC 8414 §2. `document` keeps every member as it came."""

    issuer: Issuer
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None
    end_session_endpoint: str | None = None
    revocation_endpoint: str | None = None
    introspection_endpoint: str | None = None
    pushed_authorization_request_endpoint: str | None = None
    require_pushed_authorization_requests: bool = False
    claims_parameter_supported: bool = False
    scopes_supported: tuple[str, ...] = ()
    response_types_supported: tuple[str, ...] = ("code",)
    response_modes_supported: tuple[str, ...] = ("query",)
    grant_types_supported: tuple[str, ...] = ()
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)
    code_challenge_methods_supported: tuple[str, ...] = ()
    id_token_signing_alg_values_supported: tuple[str, ...] = ("RS256",)
    userinfo_signing_alg_values_supported: tuple[str, ...] = ()
    authorization_response_iss_parameter_supported: bool = False
    document: dict[str, Any] = field(default_factory=dict[str, Any], repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtectedResource:
    """RFC 9728 §2. `resource` is the API's identifier, letter for letter; what is empty is not published."""

    resource: str
    authorization_servers: tuple[Issuer, ...]
    scopes_supported: tuple[str, ...] = ()
    bearer_methods_supported: tuple[str, ...] = ("header",)
    resource_name: str | None = None
    jwks_uri: str | None = None
    """Only where the API itself signs something (RFC 9728 §2)."""
    resource_signing_alg_values_supported: tuple[str, ...] = ()
    dpop_signing_alg_values_supported: tuple[str, ...] = ()
    dpop_bound_access_tokens_required: bool = False
    tls_client_certificate_bound_access_tokens: bool = False
    authorization_details_types_supported: tuple[str, ...] = ()
    resource_documentation: str | None = None
    resource_policy_uri: str | None = None
    resource_tos_uri: str | None = None


def check_issuer(issuer: str, *, key: str = "issuer") -> None:
    """https, or http on loopback; no query, fragment or user information (RFC 8414 §2, OIDC Discovery §3).

    A client takes any such issuer as it is (Auth0's ends with a slash). `key` names the setting.
    Raises: ConfigurationError.
    """
    shown = issuer.rpartition("@")[2][:200]
    try:
        parts = split_uri(issuer)
    except ValueError as error:
        raise ConfigurationError(Finding.CONFIG_VALUE, key=key, value=shown, reason=str(error)) from error
    if parts.scheme not in ("http", "https") or "?" in issuer:
        reason = "not an https URL without query"
        raise ConfigurationError(Finding.CONFIG_VALUE, key=key, value=shown, reason=reason)
    if not is_web_url(issuer):
        raise ConfigurationError(Finding.ISSUER_INSECURE, key=key, value=shown)


def check_own_issuer(issuer: str, *, key: str = "issuer") -> None:
    """An issuer that is ours to choose: as `check_issuer`, and spelled as a browser spells it, so that its origin
    is the one that browsers send; no trailing slash and no path that a proxy could read otherwise.

    Raises: ConfigurationError.
    """
    check_issuer(issuer, key=key)
    origin, path = origin_of(issuer), split_uri(issuer).path
    if issuer != origin + path:
        reason = "write scheme and host in lower case, and no default port"
        raise ConfigurationError(Finding.CONFIG_VALUE, key=key, value=issuer[:200], reason=reason)
    if path and (path.endswith("/") or "%" in path or {"", ".", ".."} & set(path[1:].split("/"))):
        reason = "no trailing slash, empty or dotted segment, or escape in the path"
        raise ConfigurationError(Finding.CONFIG_VALUE, key=key, value=issuer[:200], reason=reason)


def discovery_urls(issuer: str) -> tuple[str, ...]:
    """Where the metadata of an issuer may stand, in the order to try: OpenID's place (appended), RFC 8414's
    (inserted before the path), and OpenID's document inserted (OIDC Discovery §4.1, RFC 8414 §3.1, §5)."""
    bare = issuer.removesuffix("/")
    start = bare.find("/", bare.find("://") + 3)
    origin, path = (bare, "") if start < 0 else (bare[:start], bare[start:])
    return tuple(dict.fromkeys((bare + OPENID, origin + OAUTH + path, origin + OPENID + path)))


def well_known_paths(issuer_path: str) -> tuple[str, ...]:
    """The paths, from the root of the host, where a server at `issuer_path` answers with its metadata: appended
    and inserted, for both names."""
    path = issuer_path.rstrip("/")
    return tuple(dict.fromkeys((path + OPENID, path + OAUTH, OPENID + path, OAUTH + path)))


def is_resource_identifier(name: str) -> bool:
    """Whether metadata can be published for that audience: an https URL (http on loopback) without query,
    fragment or escape (RFC 9728 §1.2, §3). Names such as `api://orders` are none."""
    return is_web_url(name) and "?" not in name and "%" not in name


def choose_resource(audience: Iterable[str], public_url: str | None = None) -> str | None:
    """The identifier that the metadata name: the public URL if tokens are for it, else the first audience that is
    a URL, else the public URL; None where there is no such URL, and so no metadata."""
    names = tuple(audience)
    preferred = (public_url,) if public_url in names else ()
    candidates = (*preferred, *names, public_url)
    return next((name for name in candidates if name is not None and is_resource_identifier(name)), None)


def check_protected_resource(resource: ProtectedResource) -> None:
    """RFC 9728 §2; at least one authorization server, as clients cannot go on without (MCP 2025-11-25).

    Raises: ConfigurationError.
    """
    if not is_resource_identifier(resource.resource):
        reason = "not an https URL without query, fragment and escapes"
        shown = resource.resource[:200]
        raise ConfigurationError(Finding.CONFIG_VALUE, key="resource", value=shown, reason=reason)
    if not resource.authorization_servers:
        raise ConfigurationError(Finding.CONFIG_MISSING, key="authorization_servers", fix="name an issuer")
    for issuer in resource.authorization_servers:
        check_issuer(issuer, key="authorization_servers")
    for key in ("jwks_uri", "resource_documentation", "resource_policy_uri", "resource_tos_uri"):
        url: str | None = getattr(resource, key)
        if url is not None and not is_web_url(url):
            raise ConfigurationError(Finding.CONFIG_VALUE, key=key, value=url[:200], reason="not an https URL")


def resource_metadata_url(identifier: str) -> str:
    """RFC 9728 §3.1: where the metadata stand; the well-known name goes between host and path.

    Raises: ValueError when `identifier` is no URL.
    """
    path = split_uri(identifier).path
    return origin_of(identifier) + RESOURCE + (path if path != "/" else "")


def protected_resource_paths(resource_path: str) -> tuple[str, ...]:
    """The inserted form (RFC 9728 §3.1) and the bare one, from the root of the host."""
    return tuple(dict.fromkeys((RESOURCE + resource_path.rstrip("/"), RESOURCE)))


def protected_resource_document(resource: ProtectedResource) -> dict[str, Any]:
    """RFC 9728 §2: empty lists, absent values and false are left out, and so is `offline_access`, which is a
    matter between client and authorization server (MCP 2026-07-28)."""
    scopes = tuple(scope for scope in resource.scopes_supported if scope != "offline_access")
    published = replace(resource, scopes_supported=scopes)
    values: Iterable[tuple[str, Any]] = (
        (member.name, getattr(published, member.name)) for member in fields(published)
    )
    return {
        name: list(cast("tuple[str, ...]", value)) if isinstance(value, tuple) else value
        for name, value in values
        if value
    }


def parse_server_metadata(
    body: bytes,
    issuer: str,
    *,
    keys_only: bool = False,
    published: frozenset[str] = frozenset(),
    internal_base_url: str | None = None,
) -> ServerMetadata:
    """OIDC Discovery §4.3, RFC 8414 §3.3: the document's issuer is the expected one, letter for letter, and its
    endpoints are https (http on loopback only for an issuer that is so itself).

    `keys_only` does without authorization and token endpoint, as an API needs the keys alone. `published` is what
    the document may state instead of `issuer`, where a provider serves many tenants with one document. Endpoints
    at `internal_base_url` are read as endpoints at the issuer's own origin.
    Raises: Unavailable.
    """
    try:
        document = parse_object(body)
        found: object = document.get("issuer")
        if not isinstance(found, str) or found not in (published or {issuer}):
            shown = found[:200] if isinstance(found, str) else "none"
            raise Unavailable(Finding.METADATA_ISSUER, expected=" ".join(sorted(published)) or issuer, found=shown)
        return _read_metadata(document, issuer, internal_base_url, keys_only=keys_only)
    except ValueError as error:
        reason = str(error) if type(error) is ValueError else "not a strict JSON object"
        raise Unavailable(Finding.METADATA_MALFORMED, issuer=issuer, reason=reason) from error


def _read_metadata(
    document: dict[str, Any], issuer: str, internal_base_url: str | None, *, keys_only: bool
) -> ServerMetadata:
    internal = None if internal_base_url is None else origin_of(internal_base_url)
    reader = _Reader(document, origin_of(issuer), internal, loopback=is_loopback_http(issuer))
    return ServerMetadata(
        issuer=Issuer(issuer),
        authorization_endpoint=reader.endpoint("authorization_endpoint", required=not keys_only) or "",
        token_endpoint=reader.endpoint("token_endpoint", required=not keys_only) or "",
        jwks_uri=reader.endpoint("jwks_uri", required=True) or "",
        userinfo_endpoint=reader.endpoint("userinfo_endpoint"),
        end_session_endpoint=reader.endpoint("end_session_endpoint"),
        revocation_endpoint=reader.endpoint("revocation_endpoint"),
        introspection_endpoint=reader.endpoint("introspection_endpoint"),
        pushed_authorization_request_endpoint=reader.endpoint("pushed_authorization_request_endpoint"),
        require_pushed_authorization_requests=document.get("require_pushed_authorization_requests") is True,
        claims_parameter_supported=document.get("claims_parameter_supported") is True,
        scopes_supported=reader.strings("scopes_supported", ()),
        response_types_supported=reader.strings("response_types_supported", ("code",)),
        response_modes_supported=reader.strings("response_modes_supported", ("query", "fragment")),
        grant_types_supported=reader.strings("grant_types_supported", ("authorization_code", "implicit")),
        token_endpoint_auth_methods_supported=reader.strings(
            "token_endpoint_auth_methods_supported", ("client_secret_basic",)
        ),
        code_challenge_methods_supported=reader.strings("code_challenge_methods_supported", ()),
        id_token_signing_alg_values_supported=reader.strings("id_token_signing_alg_values_supported", ("RS256",)),
        userinfo_signing_alg_values_supported=reader.strings("userinfo_signing_alg_values_supported", ()),
        authorization_response_iss_parameter_supported=(
            document.get("authorization_response_iss_parameter_supported") is True
        ),
        document=document,
    )


@dataclass(frozen=True, slots=True)
class _Reader:
    document: dict[str, Any]
    origin: str
    internal: str | None
    loopback: bool

    def endpoint(self, name: str, *, required: bool = False) -> str | None:
        value: object = self.document.get(name)
        if value is None:
            if required:
                raise ValueError(f"{name} is missing")
            return None
        if isinstance(value, str) and self.internal is not None and is_http_url(value):
            value = move_origin(value, self.internal, self.origin)
        if not isinstance(value, str) or not is_web_url(value):
            raise ValueError(f"{name} is no https URL")
        if not self.loopback and value[:8].lower() != "https://":
            raise ValueError(f"{name} is no https URL")
        return value

    def strings(self, name: str, default: tuple[str, ...]) -> tuple[str, ...]:
        value: object = self.document.get(name)
        if value is None:
            return default
        if not isinstance(value, list):
            raise ValueError(f"{name} is no list")
        return tuple(item for item in cast("list[object]", value) if isinstance(item, str))
