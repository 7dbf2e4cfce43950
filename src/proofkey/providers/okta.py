"""Okta: custom authorization servers, whose tokens an API may verify, and the org server, whose it may not."""

from collections.abc import Mapping
from typing import Any, Final

from proofkey.errors import InvalidScope
from proofkey.findings import Finding
from proofkey.protocol.claims import ClaimError, read_optional_text, read_text, read_texts
from proofkey.protocol.dialect import Claims, Dialect, LoginDialect, Relaxation, Source
from proofkey.protocol.scope import parse_scope
from proofkey.protocol.token_kind import TokenKind
from proofkey.providers.reading import (
    STANDARD_TYPE,
    check_has_any,
    check_no_other_kind,
    check_not_for_its_client,
    host_of,
    is_host_below,
    path_of,
)

_CUSTOM: Final = "/oauth2/"
_USE_CUSTOM: Final = "use a custom authorization server: issuer https://ORG.okta.com/oauth2/default"
_SOURCE: Final = Source(title="Okta Developer: OpenID Connect & OAuth 2.0 API", date="2026-11")


def _is_okta(issuer: str) -> bool:
    return is_host_below(issuer, "okta.com", "oktapreview.com", "okta-emea.com")


def _is_custom(issuer: str) -> bool:
    return _is_okta(issuer) and path_of(issuer).startswith(_CUSTOM)


def _check_use(header: Mapping[str, Any], claims: Claims) -> None:
    """There is no typ: an ID token has no cid, and its only audience is its client."""
    check_no_other_kind(claims)
    check_has_any(claims, "cid")
    check_not_for_its_client(claims, "cid")


def _scope(claims: Claims) -> tuple[str, ...]:
    """`scp`, a list of scope tokens."""
    scopes = read_texts(claims, "scp")
    try:
        for scope in scopes:
            if parse_scope(scope) != (scope,):
                raise ClaimError(Finding.TOKEN_CLAIM_TYPE, claim="scp")
    except InvalidScope as error:
        raise ClaimError(Finding.TOKEN_CLAIM_TYPE, claim="scp") from error
    return tuple(dict.fromkeys(scopes))


def _is_client_only(claims: Claims, sub: str, client_id: str) -> bool:
    return sub == client_id or "uid" not in claims


def _user_key(claims: Claims) -> tuple[str, str]:
    """(iss, uid): `sub` is the login name, which can pass to somebody else."""
    return read_text(claims, "iss"), read_optional_text(claims, "uid") or read_text(claims, "sub")


OKTA: Final = Dialect(
    name="okta",
    title="Okta, custom authorization server",
    matches=_is_custom,
    tenant_of=lambda issuer: host_of(issuer) + path_of(issuer) if _is_okta(issuer) else None,
    header_types=frozenset({STANDARD_TYPE, "jwt", ""}),
    client_id=("cid",),
    check_use=_check_use,
    scope=_scope,
    roles=lambda claims, audience: read_texts(claims, "groups"),
    is_client_only=_is_client_only,
    user_key=_user_key,
    opaque_remedy=_USE_CUSTOM,
    remedies={
        Finding.TOKEN_AUDIENCE: "set the Audience of the custom authorization server to this API's identifier",
        Finding.TOKEN_TENANT: f"ask the authorization server whose issuer is configured; {_USE_CUSTOM}",
        Finding.TOKEN_IS_OKTA_ORG: _USE_CUSTOM,
    },
    relaxes=(
        Relaxation("RFC 9068 §4 typ", "none, or JWT: no nonce, at_hash or c_hash; cid; aud is not its client"),
        Relaxation("RFC 9068 §2.2 client_id", "cid"),
        Relaxation("RFC 9068 §2.2.3 scope", "scp, a list"),
        Relaxation("RFC 9068 §2.2.3.1 roles", "groups, where a claim rule releases them"),
        Relaxation("RFC 9068 §2.2 sub of a client's own token", "cid, or no uid"),
        Relaxation("RFC 9068 §5 iss and sub as the person's key", "iss and uid"),
    ),
    source=_SOURCE,
    login=LoginDialect(audience_parameter="none"),
)

OKTA_ORG: Final = Dialect(
    name="okta_org",
    title="Okta, org authorization server",
    matches=lambda issuer: _is_okta(issuer) and not _is_custom(issuer),
    header_types=frozenset(),
    opaque_remedy=_USE_CUSTOM,
    kinds={TokenKind.ACCESS_TOKEN: Finding.TOKEN_IS_OKTA_ORG},
    remedies={Finding.TOKEN_IS_OKTA_ORG: _USE_CUSTOM},
    verifies=False,
    source=_SOURCE,
    login=LoginDialect(audience_parameter="none"),
)
"""Login only: its access tokens are for Okta's own API, and their form may change without notice."""
