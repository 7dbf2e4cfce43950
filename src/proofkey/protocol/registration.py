"""A client's registration, in the names of RFC 7591 §2."""

from dataclasses import dataclass, field
from typing import Literal

from proofkey.protocol.text import ClientId

ApplicationType = Literal["web", "native"]
AuthMethod = Literal["none", "client_secret_basic", "client_secret_post"]

AUTH_METHODS: tuple[AuthMethod, ...] = ("client_secret_basic", "client_secret_post", "none")
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
    skip_consent: bool = False
    allow_insecure_without_pkce: bool = False
    disabled: bool = False

    @property
    def is_public(self) -> bool:
        """RFC 6749 §2.1: the client cannot keep a secret."""
        return self.token_endpoint_auth_method == "none"
