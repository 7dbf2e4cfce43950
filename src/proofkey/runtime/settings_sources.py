"""Where settings come from: the TOML file, the environment, and the files that hold secrets."""

import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from stat import S_IROTH, S_IWOTH
from typing import Any, Final, cast

from pydantic_settings import EnvSettingsSource, SettingsError

from proofkey.errors import ConfigurationError
from proofkey.findings import Finding
from proofkey.runtime.clock import CLOCK_FILE
from proofkey.runtime.events import emit
from proofkey.runtime.settings_model import Document

PREFIX: Final = "PROOFKEY_"
OTHER_VARIABLES: Final = frozenset({CLOCK_FILE})
"""Variables with our prefix that are not settings."""

SECRETS: Final = frozenset(
    {"master_key", "client_secret", "session_secret", "password", "store", "initial_access_tokens", "pin"}
)
"""Each may stand in a file instead, which `<key>_file` names."""
_AUDIENCE: Final = f"{PREFIX}API_AUDIENCE".lower()
_LONGEST_FILE: Final = 64 * 1024

Raw = dict[str, Any]


def read_toml(path: Path) -> Raw:
    """Raises: ConfigurationError when the file cannot be read or is not TOML."""
    try:
        return tomllib.loads(path.read_bytes().decode())
    except OSError as error:
        raise ConfigurationError(
            Finding.CONFIG_FILE, file=str(path), reason=error.strerror or "unreadable"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(Finding.CONFIG_FILE, file=str(path), reason="not UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"\(at ([^()]*)\)", str(error))  # the rest of the text may quote a value
        reason = f"not TOML, at {place[1]}" if place else "not TOML"
        raise ConfigurationError(Finding.CONFIG_FILE, file=str(path), reason=reason) from error


def read_environment(environ: Mapping[str, str]) -> Raw:
    """`PROOFKEY_<SECTION>_<KEY>`; lists and tables are JSON.

    Raises: ConfigurationError when a variable with the prefix names no section, or is not the JSON it should be.
    """
    ours = {name: value for name, value in environ.items() if name.startswith(PREFIX)}
    variables = {name.lower(): value for name, value in ours.items() if name not in OTHER_VARIABLES}
    source = EnvSettingsSource(Document)
    try:
        source.env_vars = variables
        return _with_names(source(), variables)
    except SettingsError as error:
        for name, value in variables.items():
            if not _is_readable(source, name, value):
                raise ConfigurationError(Finding.CONFIG_VALUE, key=name.upper(), reason="not JSON") from error
        raise ConfigurationError(Finding.CONFIG_VALUE, key=PREFIX, reason="not JSON") from error


def _with_names(values: Raw, variables: Mapping[str, str]) -> Raw:
    """An audience of digits alone, as some providers have, is a name and no number of JSON."""
    audience = variables.get(_AUDIENCE, "")
    return {**values, "api": {**values["api"], "audience": audience}} if audience.isdecimal() else values


def merged(file: Raw, environment: Raw) -> Raw:
    """The environment wins, key by key; a secret there also replaces the file's name of it, and the other way."""
    result: Raw = dict(file)
    for section, values in environment.items():
        below: Any = result.get(section)
        if not isinstance(below, dict) or not isinstance(values, dict):
            result[section] = values
            continue
        hidden = {pair for key in cast("Raw", values) for pair in _pair(key)}
        kept = {key: value for key, value in cast("Raw", below).items() if key not in hidden}
        result[section] = kept | cast("Raw", values)
    return result


def with_secret_files(values: Raw, base: Path, place: str = "") -> Raw:
    """Reads what `<key>_file` names, relative to `base`, and puts it under `<key>`, at every depth.

    Raises: ConfigurationError when both stand there, or the file cannot be read or is empty.
    """
    result: Raw = {}
    for key, value in values.items():
        where = f"{place}.{key}".lstrip(".")
        result[key] = _deeper(value, base, where)
        name = key.removesuffix("_file")
        if name == key or name not in SECRETS or not isinstance(value, str):
            continue
        if name in values:
            raise ConfigurationError(Finding.CONFIG_VALUE, key=where, reason=f"{name} stands there too; keep one")
        path = base / value
        result[key], result[name] = str(path), _read_secret(path, where)
    return result


def with_absolute_keys(values: Raw, base: Path) -> Raw:
    """Every `private_key_file` relative to `base`, at every depth; it is read by whoever signs with it."""
    result: Raw = {}
    for key, value in values.items():
        if key == "private_key_file" and isinstance(value, str):
            result[key] = str(base / value)
        elif isinstance(value, dict):
            result[key] = with_absolute_keys(cast("Raw", value), base)
        elif isinstance(value, list):
            items = cast("list[object]", value)
            result[key] = [
                with_absolute_keys(cast("Raw", item), base) if isinstance(item, dict) else item for item in items
            ]
        else:
            result[key] = value
    return result


def _deeper(value: object, base: Path, where: str) -> object:
    if isinstance(value, dict):
        return with_secret_files(cast("Raw", value), base, where)
    if isinstance(value, list):
        items = cast("Iterable[object]", value)
        return [_deeper(item, base, f"{where}.{position}") for position, item in enumerate(items)]
    return value


def _read_secret(path: Path, where: str) -> str:
    try:
        mode = path.stat().st_mode
        text = path.read_bytes().decode().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or "not readable as UTF-8"
        raise _unreadable(path, where, reason) from error
    if not text or len(text) > _LONGEST_FILE:
        raise _unreadable(path, where, "empty or too large")
    if mode & (S_IROTH | S_IWOTH):
        emit("settings.secret_file_open_to_all", level="warning", key=where, file=str(path), fix="chmod 600")
    return text


def _unreadable(path: Path, where: str, reason: str) -> ConfigurationError:
    return ConfigurationError(Finding.SECRET_FILE_UNREADABLE, key=where, file=str(path), reason=reason)


def _pair(key: str) -> tuple[str, str]:
    name = key.removesuffix("_file")
    return (name, f"{name}_file") if name in SECRETS else (key, key)


def _is_readable(source: EnvSettingsSource, name: str, value: str) -> bool:
    source.env_vars = {name: value}
    try:
        source()
    except SettingsError:
        return False
    return True
