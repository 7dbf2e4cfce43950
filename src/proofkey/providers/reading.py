"""What several dialects read in the same way: parts of an issuer, and what tells other kinds of tokens."""

from collections.abc import Mapping
from typing import Any, Final

from proofkey.findings import Finding
from proofkey.protocol.claims import ClaimError, read_audience, read_optional_text
from proofkey.protocol.token_kind import ID_TOKEN_MARKS, LOGOUT_EVENT
from proofkey.protocol.uri import split_uri

STANDARD_TYPE: Final = "at+jwt"
"""Every dialect takes it beside its own: it says "access token" outright (RFC 9068 §2.1)."""
_OTHER_KINDS: Final = {
    "ID": Finding.TOKEN_IS_ID_TOKEN,
    "Refresh": Finding.TOKEN_IS_REFRESH_TOKEN,
    "Offline": Finding.TOKEN_IS_REFRESH_TOKEN,
    "Logout": Finding.TOKEN_IS_LOGOUT_TOKEN,
}


def host_of(issuer: str) -> str:
    """The host in lower case; "" when it is no URL."""
    return _parts(issuer)[0]


def path_of(issuer: str) -> str:
    """The path as it stands; "" when it is no URL."""
    return _parts(issuer)[1]


def is_host_below(issuer: str, *domains: str) -> bool:
    """True when the host is one of the domains or below one."""
    host = host_of(issuer)
    return any(host == domain or host.endswith(f".{domain}") for domain in domains)


def check_no_other_kind(claims: Mapping[str, Any], marks: tuple[str, ...] = ID_TOKEN_MARKS) -> None:
    """Where the header does not tell: refuses what has a claim that only ID tokens have (OIDC Core §2, §3.1.3.6,
    §3.3.2.11), a logout token's event (OIDC Back-Channel Logout §2.4), or a claim that names another kind.

    Raises: ClaimError.
    """
    events: object = claims.get("events")
    if isinstance(events, dict) and LOGOUT_EVENT in events:
        raise ClaimError(Finding.TOKEN_IS_LOGOUT_TOKEN, told_by="events")
    named: object = claims.get("typ")
    if isinstance(named, str) and named in _OTHER_KINDS:
        raise ClaimError(_OTHER_KINDS[named], told_by=f"claim typ {named}")
    for mark in marks:
        if mark in claims:
            raise ClaimError(Finding.TOKEN_IS_ID_TOKEN, told_by=mark)


def check_not_for_its_client(claims: Mapping[str, Any], *names: str) -> None:
    """Refuses a token whose only audience is the client that got it, as an ID token's is (OIDC Core §2).

    `names` are the claims that name the client. Raises: ClaimError.
    """
    audience = read_audience(claims) if "aud" in claims else ()
    for name in names:
        client = read_optional_text(claims, name)
        if client is not None and audience == (client,):
            raise ClaimError(Finding.TOKEN_IS_ID_TOKEN, told_by=f"aud is {name}")


def check_has_any(claims: Mapping[str, Any], *names: str) -> None:
    """Refuses a token without the claim that this provider's access tokens have and its ID tokens have not.

    Raises: ClaimError.
    """
    if not any(name in claims for name in names):
        raise ClaimError(Finding.TOKEN_IS_ID_TOKEN, told_by=f"no {' or '.join(names)}")


def _parts(issuer: str) -> tuple[str, str]:
    try:
        parts = split_uri(issuer)
    except ValueError:
        return "", ""
    return parts.host.lower(), parts.path
