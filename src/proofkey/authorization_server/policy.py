"""What the operator decided: issuer, lifetimes, resources, and who is registered. Read once, never changed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from proofkey.authorization_server.profile import ALGORITHMS, FAPI_ALGORITHMS, Profile
from proofkey.authorization_server.records import User
from proofkey.errors import InvalidTarget
from proofkey.findings import Finding
from proofkey.protocol.messages import PLAIN_MODES, SIGNED_MODES
from proofkey.protocol.registration import TLS_METHODS, AccessTokenFormat, AuthMethod, ClientRegistration
from proofkey.protocol.text import Instant, Issuer, Secret, Subject
from proofkey.protocol.uri import origin_of
from proofkey.resource_server.sender_constraint import ALGORITHMS as PROOF_ALGORITHMS

IDENTITY_SCOPES: Final = ("openid", "profile", "email", "address", "phone", "offline_access")
"""Scopes about the person, in the order in which they are announced; never part of a client's own token."""

CertificateCheck = Literal["verified", "unverified"]
FEATURES: Final = ("par", "device", "jar", "jarm", "registration", "cimd")
"""What `[server] features` can name."""

_MINUTE: Final = 60
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifetimes:
    """All in seconds."""

    code: int = 60
    access_token: int = 15 * _MINUTE
    client_credentials: int = 10 * _MINUTE
    id_token: int = 5 * _MINUTE
    logout_token: int = 2 * _MINUTE
    refresh_idle: int = 14 * _DAY
    refresh_absolute: int = 30 * _DAY
    refresh_absolute_public: int = 8 * _HOUR
    refresh_grace: int = 10
    interaction: int = 10 * _MINUTE
    pushed_request: int = 90
    """How long a pushed request may begin an authorization (RFC 9126 §2.2)."""
    device_code: int = 10 * _MINUTE
    """How long a device and its user code wait for a person (RFC 8628 §3.2)."""
    sign_in_idle: int = _HOUR
    sign_in_absolute: int = _DAY
    key_use: int = 90 * _DAY
    """How long a signing key signs."""
    key_announcement: int = 14 * _DAY
    """How long a new key is published before it signs, and an old one after it signed for the last time."""

    @property
    def key_afterlife(self) -> int:
        """How long a key is published after it signed for the last time: never less than its tokens live, and an
        hour for clocks and caches (OIDC Core §10.1.1)."""
        return max(self.key_announcement, max(self.access_token, self.client_credentials, self.id_token) + _HOUR)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """An API for which tokens are issued (RFC 8707). `clients` are the API itself: they may introspect its tokens,
    and exchange them if they have that grant. `opaque` holds for all of its tokens, whoever asks for them."""

    identifier: str
    scopes: tuple[str, ...] = ()
    clients: tuple[str, ...] = ()
    access_token_format: AccessTokenFormat = "jwt"


@dataclass(frozen=True, slots=True, kw_only=True)
class DetailType:
    """A type of `authorization_details` (RFC 9396 §2): what its objects may say beside the members of §2.2."""

    type: str
    title: str = ""
    """What it gives, in the words of the consent page."""
    fields: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    """The values that `actions` may have; empty: any."""
    ask_again: bool = False
    """The person is asked each time, also for what they allowed before: for what happens once, as a payment."""
    check: Callable[[Mapping[str, Any]], None] | None = None
    """A rule of the application's own. Raises: ValueError for an object that is not right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfiguredUser:
    """A user as the configuration writes it; without `sub` one is made at the first start and kept."""

    username: str
    password: Secret
    sub: Subject | None = None
    roles: tuple[str, ...] = ()
    claims: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def is_written_in(self, user: User) -> bool:
        """True when nothing but the password could differ."""
        return (self.username, self.roles, dict(self.claims)) == (user.username, user.roles, dict(user.claims))


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfRegistration:
    """Who may register clients at the registration endpoint, and what these may have (RFC 7591)."""

    token_digests: frozenset[str] = field(default=frozenset(), repr=False)
    """SHA-256 of the initial access tokens; each opens the endpoint as often as it is sent."""
    scope: tuple[str, ...] | None = None
    """At most; None: what people can allow."""
    whole_scope: bool = False
    """Every such client is registered for all of it, whatever it writes: some write what they need first."""
    unused: int = 30 * _DAY
    """Seconds after which a client is forgotten that nobody has allowed anything."""
    allow_insecure_open: bool = False
    """Anybody may register, without a token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientDocuments:
    """Which clients may describe themselves in a document at their client_id, and what these may have."""

    hosts: frozenset[str] = frozenset()
    """In lower case, with the port where it is not 443; empty: any host."""
    scope: tuple[str, ...] | None = None
    """At most; None: as clients that register themselves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The settings of the role, as values."""

    issuer: Issuer
    lifetimes: Lifetimes = field(default_factory=Lifetimes)
    resources: Mapping[str, Resource] = field(default_factory=dict[str, Resource])
    """By identifier."""
    default_resource: str | None = None
    service_documentation: str | None = None
    op_policy_uri: str | None = None
    op_tos_uri: str | None = None
    """Pages for developers and people (RFC 8414 §2): announced as they are."""
    acr_values: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """Authentication context classes, the weakest first, each with the factors (`amr`) that it takes."""
    sector_identifier_uris: frozenset[str] = frozenset()
    """Sectors that clients may name for pairwise subjects: the operator vouches for them."""
    authorization_details_types: Mapping[str, DetailType] = field(default_factory=dict[str, DetailType])
    """By type."""
    clients: tuple[ClientRegistration, ...] = ()
    users: tuple[ConfiguredUser, ...] = field(default=(), repr=False)
    profile: Profile = "standard"
    features: frozenset[str] = frozenset({"par"})
    """What is on beside the common endpoints: of `FEATURES`."""
    require_pushed_authorization_requests: bool = False
    """Of every client (RFC 9126 §5)."""
    client_certificates: CertificateCheck | None = None
    """Who vouches for the certificates that a proxy forwards: "verified", the proxy has checked their chain;
    "unverified", nobody, so that only registered ones count (RFC 8705 §2.2). None: nobody looks at them."""
    mtls_base_url: str | None = None
    """The origin at which clients with certificates find the endpoints too (RFC 8705 §5)."""
    dpop_nonces: bool = False
    """DPoP proofs must carry a nonce of this server (RFC 9449 §8)."""
    registration: SelfRegistration = field(default_factory=SelfRegistration)
    """Where the feature is on."""
    client_documents: ClientDocuments = field(default_factory=ClientDocuments)
    """Where the feature "cimd" is on."""
    allow_insecure_no_throttles: bool = False

    @property
    def is_fapi(self) -> bool:
        """Whether FAPI 2.0 holds for every client."""
        return self.profile == "fapi2"

    @property
    def algorithms(self) -> tuple[str, ...]:
        """What is announced for request objects, and what can be asked of the server."""
        return FAPI_ALGORITHMS if self.is_fapi else ALGORITHMS

    @property
    def signing_algorithms(self) -> tuple[str, ...]:
        """By which assertions and proofs may be signed."""
        return FAPI_ALGORITHMS if self.is_fapi else PROOF_ALGORITHMS

    @property
    def pushes_alone(self) -> bool:
        """Whether every authorization request has to be pushed."""
        return self.require_pushed_authorization_requests or self.is_fapi

    @property
    def certificate_methods(self) -> tuple[AuthMethod, ...]:
        """How clients can authenticate by certificates. A name counts only where its signer was checked."""
        if self.client_certificates is None:
            return ()
        return TLS_METHODS if self.client_certificates == "verified" else ("self_signed_tls_client_auth",)

    def offers(self, feature: str) -> bool:
        """Whether that one of `FEATURES` is on."""
        return feature in self.features

    @property
    def response_modes(self) -> tuple[str, ...]:
        """How an authorization response can go back (OAuth Form Post §2, JARM §2.3)."""
        return (*PLAIN_MODES, *SIGNED_MODES) if self.offers("jarm") else PLAIN_MODES

    def url(self, path: str) -> str:
        """An address under the issuer; `path` begins with a slash."""
        return self.issuer.rstrip("/") + path

    def addresses(self, path: str) -> tuple[str, ...]:
        """Where that endpoint is: under the issuer, and at its alias for clients with certificates."""
        url = self.url(path)
        return (url,) if self.mtls_base_url is None else (url, self.alias_of(url, self.mtls_base_url))

    def alias_of(self, url: str, base: str) -> str:
        """The same path at another origin."""
        return base + url.removeprefix(origin_of(self.issuer))

    def audience_of(self, resource: tuple[str, ...]) -> tuple[str, ...]:
        """The audience of a token: what was asked, else the default resource, else the issuer itself, so that a
        plain login token never opens an API (RFC 8707 §2.2, RFC 9068 §3).

        Raises: InvalidTarget when more than one is asked for, or one that is not known here.
        """
        if len(resource) > 1:
            raise InvalidTarget(
                Finding.RESOURCE_UNKNOWN, reason="more than one resource", count=str(len(resource))
            )
        if not resource:
            return (self.default_resource or self.issuer,)
        if resource[0] not in self.resources and resource[0] != self.issuer:
            raise InvalidTarget(Finding.RESOURCE_UNKNOWN, resource=resource[0][:200])
        return resource

    def purge_at(self, last_use: Instant) -> Instant:
        """When an authorization may be forgotten: after the last token that its last use can give is dead, with a
        minute for leeways and the clocks of several nodes."""
        return Instant(last_use + self.lifetimes.access_token + _MINUTE)

    @property
    def audiences(self) -> frozenset[str]:
        """Every audience that a token of this server can have."""
        return frozenset({self.issuer, *self.resources})

    @property
    def api_scopes(self) -> tuple[str, ...]:
        """The scopes of all resources, each once."""
        return tuple(dict.fromkeys(scope for resource in self.resources.values() for scope in resource.scopes))


def grantable_scope(
    asked: tuple[str, ...], client: ClientRegistration, audience: tuple[str, ...], policy: Policy
) -> tuple[str, ...]:
    """Of the scope asked for, what the client may have and what belongs to the audience (RFC 6749 §3.3).

    Without a scope the client's registered one is taken. A scope of other resources is left out; one that no
    resource claims stays, and those about the person stay whatever a resource lists. `offline_access` needs the
    refresh_token grant.
    """
    wanted = asked or client.scope
    here = {scope for identifier in audience for scope in _scopes_of(identifier, policy)}
    elsewhere = set[str]()
    if audience != (policy.issuer,):
        elsewhere = set(policy.api_scopes) - here - set(IDENTITY_SCOPES)
    may_refresh = "refresh_token" in client.grant_types
    return tuple(
        scope
        for scope in wanted
        if scope in client.scope and scope not in elsewhere and (scope != "offline_access" or may_refresh)
    )


def _scopes_of(identifier: str, policy: Policy) -> tuple[str, ...]:
    resource = policy.resources.get(identifier)
    return resource.scopes if resource else ()
