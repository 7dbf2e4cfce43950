"""Google: access tokens are opaque; an ID token stands in for one only where that is asked for loudly."""

from collections.abc import Mapping
from typing import Any, Final

from proofkey.errors import ConfigurationError
from proofkey.findings import Finding
from proofkey.protocol.claims import ClaimError, read_audience, read_optional_text
from proofkey.protocol.dialect import Claims, Dialect, LoginDialect, Relaxation, Source
from proofkey.providers.reading import host_of

_HOST: Final = "accounts.google.com"
_OWN_SESSION: Final = (
    "sign in with Google and call the API with your own session or your own server's token; Google's ID token is "
    "taken only with dialect=google_id_tokens(client_ids, allow_insecure_id_tokens=True)"
)
_SOURCE: Final = Source(title="Google Identity: OpenID Connect", date="2026-11")
_LOGIN: Final = LoginDialect(
    authorization_parameters={"access_type": "offline", "prompt": "consent"},
    audience_parameter="none",
    offline_access=False,
    logout="none",
    issuer_aliases=frozenset({_HOST}),
)


def _token_issuers(issuer: str, tenants: tuple[str, ...]) -> frozenset[str]:
    """Google writes its `iss` with or without the scheme. Raises: ConfigurationError when tenants are named."""
    if tenants:
        fix = "hosted_domain of google_id_tokens: Google has no tenants"
        raise ConfigurationError(Finding.CONFIG_VALUE, key="tenants", value=tenants[0][:64], fix=fix)
    return frozenset({issuer, _HOST}) if issuer == f"https://{_HOST}" else frozenset({issuer})


GOOGLE: Final = Dialect(
    name="google",
    title="Google",
    matches=lambda issuer: host_of(issuer) == _HOST,
    token_issuers=_token_issuers,
    header_types=frozenset(),
    opaque_remedy=_OWN_SESSION,
    remedies={Finding.TOKEN_IS_GOOGLE: _OWN_SESSION, Finding.TOKEN_IS_ID_TOKEN: _OWN_SESSION},
    verifies=False,
    source=_SOURCE,
    login=_LOGIN,
)
"""Login only: no token of Google's is an API's access token."""


def google_id_tokens(
    *client_ids: str, hosted_domain: str | None = None, allow_insecure_id_tokens: bool = False
) -> Dialect:
    """A dialect that takes Google's ID tokens as API credentials: those issued to one of the client ids, and to an
    account of that Workspace domain, if one is named. Name the same client ids as the API's audience.

    Whoever runs one of these clients can call the API as the person; there are no scopes.
    Raises: ConfigurationError without client ids, or without the loud consent.
    """
    if not client_ids or not all(client_id.strip() for client_id in client_ids):
        raise ConfigurationError(
            Finding.CONFIG_MISSING, key="client_ids", fix="the OAuth client ids that may call"
        )
    if not allow_insecure_id_tokens:
        fix = "allow_insecure_id_tokens=True, if ID tokens shall open this API; else " + _OWN_SESSION
        raise ConfigurationError(Finding.CONFIG_MISSING, key="allow_insecure_id_tokens", fix=fix)
    allowed = frozenset(client_ids)

    def check_use(header: Mapping[str, Any], claims: Claims) -> None:
        audience = read_audience(claims)
        if len(audience) != 1 or audience[0] not in allowed:
            raise ClaimError(
                Finding.TOKEN_AUDIENCE, expected=" ".join(sorted(allowed)), found=" ".join(audience)[:200]
            )
        domain = read_optional_text(claims, "hd")
        if hosted_domain is not None and domain != hosted_domain:
            raise ClaimError(Finding.TOKEN_HOSTED_DOMAIN, expected=hosted_domain, found=(domain or "none")[:100])

    domain = "" if hosted_domain is None else f", hd {hosted_domain}"
    return Dialect(
        name="google-id-token",
        title="Google, ID tokens as credentials",
        matches=lambda issuer: False,
        token_issuers=_token_issuers,
        header_types=frozenset({"jwt"}),
        client_id=("azp", "aud"),
        jti_required=False,
        check_use=check_use,
        is_client_only=lambda claims, sub, client_id: False,
        opaque_remedy="send Google's ID token, not its access token",
        remedies={Finding.TOKEN_IS_GOOGLE: "send Google's ID token, not its access token"},
        relaxes=(
            Relaxation("RFC 9068 §4 typ: ID tokens are refused", f"aud is one of the named client ids{domain}"),
            Relaxation("RFC 9068 §4 iss", "accounts.google.com, with or without https://"),
            Relaxation("RFC 9068 §2.2 client_id", "azp, or aud where there is none"),
            Relaxation("RFC 9068 §2.2 jti", "none"),
        ),
        source=_SOURCE,
        login=_LOGIN,
    )
