"""How a refusal is answered: RFC 6750 §3 and RFC 9449 §7.1, exactly, with constant texts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from proofkey.errors import (
    ConfigurationError,
    InsufficientScope,
    InsufficientUserAuthentication,
    InvalidDpopProof,
    InvalidToken,
    MalformedCredentials,
    NoCredentials,
    OAuthError,
    ProofkeyError,
    Unavailable,
    UseDpopNonce,
)
from proofkey.findings import Finding

_STATUS: Final[Mapping[type[OAuthError], int]] = {
    MalformedCredentials: 400,
    InvalidToken: 401,
    InvalidDpopProof: 401,
    InsufficientUserAuthentication: 401,
    InsufficientScope: 403,
}
_RETRY_AFTER: Final = 5
_UNAVAILABLE_TEXT: Final = "The access token cannot be checked now."
_SCHEME_OF_PROOF: Final = (InvalidDpopProof,)
"""Refusals of the proof are told under the scheme DPoP alone (RFC 9449 §7.1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenges:
    """What an API says in every challenge."""

    realm: str | None = None
    bearer: bool = True
    """False where every token must be bound to a key."""
    dpop_algorithms: tuple[str, ...] = ()
    """Empty: the scheme DPoP is not offered (RFC 9449 §7.1)."""
    resource_metadata: str | None = None
    """Where the API describes itself (RFC 9728 §5.1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """One HTTP answer; `body` is None where there is nothing to say beyond the challenge."""

    status: int
    headers: Mapping[str, str]
    body: Mapping[str, str] | None = field(default=None)


def build_refusal(
    error: ProofkeyError,
    challenges: Challenges | None = None,
    *,
    scheme: Literal["Bearer", "DPoP"] = "Bearer",
    scope: tuple[str, ...] = (),
) -> Refusal:
    """RFC 6750 §3.1: the answer to a request that `error` refuses.

    `scheme` is the one that the request used (`scheme_of`): the error stands under it, the other scheme is offered
    without (RFC 9449 §7.2). A refused proof is told under DPoP. Where the scheme of the request is not offered,
    the error stands under the one that is.
    `scope` is what the operation needs, told where credentials are missing (RFC 6750 §3). No credentials: 401 and
    challenges without `error`. What is no refusal of the request itself (keys that cannot be had, a fault inside)
    is 503 with Retry-After: never open, never 401.
    """
    offered = challenges or Challenges()
    if isinstance(error, NoCredentials):
        return Refusal(status=401, headers={"www-authenticate": _all_challenges(offered, None, scheme, scope)})
    status = next((code for kind, code in _STATUS.items() if isinstance(error, kind)), None)
    if status is None or not isinstance(error, OAuthError):
        return _unavailable(error)
    if isinstance(error, InsufficientScope):
        scope = error.scope
    header = _all_challenges(offered, error, "DPoP" if isinstance(error, _SCHEME_OF_PROOF) else scheme, scope)
    headers = {"www-authenticate": header}
    if isinstance(error, UseDpopNonce):
        headers["dpop-nonce"] = error.nonce
        headers["cache-control"] = "no-store"  # RFC 9449 §8.2: a stored answer would bring an old nonce
    return Refusal(
        status=status, headers=headers, body={"error": error.error, "error_description": error.description}
    )


def build_challenge(
    *,
    realm: str | None = None,
    error: str | None = None,
    description: str | None = None,
    scope: tuple[str, ...] = (),
    scheme: Literal["Bearer", "DPoP"] = "Bearer",
    further: Mapping[str, str | None] | None = None,
) -> str:
    """RFC 6750 §3: one challenge of WWW-Authenticate. Characters that an attribute may not hold are left out.

    `further` are attributes of other standards, each a quoted string.
    """
    attributes = {
        "realm": None if realm is None else realm.replace("\\", "\\\\").replace('"', '\\"'),
        "error": error,
        "error_description": None if description is None else _only_allowed(description, space=True),
        "scope": " ".join(filter(None, (_only_allowed(token, space=False) for token in scope))) or None,
    }
    for name, value in (further or {}).items():
        attributes[name] = None if value is None else _only_allowed(value, space=True)
    quoted = ", ".join(f'{name}="{value}"' for name, value in attributes.items() if value is not None)
    return f"{scheme} {quoted}" if quoted else scheme


def _all_challenges(
    offered: Challenges, error: OAuthError | None, used: Literal["Bearer", "DPoP"], scope: tuple[str, ...]
) -> str:
    """Every scheme that is offered, in one header; the error stands under the scheme that was used."""
    schemes: list[Literal["Bearer", "DPoP"]] = []
    if offered.bearer:
        schemes.append("Bearer")
    if offered.dpop_algorithms:
        schemes.append("DPoP")
    told_under = used if used in schemes else schemes[0] if schemes else "Bearer"
    return ", ".join(
        build_challenge(
            realm=offered.realm,
            error=error.error if error is not None and scheme == told_under else None,
            description=error.description if error is not None and scheme == told_under else None,
            scope=scope,
            scheme=scheme,
            further=_further(offered, error if scheme == told_under else None, scheme),
        )
        for scheme in schemes or ["Bearer"]
    )


def _further(offered: Challenges, error: OAuthError | None, scheme: str) -> dict[str, str | None]:
    further: dict[str, str | None] = {"resource_metadata": offered.resource_metadata}
    if isinstance(error, InsufficientUserAuthentication):  # RFC 9470 §3
        further["acr_values"] = " ".join(error.acr_values) or None
        further["max_age"] = None if error.max_age is None else str(error.max_age)
    if scheme == "DPoP":
        further["algs"] = " ".join(offered.dpop_algorithms)
    return further


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
