"""How a token report looks on a terminal, and as JSON."""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from proofkey.cli.output import clean, paint, print_data, with_facts
from proofkey.protocol.dialect import RFC9068, remedy_for
from proofkey.runtime.token_report import Check, TokenReport, remedy_of

REGISTERED: Final = (
    "iss", "sub", "aud", "client_id", "exp", "iat", "nbf", "jti", "scope", "roles", "auth_time", "acr", "amr",
    "nonce", "azp", "sid", "cnf", "typ", "scp", "permissions", "tid", "oid", "appid", "cid", "token_use",
)  # fmt: skip
"""Claims with a meaning in a standard or a dialect, in the order in which they are shown."""
_TIMES: Final = frozenset({"exp", "iat", "nbf", "auth_time", "updated_at"})
_CHECK_OF_CLAIM: Final = {
    "iss": "issuer", "aud": "audience", "exp": "time", "iat": "time", "nbf": "time", "cnf": "binding",
}  # fmt: skip
_WIDTH: Final = 24
"""Characters of the timeline."""
_END_OF_TIME: Final = 253402300799


def show_report(report: TokenReport, *, unverified: bool, ahead: int | None) -> None:
    """The whole report on stdout; the claims only when the signature is good or `unverified` asks for them."""
    _show_kind(report)
    _show_dialect(report)
    _show_header(report)
    _show_claims(report, unverified=unverified)
    _show_time(report, unverified=unverified, ahead=ahead)
    _show_checks(report)


def report_document(report: TokenReport, *, unverified: bool, ahead: int | None) -> dict[str, Any]:
    """The report as JSON; `claims` is null unless they were verified or asked for all the same."""
    kind, dialect = report.kind_finding, report.dialect
    return {
        "kind": report.kind.value,
        "kind_finding": kind.id if kind else None,
        "dialect": {
            "name": dialect.name,
            "title": dialect.title,
            "source": {"title": dialect.source.title, "date": dialect.source.date, "live": dialect.source.live},
            "relaxes": [{"rule": one.rule, "instead": one.instead} for one in dialect.relaxes],
        },
        "verified": report.verified,
        "valid": report.token is not None,
        "header": report.header,
        "claims": report.claims if report.verified or unverified else None,
        "now": report.now,
        "issuer_clock_ahead": ahead,
        "checks": [_check_document(check, remedy_of(check, dialect)) for check in report.checks],
    }


def _check_document(check: Check, fix: str) -> dict[str, Any]:
    document: dict[str, Any] = {"check": check.name, "result": check.result}
    if check.finding is not None:
        document |= {"finding": check.finding.id, "sentence": check.finding.sentence, "fix": fix}
        document["facts"] = dict(check.facts)
    if check.why:
        document["why"] = check.why
    return document


def _show_kind(report: TokenReport) -> None:
    finding = report.kind_finding
    if finding is None:
        _line("kind", report.kind.value)
    else:
        _line("kind", f"{paint(report.kind.value, 'red')}   {finding.sentence} ({finding.id})")


def _show_dialect(report: TokenReport) -> None:
    """Whose words these are, and every rule that is not RFC 9068's own."""
    dialect = report.dialect
    if dialect is RFC9068:
        return
    source = dialect.source
    proven = "tested against the real server" if source.live else "known from documents alone"
    _line("dialect", f"{dialect.title} ({dialect.name}), {proven}: {source.title}, {source.date}")
    for number, relaxation in enumerate(dialect.relaxes):
        _line("" if number else "relaxes", paint(f"{relaxation.rule} → {relaxation.instead}", "dim"))
    if not dialect.verifies:
        _line("", f"{paint('for login only', 'red')}: {dialect.opaque_remedy}")


def _show_header(report: TokenReport) -> None:
    if report.header is None:
        _line("header", paint("cannot be read", "red"))
        return
    shown = " · ".join(f"{clean(name)} {_value(value)}" for name, value in report.header.items())
    _line("header", paint(shown, "violet"))


def _show_claims(report: TokenReport, *, unverified: bool) -> None:
    if report.claims is None:
        return
    if not report.verified:
        if not unverified:
            _line("claims", "not shown: the signature is not verified; --unverified shows them all the same")
            return
        _line("", f"{_alarm()} nobody has checked the signature: anybody can have written this")
    failed = {check.name for check in report.failed}
    for name in _ordered(report.claims):
        style = "blue" if name in REGISTERED else "dim"
        if _CHECK_OF_CLAIM.get(name) in failed:
            style = "red"
        _line(clean(name)[:40], paint(_claim(name, report.claims[name]), style))
    if not report.verified:
        _line("", _alarm())


def _alarm() -> str:
    return paint(" UNVERIFIED ", "alarm")


def _ordered(claims: Mapping[str, Any]) -> Iterable[str]:
    yield from (name for name in REGISTERED if name in claims)
    yield from (name for name in claims if name not in REGISTERED)


def _show_time(report: TokenReport, *, unverified: bool, ahead: int | None) -> None:
    claims = report.claims or {}
    iat, exp = _instant(claims.get("iat")), _instant(claims.get("exp"))
    if (report.verified or unverified) and iat is not None and exp is not None:
        style = "red" if any(check.name == "time" for check in report.failed) else "green"
        left = paint(_left(iat, exp, report.now), style)
        _line("time", f"{_timeline(iat, exp, report.now)}   {left}")
    theirs = "unknown" if ahead is None else _moment(report.now + ahead)
    skew = "" if ahead is None else f" ({ahead:+d} s)"
    _line("clocks", f"this computer {_moment(report.now)} · issuer {theirs}{skew}")


def _timeline(iat: int, exp: int, now: int) -> str:
    """`iat 10:02:11 ───●─── exp 11:07:40`, the dot being now."""
    start, end = f"iat {_moment(iat)}", f"exp {_moment(exp)}"
    if now < iat:
        return f"● now   {start} {'─' * _WIDTH} {end}"
    if now >= exp:
        return f"{start} {'─' * _WIDTH} {end}   ● now"
    before = min(_WIDTH - 1, (now - iat) * _WIDTH // max(1, exp - iat))
    return f"{start} {'─' * before}●{'─' * (_WIDTH - 1 - before)} {end}"


def _left(iat: int, exp: int, now: int) -> str:
    if now < iat:
        return f"issued {_duration(iat - now)} from now"
    if now >= exp:
        return f"expired {_duration(now - exp)} ago"
    return f"{_duration(exp - now)} left"


def _show_checks(report: TokenReport) -> None:
    _line("checks", " · ".join(_check_text(check) for check in report.checks))
    reasons = dict.fromkeys(f"{check.why}" for check in report.checks if check.why)
    if reasons:
        _line("", paint(f"not attempted: {'; '.join(reasons)}", "dim"))
    for check in report.failed:
        if check.finding is not None:
            sentence = clean(with_facts(check.finding.sentence, check.facts))
            _line(check.name, f"{paint(check.finding.id, 'red')} {sentence}")
            _line("fix", f"{remedy_of(check, report.dialect)}   proofkey explain {check.finding.id}")
    finding = report.kind_finding
    if finding is not None and finding not in [check.finding for check in report.failed]:
        _line("fix", f"{remedy_for(finding, report.dialect)}   proofkey explain {finding.id}")


def _check_text(check: Check) -> str:
    if check.result == "ok":
        return f"{check.name} {paint('ok', 'green')}"
    if check.result == "FAIL":
        return f"{check.name} {paint('FAIL', 'red')}"
    return paint(f"{check.name} –", "dim")


def _line(label: str, text: str) -> None:
    print_data(f" {label:<10} {text}".rstrip())


def _claim(name: str, value: object) -> str:
    instant = _instant(value) if name in _TIMES else None
    return _value(value) if instant is None else f"{_value(value)}   {_moment(instant)}"


def _value(value: object) -> str:
    return clean(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _instant(value: object) -> int | None:
    """Whole seconds, when the value is a time that a calendar can show."""
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _END_OF_TIME:
        return int(value)
    return None


def _moment(instant: int) -> str:
    return datetime.fromtimestamp(instant, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def _duration(seconds: int) -> str:
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
