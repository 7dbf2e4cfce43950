"""How a provider's access tokens depart from RFC 9068: the type, whose values stand in `proofkey.providers`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from proofkey.errors import ConfigurationError
from proofkey.findings import Finding
from proofkey.protocol.token_kind import TokenKind

Claims = Mapping[str, Any]
"""Claims of a token whose signature verified, every value of any JSON type."""
Texts = Callable[[Claims], tuple[str, ...]]
"""Reads scopes or permissions. Raises: ClaimError when they have the wrong type."""
Roles = Callable[[Claims, frozenset[str]], tuple[str, ...]]
"""(claims, the API's audiences): reads roles. Raises: ClaimError when they have the wrong type."""


@dataclass(frozen=True, slots=True)
class Relaxation:
    """One rule of RFC 9068 that a dialect does without, and what stands in for it."""

    rule: str
    """The requirement, such as `RFC 9068 §4 typ`."""
    instead: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where the facts of a dialect come from, and when they were read."""

    title: str
    date: str
    """ISO 8601."""
    live: bool = False
    """True when a real server of that provider is tested against."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One provider's access tokens, as data and pure functions. The default values are strict RFC 9068."""

    name: str
    title: str
    matches: Callable[[str], bool]
    """Whether an issuer identifier is one of this provider's."""
    token_issuers: Callable[[str, tuple[str, ...]], frozenset[str]] = lambda issuer, tenants: frozenset({issuer})
    """(configured issuer, allowed tenants) → every `iss` that its tokens may carry: a closed list, compared
    exactly. Raises: ConfigurationError when tenants must be named and are not."""
    metadata_issuer: Callable[[str], frozenset[str]] = lambda issuer: frozenset({issuer})
    """(configured issuer) → what its discovery document may name as `issuer`, compared exactly. More than the
    issuer itself only where a provider answers with a template."""
    tenant_of: Callable[[str], str | None] | None = None
    """The tenant, realm or pool in an issuer identifier, for diagnosis; None when there is none."""
    header_types: frozenset[str] = frozenset({"at+jwt"})
    """Accepted `typ`, in lower case and without `application/`; "" stands for none at all."""
    algorithms: frozenset[str] | None = None
    """Narrows the verifier's list."""
    audience: Literal["aud", "client_id"] = "aud"
    """The claim that names the API. `client_id` stands in only where the token has no `aud`."""
    client_id: tuple[str, ...] = ("client_id",)
    """Claims that may name the client; the first that is there."""
    jti: tuple[str, ...] = ("jti",)
    jti_required: bool = True
    check_use: Callable[[Mapping[str, Any], Claims], None] | None = None
    """(header, claims): refuses what is no access token where `typ` does not tell. Raises: ClaimError."""
    scope: Texts | None = None
    """None: the claim `scope`, a string (RFC 9068 §2.2.3)."""
    roles: Roles | None = None
    """None: the claim `roles`, a list."""
    permissions: Texts | None = None
    """None: the provider has none."""
    is_client_only: Callable[[Claims, str, str], bool] | None = None
    """(claims, sub, client_id): no person stands behind the token. None: `sub == client_id` (RFC 9068 §2.2)."""
    user_key: Callable[[Claims], tuple[str, str]] | None = None
    """What identifies a person for good. None: (iss, sub). Raises: ClaimError."""
    opaque_remedy: str | None = None
    """What to do when this provider hands out a token that is no JWT."""
    kinds: Mapping[TokenKind, Finding] = field(default_factory=dict[TokenKind, Finding])
    """What a kind of token is at this provider, where the form alone does not tell."""
    remedies: Mapping[Finding, str] = field(default_factory=dict[Finding, str])
    """What to set at this provider, in place of the finding's own remedy; the log and the inspector show it."""
    relaxes: tuple[Relaxation, ...] = ()
    verifies: bool = True
    """False: this provider's access tokens cannot be verified by an API (login only)."""
    source: Source = Source(title="RFC 9068", date="2021-10")
    login: "LoginDialect" = field(default_factory=lambda: LoginDialect())


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginDialect:
    """How the provider departs from OpenID Connect towards clients."""

    force_pkce: bool = False
    """S256 although the metadata do not announce it."""
    authorization_parameters: Mapping[str, str] = field(default_factory=dict[str, str])
    """Sent with every authorization request."""
    audience_parameter: Literal["resource", "audience", "scope", "none"] = "resource"
    """How a client asks for a token for an API."""
    offline_access: bool = True
    """Whether the scope `offline_access` brings a refresh token."""
    logout: Literal["oidc", "auth0_v2", "cognito", "none"] = "oidc"
    """`oidc`: RP-Initiated Logout where the metadata offer it. `auth0_v2`: the same, else `/v2/logout`. `cognito`:
    `/logout` at the host of the authorization endpoint. `none`: the provider cannot be asked."""
    issuer_aliases: frozenset[str] = frozenset()
    """Other spellings of the issuer that its ID tokens and authorization responses may carry."""
    exchange: Literal["rfc8693", "on_behalf_of"] = "rfc8693"
    """How an API gets a token for another API in place of one that it received."""


RFC9068: Final = Dialect(name="rfc9068", title="RFC 9068", matches=lambda issuer: True)
"""Strict: what every provider without a dialect of its own is held to."""

_UNREADABLE: Final = frozenset({Finding.TOKEN_IS_OPAQUE, Finding.TOKEN_ENCRYPTED})


def check_verifies(dialect: Dialect) -> None:
    """An API that trusts this provider's own access tokens must be able to verify them.

    Raises: ConfigurationError with the fix when the provider is for login only.
    """
    if not dialect.verifies:
        raise ConfigurationError(
            Finding.DIALECT_LOGIN_ONLY, dialect=dialect.name, fix=dialect.opaque_remedy or "another issuer"
        )


def remedy_for(finding: Finding, dialect: Dialect) -> str:
    """What to do about it at this provider: its own remedy, else the finding's."""
    opaque = dialect.opaque_remedy if finding in _UNREADABLE else None
    return dialect.remedies.get(finding) or opaque or finding.remedy
