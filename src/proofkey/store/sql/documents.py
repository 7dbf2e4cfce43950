"""JSON columns: lists, mappings, and whole values whose fields may grow without a migration."""

import json
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import fields
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, TypeVar, get_origin, get_type_hints

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T")


def to_json(value: object) -> str:
    """Compact JSON; sets become sorted lists."""
    return json.dumps(value, separators=(",", ":"), default=_sorted)


def from_json(text: str) -> dict[str, Any]:
    """A mapping, fresh for each caller."""
    members: dict[str, Any] = json.loads(text)
    return members


@lru_cache(maxsize=4096)
def strings(text: str) -> tuple[str, ...]:
    """A list of strings. Remembers what a text says, never what a row holds."""
    return tuple(json.loads(text))


def to_document(value: "DataclassInstance") -> str:
    """A dataclass of plain fields as JSON."""
    return to_json({one.name: getattr(value, one.name) for one in fields(value)})


def from_document(kind: type[T], text: str) -> T:
    """The value again; a field that this version does not know is left out, a missing one has its default."""
    shapes = _shapes.get(kind) or _learned(kind)
    members: Mapping[str, Any] = json.loads(text)
    return kind(**{name: shapes[name](value) for name, value in members.items() if name in shapes})


def _learned(kind: type) -> dict[str, Callable[[Any], object]]:
    """How each field's JSON becomes its value: lists become the declared tuple or frozenset."""
    hints: dict[str, Any] = get_type_hints(kind)
    return _shapes.setdefault(kind, {name: _LISTS.get(get_origin(hint), _as_is) for name, hint in hints.items()})


def _as_is(value: object) -> object:
    return value


def _sorted(value: AbstractSet[str]) -> list[str]:
    return sorted(value)


_shapes: Final[dict[type, dict[str, Callable[[Any], object]]]] = {}
_LISTS: Final[dict[Any, Callable[[Any], object]]] = {tuple: tuple, frozenset: frozenset}
