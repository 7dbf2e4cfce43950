"""The one door to the log: one structured line per event, never a secret.

Every line has the time (UTC), the level and the name of the event, the finding where there is one, and facts.
Texts of foreign exceptions are never written, for they may hold what was sent; their types and places are.
"""

import json
import logging
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from traceback import extract_tb
from typing import Any, Final, Literal, TextIO

from proofkey.errors import ProofkeyError, Unavailable
from proofkey.findings import Finding
from proofkey.runtime.entropy import Entropy, system_entropy

Level = Literal["debug", "info", "warning", "error"]
Fact = str | int | float | None

LEVELS: Final[Mapping[str, int]] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
LONGEST: Final = 500
"""Characters of one fact; the rest is cut."""

_log: Final = logging.getLogger("proofkey")
_correlation: Final[ContextVar[str | None]] = ContextVar("proofkey_correlation", default=None)
_OWN: Final = frozenset({"time", "level", "event", "finding", "correlation"})

_QUIET: Final = {
    "httpx": logging.WARNING,  # these write URLs with codes, and answers with cookies, at info and debug
    "httpx2": logging.WARNING,
    "httpcore": logging.WARNING,
    "httpcore2": logging.WARNING,
    "sqlalchemy": logging.WARNING,
    "uvicorn": logging.INFO,
    "uvicorn.error": logging.INFO,
    "uvicorn.access": logging.CRITICAL,  # its lines hold query strings
    "asyncio": logging.WARNING,
}


def emit(name: str, /, *, level: Level = "info", finding: Finding | None = None, **facts: Fact) -> None:
    """Writes one line; facts that are None are left out.

    Raises: TypeError when a fact is anything but text or a number (a Secret, say).
    """
    number = LEVELS[level]
    checked = {_fact_name(key): _fact(key, value) for key, value in facts.items() if value is not None}
    if not _log.isEnabledFor(number):
        return
    record: dict[str, str | int | float] = {"event": name}
    if finding is not None:
        record["finding"] = finding.id
    correlation = _correlation.get()
    if correlation is not None:
        record["correlation"] = correlation
    record |= checked
    _log.log(number, "%s", _Line(record), extra={"proofkey": record})


def refused(name: str, error: ProofkeyError, /, **facts: Fact) -> None:
    """Writes a refusal: its finding, sentence and facts; a warning when something could not be had."""
    level: Level = "warning" if isinstance(error, Unavailable) else "info"
    both: dict[str, Fact] = {"reason": error.finding.sentence, **error.facts, **facts}
    emit(name, level=level, finding=error.finding, **both)


def internal_error(name: str, error: BaseException, entropy: Entropy = system_entropy, /, **facts: Fact) -> str:
    """Writes that something broke: types and places, without the texts. Gives the id that the answer may show."""
    correlation = _correlation.get() or entropy()[:12]
    with correlated(correlation):
        emit(name, level="error", finding=Finding.INTERNAL, error=_types(error), where=_where(error), **facts)
    return correlation


@contextmanager
def correlated(id_: str) -> Generator[None]:
    """All lines inside carry that id."""
    token = _correlation.set(id_)
    try:
        yield
    finally:
        _correlation.reset(token)


def configure_logging(level: str = "info", json: bool | None = None, stream: TextIO | None = None) -> None:
    """For a process that is ours: every logger writes single lines to stderr, as JSON unless it is a terminal.

    Servers log no request lines (their query strings hold codes); HTTP clients log warnings only. May be called
    again.
    """
    target = sys.stderr if stream is None else stream
    as_json = not target.isatty() if json is None else json
    root = logging.getLogger()
    for old in [handler for handler in root.handlers if isinstance(handler, _Handler)]:
        root.removeHandler(old)
    handler = _Handler(target)
    handler.setFormatter(_Formatter(as_json=as_json))
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    _log.setLevel(LEVELS[level])
    for name, quiet in _QUIET.items():
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = name != "uvicorn.access"
        logger.setLevel(quiet)


UVICORN: Final[Mapping[str, Any]] = {"log_config": None, "access_log": False}
"""Keywords for `uvicorn.Config`, so that it leaves `configure_logging` as it is."""


class _Handler(logging.StreamHandler[TextIO]):
    """A log that cannot be written never breaks a request."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name is logging's
        pass


class _Formatter(logging.Formatter):
    def __init__(self, *, as_json: bool) -> None:
        super().__init__()
        self._json = as_json

    def format(self, record: logging.LogRecord) -> str:
        own: dict[str, Any] | None = getattr(record, "proofkey", None)
        facts = _foreign(record) if own is None else own
        time = (
            datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        )
        level = record.levelname.lower()
        if self._json:
            return json.dumps({"time": time, "level": level, **facts}, ensure_ascii=True)
        return f"{time} {level:<7} {_console(facts)}"


def _foreign(record: logging.LogRecord) -> dict[str, str | int | float]:
    facts: dict[str, str | int | float] = {"event": record.name}
    if record.exc_info and record.exc_info[1] is not None:
        return facts | {"error": _types(record.exc_info[1]), "where": _where(record.exc_info[1])}
    return facts | {"message": _cut(record.getMessage())}


class _Line:
    """A record as one line, written only where somebody wants it so."""

    __slots__ = ("_record",)

    def __init__(self, record: Mapping[str, str | int | float]) -> None:
        self._record = record

    def __str__(self) -> str:
        return _console(self._record)


def _console(record: Mapping[str, str | int | float]) -> str:
    facts = " ".join(f"{key}={_shown(value)}" for key, value in record.items() if key != "event")
    return f"{_escaped(str(record['event']))} {facts}".rstrip()


def _shown(value: str | float) -> str:
    text = _escaped(str(value))
    return f'"{text}"' if not text or any(character in text for character in ' "=') else text


def _escaped(text: str) -> str:
    """Quotes, backslashes and whatever is not printable as escapes: one record stays one line."""
    if text.isprintable() and '"' not in text and "\\" not in text:
        return text
    return "".join(
        f"\\{character}" if character in '"\\' else character if character.isprintable() else _escape(character)
        for character in text
    )


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode()


def _fact_name(key: str) -> str:
    return f"{key}_" if key in _OWN else key


def _fact(key: str, value: object) -> str | int | float:
    if not isinstance(value, str | int | float):
        raise TypeError(f"the fact {key} is a {type(value).__name__}; a log takes text and numbers only")
    return _cut(value) if isinstance(value, str) else value


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[:LONGEST] + "…"


def _types(error: BaseException) -> str:
    """The exception's type and those that caused it."""
    names: list[str] = []
    step: BaseException | None = error
    while step is not None and len(names) < 5:
        names.append(type(step).__name__)
        step = step.__cause__ or step.__context__
    return " < ".join(names)


def _where(error: BaseException) -> str:
    """The innermost places, without their source lines."""
    frames = extract_tb(error.__traceback__)[-4:]
    return " > ".join(f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames)
