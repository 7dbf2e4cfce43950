"""Auth0: access tokens of an API, in the Auth0 profile (the default) and in the RFC 9068 profile."""

from collections.abc import Mapping
from typing import Any, Final

from proofkey.findings import Finding
from proofkey.protocol.claims import read_optional_text, read_texts
from proofkey.protocol.dialect import Claims, Dialect, LoginDialect, Relaxation, Source
from proofkey.protocol.token_kind import TokenKind
from proofkey.providers.reading import (
    STANDARD_TYPE,
    check_has_any,
    check_no_other_kind,
    check_not_for_its_client,
    host_of,
    is_host_below,
)

_SEND_AUDIENCE: Final = (
    "send audience=<API identifier> with the authorization request, or set the tenant's Default Audience"
)


def _is_auth0(issuer: str) -> bool:
    return is_host_below(issuer, "auth0.com")


def _check_use(header: Mapping[str, Any], claims: Claims) -> None:
    """An ID token has a nonce or hash, no azp and no client_id, or is for its own client."""
    check_no_other_kind(claims)
    check_has_any(claims, "azp", "client_id")
    check_not_for_its_client(claims, "azp", "client_id")


def _is_client_only(claims: Claims, sub: str, client_id: str) -> bool:
    """`gty` names the grant; a client's own subject ends with `@clients`."""
    return read_optional_text(claims, "gty") == "client-credentials" or sub in (client_id, f"{client_id}@clients")


AUTH0: Final = Dialect(
    name="auth0",
    title="Auth0",
    matches=_is_auth0,
    tenant_of=lambda issuer: host_of(issuer) if _is_auth0(issuer) else None,
    header_types=frozenset({STANDARD_TYPE, "jwt"}),
    client_id=("client_id", "azp"),
    jti_required=False,
    check_use=_check_use,
    permissions=lambda claims: read_texts(claims, "permissions"),
    is_client_only=_is_client_only,
    opaque_remedy=_SEND_AUDIENCE,
    kinds={TokenKind.OPAQUE: Finding.TOKEN_IS_AUTH0_OPAQUE},
    remedies={
        Finding.TOKEN_IS_AUTH0_OPAQUE: _SEND_AUDIENCE,
        Finding.TOKEN_AUDIENCE: _SEND_AUDIENCE,
        Finding.TOKEN_IS_ID_TOKEN: f"send the access token, not the ID token; {_SEND_AUDIENCE}",
        Finding.TOKEN_SYMMETRIC: "set the API's Signing Algorithm to RS256 (Applications > APIs > Settings)",
        Finding.TOKEN_ENCRYPTED: "switch JSON Web Encryption off for this API (Token Settings)",
        Finding.TOKEN_ISSUER: "write the issuer with its slash at the end, and the custom domain if there is one",
        Finding.TOKEN_TENANT: "ask the tenant whose issuer is configured, or list the other under issuers",
    },
    relaxes=(
        Relaxation("RFC 9068 §4 typ", "JWT: no nonce, at_hash or c_hash; azp or client_id; aud is not its client"),
        Relaxation("RFC 9068 §2.2 client_id", "azp, in the Auth0 profile"),
        Relaxation("RFC 9068 §2.2 jti", "none, in the Auth0 profile"),
        Relaxation("RFC 9068 §2.2 sub of a client's own token", "CLIENT_ID@clients, and gty client-credentials"),
    ),
    source=Source(title="Auth0 Docs: Access Token Profiles", date="2026-11"),
    login=LoginDialect(audience_parameter="audience", logout="auth0_v2"),
)
