"""What a token is and which check it fails, for people: every check is made by the real validator.

A check that fails is noted, what it asks for is conceded, and the validator is asked again, so that one look shows
all faults and not the first alone.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from proofkey.errors import InvalidToken
from proofkey.findings import Finding
from proofkey.protocol.access_token import HEADER_TYPE, AccessToken, TokenKind, classify, read_access_token
from proofkey.protocol.claims import LEEWAY
from proofkey.protocol.json_strict import parse_object
from proofkey.protocol.jws import VerifiedJws, read_unverified_header, read_unverified_payload, verify_compact
from proofkey.protocol.key_set import KeySet
from proofkey.protocol.signature import ALGORITHM_NAMES
from proofkey.protocol.text import Instant

Result = Literal["ok", "FAIL", "not attempted"]

CHECKS: Final = (
    "form", "encoding", "critical", "key", "algorithm", "signature",
    "type", "issuer", "audience", "time", "binding", "claims",
)  # fmt: skip
"""In the order of the validator (`verify_access_token`)."""
_SIGNATURE: Final = CHECKS.index("signature")

_CHECK_OF: Final = {
    Finding.TOKEN_TOO_LARGE: "form",
    Finding.TOKEN_NOT_COMPACT: "form",
    Finding.TOKEN_IS_OPAQUE: "form",
    Finding.TOKEN_ENCRYPTED: "form",
    Finding.TOKEN_ENCODING: "encoding",
    Finding.TOKEN_JSON: "encoding",
    Finding.TOKEN_CRIT: "critical",
    Finding.TOKEN_KID: "key",
    Finding.TOKEN_KEY_UNKNOWN: "key",
    Finding.TOKEN_ALGORITHM: "algorithm",
    Finding.TOKEN_SIGNATURE: "signature",
    Finding.TOKEN_TYPE: "type",
    Finding.TOKEN_ISSUER: "issuer",
    Finding.TOKEN_AUDIENCE: "audience",
    Finding.TOKEN_EXPIRED: "time",
    Finding.TOKEN_NOT_YET_VALID: "time",
    Finding.TOKEN_BOUND: "binding",
}
_CHECK_OF_CLAIM: Final = {"iss": "issuer", "aud": "audience", "exp": "time", "iat": "time", "nbf": "time"}


@dataclass(frozen=True, slots=True)
class Check:
    """One check; `why` says why it was not attempted."""

    name: str
    result: Result
    finding: Finding | None = None
    facts: Mapping[str, str] = field(default_factory=dict[str, str])
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenReport:
    """`header` and `claims` are what the token says, verified only when `verified`; None when unreadable."""

    kind: TokenKind
    header: Mapping[str, Any] | None
    claims: Mapping[str, Any] | None
    checks: tuple[Check, ...]
    now: Instant
    token: AccessToken | None = None
    """Only when every check was made and passed."""

    @property
    def verified(self) -> bool:
        """Whether the signature was checked and is good."""
        return self.checks[_SIGNATURE].result == "ok"

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that failed, in the validator's order."""
        return tuple(check for check in self.checks if check.result == "FAIL")


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What the token is compared with; what is None is not compared."""

    issuer: str | None = None
    audience: frozenset[str] | None = None
    now: Instant
    leeway: int = LEEWAY


def report_token(token: str, keys: KeySet | None, expected: Expected) -> TokenReport:
    """Makes every check that can be made; without keys only those of form. Raises nothing."""
    empty = TokenReport(
        kind=classify(token),
        header=_header(token),
        claims=_claims(token),
        checks=(),
        now=expected.now,
    )
    if keys is None:
        return replace(empty, checks=_form_checks(token))
    try:
        jws = verify_compact(token, keys, ALGORITHM_NAMES)
    except InvalidToken as error:
        return replace(empty, checks=_failed_at(error, "the signature was not reached"))
    results, access_token = _judge(jws, expected)
    complete = all(check.result == "ok" for check in results)
    return replace(empty, checks=results, token=access_token if complete else None)


def _header(token: str) -> Mapping[str, Any] | None:
    try:
        return read_unverified_header(token)
    except InvalidToken:
        return None


def _claims(token: str) -> Mapping[str, Any] | None:
    try:
        return read_unverified_payload(token)
    except InvalidToken:
        return None


def _form_checks(token: str) -> tuple[Check, ...]:
    try:
        read_unverified_payload(token)  # looks at the form first
        read_unverified_header(token)
    except InvalidToken as error:
        return _failed_at(error, "no keys")
    done = ("form", "encoding")
    rest = [Check(name, "not attempted", why="no keys") for name in CHECKS[len(done) :]]
    return (*(Check(name, "ok") for name in done), *rest)


def _failed_at(error: InvalidToken, why: str) -> tuple[Check, ...]:
    """Everything before the failure is ok, everything after it was not attempted."""
    failed = CHECKS.index(_CHECK_OF.get(error.finding, "claims"))
    before = [Check(name, "ok") for name in CHECKS[:failed]]
    after = [Check(name, "not attempted", why=why) for name in CHECKS[failed + 1 :]]
    return (*before, Check(CHECKS[failed], "FAIL", error.finding, error.facts), *after)


def _judge(jws: VerifiedJws, expected: Expected) -> tuple[tuple[Check, ...], AccessToken | None]:
    """The checks of the claims, each by `read_access_token`; what failed is conceded for the next round."""
    results = {name: Check(name, "ok") for name in CHECKS}
    header = dict(jws.header)
    try:
        claims = parse_object(jws.payload)
    except ValueError:
        return _failed_at(InvalidToken(Finding.TOKEN_JSON), "the payload cannot be read"), None
    for name, value in (("issuer", expected.issuer), ("audience", expected.audience)):
        if value is None:
            results[name] = Check(name, "not attempted", why=f"no --{name}")
            _concede(name, header, claims, expected)
    for _ in CHECKS:
        try:
            token = _read(header, claims, expected)
        except InvalidToken as error:
            name = _CHECK_OF_CLAIM.get(error.facts.get("claim", ""), _CHECK_OF.get(error.finding, "claims"))
            results[name] = Check(name, "FAIL", error.finding, error.facts)
            if not _concede(name, header, claims, expected):
                break
        else:
            return tuple(results.values()), token
    return tuple(results.values()), None


def _read(header: Mapping[str, Any], claims: Mapping[str, Any], expected: Expected) -> AccessToken:
    return read_access_token(
        VerifiedJws(header, json.dumps(claims).encode()),
        issuer=expected.issuer or _ANY,
        audience=expected.audience or frozenset({_ANY}),
        now=expected.now,
        leeway=expected.leeway,
    )


def _concede(name: str, header: dict[str, Any], claims: dict[str, Any], expected: Expected) -> bool:
    """Makes the token such that this check passes. False when that cannot be done."""
    if name == "type":
        header["typ"] = HEADER_TYPE
    elif name == "issuer":
        claims["iss"] = expected.issuer or _ANY
    elif name == "audience":
        claims["aud"] = next(iter(expected.audience or {_ANY}))
    elif name == "time":
        claims["iat"], claims["exp"] = expected.now, expected.now + 1
        claims.pop("nbf", None)
    elif name == "binding":
        del claims["cnf"]
    else:
        return False
    return True


_ANY: Final = "urn:proofkey:any"
