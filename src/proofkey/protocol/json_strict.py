"""A JSON reader for documents that strangers write: one reading only, and limits on everything."""

import json
import math
import re
from typing import Any, Final, NoReturn

MAX_DEPTH: Final = 16

_SPACE: Final = " \t\n\r"
_STRING: Final = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)
"""A string, or the whole rest where one does not end: never tried again from another quote, which would take
quadratic time."""


def parse_object(data: bytes) -> dict[str, Any]:
    """One JSON object in UTF-8 (RFC 8259): each member name once, nested at most 16 deep, finite numbers (integers
    of at most 4300 digits), no lone surrogates.

    Raises: ValueError, and nothing else.
    """
    value = _parse(data)
    if not isinstance(value, dict):
        raise ValueError("not one object")
    return value  # pyright: ignore[reportUnknownVariableType]


def parse_array(data: bytes) -> list[Any]:
    """One JSON array, by the same rules.

    Raises: ValueError, and nothing else.
    """
    value = _parse(data)
    if not isinstance(value, list):
        raise ValueError("not one array")
    return value  # pyright: ignore[reportUnknownVariableType]


def _parse(data: bytes) -> object:
    text = data.decode().strip(_SPACE)
    if text.find("{", 1) > 0 or text.count("[") >= MAX_DEPTH:  # else it cannot be nested too deep
        _check_depth(text)
    value, end = _DECODER.raw_decode(text)
    if end != len(text):
        raise ValueError("more than one value")
    if "\\" in text:
        json.dumps(value, ensure_ascii=False).encode()  # UnicodeEncodeError, a ValueError, for a lone surrogate
    return value


def _check_depth(text: str) -> None:
    if text.count("{") + text.count("[") <= MAX_DEPTH:
        return
    depth = 0
    for character in _STRING.sub("", text):
        if character in "{[":
            depth += 1
            if depth > MAX_DEPTH:
                raise ValueError("nested too deep")
        elif character in "}]":
            depth -= 1


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member name stands twice")
    return members


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError("a number is too large")
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_each_once, parse_float=_finite, parse_constant=_no_constant)
