"""How a refusal is answered: RFC 6750 §3, exactly, with constant texts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from proofkey.errors import (
    ConfigurationError,
    InsufficientScope,
    InvalidToken,
    MalformedCredentials,
    NoCredentials,
    ProofkeyError,
    Unavailable,
)
from proofkey.findings import Finding

_STATUS: Final[Mapping[type[ProofkeyError], int]] = {
    MalformedCredentials: 400,
    InvalidToken: 401,
    InsufficientScope: 403,
}
_RETRY_AFTER: Final = 5
_UNAVAILABLE_TEXT: Final = "The access token cannot be checked now."


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """One HTTP answer; `body` is None where there is nothing to say beyond the challenge."""

    status: int
    headers: Mapping[str, str]
    body: Mapping[str, str] | None = field(default=None)


def build_refusal(error: ProofkeyError, *, realm: str | None = None) -> Refusal:
    """RFC 6750 §3.1: the answer to a request that `error` refuses.

    No credentials: 401 and a challenge without `error`. What is no refusal of the request itself (keys that cannot
    be had, a fault inside) is 503 with Retry-After: never open, never 401.
    """
    if isinstance(error, NoCredentials):
        return Refusal(status=401, headers={"www-authenticate": build_challenge(realm=realm)})
    status = next((code for kind, code in _STATUS.items() if isinstance(error, kind)), None)
    if status is None or not isinstance(error, (MalformedCredentials, InvalidToken, InsufficientScope)):
        return _unavailable(error)
    scope = error.scope if isinstance(error, InsufficientScope) else ()
    challenge = build_challenge(realm=realm, error=error.error, description=error.description, scope=scope)
    body = {"error": error.error, "error_description": error.description}
    return Refusal(status=status, headers={"www-authenticate": challenge}, body=body)


def build_challenge(
    *,
    realm: str | None = None,
    error: str | None = None,
    description: str | None = None,
    scope: tuple[str, ...] = (),
) -> str:
    """RFC 6750 §3: the value of WWW-Authenticate. Characters that an attribute may not hold are left out."""
    attributes = {
        "realm": None if realm is None else realm.replace("\\", "\\\\").replace('"', '\\"'),
        "error": error,
        "error_description": None if description is None else _only_allowed(description, space=True),
        "scope": " ".join(filter(None, (_only_allowed(token, space=False) for token in scope))) or None,
    }
    quoted = ", ".join(f'{name}="{value}"' for name, value in attributes.items() if value is not None)
    return f"Bearer {quoted}" if quoted else "Bearer"


def check_realm(realm: str | None) -> None:
    """RFC 9110 §5.6.4: visible ASCII and spaces, at most 200 characters.

    Raises: ConfigurationError.
    """
    if realm is not None and not (realm.isascii() and realm.isprintable() and len(realm) <= 200):
        raise ConfigurationError(Finding.CONFIG_VALUE, key="realm")


def _only_allowed(text: str, *, space: bool) -> str:
    """RFC 6750 §3: %x21 / %x23-5B / %x5D-7E, and the space in descriptions."""
    return "".join(
        character
        for character in text
        if ("!" <= character <= "~" and character not in '"\\') or (space and character == " ")
    )


def _unavailable(error: ProofkeyError) -> Refusal:
    seconds = error.retry_after if isinstance(error, Unavailable) else _RETRY_AFTER
    return Refusal(
        status=503,
        headers={"retry-after": str(seconds)},
        body={"error": "temporarily_unavailable", "error_description": _UNAVAILABLE_TEXT},
    )
