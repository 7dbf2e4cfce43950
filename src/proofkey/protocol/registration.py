"""A client's registration, in the names of RFC 7591 §2."""

from dataclasses import dataclass, field
from typing import Literal

from proofkey.protocol.text import ClientId

ApplicationType = Literal["web", "native"]
SubjectType = Literal["public", "pairwise"]
AuthMethod = Literal[
    "none", "client_secret_basic", "client_secret_post", "private_key_jwt", "tls_client_auth",
    "self_signed_tls_client_auth",
]  # fmt: skip

AUTH_METHODS: tuple[AuthMethod, ...] = ("client_secret_basic", "client_secret_post", "private_key_jwt", "none")
SECRET_METHODS: tuple[AuthMethod, ...] = ("client_secret_basic", "client_secret_post")
TLS_METHODS: tuple[AuthMethod, ...] = ("tls_client_auth", "self_signed_tls_client_auth")
"""RFC 8705 §2; where a proxy forwards client certificates."""
AccessTokenFormat = Literal["jwt", "opaque"]
ACCESS_TOKEN_FORMATS: tuple[AccessTokenFormat, ...] = ("jwt", "opaque")
APPLICATION_TYPES: tuple[ApplicationType, ...] = ("web", "native")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientRegistration:
    """RFC 7591 §2. `secret_digest` is the SHA-256 (base64url) of the client secret, never the secret itself."""

    client_id: ClientId
    secret_digest: str | None = field(default=None, repr=False)
    token_endpoint_auth_method: AuthMethod = "client_secret_basic"
    client_name: str = ""
    application_type: ApplicationType = "web"
    redirect_uris: frozenset[str] = frozenset()
    post_logout_redirect_uris: frozenset[str] = frozenset()
    grant_types: frozenset[str] = frozenset({"authorization_code", "refresh_token"})
    response_types: frozenset[str] = frozenset({"code"})
    scope: tuple[str, ...] = ("openid", "profile", "email", "offline_access")
    id_token_signed_response_alg: str = "ES256"
    userinfo_signed_response_alg: str | None = None
    """UserInfo as a signed JWT (OIDC Core §5.3.2); None: as JSON."""
    subject_type: SubjectType = "public"
    sector_identifier_uri: str | None = None
    """Whose host is the sector of a pairwise subject, in the place of the redirect URIs' (OIDC Core §8.1)."""
    default_max_age: int | None = None
    """Seconds; for requests without max_age (OIDC Registration §2)."""
    require_auth_time: bool = False
    default_acr_values: tuple[str, ...] = ()
    """For requests that ask for no authentication context (OIDC Registration §2)."""
    response_modes: frozenset[str] = frozenset()
    """How its authorization responses may go back (`response_mode`); empty: as the server offers."""
    require_pushed_authorization_requests: bool = False
    """RFC 9126 §6."""
    require_signed_request_object: bool = False
    """RFC 9101 §10.5."""
    request_object_signing_alg: str | None = None
    """The one algorithm of its request objects; None: what its keys are for (OIDC Registration §2)."""
    authorization_signed_response_alg: str = "ES256"
    """Of signed authorization responses (JARM §3)."""
    access_token_format: AccessTokenFormat = "jwt"
    """`jwt` (RFC 9068) or `opaque`. No standard names it; the field calls it so (Spring, node oidc-provider)."""
    introspection_signed_response_alg: str = "ES256"
    """Of the signed introspection answers that it asks for (RFC 9701 §6)."""
    skip_consent: bool = False
    allow_insecure_without_pkce: bool = False
    disabled: bool = False
    jwks: str | None = None
    """The client's public keys, a JWK Set as JSON text (RFC 7591 §2)."""
    jwks_uri: str | None = None
    """Where they are, instead (RFC 7591 §2)."""
    token_endpoint_auth_signing_alg: str | None = None
    """The one algorithm of its assertions; None: what its keys are for (OIDC Registration §2)."""
    tls_client_auth_subject_dn: str | None = None
    """What its certificate names, with tls_client_auth: one of these five (RFC 8705 §2.1.2)."""
    tls_client_auth_san_dns: str | None = None
    tls_client_auth_san_uri: str | None = None
    tls_client_auth_san_ip: str | None = None
    tls_client_auth_san_email: str | None = None
    tls_client_certificate_bound_access_tokens: bool = False
    """Every access token is bound to the certificate of the request (RFC 8705 §3)."""
    authorization_details_types: tuple[str, ...] = ()
    """The types of authorization_details that it may ask for (RFC 9396 §10); empty: none."""
    dpop_bound_access_tokens: bool = False
    """Every token request has a DPoP proof (RFC 9449 §5.2)."""
    backchannel_logout_uri: str | None = None
    """Where it is told that a sign-in has ended (OIDC Back-Channel Logout §2.2)."""
    backchannel_logout_session_required: bool = False
    """It needs the `sid` in logout tokens, which always have it."""
    client_uri: str | None = None
    """What it says about itself (RFC 7591 §2): kept and told again, and shown to nobody."""
    logo_uri: str | None = None
    policy_uri: str | None = None
    tos_uri: str | None = None
    contacts: tuple[str, ...] = ()
    software_id: str | None = None
    software_version: str | None = None
    self_registered: bool = False
    """It registered itself: nobody here vouches for what it says."""
    changed_at: int = 0
    """Seconds since 1970: a consent that was given before says nothing about what the client is now."""
    document_until: int | None = None
    """Seconds since 1970: so long what its own document said is as good as new; None: it has no such document."""
    document_read_at: int = 0
    """Seconds since 1970: when its host last answered."""
    grants_since: int = 0
    """Seconds since 1970: what was granted before was for a client of another kind, and is dead."""

    @property
    def has_keys(self) -> bool:
        """Keys of its own are registered: themselves, or where they are."""
        return self.jwks is not None or self.jwks_uri is not None

    @classmethod
    def emptied(cls, client_id: ClientId) -> "ClientRegistration":
        """What stays of a client that deleted its registration (RFC 7592 §2.3): nothing that it could act by."""
        return cls(
            client_id=client_id,
            grant_types=frozenset(),
            response_types=frozenset(),
            scope=(),
            self_registered=True,
        )

    @property
    def is_emptied(self) -> bool:
        return self.self_registered and not self.grant_types

    @property
    def is_public(self) -> bool:
        """RFC 6749 §2.1: the client cannot keep a secret."""
        return self.token_endpoint_auth_method == "none"
