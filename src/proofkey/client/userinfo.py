"""What the provider says about the person at its UserInfo endpoint, and what of it may be believed."""

from collections.abc import Mapping
from typing import Any, Final, Literal

from proofkey.client.config import LoginConfig
from proofkey.errors import LoginFailed, Unavailable
from proofkey.findings import Finding
from proofkey.protocol.claims import ClaimError, check_issuer_claim, read_audience, read_optional_instant
from proofkey.protocol.exchange import Answer, Ask
from proofkey.protocol.id_token import IdToken
from proofkey.protocol.json_strict import parse_object
from proofkey.protocol.jws import VerifiedJws
from proofkey.protocol.text import Instant, Secret

MAX_USERINFO: Final = 64 * 1024
"""Bytes."""
_ABOUT_THE_SIGN_IN: Final = frozenset(
    {
        *("iss", "sub", "aud", "exp", "iat", "nbf", "jti", "azp", "nonce", "sid", "auth_time", "acr", "amr"),
        *("at_hash", "c_hash", "s_hash"),
    }
)
"""The ID token alone says these (OIDC Core §2)."""
_TYPES: Final = frozenset({None, "jwt", "application/jwt"})


def build_userinfo_ask(endpoint: str, access_token: Secret) -> Ask:
    """OIDC Core §5.3.1: the access token of this login, in the header."""
    headers = {"authorization": f"Bearer {access_token.reveal()}", "accept": "application/json, application/jwt"}
    return Ask("GET", endpoint, headers, max_bytes=MAX_USERINFO)


def check_userinfo_status(answer: Answer) -> None:
    """A redirect would take the token elsewhere. Raises: LoginFailed for one; Unavailable for what is not 200."""
    if 300 <= answer.status < 400:
        raise LoginFailed(Finding.OUTGOING_REDIRECT, endpoint="userinfo", status=str(answer.status))
    if answer.status != 200:
        raise Unavailable(Finding.OUTGOING_STATUS, endpoint="userinfo", status=str(answer.status))


def userinfo_form(answer: Answer) -> Literal["json", "jwt"]:
    """OIDC Core §5.3.2: which of the two forms the answer says it has.

    Raises: LoginFailed for another one.
    """
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/jwt":
        return "jwt"
    if kind == "application/json":
        return "json"
    raise LoginFailed(Finding.USERINFO_MALFORMED, content_type=kind[:64])


def read_userinfo(body: bytes, id_token: IdToken) -> Mapping[str, Any]:
    """The claims about the person of the ID token. Raises: LoginFailed."""
    try:
        claims = parse_object(body)
    except ValueError as error:
        raise LoginFailed(Finding.USERINFO_MALFORMED, reason="not a strict JSON object") from error
    check_same_person(claims, id_token)
    return claims


def read_signed_userinfo(
    jws: VerifiedJws, id_token: IdToken, config: LoginConfig, now: Instant
) -> Mapping[str, Any]:
    """OIDC Core §5.3.2: of this issuer, for this client, about the person of the ID token.

    Raises: LoginFailed.
    """
    typ: object = jws.header.get("typ")
    if (typ.lower() if isinstance(typ, str) else typ) not in _TYPES:
        raise LoginFailed(Finding.USERINFO_MALFORMED, typ=str(typ)[:64])
    claims = read_userinfo(jws.payload, id_token)
    try:
        check_issuer_claim(claims, config.token_issuers)
        audience = read_audience(claims)
        exp = read_optional_instant(claims, "exp")
    except ClaimError as error:
        raise LoginFailed(error.finding, **error.facts) from error
    if config.client_id not in audience:
        raise LoginFailed(Finding.TOKEN_AUDIENCE, expected=config.client_id, found=" ".join(audience)[:200])
    if exp is not None and now >= exp + config.leeway:
        raise LoginFailed(Finding.TOKEN_EXPIRED, exp=str(exp), now=str(now))
    return claims


def check_same_person(claims: Mapping[str, Any], id_token: IdToken) -> None:
    """OIDC Core §5.3.2: `sub` is there and equal to the ID token's, or nothing of the answer is used.

    Raises: LoginFailed.
    """
    if claims.get("sub") != id_token.sub:
        raise LoginFailed(Finding.USERINFO_SUBJECT, issuer=id_token.iss)


def merge_claims(id_token: IdToken, userinfo: Mapping[str, Any]) -> Mapping[str, Any]:
    """The ID token's claims, and what only UserInfo says of the person; of the sign-in it says nothing."""
    added = {name: value for name, value in userinfo.items() if name not in _ABOUT_THE_SIGN_IN}
    return {**added, **id_token.claims}
