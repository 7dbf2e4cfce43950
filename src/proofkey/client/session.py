"""The browser's session at a client, and the login that makes it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from proofkey.protocol.text import ClientId, Instant, Issuer, Secret, Subject


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingLogin:
    """What the client remembers between /auth/login and /auth/callback; the browser holds only its id."""

    state_digest: str = field(repr=False)
    browser_digest: str = field(repr=False)
    """Of the value in the flow's own cookie."""
    issuer: Issuer
    nonce: Secret
    code_verifier: Secret
    redirect_uri: str
    next_path: str
    resource: tuple[str, ...] = ()
    scope: tuple[str, ...] = ()
    max_age: int | None = None
    created_at: Instant
    expires_at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionTokens:
    """The provider's tokens, on the server only."""

    access_token: Secret
    access_expires_at: Instant | None
    scope: tuple[str, ...]
    refresh_token: Secret | None = None
    id_token: Secret | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One signed-in browser. `id` is the digest of the cookie's value, so it may be logged."""

    id: str
    issuer: Issuer
    sub: Subject
    claims: Mapping[str, Any]
    """Of the ID token."""
    sid: str | None = None
    """The provider's session id (OIDC Back-Channel Logout §2.1)."""
    created_at: Instant
    seen_at: Instant
    absolute_expires_at: Instant
    tokens: SessionTokens = field(repr=False)
    version: int = 0
    """Grows with every refresh; a conditional write on it decides who stored the new tokens."""

    def is_for(self, issuer: Issuer, client_id: ClientId) -> bool:
        """Whether that client made it: its ID token's `iss` and `aud` say so (OIDC Core §2)."""
        audience: object = self.claims.get("aud")
        named = cast("list[object]", audience) if isinstance(audience, list) else [audience]
        return self.issuer == issuer and client_id in named

    @property
    def name(self) -> str:
        """What to call the person: name, preferred_username, email or sub, the first that is there."""
        for claim in ("name", "preferred_username", "email"):
            value = self.claims.get(claim)
            if isinstance(value, str) and value:
                return value
        return self.sub

    @property
    def roles(self) -> tuple[str, ...]:
        """The `roles` claim, when it is a list of strings."""
        value: object = self.claims.get("roles")
        if not isinstance(value, list):
            return ()
        return tuple(role for role in cast("list[object]", value) if isinstance(role, str))

    @property
    def scope(self) -> tuple[str, ...]:
        """What the access token allows."""
        return self.tokens.scope
