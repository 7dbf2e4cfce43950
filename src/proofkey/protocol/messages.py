"""The messages of RFC 6749, OpenID Connect Core and RFC 8707 as values, and how they are read from parameters."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from proofkey.protocol.text import ClientId, Issuer, Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationRequest:
    """RFC 6749 §4.1.1, OIDC Core §3.1.2.1. `scope` holds what was asked, in the order of arrival."""

    client_id: ClientId
    redirect_uri: str
    response_type: str = "code"
    response_mode: str = "query"
    scope: tuple[str, ...] = ()
    state: str | None = None
    nonce: str | None = None
    code_challenge: str | None = None
    code_challenge_method: str | None = None
    resource: tuple[str, ...] = ()
    prompt: frozenset[str] = frozenset()
    max_age: int | None = None
    login_hint: str | None = None
    id_token_hint: str | None = field(default=None, repr=False)
    acr_values: tuple[str, ...] = ()
    ui_locales: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationResponse:
    """RFC 6749 §4.1.2, RFC 9207 §2: either `code` or `error`."""

    iss: Issuer | None = None
    state: str | None = None
    code: Secret | None = None
    error: str | None = None
    error_description: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeRequest:
    """RFC 6749 §4.1.3, RFC 7636 §4.5."""

    code: Secret
    redirect_uri: str | None = None
    code_verifier: Secret | None = None
    resource: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshRequest:
    """RFC 6749 §6."""

    refresh_token: Secret
    scope: tuple[str, ...] | None = None
    resource: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCredentialsRequest:
    """RFC 6749 §4.4.2."""

    scope: tuple[str, ...] | None = None
    resource: tuple[str, ...] = ()


TokenRequest = CodeRequest | RefreshRequest | ClientCredentialsRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenResponse:
    """RFC 6749 §5.1, OIDC Core §3.1.3.3. `expires_in` is in seconds."""

    access_token: Secret
    token_type: str = "Bearer"
    expires_in: int | None = None
    refresh_token: Secret | None = None
    id_token: Secret | None = None
    scope: tuple[str, ...] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)
