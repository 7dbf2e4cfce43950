"""What the authorization server remembers, as immutable records."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from proofkey.protocol.messages import AuthorizationRequest
from proofkey.protocol.registration import ClientRegistration
from proofkey.protocol.text import EPOCH, ClientId, Instant, Subject


@dataclass(frozen=True, slots=True)
class Sender:
    """What the sender of a request has proven to hold, so that its tokens can be bound to it (RFC 7800 §3.1)."""

    jkt: str | None = None
    """The thumbprint of its DPoP key (RFC 9449 §6.1)."""
    x5t_s256: str | None = None
    """The thumbprint of its certificate (RFC 8705 §3.1)."""

    @property
    def is_bound(self) -> bool:
        return self.jkt is not None or self.x5t_s256 is not None


NOBODY: Final = Sender()
"""Nothing was proven: plain bearer tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A person with an account here. `sub` is random, stable and never reused."""

    sub: Subject
    username: str
    password_hash: str = field(repr=False)
    roles: tuple[str, ...] = ()
    claims: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """OIDC Core §5.1 names: name, email, email_verified, …"""
    disabled: bool = False
    created_at: Instant = EPOCH
    password_changed_at: Instant = EPOCH


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """The person's session at this server. `digest` is of the cookie's value; `sid` is the public session id."""

    sid: str
    digest: str = field(repr=False)
    sub: Subject
    auth_time: Instant
    amr: tuple[str, ...] = ("pwd",)
    created_at: Instant
    seen_at: Instant
    absolute_expires_at: Instant
    ended_at: Instant | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """What a person allowed a client."""

    sub: Subject
    client_id: ClientId
    scope: frozenset[str]
    resource: frozenset[str]
    granted_at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Interaction:
    """An authorization request that waits for a page, bound to one browser by the digest of its cookie.

    Single use: `use_interaction` is won once, when the authorization ends.
    """

    digest: str = field(repr=False)
    """Of the random id that stands in the page's URL."""
    browser_digest: str = field(repr=False)
    request: AuthorizationRequest
    created_at: Instant
    expires_at: Instant
    hint_sub: Subject | None = None
    """Whom the request's id_token_hint names; the token itself is not kept."""
    signed_in_since: Instant | None = None
    """When the person signed in within this interaction (answers prompt=login and max_age)."""
    shown: str | None = None
    """Digest of what the consent page says: only that can be allowed."""
    used_at: Instant | None = None
    pushed_digest: str | None = None
    """Of the request_uri by which the request came; it is used up when this interaction ends (RFC 9126 §4)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorization:
    """One row: code, refresh family and grant (design: one conditional write decides each step)."""

    id: str
    client_id: ClientId
    sub: Subject | None
    sid: str | None
    scope: tuple[str, ...]
    resource: tuple[str, ...]
    nonce: str | None = None
    auth_time: Instant | None = None
    code_digest: str | None = field(default=None, repr=False)
    code_challenge: str | None = None
    redirect_uri: str | None = None
    code_expires_at: Instant = EPOCH
    code_used_at: Instant | None = None
    generation: int = 0
    """Of the refresh token that is current; 0 before the code is redeemed."""
    rotated_at: Instant | None = None
    """When the current generation replaced the one before it (None for the first)."""
    refresh_idle_expires_at: Instant | None = None
    refresh_absolute_expires_at: Instant | None = None
    """None when no refresh token was issued."""
    created_at: Instant = EPOCH
    expires_at: Instant = EPOCH
    """When the row may be purged: after every token of it is dead."""
    revoked_at: Instant | None = None
    dpop_jkt: str | None = None
    """The key that code, refresh token and access tokens are bound to (RFC 9449 §5, §10)."""
    x5t_s256: str | None = None
    """The certificate that they are bound to (RFC 8705 §3)."""
    acr: str | None = None
    details: str | None = None
    """JSON object: `claims` as requested (OIDC Core §5.5), `authorization_details` as granted (RFC 9396)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PushedRequest:
    """RFC 9126 §2: a request that waits for its browser, checked when it came. `digest` is of the request_uri's
    random part.

    Single use: `use_pushed_request` is won once, when the authorization ends (§4).
    """

    digest: str = field(repr=False)
    client_id: ClientId
    request: AuthorizationRequest
    dpop_jkt: str | None = None
    """The key of the proof that came with the request (RFC 9449 §10.1)."""
    hint_sub: Subject | None = None
    """Whom the request's id_token_hint names; the token itself is not kept."""
    created_at: Instant
    """Its request_uri begins an authorization for as long after this as the policy says."""
    expires_at: Instant
    """When the row may be purged: after the last page that it began is over."""
    used_at: Instant | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceAuthorization:
    """RFC 8628 §3.2: a device that waits for a person. `digest` is of the device code.

    It is decided once; what was allowed is redeemed once, by `use_code` of the authorization that it names.
    """

    digest: str = field(repr=False)
    user_code_digest: str = field(repr=False)
    """Keyed: a user code is short."""
    client_id: ClientId
    request: AuthorizationRequest
    peer: str = ""
    """The device's address, which the person is shown."""
    interval: int
    """Seconds between two questions of the device; more after each that came too early."""
    created_at: Instant
    code_expires_at: Instant
    expires_at: Instant
    """When the row may be purged: the device is told for a while that its code is over."""
    polled_at: Instant | None = None
    decided_at: Instant | None = None
    authorization_id: str | None = None
    """What was allowed; None where nobody has decided, or somebody denied."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredClient:
    """A client that registered itself (RFC 7591), with what opens its registration (RFC 7592)."""

    client: ClientRegistration
    token_digest: str = field(repr=False)
    """Of its registration_access_token; another one after each update."""
    registered_at: Instant
    expires_at: Instant | None
    """When it is forgotten; None once a person has allowed it something."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpaqueToken:
    """An access token whose claims stand here. `digest` is of the token; of the `jti` where a JWT was revoked
    alone, which leaves a row without claims."""

    digest: str = field(repr=False)
    authorization_id: str | None
    """None for a client's own token."""
    client_id: ClientId
    sub: Subject | None
    claims: Mapping[str, Any] = field(repr=False)
    created_at: Instant
    expires_at: Instant
    revoked_at: Instant | None = None


LOGOUT_KEPT: Final = 7 * 86_400
"""Seconds; a delivery that is due is kept that long, also while no server runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogoutDelivery:
    """A client that got tokens in a sign-in, and is to be told when that ends (OIDC Back-Channel Logout §2.3)."""

    sid: str
    client_id: ClientId
    sub: Subject
    created_at: Instant
    expires_at: Instant
    """When the row may be purged."""
    next_at: Instant | None = None
    """When it is sent, or may be taken over from a worker that holds it; None while the sign-in lives."""
    attempts: int = 0
    """How often a worker took it: whoever finishes it says by that number that it still holds it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """An authorization with all that the decision function looks at, read in one statement."""

    authorization: Authorization
    client: ClientRegistration | None
    user: User | None
    sign_in: SignIn | None
    consent: Consent | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenStanding:
    """An access token with all that the decision function looks at."""

    holder: ClientRegistration | None
    """The client that it was issued to."""
    authorization_id: str | None
    """Of the authorization that it came of; None for a client's own token."""
    grant: Standing | None
    """That authorization, while its row is there."""
    row: OpaqueToken | None = None
    """None for a JWT that was not revoked by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceStanding:
    """A device authorization with all that the decision function looks at."""

    device: DeviceAuthorization
    client: ClientRegistration | None
    grant: Standing | None
    """What the person allowed, while its row is there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInStanding:
    """A sign-in with its user, read in one statement."""

    sign_in: SignIn
    user: User | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """Who comes from which client, and what they allowed it, read in one statement."""

    client: ClientRegistration | None
    standing: SignInStanding | None
    consent: Consent | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKeyRecord:
    """A signing key as stored: the private JWK is sealed under the master key, or empty and kept elsewhere."""

    kid: str
    algorithm: str
    sealed_private_jwk: str = field(repr=False)
    public_jwk: Mapping[str, Any]
    created_at: Instant
    active_from: Instant
    retired_at: Instant | None = None
    """No longer signs; published until `remove_at`."""
    remove_at: Instant | None = None

    @property
    def is_remote(self) -> bool:
        """A signer has the private half; such a record is never stored."""
        return not self.sealed_private_jwk


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvent:
    """One line of the audit log, written in the transaction of the write that it reports."""

    at: Instant
    name: str
    sub: str | None = None
    client_id: str | None = None
    detail: Mapping[str, str] = field(default_factory=dict[str, str])
