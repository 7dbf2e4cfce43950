"""Server and protected-resource metadata, the URLs where it stands, and the issuer check."""

from dataclasses import dataclass, field
from typing import Any, Final, cast

from proofkey.errors import ConfigurationError, Unavailable
from proofkey.findings import Finding
from proofkey.protocol.json_strict import parse_object
from proofkey.protocol.text import Issuer
from proofkey.protocol.uri import is_loopback_http, is_web_url, origin_of, split_uri

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
    scopes_supported: tuple[str, ...] = ()
    response_types_supported: tuple[str, ...] = ("code",)
    response_modes_supported: tuple[str, ...] = ("query",)
    grant_types_supported: tuple[str, ...] = ()
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)
    code_challenge_methods_supported: tuple[str, ...] = ()
    id_token_signing_alg_values_supported: tuple[str, ...] = ("RS256",)
    authorization_response_iss_parameter_supported: bool = False
    document: dict[str, Any] = field(default_factory=dict[str, Any], repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtectedResource:
    """RFC 9728 §2."""

    resource: str
    authorization_servers: tuple[Issuer, ...]
    scopes_supported: tuple[str, ...] = ()
    resource_name: str | None = None


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


def protected_resource_paths(resource_path: str) -> tuple[str, ...]:
    """The inserted form (RFC 9728 §3.1) and the bare one, from the root of the host."""
    return tuple(dict.fromkeys((RESOURCE + resource_path.rstrip("/"), RESOURCE)))


def protected_resource_document(resource: ProtectedResource) -> dict[str, Any]:
    """RFC 9728 §2; empty lists are left out."""
    document: dict[str, Any] = {
        "resource": resource.resource,
        "authorization_servers": list(resource.authorization_servers),
        "scopes_supported": list(resource.scopes_supported),
        "bearer_methods_supported": ["header"],
        "resource_name": resource.resource_name,
    }
    return {name: value for name, value in document.items() if value}


def parse_server_metadata(body: bytes, issuer: str, *, keys_only: bool = False) -> ServerMetadata:
    """OIDC Discovery §4.3, RFC 8414 §3.3: the document's issuer is the expected one, letter for letter, and its
    endpoints are https (http on loopback only for an issuer that is so itself).

    `keys_only` does without authorization and token endpoint, as an API needs the keys alone.
    Raises: Unavailable.
    """
    try:
        document = parse_object(body)
        found: object = document.get("issuer")
        if found != issuer:
            shown = found[:200] if isinstance(found, str) else "none"
            raise Unavailable(Finding.METADATA_ISSUER, expected=issuer, found=shown)
        return _read_metadata(document, issuer, keys_only=keys_only)
    except ValueError as error:
        reason = str(error) if type(error) is ValueError else "not a strict JSON object"
        raise Unavailable(Finding.METADATA_MALFORMED, issuer=issuer, reason=reason) from error


def _read_metadata(document: dict[str, Any], issuer: str, *, keys_only: bool) -> ServerMetadata:
    reader = _Reader(document, loopback=is_loopback_http(issuer))
    return ServerMetadata(
        issuer=Issuer(issuer),
        authorization_endpoint=reader.endpoint("authorization_endpoint", required=not keys_only) or "",
        token_endpoint=reader.endpoint("token_endpoint", required=not keys_only) or "",
        jwks_uri=reader.endpoint("jwks_uri", required=True) or "",
        userinfo_endpoint=reader.endpoint("userinfo_endpoint"),
        end_session_endpoint=reader.endpoint("end_session_endpoint"),
        revocation_endpoint=reader.endpoint("revocation_endpoint"),
        introspection_endpoint=reader.endpoint("introspection_endpoint"),
        scopes_supported=reader.strings("scopes_supported", ()),
        response_types_supported=reader.strings("response_types_supported", ("code",)),
        response_modes_supported=reader.strings("response_modes_supported", ("query", "fragment")),
        grant_types_supported=reader.strings("grant_types_supported", ("authorization_code", "implicit")),
        token_endpoint_auth_methods_supported=reader.strings(
            "token_endpoint_auth_methods_supported", ("client_secret_basic",)
        ),
        code_challenge_methods_supported=reader.strings("code_challenge_methods_supported", ()),
        id_token_signing_alg_values_supported=reader.strings("id_token_signing_alg_values_supported", ("RS256",)),
        authorization_response_iss_parameter_supported=(
            document.get("authorization_response_iss_parameter_supported") is True
        ),
        document=document,
    )


@dataclass(frozen=True, slots=True)
class _Reader:
    document: dict[str, Any]
    loopback: bool

    def endpoint(self, name: str, *, required: bool = False) -> str | None:
        value: object = self.document.get(name)
        if value is None:
            if required:
                raise ValueError(f"{name} is missing")
            return None
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
