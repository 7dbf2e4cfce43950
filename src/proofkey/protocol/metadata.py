"""Server and protected-resource metadata, the URLs where it stands, and the issuer check."""

from dataclasses import dataclass, field
from typing import Any

from proofkey.protocol.text import Issuer


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
