"""What the registration commands know: options first, then proofkey.toml and the environment."""

import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

from proofkey.errors import ConfigurationError
from proofkey.findings import Finding
from proofkey.runtime.settings import DEFAULT_FILE
from proofkey.runtime.settings_sources import merged, read_environment, read_toml

_LARGEST: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Source:
    """The raw settings, not validated: before the registration there is no client secret, for one."""

    values: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def text(self, *places: str) -> str | None:
        """The first that is there, of places such as `login.issuer`. Raises: ConfigurationError unless text."""
        for place in places:
            section, _, key = place.partition(".")
            value: object = _table(self.values.get(section)).get(key)
            if value is None:
                continue
            if not isinstance(value, str):
                raise ConfigurationError(Finding.CONFIG_VALUE, key=place, reason="text is expected")
            return value
        return None

    def resource_scopes(self, audience: str | None) -> tuple[str, ...]:
        """The scopes of the resource with that identifier in `[server]`; () when there is none."""
        for one in _items(_table(self.values.get("server")).get("resources")):
            resource = _table(one)
            if audience is not None and resource.get("identifier") == audience:
                return tuple(str(scope) for scope in _items(resource.get("scopes")))
        return ()


def _table(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def _items(value: object) -> list[object]:
    return cast("list[object]", value) if isinstance(value, list) else []


def read_source(config: Path | None, environ: Mapping[str, str] = os.environ) -> Source:
    """`config`, else ./proofkey.toml where there is one; the environment wins. Raises: ConfigurationError."""
    file = config if config is not None else Path(DEFAULT_FILE)
    values = read_toml(file) if config is not None or file.is_file() else {}
    return Source(merged(values, read_environment(environ)))


def read_document(path: Path) -> dict[str, Any]:
    """A JSON object, or TOML when the name ends so. Raises: ConfigurationError."""
    if path.suffix == ".toml":
        return read_toml(path)
    try:
        with path.open("rb") as stream:
            document: object = json.loads(stream.read(_LARGEST).decode())
    except OSError as error:
        raise _unreadable(path, error.strerror or "unreadable") from error
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise _unreadable(path, "not JSON") from error
    if not isinstance(document, dict):
        raise _unreadable(path, "not a JSON object")
    return cast("dict[str, Any]", document)


def read_toml_text(text: str, path: Path) -> dict[str, Any]:
    """Raises: ConfigurationError, which quotes nothing of the text."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _unreadable(path, "not TOML") from error


def _unreadable(path: Path, reason: str) -> ConfigurationError:
    return ConfigurationError(Finding.CONFIG_FILE, file=str(path), reason=reason)
