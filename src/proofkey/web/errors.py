"""The one place that turns an error into an answer: OAuth document, bearer challenge, or what a page shows."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from starlette.datastructures import Headers

from proofkey.errors import (
    AccessDenied,
    InsufficientScope,
    InvalidClient,
    InvalidDpopProof,
    InvalidToken,
    NoCredentials,
    OAuthError,
    ProofkeyError,
    ServerError,
    TemporarilyUnavailable,
    TooManyRequests,
    Unavailable,
    UseDpopNonce,
)
from proofkey.findings import Finding
from proofkey.resource_server.challenge import Challenges, build_challenge, build_refusal
from proofkey.resource_server.credentials import scheme_of
from proofkey.resource_server.sender_constraint import ALGORITHMS

Face = Literal["page", "oauth", "bearer", "registration"]
"""How an endpoint speaks: to a person, to a client (RFC 6749 §5.2), to the holder of a token (RFC 6750 §3), or to
the holder of a token that is no access token (RFC 7591 §3, RFC 7592 §2)."""

_REGISTRATION: Final = "registration"
_USERINFO: Final = Challenges(realm="userinfo", dpop_algorithms=ALGORITHMS)
_BY_FINDING: Final[Mapping[Finding, int]] = {
    Finding.BODY_TOO_LARGE: 413,
    Finding.BODY_TOO_SLOW: 408,
    Finding.HEADERS_TOO_LARGE: 431,
    Finding.METHOD_WRONG: 405,
    Finding.PATH_UNKNOWN: 404,
    Finding.CROSS_SITE: 403,
    Finding.INTERACTION_FOREIGN_BROWSER: 403,
}
_BY_CLASS: Final[tuple[tuple[type[ProofkeyError], int], ...]] = (
    (TooManyRequests, 429),
    (Unavailable, 503),
    (TemporarilyUnavailable, 503),
    (ServerError, 500),
    (InvalidClient, 401),
    (InvalidToken, 401),
    (NoCredentials, 401),
    (InsufficientScope, 403),
    (AccessDenied, 403),
    (OAuthError, 400),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """An error as an answer: status, headers and what the body may say. Nothing in it comes from the request."""

    status: int
    error: str
    description: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str])

    def document(self) -> dict[str, str]:
        """RFC 6749 §5.2."""
        return {"error": self.error, "error_description": self.description}


def read_problem(
    error: ProofkeyError, face: Face, request_headers: Headers, algorithms: tuple[str, ...] = ALGORITHMS
) -> Problem:
    """What to answer. Errors without a registered code, and all server faults, say no more than their class.
    `algorithms` are those by which a DPoP proof may be signed."""
    status = _status_of(error, face)
    headers: dict[str, str] = {}
    if isinstance(error, UseDpopNonce):
        headers["DPoP-Nonce"] = error.nonce
    if isinstance(error, TooManyRequests | Unavailable):
        headers["Retry-After"] = str(error.retry_after)
    if status == 405:
        headers["Allow"] = error.facts.get("allow", "")
    challenge = _challenge_of(error, face, request_headers, algorithms)
    if challenge:
        headers["WWW-Authenticate"] = challenge
    code, description = _words_of(error, status)
    return Problem(status=status, error=code, description=description, headers=headers)


def _status_of(error: ProofkeyError, face: Face) -> int:
    by_finding = _BY_FINDING.get(error.finding)
    if by_finding is not None:
        return by_finding
    if face == "bearer" and isinstance(error, InvalidDpopProof):  # RFC 9449 §7.1; 400 of the token endpoint, §5
        return 401
    return next((status for kind, status in _BY_CLASS if isinstance(error, kind)), 500)


def _words_of(error: ProofkeyError, status: int) -> tuple[str, str]:
    if status == 404:
        return "not_found", Finding.PATH_UNKNOWN.sentence
    if isinstance(error, TooManyRequests | Unavailable):
        return "temporarily_unavailable", error.finding.sentence
    if isinstance(error, OAuthError) and status != 500:
        return error.error, error.description
    return "server_error", Finding.INTERNAL.sentence


def _challenge_of(
    error: ProofkeyError, face: Face, request_headers: Headers, algorithms: tuple[str, ...]
) -> str | None:
    if face == "bearer":
        return _challenges_of(error, request_headers, replace(_USERINFO, dpop_algorithms=algorithms))
    if face == "registration" and isinstance(error, NoCredentials | InvalidToken):
        if isinstance(error, NoCredentials):
            return build_challenge(realm=_REGISTRATION)
        return build_challenge(realm=_REGISTRATION, error=error.error, description=error.description)
    if isinstance(error, InvalidClient) and _used_basic(request_headers):
        return 'Basic realm="token endpoint", charset="UTF-8"'
    return None


def _challenges_of(error: ProofkeyError, request_headers: Headers, offered: Challenges) -> str | None:
    """RFC 6750 §3, RFC 9449 §7.1."""
    refusal = build_refusal(error, offered, scheme=scheme_of(request_headers.raw))
    challenges = refusal.headers.get("www-authenticate")
    if challenges is not None or not isinstance(error, OAuthError):
        return challenges
    if _status_of(error, "bearer") not in (400, 401, 403):
        return None
    return build_challenge(realm=offered.realm, error=error.error, description=error.description)


def _used_basic(request_headers: Headers) -> bool:
    return any(value.lstrip().lower().startswith("basic") for value in request_headers.getlist("authorization"))
