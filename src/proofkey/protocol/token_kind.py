"""What kind of token somebody sent, told without verifying it: for people who look for a fault."""

import re
from collections.abc import Mapping
from enum import Enum
from typing import Any, Final

from proofkey.errors import InvalidToken
from proofkey.findings import Finding
from proofkey.protocol.jws import MAX_TOKEN, read_unverified_header, read_unverified_payload

_GRAPH: Final = frozenset({"00000003-0000-0000-c000-000000000000", "https://graph.microsoft.com"})
LOGOUT_EVENT: Final = "http://schemas.openid.net/event/backchannel-logout"
"""What a logout token's `events` names (OIDC Back-Channel Logout §2.4)."""
ID_TOKEN_MARKS: Final = ("nonce", "at_hash", "c_hash")
"""Claims that only ID tokens have (OIDC Core §2, §3.1.3.6, §3.3.2.11)."""


class TokenKind(Enum):
    """A guess that decides nothing. `finding` says why it is no access token; None when it looks like one."""

    ACCESS_TOKEN = "access token"
    ID_TOKEN = "ID token"
    LOGOUT_TOKEN = "logout token"
    REFRESH_TOKEN = "refresh token"
    CLIENT_ASSERTION = "client assertion"
    DPOP_PROOF = "DPoP proof"
    GRAPH_TOKEN = "Microsoft Graph token"
    OKTA_ORG_TOKEN = "token of Okta's org authorization server"
    AUTH0_TOKEN = "opaque Auth0 token"
    GOOGLE_TOKEN = "Google access token"
    GITHUB_TOKEN = "GitHub token"
    OTHER_JWT = "another JWT"
    ENCRYPTED = "encrypted token (JWE)"
    OPAQUE = "opaque token"
    DAMAGED = "damaged token"
    TOO_LARGE = "too large"

    @property
    def finding(self) -> Finding | None:
        return _FINDINGS.get(self)

    @property
    def is_certain(self) -> bool:
        """True when the form alone proves the provider, so that nothing else need be asked."""
        return self in _CERTAIN


_FINDINGS: Final = {
    TokenKind.ID_TOKEN: Finding.TOKEN_IS_ID_TOKEN,
    TokenKind.LOGOUT_TOKEN: Finding.TOKEN_IS_LOGOUT_TOKEN,
    TokenKind.REFRESH_TOKEN: Finding.TOKEN_IS_REFRESH_TOKEN,
    TokenKind.CLIENT_ASSERTION: Finding.TOKEN_IS_CLIENT_ASSERTION,
    TokenKind.DPOP_PROOF: Finding.TOKEN_IS_DPOP_PROOF,
    TokenKind.GRAPH_TOKEN: Finding.TOKEN_IS_GRAPH,
    TokenKind.OKTA_ORG_TOKEN: Finding.TOKEN_IS_OKTA_ORG,
    TokenKind.AUTH0_TOKEN: Finding.TOKEN_IS_AUTH0_OPAQUE,
    TokenKind.GOOGLE_TOKEN: Finding.TOKEN_IS_GOOGLE,
    TokenKind.GITHUB_TOKEN: Finding.TOKEN_IS_GITHUB,
    TokenKind.OTHER_JWT: Finding.TOKEN_TYPE,
    TokenKind.ENCRYPTED: Finding.TOKEN_ENCRYPTED,
    TokenKind.OPAQUE: Finding.TOKEN_IS_OPAQUE,
    TokenKind.DAMAGED: Finding.TOKEN_NOT_COMPACT,
    TokenKind.TOO_LARGE: Finding.TOKEN_TOO_LARGE,
}
_CERTAIN: Final = frozenset(
    {TokenKind.OKTA_ORG_TOKEN, TokenKind.AUTH0_TOKEN, TokenKind.GOOGLE_TOKEN, TokenKind.GITHUB_TOKEN}
)

_KINDS_BY_TYP: Final = {
    "at+jwt": TokenKind.ACCESS_TOKEN,
    "logout+jwt": TokenKind.LOGOUT_TOKEN,
    "dpop+jwt": TokenKind.DPOP_PROOF,
    "client-authentication+jwt": TokenKind.CLIENT_ASSERTION,
    "rt+jwt": TokenKind.REFRESH_TOKEN,
    "okta-internal-at+jwt": TokenKind.OKTA_ORG_TOKEN,
}
_KINDS_BY_CLAIM: Final = {
    ("typ", "Bearer"): TokenKind.ACCESS_TOKEN,  # Keycloak writes the kind into the claims
    ("typ", "DPoP"): TokenKind.ACCESS_TOKEN,
    ("typ", "ID"): TokenKind.ID_TOKEN,
    ("typ", "Refresh"): TokenKind.REFRESH_TOKEN,
    ("typ", "Offline"): TokenKind.REFRESH_TOKEN,
    ("typ", "Logout"): TokenKind.LOGOUT_TOKEN,
    ("token_use", "access"): TokenKind.ACCESS_TOKEN,  # Cognito likewise
    ("token_use", "id"): TokenKind.ID_TOKEN,
}
_KINDS_BY_START: Final = (
    (re.compile(r"gh[oprsu]_|github_pat_"), TokenKind.GITHUB_TOKEN),
    (re.compile(r"ya29\."), TokenKind.GOOGLE_TOKEN),
    (re.compile(r"1//|[01]\.A[A-Za-z0-9_-]{8}"), TokenKind.REFRESH_TOKEN),  # Google's · Microsoft's
)


def classify(token: str) -> TokenKind:
    """What the token looks like, from its form, header and claims. Raises nothing; nothing is verified."""
    if len(token) > MAX_TOKEN:
        return TokenKind.TOO_LARGE
    for start, kind in _KINDS_BY_START:
        if start.match(token):
            return kind
    dots = token.count(".")
    if dots < 2:
        return TokenKind.OPAQUE
    try:
        header = read_unverified_header(token)
        if dots == 4:
            return _kind_of_jwe(header)
        claims = read_unverified_payload(token)
    except InvalidToken:
        return TokenKind.DAMAGED
    return _kind_of(header, claims)


def _kind_of_jwe(header: Mapping[str, Any]) -> TokenKind:
    if "enc" not in header:
        return TokenKind.DAMAGED
    if header.get("alg") == "dir" and isinstance(header.get("iss"), str):
        return TokenKind.AUTH0_TOKEN  # Auth0 alone names itself there
    return TokenKind.ENCRYPTED


def _kind_of(header: Mapping[str, Any], claims: Mapping[str, Any]) -> TokenKind:
    typ: object = header.get("typ")
    name = typ.lower().removeprefix("application/") if isinstance(typ, str) else ""
    aud: object = claims.get("aud")
    if isinstance(aud, str) and aud.rstrip("/") in _GRAPH:
        return TokenKind.GRAPH_TOKEN
    if name in _KINDS_BY_TYP:
        return _KINDS_BY_TYP[name]
    events: object = claims.get("events")
    if isinstance(events, dict) and LOGOUT_EVENT in events:
        return TokenKind.LOGOUT_TOKEN
    for claim in ("typ", "token_use"):
        value: object = claims.get(claim)
        if isinstance(value, str) and (claim, value) in _KINDS_BY_CLAIM:
            return _KINDS_BY_CLAIM[claim, value]
    return _kind_of_untyped(claims)


def _kind_of_untyped(claims: Mapping[str, Any]) -> TokenKind:
    iss, sub = claims.get("iss"), claims.get("sub")
    if "htm" in claims and "htu" in claims:
        return TokenKind.DPOP_PROOF
    if iss is not None and iss == sub:  # RFC 7523 §3
        return TokenKind.CLIENT_ASSERTION
    aud, party = claims.get("aud"), claims.get("azp")
    if "uid" in claims and party is not None:  # Authentik's access token is an ID token with these two
        return TokenKind.ACCESS_TOKEN
    if any(claim in claims for claim in ID_TOKEN_MARKS):
        return TokenKind.ID_TOKEN
    if any(claim in claims for claim in ("scope", "scp", "client_id", "cid", "appid", "gty")):
        return TokenKind.ACCESS_TOKEN
    to_its_client = party is not None and aud in (party, [party])
    if "auth_time" in claims or to_its_client:
        return TokenKind.ID_TOKEN
    return TokenKind.OTHER_JWT if party is None else TokenKind.ACCESS_TOKEN
