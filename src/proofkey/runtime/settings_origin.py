"""Every setting in force with where it came from; secrets are masked."""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal, cast

from proofkey.protocol.text import Secret
from proofkey.runtime.settings import Settings
from proofkey.runtime.settings_sources import OTHER_VARIABLES, PREFIX, SECRETS, Raw, read_environment, read_toml
from proofkey.runtime.settings_values import Section
from proofkey.store.address import shown_store

MASK: Final = "***"
Place = tuple[str | int, ...]
Origin = Literal["default", "file", "environment", "secret file"]

_HEADER: Final = re.compile(r"\s*(\[\[?)\s*([\w.\-\" ]+?)\s*\]")
_KEY: Final = re.compile(r"\s*([\w.\-\" ]+?)\s*=")


@dataclass(frozen=True, slots=True)
class ShownSetting:
    """One setting: `value` is text, a number, a list or a mapping, fit for JSON; None when it is not set."""

    key: str
    value: object
    origin: Origin
    where: str = ""
    """`proofkey.toml:12`, the name of a variable, or the secret file."""
    secret: bool = False
    insecure: bool = False
    """A weakening that is in force."""


def shown_settings(settings: Settings, environ: Mapping[str, str] = os.environ) -> tuple[ShownSetting, ...]:
    """In the order of the sections; a section that the configuration does not have is left out.

    Raises: ConfigurationError when the file has become unreadable meanwhile.
    """
    sources = _Sources.read(settings.file, environ)
    shown: list[ShownSetting] = []
    for name in type(settings.document).model_fields:
        section = getattr(settings.document, name)
        if section is not None:
            shown += _of_section((name,), section, sources)
    shown += [
        ShownSetting(name, environ[name], "environment", name, insecure="ALLOW_INSECURE" in name)
        for name in sorted(OTHER_VARIABLES)
        if environ.get(name)
    ]
    return tuple(shown)


def _of_section(place: Place, section: Section, sources: "_Sources") -> Iterator[ShownSetting]:
    fields = type(section).model_fields
    listed = isinstance(place[-1], int)
    for name in fields:
        if listed and name not in section.model_fields_set:
            continue
        value = getattr(section, name)
        where = (*place, name)
        sections = _sections(value)
        if isinstance(value, Section):
            yield from _of_section(where, value, sources)
        elif sections:
            for position, one in enumerate(sections):
                yield from _of_section((*where, position), one, sources)
        else:
            yield _shown(where, value, sources)


def _shown(place: Place, value: object, sources: "_Sources") -> ShownSetting:
    origin, where = sources.origin(place)
    name = str(place[-1])
    return ShownSetting(
        key=".".join(str(step) for step in place),
        value=shown_store(value) if name == "store" and isinstance(value, str) else _plain(value),
        origin=origin,
        where=where,
        secret=isinstance(value, Secret),
        insecure=name.startswith("allow_insecure_") and bool(value),
    )


def _sections(value: object) -> list[Section]:
    items = cast("tuple[object, ...]", value) if isinstance(value, tuple) else ()
    return [item for item in items if isinstance(item, Section)]


def _plain(value: object) -> object:
    if isinstance(value, Secret):
        return MASK
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, tuple | list):
        return [_plain(item) for item in cast("tuple[object, ...]", value)]
    if isinstance(value, Mapping):
        members = cast("Mapping[str, object]", value)
        return {key: _plain(item) for key, item in members.items()}
    return value


@dataclass(frozen=True, slots=True)
class _Sources:
    """What the file and the environment say, before anything was merged."""

    file: Path | None
    lines: Mapping[Place, int]
    values: Raw
    environment: Raw

    @classmethod
    def read(cls, file: Path | None, environ: Mapping[str, str]) -> "_Sources":
        values = read_toml(file) if file is not None else {}
        text = file.read_text("utf-8") if file is not None else ""
        return cls(file, find_lines(text), values, read_environment(environ))

    def origin(self, place: Place) -> tuple[Origin, str]:
        """The environment wins over the file; a secret's own file is told instead of who names it."""
        named = (*place[:-1], f"{place[-1]}_file") if place[-1] in SECRETS else None
        for values, told in ((self.environment, _variable), (self.values, self._line)):
            if named is not None and (path := _at(values, named)) is not None:
                return "secret file", str(self._base / str(path))
            if _at(values, place) is not None:
                return ("environment" if values is self.environment else "file"), told(place)
        return "default", ""

    @property
    def _base(self) -> Path:
        return self.file.parent.absolute() if self.file is not None else Path.cwd()

    def _line(self, place: Place) -> str:
        """The nearest line: that of the key, or of the table or list that it stands in."""
        found = next((self.lines[place[:n]] for n in range(len(place), 0, -1) if place[:n] in self.lines), None)
        return f"{self.file}:{found}" if found is not None else str(self.file)


def find_lines(text: str) -> Mapping[Place, int]:
    """The line on which each key, table header or entry of an array of tables stands, as far as lines begin so."""
    lines: dict[Place, int] = {}
    counts: dict[Place, int] = {}
    table: Place = ()
    for number, line in enumerate(text.splitlines(), 1):
        header, key = _HEADER.match(line), _KEY.match(line)
        if header is not None:
            table = _steps(header[2])
            if header[1] == "[[":
                counts[table] = counts.get(table, -1) + 1
            table = tuple(
                step for n in range(1, len(table) + 1) for step in (table[n - 1], *_position(counts, table[:n]))
            )
            lines.setdefault(table, number)
        elif key is not None:
            lines.setdefault((*table, *_steps(key[1])), number)
    return lines


def _position(counts: Mapping[Place, int], table: Place) -> Place:
    return (counts[table],) if table in counts else ()


def _steps(dotted: str) -> Place:
    return tuple(step.strip(' "') for step in dotted.split("."))


def _variable(place: Place) -> str:
    return f"{PREFIX}{'_'.join(str(step) for step in place[:2])}".upper()


def _at(values: object, place: Place) -> object:
    """What stands there; None when nothing does."""
    for step in place:
        if isinstance(values, Mapping):
            values = cast("Mapping[str | int, Any]", values).get(step)
        elif isinstance(values, list) and isinstance(step, int):
            values = dict(enumerate(cast("list[object]", values))).get(step)
        else:
            return None
    return values
