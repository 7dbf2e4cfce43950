"""What the corpus has found out about an API, to be read by people."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from proofkey.testing.corpus import CorpusCase

_ERROR: Final = re.compile(r'\berror="([^"]*)"')
_SHOWN: Final = 60
"""Lines of one list; the rest is counted."""


class Got(NamedTuple):
    """One answer of the API."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes
    fault: str = ""
    """The name of the exception that came instead of an answer."""

    @property
    def told(self) -> str:
        return self.fault or str(self.status)


class Surprise(NamedTuple):
    """A case whose outcome is not the one that it must have."""

    name: str
    got: str
    """The status, or the name of an exception."""
    requirement: str
    remark: str


@dataclass(slots=True, kw_only=True)
class ApiReport:
    """`ok` when nothing got in wrongly, nothing was refused wrongly and nothing fell over; `str()` tells all."""

    method: str
    path: str
    sent: int = 0
    left_out: int = 0
    """Cases that this client cannot send."""
    accepted: list[Surprise] = field(default_factory=list[Surprise])
    """Wrong accepts: hostile, and answered as if it were good."""
    refused: list[Surprise] = field(default_factory=list[Surprise])
    """Wrong refusals: harmless, and refused."""
    faults: list[Surprise] = field(default_factory=list[Surprise])
    """Answers of 500 and above, and exceptions."""
    known: list[Surprise] = field(default_factory=list[Surprise])
    unused: tuple[str, ...] = ()
    """Names in `known` that stand for nothing that happened."""
    answers: Counter[str] = field(default_factory=Counter[str])
    """How refusals depart from RFC 6750 §3 and RFC 9449 §7.1, and how many do."""
    bodies: dict[str, set[bytes]] = field(default_factory=dict[str, set[bytes]])
    """Different bodies of refusals, by status and error code: one each, or the reason shows."""

    @property
    def ok(self) -> bool:
        """Whether the API makes of every token what it must."""
        return self.sent > 0 and not (self.accepted or self.refused or self.faults or self.unused)

    @property
    def conforms(self) -> bool:
        """`ok`, and every refusal is answered as RFC 6750 §3 says, with a constant text."""
        return self.ok and not self.answers and all(len(texts) == 1 for texts in self.bodies.values())

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        counts = (
            f"{len(self.accepted)} wrong accepts",
            f"{len(self.refused)} wrong refusals",
            f"{len(self.faults)} faults",
        )
        yield f"{self.method} {self.path}: {self.sent} requests, {', '.join(counts)}"
        if self.left_out:
            yield f"  {self.left_out} cases could not be sent by this client"
        if any(one.name in ("plain", "DPoP: plain") for one in self.refused):
            yield "  the ordinary token is refused, so nothing is shown: do issuer, keys, audience and scope fit?"
        yield from _list("wrong accepts: hostile, and let in", self.accepted)
        yield from _list("wrong refusals: harmless, and refused", self.refused)
        yield from _list("faults: no answer to a stranger", self.faults)
        yield from _list("known", self.known)
        yield from _list("named as known, and not so", [Surprise(name, "", "", "") for name in self.unused])
        departures = [f"{count} × {text}" for text, count in self.answers.most_common()]
        departures += [
            f"{len(texts)} different bodies with {answer}: the reason shows (V16-16.5.1)"
            for answer, texts in sorted(self.bodies.items())
            if len(texts) > 1
        ]
        if departures:
            yield "refusals that depart from RFC 6750:"
            yield from (f"  {line}" for line in departures)


def add_answer(report: ApiReport, case: CorpusCase, got: Got) -> None:
    """Compares a refusal with RFC 6750 §3.1 and RFC 9449 §7.1; a malformed request may be 400 or 401."""
    challenge = got.headers.get("www-authenticate", "")
    if got.status == 403:
        report.answers["403 for a token that is not proven (6750-3-a)"] += 1
    elif got.status != case.status and not {got.status, case.status} <= {400, 401}:
        report.answers[f"{got.status} in place of {case.status} (6750-3-a)"] += 1
    if got.status == 401:
        if not challenge:
            report.answers["401 without WWW-Authenticate (6750-3-a)"] += 1
        elif "error=" not in challenge:
            report.answers["a challenge without its error code (6750-3-a)"] += 1
        elif case.status == 401 and f"{case.scheme} " not in challenge:
            report.answers[f"no challenge of the scheme {case.scheme} (9449-7.1-b)"] += 1
        elif case.status == 401 and f'error="{case.error}"' not in challenge:
            report.answers[f"a challenge with another code than {case.error} (6750-3-a)"] += 1
    code = _ERROR.search(challenge)
    report.bodies.setdefault(f"{got.status} {code[1] if code else ''}".rstrip(), set()).add(got.body)


def _list(title: str, found: list[Surprise]) -> Iterator[str]:
    if not found:
        return
    yield f"{title}:"
    width = min(48, max(len(_plain(one.name)) for one in found))
    for one in found[:_SHOWN]:
        yield f"  {_plain(one.name):{width}}  {one.got:>4}  {one.requirement:<16}  {one.remark}".rstrip()
    if len(found) > _SHOWN:
        yield f"  … and {len(found) - _SHOWN} more"


def _plain(name: str) -> str:
    """A name on one line of a terminal."""
    return ascii(name)[1:-1]
