"""The one configuration: `proofkey.toml`, the environment and the secret files, read once."""

import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeVar, cast

from pydantic import ValidationError

from proofkey.errors import ConfigurationError
from proofkey.findings import Finding
from proofkey.runtime.settings_checks import check_built, check_document, resolved_store
from proofkey.runtime.settings_model import (
    MODELS,
    ApiSettings,
    Document,
    IntrospectionSettings,
    IssuerSettings,
    LoginSettings,
    LogSettings,
    OutgoingSettings,
)
from proofkey.runtime.settings_server import (
    ClientSettings,
    LifetimesSettings,
    ResourceSettings,
    ServerSettings,
    UserSettings,
)
from proofkey.runtime.settings_sources import (
    OTHER_VARIABLES,
    PREFIX,
    Raw,
    merged,
    read_environment,
    read_toml,
    with_absolute_keys,
    with_secret_files,
)
from proofkey.runtime.settings_values import Section

__all__ = [
    "ApiSettings",
    "ClientSettings",
    "IntrospectionSettings",
    "IssuerSettings",
    "LifetimesSettings",
    "LogSettings",
    "LoginSettings",
    "OutgoingSettings",
    "ResourceSettings",
    "ServerSettings",
    "Settings",
    "UserSettings",
]

DEFAULT_FILE: Final = "proofkey.toml"
SectionName = Literal["server", "api", "login"]
Location = tuple[int | str, ...]
S = TypeVar("S", bound=Section)


@dataclass(frozen=True, slots=True)
class Settings:
    """Sections by name; a section that the configuration does not have raises when it is asked for."""

    document: Document
    file: Path | None = None
    """Where it was read from."""

    @classmethod
    def load(cls, config: Path | None = None, environ: Mapping[str, str] = os.environ) -> "Settings":
        """Reads `config` (else ./proofkey.toml where there is one), then the environment, which wins.

        Paths are relative to the file; without one, to the working directory.
        Raises: ConfigurationError, with one line that names the setting and the fix.
        """
        file = config if config is not None else _default_file()
        base = file.parent.absolute() if file is not None else Path.cwd()
        _check_variables(environ)
        values = merged(read_toml(file) if file is not None else {}, read_environment(environ))
        check_built(values)
        values = with_secret_files(values, base)
        document = _validated(_with_paths(values, base), environ)
        check_document(document)
        return cls(document, file)

    def has(self, section: SectionName) -> bool:
        """Whether the configuration has that section."""
        return getattr(self.document, section) is not None

    @property
    def server(self) -> ServerSettings:
        return _needed("server", self.document.server)

    @property
    def api(self) -> ApiSettings:
        return _needed("api", self.document.api)

    @property
    def login(self) -> LoginSettings:
        return _needed("login", self.document.login)

    @property
    def outgoing(self) -> OutgoingSettings:
        return self.document.outgoing

    @property
    def log(self) -> LogSettings:
        return self.document.log


def _default_file() -> Path | None:
    file = Path(DEFAULT_FILE)
    return file if file.is_file() else None


def _needed(name: str, section: S | None) -> S:
    """Raises: ConfigurationError when the section is not there."""
    if section is None:
        raise ConfigurationError(Finding.CONFIG_MISSING, key=f"[{name}]")
    return section


def _check_variables(environ: Mapping[str, str]) -> None:
    """Raises: ConfigurationError for a variable with our prefix that names no section."""
    sections = tuple(Document.model_fields)
    for name in environ:
        if not name.startswith(PREFIX) or name in OTHER_VARIABLES:
            continue
        section = name.removeprefix(PREFIX).lower().partition("_")[0]
        if section not in sections:
            known = [variable for place in MODELS for variable in _variables_of(place)]
            names = [variable.removeprefix(PREFIX) for variable in (*known, *OTHER_VARIABLES)]
            close = difflib.get_close_matches(name.removeprefix(PREFIX), names, n=1)
            raise ConfigurationError(
                Finding.CONFIG_UNKNOWN_KEY, key=name, **_meant([f"{PREFIX}{close[0]}"] if close else [])
            )


def _variables_of(place: str) -> list[str]:
    if not place or "." in place:
        return []
    return [f"{PREFIX}{place}_{key}".upper() for key in MODELS[place].model_fields]


def _with_paths(values: Raw, base: Path) -> Raw:
    """Stores and files made absolute, so that nothing depends on the working directory later."""
    result = with_absolute_keys(values, base)
    for section in ("server", "api", "login"):
        inner = _table(result, section)
        store = None if inner is None else inner.get("store", MODELS[section].model_fields["store"].default)
        if inner is not None and isinstance(store, str):
            result[section] = {**inner, "store": resolved_store(f"{section}.store", store, base)}
    outgoing = _table(values, "outgoing")
    if outgoing is not None and isinstance(outgoing.get("ca_file"), str):
        result["outgoing"] = {**outgoing, "ca_file": str(base / outgoing["ca_file"])}
    return result


def _table(values: Raw, name: str) -> Raw | None:
    inner = values.get(name)
    return cast("Raw", inner) if isinstance(inner, dict) else None


def _validated(values: Raw, environ: Mapping[str, str]) -> Document:
    try:
        return Document(**values)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)
        first = next((fault for fault in faults if fault["type"] == "extra_forbidden"), faults[0])
        raise _explained(first["type"], first["loc"], first["msg"], environ) from None


def _explained(kind: str, loc: Location, message: str, environ: Mapping[str, str]) -> ConfigurationError:
    if kind != "extra_forbidden":
        loc = _place(loc)
    key = ".".join(str(step) for step in loc)
    variable = f"{PREFIX}{'_'.join(str(step) for step in loc[:2])}".upper()
    origin = {"variable": variable} if variable in environ else {}
    if kind == "extra_forbidden":
        return ConfigurationError(Finding.CONFIG_UNKNOWN_KEY, key=key, **origin, **_close_key(loc))
    if kind == "missing":
        hint = {"variable": variable} if len(loc) == 2 else {}
        return ConfigurationError(Finding.CONFIG_MISSING, key=key, **hint)
    reason = message.removeprefix("Value error, ")
    return ConfigurationError(Finding.CONFIG_VALUE, key=key, reason=reason, **origin)


def _place(loc: Location) -> Location:
    """The place in the file: without the steps into one of several types that a value may have."""
    names = tuple(step for step in loc if isinstance(step, str))
    for length in range(len(names), 0, -1):
        model = MODELS.get(".".join(names[: length - 1]))
        if model is not None and names[length - 1] in model.model_fields:
            return loc[: loc.index(names[length - 1]) + 1] if length < len(names) else loc
    return loc


def _close_key(loc: Location) -> dict[str, str]:
    names = [step for step in loc if isinstance(step, str)]
    model = MODELS.get(".".join(names[:-1]))
    close = difflib.get_close_matches(names[-1], model.model_fields, n=1) if model is not None else []
    return _meant([".".join([*(str(step) for step in loc[:-1]), close[0]])] if close else [])


def _meant(close: list[str]) -> dict[str, str]:
    return {"did_you_mean": close[0]} if close else {}
