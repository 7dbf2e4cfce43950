"""Writes TOML: enough of it for a configuration that a test or a demonstration makes."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Final, cast

_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")


def toml_document(sections: Mapping[str, Mapping[str, object]]) -> str:
    """The document with those sections; nested values stand inline. Raises: TypeError as `toml_value`."""
    blocks = [
        "\n".join([f"[{_key(name)}]", *(f"{_key(key)} = {toml_value(value)}" for key, value in members.items())])
        for name, members in sections.items()
    ]
    return "\n\n".join(blocks) + "\n"


def toml_value(value: object) -> str:
    """Text, numbers, booleans, lists, tuples and mappings in TOML's inline form. Raises: TypeError for others."""
    if isinstance(value, str):  # JSON's strings are TOML's, except that TOML wants DEL escaped
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, Mapping):
        members = cast("Mapping[str, object]", value)
        inner = ", ".join(f"{_key(name)} = {toml_value(one)}" for name, one in members.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(toml_value(one) for one in cast('Sequence[object]', value))}]"
    raise TypeError(f"TOML has no place for a {type(value).__name__}")


def _key(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else toml_value(name)
