"""Writes what the pages repeat from the source: `python docs/generate.py`; with `--check` it only looks.

`errors.md` is whole; in `providers.md` the text between two markers is replaced.
"""

import re
import sys
from pathlib import Path
from typing import Final

from proofkey.findings import Finding
from proofkey.protocol.dialect import Dialect
from proofkey.providers import DIALECTS

DOCS: Final = Path(__file__).parent
_MARKED: Final = re.compile(r"(<!-- dialect: ([a-z0-9_-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
_ERRORS_HEAD: Final = """# Findings

Every refusal names one check. The log line has its id and what was found; the caller is told only what the
standard allows. `proofkey explain AUD-03` prints an entry; `proofkey jwt inspect` names what a token would be
refused for.

An id never changes its meaning. The list is made from the source.
"""


def errors_page() -> str:
    """Every finding, by id."""
    entries = (
        f"## {finding.id}\n\n{finding.sentence}\n\n**Fix:** {finding.remedy}\n"
        for finding in sorted(Finding, key=_by_family)
    )
    return "\n".join((_ERRORS_HEAD, *entries))


def providers_page(text: str) -> str:
    """The page with every marked part as the dialect says it now."""
    return _MARKED.sub(lambda found: f"{found[1]}{_dialect_part(DIALECTS[found[2]])}{found[3]}", text)


def marked_dialects(text: str) -> list[str]:
    return [found[2] for found in _MARKED.finditer(text)]


def pages() -> dict[Path, str]:
    """Each generated page, as it has to be."""
    providers = DOCS / "providers.md"
    return {
        DOCS / "errors.md": errors_page(),
        providers: providers_page(providers.read_text(encoding="utf-8")),
    }


def main(words: list[str]) -> int:
    """0: written, or nothing to write."""
    wanted = pages()
    stale = [path for path in wanted if not path.exists() or path.read_text(encoding="utf-8") != wanted[path]]
    if "--check" in words:
        for path in stale:
            sys.stderr.write(f"{path.name} is out of date: python docs/generate.py\n")
        return 1 if stale else 0
    for path in stale:
        path.write_text(wanted[path], encoding="utf-8")
    return 0


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
