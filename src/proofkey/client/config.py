"""What a client must know before the first login; it is checked once, at the start."""

from dataclasses import dataclass, field
from typing import Final, Literal, get_args

from proofkey.errors import ConfigurationError
from proofkey.findings import Finding
from proofkey.protocol.client_assertion import ClientMethod, OutgoingClient, Signer, check_outgoing_client
from proofkey.protocol.dialect import LoginDialect
from proofkey.protocol.metadata import check_issuer
from proofkey.protocol.redirect_uri import origin_of
from proofkey.protocol.signature import ALGORITHM_NAMES
from proofkey.protocol.text import ClientId, Issuer, Pairs, Secret
from proofkey.protocol.uri import is_web_url

PROMPTS: Final = frozenset({"login", "consent", "select_account", "create"})
"""What a login may always ask for (OIDC Core §3.1.2.1, Prompt Create §4); `none` cannot start one."""

UserInfoMode = bool | Literal["auto", "signed"]
"""False: never asked. `auto`: asked where the provider has an endpoint, and done without while it gives no answer.
True: no login without an answer. `signed`: nor with one that is not signed (`userinfo_signed_response_alg`)."""

PushMode = Literal["auto", "required", "off"]
"""Pushed authorization requests (RFC 9126): where the provider has the endpoint; always, or no login; only where
the provider requires them."""
PUSH_MODES: Final[tuple[PushMode, ...]] = get_args(PushMode)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginConfig:
    """One client at one provider. Times are in seconds.

    `resource` goes into the authorization and the token request (RFC 8707); `pending_life` is how long a person
    may take at the provider; `idle` and `absolute` end a session.
    """

    issuer: Issuer
    client_id: ClientId
    client_secret: Secret | None = None
    client_key: Signer | None = None
    """Signs the client's assertions (private_key_jwt), in place of a secret."""
    auth_method: ClientMethod | None = None
    """None: an assertion with a key; a secret as the metadata offer, basic before post; else `none`."""
    redirect_uri: str
    post_logout_redirect_uri: str | None = None
    resource: tuple[str, ...] = ()
    scope: tuple[str, ...] = ("openid", "profile")
    prompt: frozenset[str] = frozenset()
    """Of each login (OIDC Core §3.1.2.1): `consent` where refresh tokens are given only then (§11)."""
    id_token_algorithms: frozenset[str] = ALGORITHM_NAMES
    """Of these the ones that the provider's metadata names; never HS* or none."""
    userinfo: UserInfoMode = "auto"
    par: PushMode = "auto"
    acr_values: tuple[str, ...] = ()
    """The kinds of sign-in that are enough, the preferred first; empty: any."""
    leeway: int = 10
    pending_life: int = 600
    idle: int = 1800
    absolute: int = 43200
    dialect: LoginDialect = field(default_factory=LoginDialect)
    """What the provider does otherwise than OpenID Connect says."""
    provider_name: str | None = None
    """For people to read; None: the issuer's host."""
    authorization_parameters: Pairs = ()
    """Of this provider's own, in each authorization request."""
    issuers: frozenset[str] = frozenset()
    """Of ID tokens, where one provider serves several tenants: a closed list. Empty: `issuer` alone."""
    published_as: frozenset[str] = frozenset()
    """What the metadata may name as their issuer then. Empty: `issuer` alone."""
    unsent_audience: str | None = None
    """The API whose tokens the sessions hold, where the provider is told of it by another way than `resource`."""

    @property
    def token_issuers(self) -> frozenset[str]:
        """Every `iss` that ID tokens and authorization responses may carry, compared exactly."""
        return (self.issuers or frozenset({self.issuer})) | self.dialect.issuer_aliases

    @property
    def audiences(self) -> tuple[str, ...]:
        """The APIs whose tokens the sessions hold."""
        return self.resource if self.unsent_audience is None else (self.unsent_audience,)

    def canonical_issuer(self, iss: str) -> str:
        """The one spelling of an issuer that has several."""
        return self.issuer if iss in self.dialect.issuer_aliases else iss

    @property
    def outgoing_client(self) -> OutgoingClient:
        """How the client proves itself at the token endpoint."""
        return OutgoingClient(
            client_id=self.client_id, secret=self.client_secret, key=self.client_key, method=self.auth_method
        )


def check_public_url(url: str) -> None:
    """The application's own origin: https, or http on loopback; no path, query, fragment or user information.

    Raises: ConfigurationError.
    """
    shown = url.partition("?")[0].rpartition("@")[2][:200]
    try:
        origin = origin_of(url)
    except ValueError as error:
        raise ConfigurationError(
            Finding.CONFIG_VALUE, key="public_url", value=shown, expected="https://host[:port], why: " + str(error)
        ) from error
    if not is_web_url(url):
        raise ConfigurationError(
            Finding.CONFIG_VALUE, key="public_url", value=shown, expected="https away from loopback"
        )
    if url.rstrip("/") != origin:  # browsers send the origin in this form, and it is compared as it is
        raise ConfigurationError(Finding.CONFIG_VALUE, key="public_url", value=shown, expected=origin)


def check_login_config(config: LoginConfig) -> None:
    """What a login can never work without; whoever wires it checks that the secret is a strong one.

    Raises: ConfigurationError.
    """
    check_issuer(config.issuer)
    check_outgoing_client(config.outgoing_client)
    if config.par not in PUSH_MODES:
        raise ConfigurationError(Finding.CONFIG_VALUE, key="par", expected=" or ".join(PUSH_MODES))
    if config.userinfo not in (True, False, "auto", "signed"):
        raise ConfigurationError(Finding.CONFIG_VALUE, key="userinfo", expected="true, false, auto or signed")
    if not config.prompt <= PROMPTS:
        raise ConfigurationError(Finding.CONFIG_VALUE, key="prompt", expected=" ".join(sorted(PROMPTS)))
    if "openid" not in config.scope:
        raise ConfigurationError(Finding.CONFIG_VALUE, key="scope", expected="a scope with openid in it")
    if not 0 < config.idle <= config.absolute or config.pending_life <= 0:
        raise ConfigurationError(Finding.CONFIG_VALUE, key="idle", expected="0 < idle <= absolute")
