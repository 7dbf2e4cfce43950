"""What kind of token somebody sent, told without verifying it: for people who look for a fault."""

from collections.abc import Mapping
from enum import Enum
from typing import Any, Final

from proofkey.errors import InvalidToken
from proofkey.findings import Finding
from proofkey.protocol.jws import MAX_TOKEN, read_unverified_header, read_unverified_payload

_GRAPH: Final = frozenset({"00000003-0000-0000-c000-000000000000", "https://graph.microsoft.com"})
_LOGOUT_EVENT: Final = "http://schemas.openid.net/event/backchannel-logout"


class TokenKind(Enum):
    """A guess that decides nothing. `finding` says why it is no access token; None when it looks like one."""

    ACCESS_TOKEN = "access token"
    ID_TOKEN = "ID token"
    LOGOUT_TOKEN = "logout token"
    REFRESH_TOKEN = "refresh token"
    CLIENT_ASSERTION = "client assertion"
    DPOP_PROOF = "DPoP proof"
    GRAPH_TOKEN = "Microsoft Graph token"
    OTHER_JWT = "another JWT"
    ENCRYPTED = "encrypted token (JWE)"
    OPAQUE = "opaque token"
    DAMAGED = "damaged token"
    TOO_LARGE = "too large"

    @property
    def finding(self) -> Finding | None:
        return _FINDINGS.get(self)


_FINDINGS: Final = {
    TokenKind.ID_TOKEN: Finding.TOKEN_IS_ID_TOKEN,
    TokenKind.LOGOUT_TOKEN: Finding.TOKEN_IS_LOGOUT_TOKEN,
    TokenKind.REFRESH_TOKEN: Finding.TOKEN_IS_REFRESH_TOKEN,
    TokenKind.CLIENT_ASSERTION: Finding.TOKEN_IS_CLIENT_ASSERTION,
    TokenKind.DPOP_PROOF: Finding.TOKEN_IS_DPOP_PROOF,
    TokenKind.GRAPH_TOKEN: Finding.TOKEN_IS_GRAPH,
    TokenKind.OTHER_JWT: Finding.TOKEN_TYPE,
    TokenKind.ENCRYPTED: Finding.TOKEN_ENCRYPTED,
    TokenKind.OPAQUE: Finding.TOKEN_IS_OPAQUE,
    TokenKind.DAMAGED: Finding.TOKEN_NOT_COMPACT,
    TokenKind.TOO_LARGE: Finding.TOKEN_TOO_LARGE,
}

_KINDS_BY_TYP: Final = {
    "at+jwt": TokenKind.ACCESS_TOKEN,
    "logout+jwt": TokenKind.LOGOUT_TOKEN,
    "dpop+jwt": TokenKind.DPOP_PROOF,
    "client-authentication+jwt": TokenKind.CLIENT_ASSERTION,
    "rt+jwt": TokenKind.REFRESH_TOKEN,
}


def classify(token: str) -> TokenKind:
    """What the token looks like, from its form, header and claims. Raises nothing; nothing is verified."""
    if len(token) > MAX_TOKEN:
        return TokenKind.TOO_LARGE
    dots = token.count(".")
    if dots < 2:
        return TokenKind.OPAQUE
    try:
        header = read_unverified_header(token)
        if dots == 4:
            return TokenKind.ENCRYPTED if "enc" in header else TokenKind.DAMAGED
        claims = read_unverified_payload(token)
    except InvalidToken:
        return TokenKind.DAMAGED
    return _kind_of(header, claims)


def _kind_of(header: Mapping[str, Any], claims: Mapping[str, Any]) -> TokenKind:
    typ: object = header.get("typ")
    name = typ.lower().removeprefix("application/") if isinstance(typ, str) else ""
    aud: object = claims.get("aud")
    if isinstance(aud, str) and aud.rstrip("/") in _GRAPH:
        return TokenKind.GRAPH_TOKEN
    if name in _KINDS_BY_TYP:
        return _KINDS_BY_TYP[name]
    events: object = claims.get("events")
    if isinstance(events, dict) and _LOGOUT_EVENT in events:
        return TokenKind.LOGOUT_TOKEN
    if claims.get("typ") in ("Refresh", "Offline"):  # Keycloak
        return TokenKind.REFRESH_TOKEN
    return _kind_of_untyped(claims)


def _kind_of_untyped(claims: Mapping[str, Any]) -> TokenKind:
    iss, sub = claims.get("iss"), claims.get("sub")
    if "htm" in claims and "htu" in claims:
        return TokenKind.DPOP_PROOF
    if iss is not None and iss == sub:  # RFC 7523 §3
        return TokenKind.CLIENT_ASSERTION
    if any(claim in claims for claim in ("nonce", "at_hash", "c_hash")):
        return TokenKind.ID_TOKEN
    if any(claim in claims for claim in ("scope", "scp", "client_id")):
        return TokenKind.ACCESS_TOKEN
    aud, party = claims.get("aud"), claims.get("azp")
    if "auth_time" in claims or (party is not None and aud in (party, [party])):
        return TokenKind.ID_TOKEN
    return TokenKind.OTHER_JWT
