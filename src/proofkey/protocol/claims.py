"""How claims are read: the type first, then the value (RFC 7519 §2, §4.1)."""

from collections.abc import Mapping
from typing import Any, Final, cast

from proofkey.errors import ProofkeyError
from proofkey.findings import Finding
from proofkey.protocol.text import Instant

LEEWAY: Final = 10
"""Seconds by which two clocks may differ."""
_END: Final = 2**53


class ClaimError(ProofkeyError):
    """A claim is not as it must be; the readers turn it into the refusal of their token."""


def read_text(claims: Mapping[str, Any], name: str) -> str:
    """A required, non-empty string. Raises: ClaimError."""
    value: object = claims.get(name)
    if isinstance(value, str) and value:
        return value
    raise _bad(claims, name)


def read_optional_text(claims: Mapping[str, Any], name: str) -> str | None:
    """A non-empty string, or None when the claim is absent. Raises: ClaimError."""
    return read_text(claims, name) if name in claims else None


def check_texts(claims: Mapping[str, Any], names: tuple[str, ...]) -> None:
    """Each is there, a string, and not empty. Raises: ClaimError."""
    for name in names:
        value: object = claims.get(name)
        if not (isinstance(value, str) and value):
            raise _bad(claims, name)


def read_first_text(claims: Mapping[str, Any], names: tuple[str, ...]) -> str:
    """The first of those claims that is there: a non-empty string. Raises: ClaimError."""
    for name in names:
        if name in claims:
            value: object = claims[name]
            if isinstance(value, str) and value:
                return value
            raise _bad(claims, name)
    raise ClaimError(Finding.TOKEN_CLAIM_MISSING, claim=" or ".join(names))


def read_object(claims: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A JSON object; absent gives an empty one. Raises: ClaimError."""
    if name not in claims:
        return {}
    value: object = claims[name]
    if not isinstance(value, dict):
        raise _bad(claims, name)
    return cast("dict[str, Any]", value)


def read_instant(claims: Mapping[str, Any], name: str) -> Instant:
    """A required NumericDate: a finite number in [0, 2^53), whole seconds of it (RFC 7519 §2).

    Raises: ClaimError.
    """
    value: Any = claims.get(name)
    if type(value) is int and 0 <= value < _END:  # isinstance would take a bool
        instant: Instant = claims[name]
        return instant
    if type(value) is float and 0 <= value < _END:
        return Instant(int(value))
    raise _bad(claims, name)


def read_optional_instant(claims: Mapping[str, Any], name: str) -> Instant | None:
    """A NumericDate, or None when the claim is absent. Raises: ClaimError."""
    return read_instant(claims, name) if name in claims else None


def read_texts(claims: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """A list of strings; absent gives (). Raises: ClaimError."""
    if name not in claims:
        return ()
    value: object = claims[name]
    if not isinstance(value, list):
        raise _bad(claims, name)
    for item in cast("list[object]", value):
        if not isinstance(item, str):
            raise _bad(claims, name)
    return tuple(cast("list[str]", value))


def read_audience(claims: Mapping[str, Any]) -> tuple[str, ...]:
    """A string, or a list of strings with at least one (RFC 7519 §4.1.3). Raises: ClaimError."""
    value: object = claims.get("aud")
    if isinstance(value, str) and value:
        return (value,)
    audience = read_texts(claims, "aud")
    if not audience:
        raise _bad(claims, "aud")
    return audience


def check_issuer_claim(claims: Mapping[str, Any], issuer: str | frozenset[str]) -> None:
    """Exactly the expected string, or one of the closed list; never empty (RFC 8725 §3.8). Raises: ClaimError."""
    found = read_text(claims, "iss")
    if found != issuer if isinstance(issuer, str) else found not in issuer:
        expected = issuer if isinstance(issuer, str) else " ".join(sorted(issuer))[:400]
        raise ClaimError(Finding.TOKEN_ISSUER, expected=expected, found=found[:200])


def read_life(claims: Mapping[str, Any], now: Instant, leeway: int) -> tuple[Instant, Instant]:
    """exp and iat of a token that is not over and not from the future, but for the leeway (RFC 9068 §4; FAPI 2.0
    §5.3.2.1); nbf likewise, when it is there.

    The facts of a refusal show both clocks: `iat`, the issuer's when it signed, and `now`, ours; in seconds.
    Raises: ClaimError.
    """
    exp, iat = read_instant(claims, "exp"), read_instant(claims, "iat")
    if now >= exp + leeway:
        raise ClaimError(Finding.TOKEN_EXPIRED, iat=str(iat), exp=str(exp), now=str(now), over_by=f"{now - exp} s")
    start = read_instant(claims, "nbf") if "nbf" in claims else iat
    if max(iat, start) > now + leeway:
        ahead = max(iat, start) - now
        raise ClaimError(
            Finding.TOKEN_NOT_YET_VALID,
            iat=str(iat),
            starts=str(max(iat, start)),
            now=str(now),
            issuer_ahead_by=f"{ahead} s",
        )
    return exp, iat


def _bad(claims: Mapping[str, Any], name: str) -> ClaimError:
    missing = claims.get(name) is None
    return ClaimError(Finding.TOKEN_CLAIM_MISSING if missing else Finding.TOKEN_CLAIM_TYPE, claim=name)
