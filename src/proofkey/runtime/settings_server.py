"""The section `[server]` of proofkey.toml, as values; the names are its keys."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BeforeValidator, Field

from proofkey.authorization_server.profile import Profile
from proofkey.protocol.registration import AccessTokenFormat, ApplicationType, AuthMethod, SubjectType
from proofkey.runtime.settings_values import (
    Feature,
    Network,
    Seconds,
    SecretText,
    Section,
    lines,
)


class LifetimesSettings(Section):
    """All in seconds; see requirements §8 for the reasons."""

    code: Annotated[int, Field(ge=1, le=600)] = 60
    access_token: Annotated[int, Field(ge=1, le=3600)] = 900
    client_credentials: Annotated[int, Field(ge=1, le=3600)] = 600
    id_token: Annotated[int, Field(ge=1, le=3600)] = 300
    refresh_idle: Seconds = 14 * 86400
    refresh_absolute: Seconds = 30 * 86400
    refresh_absolute_public: Seconds = 8 * 3600
    refresh_grace: Annotated[int, Field(ge=0, le=60)] = 10
    interaction: Annotated[int, Field(ge=1, le=3600)] = 600
    pushed_request: Annotated[int, Field(ge=5, lt=600)] = 90
    device_code: Annotated[int, Field(ge=60, le=600)] = 600
    sign_in_idle: Seconds = 3600
    sign_in_absolute: Seconds = 86400
    key_use: Seconds = 90 * 86400
    key_announcement: Seconds = 14 * 86400


class ResourceSettings(Section):
    """An API for which tokens are issued (RFC 8707); `clients` may introspect its tokens."""

    identifier: str
    scopes: tuple[str, ...] = ()
    clients: tuple[str, ...] = ()
    access_token_format: AccessTokenFormat = "jwt"


class DetailTypeSettings(Section):
    """A type of authorization_details (RFC 9396 §2); members of §2.2 may stand in every object."""

    type: str
    title: str = ""
    """What it gives, in the words of the consent page."""
    fields: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    """The values that `actions` may have; empty: any."""
    ask_again: bool = False
    """The person is asked each time, also for what they allowed before."""


class ClientSettings(Section):
    """A client in the names of RFC 7591 §2."""

    client_id: str
    client_secret: SecretText | None = None
    client_secret_file: Path | None = None
    token_endpoint_auth_method: AuthMethod | None = None
    """None: client_secret_basic with a secret, none without."""
    client_name: str = ""
    application_type: ApplicationType = "web"
    redirect_uris: tuple[str, ...] = ()
    post_logout_redirect_uris: tuple[str, ...] = ()
    backchannel_logout_uri: str | None = None
    backchannel_logout_session_required: bool = False
    grant_types: tuple[str, ...] = ("authorization_code", "refresh_token")
    response_types: tuple[str, ...] = ("code",)
    scope: str = "openid profile email offline_access"
    id_token_signed_response_alg: str = "ES256"
    userinfo_signed_response_alg: str | None = None
    subject_type: SubjectType = "public"
    sector_identifier_uri: str | None = None
    default_max_age: Seconds | None = None
    require_auth_time: bool = False
    default_acr_values: tuple[str, ...] = ()
    access_token_format: AccessTokenFormat = "jwt"
    introspection_signed_response_alg: str = "ES256"
    response_modes: tuple[str, ...] = ()
    """Empty: as the server offers."""
    require_pushed_authorization_requests: bool = False
    require_signed_request_object: bool = False
    request_object_signing_alg: str | None = None
    authorization_signed_response_alg: str = "ES256"
    skip_consent: bool = False
    allow_insecure_without_pkce: bool = False
    token_endpoint_auth_signing_alg: str | None = None
    authorization_details_types: tuple[str, ...] = ()
    """Those of the server's that it may ask for; empty: none."""
    dpop_bound_access_tokens: bool = False
    tls_client_auth_subject_dn: str | None = None
    tls_client_auth_san_dns: str | None = None
    tls_client_auth_san_uri: str | None = None
    tls_client_auth_san_ip: str | None = None
    tls_client_auth_san_email: str | None = None
    tls_client_certificate_bound_access_tokens: bool = False
    jwks: Mapping[str, Any] | None = None
    jwks_uri: str | None = None


class UserSettings(Section):
    """A user; the password is taken as it is."""

    username: str
    password: SecretText
    password_file: Path | None = None
    sub: str | None = None
    roles: tuple[str, ...] = ()
    claims: Mapping[str, Any] = Field(default_factory=dict)


class RegistrationSettings(Section):
    """Who may register clients (RFC 7591), and what these may have."""

    initial_access_tokens: Annotated[tuple[SecretText, ...], BeforeValidator(lines)] = ()
    initial_access_tokens_file: Path | None = None
    """One token a line."""
    allow_insecure_open: bool = False
    """Anybody may, without a token."""
    scope: str | None = None
    """What such clients may have at most; None: what people can allow, of every resource."""
    whole_scope: bool = False
    """Each is registered for all of it, though it may write less: MCP clients write what the first tool needs."""
    unused_days: Annotated[int, Field(ge=1, le=365)] = 30
    """A client that nobody has allowed anything in so many days is forgotten."""


class ClientDocumentSettings(Section):
    """Which clients may describe themselves in a document at their client_id, and what these may have."""

    hosts: tuple[str, ...] = ()
    """Where such documents may be, with the port where it is not 443; empty: anywhere."""
    scope: str | None = None
    """What such clients may have at most; None: as those that register themselves."""


class SignerKeySettings(Section):
    """A key pair in a PKCS#11 token, by its label."""

    label: Annotated[str, Field(min_length=1)]
    algorithm: Literal["ES256", "RS256", "PS256", "Ed25519"]
    kid: Annotated[str, Field(min_length=1, max_length=255)] | None = None
    active_from: AwareDatetime | None = None
    """Published at once, and signs from then on; with an offset."""


class SignerSettings(Section):
    """A PKCS#11 token that has the private keys."""

    module: Path
    """The library of the token's maker."""
    token: Annotated[str, Field(min_length=1)]
    """The token's label."""
    pin: SecretText
    pin_file: Path | None = None
    keys: Annotated[tuple[SignerKeySettings, ...], Field(min_length=1)]


class ServerSettings(Section):
    """The authorization server."""

    issuer: str
    master_key: SecretText
    master_key_file: Path | None = None
    workers: Annotated[int, Field(ge=1, le=64)] = 1
    store: Annotated[str, Field(repr=False)] = "sqlite:///proofkey.db"
    trusted_proxies: tuple[Network, ...] = ()
    client_certificate_header: str | None = None
    client_certificates: Literal["verified", "unverified"] = "verified"
    """Whether the proxy that sets the header has checked who signed the certificate."""
    mtls_base_url: str | None = None
    """The origin whose TLS asks for client certificates, where it is not the issuer's (RFC 8705 §5)."""
    profile: Profile = "standard"
    """`fapi2`: FAPI 2.0 Security Profile and Message Signing, for every client."""
    features: tuple[Feature, ...] = ("par",)
    """What is on beside the common endpoints. A list that is written says all of it."""
    require_pushed_authorization_requests: bool = False
    """Of every client (RFC 9126 §5)."""
    registration: RegistrationSettings | None = None
    cimd: ClientDocumentSettings | None = None
    lifetimes: LifetimesSettings = LifetimesSettings()
    default_resource: str | None = None
    service_documentation: str | None = None
    """Pages that the metadata name (RFC 8414 §2): for developers, on how data are used, the terms."""
    op_policy_uri: str | None = None
    op_tos_uri: str | None = None
    acr_values: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    """Authentication context classes, the weakest first, each with the factors (`amr`) that it takes."""
    sector_identifier_uris: tuple[str, ...] = ()
    """Sectors that the operator vouches for: nothing is fetched from there."""
    resources: tuple[ResourceSettings, ...] = ()
    authorization_details_types: tuple[DetailTypeSettings, ...] = ()
    """What can be asked for by authorization_details (RFC 9396)."""
    clients: tuple[ClientSettings, ...] = ()
    users: tuple[UserSettings, ...] = ()
    dpop_nonces: bool = False
    """DPoP proofs must carry a nonce of this server."""
    signer: SignerSettings | None = None
    """Who has the private keys, if the store does not."""
    allow_insecure_no_throttles: bool = False
