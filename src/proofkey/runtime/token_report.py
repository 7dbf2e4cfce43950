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
from proofkey.protocol.claims import LEEWAY, ClaimError
from proofkey.protocol.dialect import RFC9068, Dialect, remedy_for
from proofkey.protocol.json_strict import parse_object
from proofkey.protocol.jws import VerifiedJws, read_unverified_header, read_unverified_payload, verify_compact
from proofkey.protocol.key_set import KeySet
from proofkey.protocol.refusal import explain_refusal
from proofkey.protocol.signature import ALGORITHM_NAMES
from proofkey.protocol.text import Instant

Result = Literal["ok", "FAIL", "not attempted"]

CHECKS: Final = (
    "form", "encoding", "critical", "key", "algorithm", "signature",
    "type", "kind", "issuer", "audience", "time", "binding", "claims",
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
    Finding.TOKEN_BINDING_UNKNOWN: "binding",
    Finding.TOKEN_IS_ID_TOKEN: "kind",
    Finding.TOKEN_IS_LOGOUT_TOKEN: "kind",
    Finding.TOKEN_IS_REFRESH_TOKEN: "kind",
    Finding.TOKEN_PERMITS_NOTHING: "kind",
    Finding.TOKEN_TENANT: "issuer",
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
    dialect: Dialect = RFC9068
    """Whose rules the token was held to."""
    kind_finding: Finding | None = None
    """Why that kind of token is no access token at this provider."""
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
    """What the token is compared with; what is None is not compared. `issuer` may be a closed list."""

    issuer: str | frozenset[str] | None = None
    audience: frozenset[str] | None = None
    now: Instant
    leeway: int = LEEWAY
    dialect: Dialect = RFC9068


def report_token(token: str, keys: KeySet | None, expected: Expected) -> TokenReport:
    """Makes every check that can be made; without keys only those of form. Raises nothing."""
    kind, dialect = classify(token), expected.dialect
    empty = TokenReport(
        kind=kind,
        header=_header(token),
        claims=_claims(token),
        checks=(),
        now=expected.now,
        dialect=dialect,
        kind_finding=dialect.kinds.get(kind, kind.finding),
    )
    if keys is None:
        return replace(empty, checks=tuple(_explained(check, token, expected) for check in _form_checks(token)))
    algorithms = ALGORITHM_NAMES if dialect.algorithms is None else ALGORITHM_NAMES & dialect.algorithms
    try:
        jws = verify_compact(token, keys, algorithms)
    except InvalidToken as error:
        checks = _failed_at(error, "the signature was not reached")
        return replace(empty, checks=tuple(_explained(check, token, expected) for check in checks))
    results, access_token = _judge(jws, expected)
    complete = all(check.result == "ok" for check in results)
    return replace(
        empty,
        checks=tuple(_explained(check, token, expected) for check in results),
        token=access_token if complete else None,
    )


def remedy_of(check: Check, dialect: Dialect) -> str:
    """What to do about a failed check at this provider; "" when it did not fail."""
    return "" if check.finding is None else remedy_for(check.finding, dialect)


def _explained(check: Check, token: str, expected: Expected) -> Check:
    """The cause in place of the check alone: a foreign tenant, a shared secret, another provider's token."""
    if check.finding is None:
        return check
    issuer = expected.issuer if expected.issuer is not None else ""
    told = explain_refusal(
        InvalidToken(check.finding, **check.facts), token, issuer=issuer, dialect=expected.dialect
    )
    kept = {name: value for name, value in told.facts.items() if name not in ("fix", "looks_like", "check")}
    return replace(check, finding=told.finding, facts=kept)


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
    wrong_use = _check_use(header, claims, expected.dialect)
    if wrong_use is not None:
        results[wrong_use.name] = wrong_use
    dialect = replace(expected.dialect, check_use=None)
    for name, value in (("issuer", expected.issuer), ("audience", expected.audience)):
        if value is None:
            results[name] = Check(name, "not attempted", why=f"no --{name}")
            _concede(name, header, claims, expected)
    token = _read_in_rounds(header, claims, expected, dialect, results)
    return tuple(results.values()), token


def _read_in_rounds(
    header: dict[str, Any],
    claims: dict[str, Any],
    expected: Expected,
    dialect: Dialect,
    results: dict[str, Check],
) -> AccessToken | None:
    """Notes each failure in `results`; None when something cannot be conceded."""
    for _ in CHECKS:
        try:
            return _read(header, claims, expected, dialect)
        except InvalidToken as error:
            name = _CHECK_OF_CLAIM.get(error.facts.get("claim", ""), _CHECK_OF.get(error.finding, "claims"))
            results[name] = Check(name, "FAIL", error.finding, error.facts)
        if name == "type":
            dialect = replace(dialect, header_types=RFC9068.header_types)
        if not _concede(name, header, claims, expected):
            break
    return None


def _check_use(header: Mapping[str, Any], claims: Mapping[str, Any], dialect: Dialect) -> Check | None:
    """The dialect's own test of the kind, when the token fails it."""
    if dialect.check_use is None:
        return None
    try:
        dialect.check_use(header, claims)
    except ClaimError as error:
        name = _CHECK_OF.get(error.finding, "kind")
        return Check(name if name in ("issuer", "audience") else "kind", "FAIL", error.finding, error.facts)
    return None


def _read(
    header: Mapping[str, Any], claims: Mapping[str, Any], expected: Expected, dialect: Dialect
) -> AccessToken:
    return read_access_token(
        VerifiedJws(header, json.dumps(claims).encode()),
        issuer=expected.issuer or _ANY,
        audience=expected.audience or frozenset({_ANY}),
        now=expected.now,
        leeway=expected.leeway,
        dialect=dialect,
    )


def _concede(name: str, header: dict[str, Any], claims: dict[str, Any], expected: Expected) -> bool:
    """Makes the token such that this check passes. False when that cannot be done."""
    if name == "type":
        header["typ"] = HEADER_TYPE
    elif name == "issuer":
        issuer = expected.issuer or _ANY
        claims["iss"] = issuer if isinstance(issuer, str) else min(issuer)
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
