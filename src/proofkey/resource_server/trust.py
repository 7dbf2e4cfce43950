"""Which issuers an API trusts, by which way it reaches them, and until when."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from proofkey.errors import ConfigurationError, InvalidToken
from proofkey.findings import Finding
from proofkey.protocol.jws import read_unverified_payload
from proofkey.protocol.text import Instant
from proofkey.protocol.uri import is_http_url, is_web_url, origin_of, split_uri
from proofkey.resource_server.protected_resource import ResourcePolicy

FAR: Final = 180 * 86400
"""Seconds: a deadline further away than this is none, and said so at the start."""


def read_deadline(until: datetime | None) -> Instant | None:
    """The instant of a deadline. Raises: ConfigurationError when it has no time zone."""
    if until is None:
        return None
    if until.utcoffset() is None:
        fix = "datetime(2027, 1, 31, tzinfo=UTC): with a time zone"
        raise ConfigurationError(Finding.CONFIG_VALUE, key="until", value=until.isoformat(), fix=fix)
    return Instant(int(until.timestamp()))


def check_trusted_until(policy: ResourcePolicy, now: Instant) -> None:
    """An issuer that was trusted until a date is trusted no longer from that date on, without leeway.

    Raises: InvalidToken.
    """
    if policy.until is not None and now >= policy.until:
        raise InvalidToken(Finding.ISSUER_RETIRED, issuer=policy.issuer, until=str(policy.until), now=str(now))


def check_distinct(policies: Iterable[ResourcePolicy]) -> None:
    """RFC 8725 §3.8: an `iss` has one owner, whose keys alone count.

    Raises: ConfigurationError.
    """
    owners: dict[str, str] = {}
    for policy in policies:
        for iss in policy.issuers:
            if iss in owners:
                reason = f"its tokens are claimed by {owners[iss]} too"
                raise ConfigurationError(Finding.CONFIG_VALUE, key="issuers", value=policy.issuer, reason=reason)
            owners[iss] = policy.issuer


def check_internal_base_url(url: str, *, allow_insecure_http: bool) -> None:
    """Scheme, host and port, nothing else: the paths are the issuer's. https, or http on loopback.

    Raises: ConfigurationError.
    """
    shown = url.rpartition("@")[2][:200]
    key = "internal_base_url"
    if not is_http_url(url) or "?" in url or split_uri(url).path not in ("", "/"):
        fix = "http://host:port or https://host:port; the paths are those of the issuer"
        raise ConfigurationError(Finding.CONFIG_VALUE, key=key, value=shown, fix=fix)
    if not is_web_url(url) and not allow_insecure_http:
        fix = "https, or allow_insecure_internal_http=True where nobody else can reach that network"
        raise ConfigurationError(Finding.ISSUER_INSECURE, key=key, value=origin_of(url), fix=fix)


def read_claimed_issuer(token: str) -> str | None:
    """The `iss` that a token claims, unverified: it chooses whose keys and rules apply, and decides nothing else.

    None when there is none. Raises: InvalidToken when it is not a JWT at all.
    """
    issuer: object = read_unverified_payload(token).get("iss")
    return issuer if isinstance(issuer, str) else None
