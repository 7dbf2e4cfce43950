"""Writes what the pages repeat from the source: `python -m docs.generate`; with `--check` it only looks.

`errors.md` and `requirements.md` are whole; in `providers.md` the text between two markers is replaced.
"""

import re
import sys
from pathlib import Path
from typing import Final

from proofkey.findings import Finding
from proofkey.protocol.dialect import Dialect
from proofkey.providers import DIALECTS
from tests.trace import ROOT, MarkedTest, Row, find_rule, find_tests, read_marked_tests, read_rows

DOCS: Final = Path(__file__).parent
_MARKED: Final = re.compile(r"(<!-- dialect: ([a-z0-9_-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
_LOGINS: Final = re.compile(r"(<!-- logins -->\n).*?(<!-- end -->)", re.DOTALL)
_LINES: Final = {
    "OIDC": "rfc9068",
    "Auth0": "auth0",
    "Entra": "entra",
    "Google": "google",
    "Keycloak": "keycloak",
    "Okta": "okta",
    "Cognito": "cognito",
}
"""The dialect of each provider that a login is given in one line."""
_AUDIENCE: Final = {
    "resource": "`resource`, at every step (RFC 8707)",
    "audience": "`audience`, with the authorization request",
    "scope": "a scope of the API",
    "none": "nothing: the provider's own settings name it",
}
_SIGN_OUT: Final = {
    "oidc": "the end-session endpoint, where the metadata name one",
    "auth0_v2": "the end-session endpoint, else `/v2/logout`",
    "cognito": "`/logout` at the sign-in host",
    "none": "none: the signed-out page says so",
}
_ERRORS_HEAD: Final = """# Findings

Every refusal names one check. The log line has its id and what was found; the caller is told only what the
standard allows. `proofkey explain AUD-03` prints an entry; `proofkey jwt inspect` names what a token would be
refused for.

An id never changes its meaning. The list is made from the source.
"""
_REQUIREMENTS_HEAD: Final = """# Requirements

What the standards ask, which function keeps it, and which tests show it. An id names its source and section:
`6749-4.1.3-a` is RFC 6749 §4.1.3; OC, OD, OR are OpenID Connect Core, Discovery, Registration; RL and BL logout;
O21 OAuth 2.1; F2 FAPI 2.0; V ASVS; N63 NIST SP 800-63B; X our own. The rows are in `docs/rows`; the tests carry
the ids in `pytest.mark.spec`. Tests in bold ask a `proofkey serve` with two worker processes over HTTP; the last
column says whether a row has one. `make mutants` takes rules out, one by one, and runs the tests of their rows.
"""


def errors_page() -> str:
    """Every finding, by id."""
    entries = (
        f"## {finding.id}\n\n{finding.sentence}\n\n**Fix:** {finding.remedy}\n"
        for finding in sorted(Finding, key=_by_family)
    )
    return "\n".join((_ERRORS_HEAD, *entries))


def requirements_page(rows: list[Row], tests: list[MarkedTest]) -> str:
    """Every row with its rule and its tests."""
    found = find_tests(rows, tests)
    lines = [_REQUIREMENTS_HEAD]
    for part in dict.fromkeys(row.part for row in rows):
        lines += [
            f"## {part}\n",
            "| row | level | what | rule | tests | HTTP |",
            "| --- | --- | --- | --- | --- | --- |",
        ]
        lines += [_requirement(row, found[row.id]) for row in rows if row.part == part]
        lines.append("")
    return "\n".join(lines)


def providers_page(text: str) -> str:
    """The page with every marked part as the dialect says it now."""
    text = _LOGINS.sub(lambda found: f"{found[1]}{logins_table()}{found[2]}", text)
    return _MARKED.sub(lambda found: f"{found[1]}{_dialect_part(DIALECTS[found[2]])}{found[3]}", text)


def logins_table() -> str:
    """How a login departs from OpenID Connect at each provider."""
    lines = [
        "| | sent with each login | names an API by | refresh tokens | sign-out at the provider |",
        "| --- | --- | --- | --- | --- |",
        *(_login(name, DIALECTS[dialect]) for name, dialect in _LINES.items()),
    ]
    return "\n".join([*lines, ""])


def _login(name: str, dialect: Dialect) -> str:
    login = dialect.login
    sent = [f"`{parameter}={value}`" for parameter, value in login.authorization_parameters.items()]
    sent += ["PKCE, though not announced"] if login.force_pkce else []
    refresh = "by the parameters" if login.authorization_parameters else "by themselves"
    api = _AUDIENCE[login.audience_parameter] if dialect.verifies else "nothing: its tokens open no API of yours"
    return " | ".join(
        (
            f"| `{name}`",
            ", ".join(sent) or "nothing more",
            api,
            "scope `offline_access`" if login.offline_access else refresh,
            f"{_SIGN_OUT[login.logout]} |",
        )
    )


def marked_dialects(text: str) -> list[str]:
    return [found[2] for found in _MARKED.finditer(text)]


def pages() -> dict[Path, str]:
    """Each generated page, as it has to be."""
    providers = DOCS / "providers.md"
    return {
        DOCS / "errors.md": errors_page(),
        DOCS / "requirements.md": requirements_page(read_rows(), read_marked_tests()),
        providers: providers_page(providers.read_text(encoding="utf-8")),
    }


def main(words: list[str]) -> int:
    """0: written, or nothing to write."""
    wanted = pages()
    stale = [path for path in wanted if not path.exists() or path.read_text(encoding="utf-8") != wanted[path]]
    if "--check" in words:
        for path in stale:
            sys.stderr.write(f"{path.name} is out of date: make docs\n")
        return 1 if stale else 0
    for path in stale:
        path.write_text(wanted[path], encoding="utf-8")
    return 0


def _requirement(row: Row, tests: list[MarkedTest]) -> str:
    names = f"`{row.id}`" + "".join(f" `{name}`" for name in row.also)
    rule = f"Not kept: {row.unmet}" if row.unmet else "<br>".join(_rule(name) for name in row.rule)
    files = dict.fromkeys(test.file for test in tests)
    shown = "<br>".join(_tests(file, [test for test in tests if test.file == file]) for file in files)
    over_http = "yes" if any(test.over_http for test in tests) else "no"
    return " | ".join((f"| {names}", row.level, _cell(row.what), rule or "-", shown or "none", f"{over_http} |"))


def _rule(name: str) -> str:
    found = find_rule(name)
    return f"[{name}](../{found[0].relative_to(ROOT).as_posix()})" if found else name


def _tests(file: str, tests: list[MarkedTest]) -> str:
    names = (f"**{test.name}**" if test.over_http else test.name for test in tests)
    return f"[{file.removeprefix('tests/')}](../{file}): {', '.join(names)}"


def _by_family(finding: Finding) -> tuple[str, int]:
    family, _, number = finding.id.rpartition("-")
    return family, int(number)


def _dialect_part(dialect: Dialect) -> str:
    keyword = f"`dialect={dialect.name!r}`"
    lines = [
        keyword if dialect.verifies else "For logins only: its access tokens cannot be verified by an API.",
        "",
    ]
    if dialect.relaxes:
        lines += ["| relaxed | in its place |", "| --- | --- |"]
        lines += [f"| {_cell(one.rule)} | {_cell(one.instead)} |" for one in dialect.relaxes]
    elif dialect.verifies:
        lines.append("Nothing is relaxed.")
    if dialect.remedies:
        lines += ["", "| the log says | what to do |", "| --- | --- |"]
        lines += [f"| {_link(finding)} | {_cell(text)} |" for finding, text in dialect.remedies.items()]
    return "\n".join([*lines, "", _source(dialect), ""])


def _link(finding: Finding) -> str:
    return f"[{finding.id}](errors.md#{finding.id.lower()}) {finding.sentence}"


def _source(dialect: Dialect) -> str:
    how = "tested against a real server" if dialect.source.live else "not tested against the live service"
    return f"Facts: {dialect.source.title}, {dialect.source.date}; {how}."


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "\\<")


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
