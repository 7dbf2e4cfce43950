"""The sections of the one configuration, as values; the names are the keys of proofkey.toml."""

from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from proofkey.protocol.registration import AccessTokenFormat, ApplicationType, AuthMethod, SubjectType
from proofkey.protocol.text import Secret


def _secret(value: object) -> Secret:
    if isinstance(value, Secret):
        return value
    if not isinstance(value, str):
        raise ValueError("text is expected")
    return Secret(value)


def _network(value: str) -> str:
    return str(ip_network(value, strict=False))


SecretText = Annotated[Secret, PlainValidator(_secret)]
Network = Annotated[str, AfterValidator(_network)]
LogLevel = Annotated[
    Literal["debug", "info", "warning", "error"],
    BeforeValidator(lambda value: value.lower() if isinstance(value, str) else value),
]
Seconds = Annotated[int, Field(ge=0)]
Feature = Literal["par", "device", "jar", "jarm", "registration", "cimd"]
Names = str | tuple[str, ...]
"""One name, or several."""


def _listed(names: Names | None) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else names or ()


class Section(BaseModel):
    """Frozen; unknown keys are errors; a secret never shows in an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


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
    profile: Literal["standard"] = "standard"
    features: tuple[Feature, ...] = ("par",)
    """What is on beside the common endpoints. A list that is written says all of it."""
    require_pushed_authorization_requests: bool = False
    """Of every client (RFC 9126 §5)."""
    registration: Mapping[str, Any] | None = None
    lifetimes: LifetimesSettings = LifetimesSettings()
    default_resource: str | None = None
    acr_values: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    """Authentication context classes, the weakest first, each with the factors (`amr`) that it takes."""
    sector_identifier_uris: tuple[str, ...] = ()
    """What clients with pairwise subjects may name as their sector; nothing is fetched from there."""
    resources: tuple[ResourceSettings, ...] = ()
    clients: tuple[ClientSettings, ...] = ()
    users: tuple[UserSettings, ...] = ()
    dpop_nonces: bool = False
    """DPoP proofs must carry a nonce of this server."""
    allow_insecure_no_throttles: bool = False


class OutgoingSettings(Section):
    """Requests to other servers."""

    ca_file: Path | None = None
    allow_insecure_private_hosts: tuple[str, ...] = ()


class IntrospectionSettings(Section):
    """How an API asks its issuer about tokens, in the names of `Introspection`."""

    client_id: str
    client_secret: SecretText | None = None
    client_secret_file: Path | None = None
    private_key_file: Path | None = None
    endpoint: str | None = None
    max_age: Annotated[int, Field(ge=1, le=3600)] = 60
    size: Annotated[int, Field(ge=1, le=1_000_000)] = 1000
    signed: bool = False
    always: bool = False
    assertion_audience: str | None = None
    allow_insecure_missing_audience: bool = False


class IssuerSettings(Section):
    """One of several issuers that an API trusts, in the names of `TrustedIssuer`."""

    issuer: str
    audience: Names | None = None
    dialect: str | None = None
    tenants: tuple[str, ...] = ()
    internal_base_url: str | None = None
    allow_insecure_internal_http: bool = False
    introspection: IntrospectionSettings | None = None
    until: AwareDatetime | None = None
    """From then on its tokens are refused; with an offset."""


class ApiSettings(Section):
    """A protected API, in the names of `Protect`."""

    issuer: str | None = None
    audience: Names | None = None
    dialect: str | None = None
    tenants: tuple[str, ...] = ()
    internal_base_url: str | None = None
    allow_insecure_internal_http: bool = False
    introspection: IntrospectionSettings | None = None
    issuers: tuple[IssuerSettings, ...] = ()
    """In the place of `issuer` and of what belongs to one issuer."""
    public_url: str | None = None
    resource_name: str | None = None
    docs_client_id: str | None = None
    """A public client by which the API's own documentation page signs in."""
    scope_hierarchy: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    dpop: Literal["off", "optional", "required"] = "off"
    store: Annotated[str, Field(repr=False)] = "memory:"
    """What remembers DPoP proofs; its URL may hold a password."""
    store_file: Path | None = None
    dpop_nonces: bool = False
    master_key: SecretText | None = None
    """What nonces are made from; the same for every worker."""
    master_key_file: Path | None = None
    mtls: bool = False
    trusted_proxies: tuple[Network, ...] = ()
    client_certificate_header: str | None = None
    remember_tokens: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    log_acceptances: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """What tokens may name as their audience, whichever issuer they are from."""
        listed = (self.audience, *(one.audience for one in self.issuers))
        every = [name for names in listed for name in _listed(names)]
        return tuple(dict.fromkeys(every))


class LoginSettings(Section):
    """A client that logs people in; read by the web and the Streamlit face."""

    issuer: str
    client_id: str
    client_secret: SecretText | None = None
    client_secret_file: Path | None = None
    private_key_file: Path | None = None
    public_url: str
    audience: str | None = None
    api_url: str | None = None
    scope: str | None = None
    prompt: str | None = None
    store: Annotated[str, Field(repr=False)] = "memory:"


class LogSettings(Section):
    """What is written to stderr."""

    level: LogLevel = "info"


class Document(BaseSettings):
    """All sections of one configuration; those that stand nowhere are None."""

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        env_prefix="PROOFKEY_",
        env_nested_delimiter="_",
        env_nested_max_split=1,
    )

    server: ServerSettings | None = None
    outgoing: OutgoingSettings = OutgoingSettings()
    api: ApiSettings | None = None
    login: LoginSettings | None = None
    log: LogSettings = LogSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what `Settings.load` has read and checked."""
        return (init_settings,)


MODELS: Mapping[str, type[BaseModel]] = {
    "": Document,
    "server": ServerSettings,
    "server.lifetimes": LifetimesSettings,
    "server.resources": ResourceSettings,
    "server.clients": ClientSettings,
    "server.users": UserSettings,
    "outgoing": OutgoingSettings,
    "api": ApiSettings,
    "api.issuers": IssuerSettings,
    "api.issuers.introspection": IntrospectionSettings,
    "api.introspection": IntrospectionSettings,
    "login": LoginSettings,
    "log": LogSettings,
}
"""By the dotted place in the file, list positions left out."""
