"""The other sections of the one configuration, and all of it, as values; the names are its keys."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import AwareDatetime, BaseModel, Field
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from proofkey.runtime.settings_server import (
    ClientDocumentSettings,
    ClientSettings,
    DetailTypeSettings,
    LifetimesSettings,
    RegistrationSettings,
    ResourceSettings,
    ServerSettings,
    SignerKeySettings,
    SignerSettings,
    UserSettings,
)
from proofkey.runtime.settings_values import LogLevel, Names, Network, SecretText, Section, listed


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
        audiences = (self.audience, *(one.audience for one in self.issuers))
        every = [name for names in audiences for name in listed(names)]
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
    userinfo: bool | Literal["auto", "signed"] = "auto"
    par: Literal["auto", "required", "off"] = "auto"
    acr_values: str | None = None
    store: Annotated[str, Field(repr=False)] = "memory:"
    session_secret: SecretText | None = None
    """Seals the tokens in the store, where the client has no secret or another shall do it."""
    session_secret_file: Path | None = None


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
    "server.signer": SignerSettings,
    "server.signer.keys": SignerKeySettings,
    "server.resources": ResourceSettings,
    "server.authorization_details_types": DetailTypeSettings,
    "server.clients": ClientSettings,
    "server.users": UserSettings,
    "server.registration": RegistrationSettings,
    "server.cimd": ClientDocumentSettings,
    "outgoing": OutgoingSettings,
    "api": ApiSettings,
    "api.issuers": IssuerSettings,
    "api.issuers.introspection": IntrospectionSettings,
    "api.introspection": IntrospectionSettings,
    "login": LoginSettings,
    "log": LogSettings,
}
"""By the dotted place in the file, list positions left out."""
