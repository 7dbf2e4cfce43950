"""`proofkey config show`: every setting that is in force, and where it came from."""

import json as json_module
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from proofkey.cli.output import Json, clean, paint, print_data, print_json, say
from proofkey.runtime.settings import DEFAULT_FILE, Settings
from proofkey.runtime.settings_origin import ShownSetting, shown_settings

_WIDEST: Final = 60
"""Characters of a value before its origin moves to the right of the others'."""


def show(
    config: Annotated[
        Path | None, typer.Option("--config", help="The configuration; else ./proofkey.toml.")
    ] = None,
    only: Annotated[
        str | None, typer.Option("--only", metavar="SECTION", help="One section: server, api, login, …")
    ] = None,
    json: Json = False,
) -> None:
    """Show every setting in force with its origin: a line of the file, a variable, a secret file, or the default.

    Secrets are masked. Weakenings (allow_insecure_…) that are in force are marked.
    """
    settings = Settings.load(config)
    shown = [one for one in shown_settings(settings) if only is None or one.key.split(".")[0] == only]
    if only is not None and not shown:
        raise typer.BadParameter(f"the configuration has no section {clean(only)[:40]!r}", param_hint="--only")
    if json:
        print_json({"file": str(settings.file) if settings.file else None, "settings": _documents(shown)})
        return
    _print(shown)
    _talk(settings, shown)


def _documents(shown: Sequence[ShownSetting]) -> list[dict[str, object]]:
    return [
        {
            "key": one.key,
            "value": one.value,
            "origin": one.origin,
            "where": one.where or None,
            "secret": one.secret,
            "insecure": one.insecure,
        }
        for one in shown
    ]


def _print(shown: Sequence[ShownSetting]) -> None:
    key_width = max((len(one.key) for one in shown), default=0)
    value_width = min(max((len(_value(one)) for one in shown), default=0), _WIDEST)
    section = ""
    for one in shown:
        name = one.key.split(".")[0]
        if section and name != section:
            print_data("")
        section = name
        line = f"{clean(one.key):<{key_width}}  {_value(one):<{value_width}}  {clean(_origin(one))}".rstrip()
        if one.insecure:
            print_data(f"{paint(line, 'red')}  {paint('insecure', 'alarm')}")
        else:
            print_data(paint(line, "dim") if one.origin == "default" else line)


def _value(one: ShownSetting) -> str:
    if one.value is None:
        return "-"
    if isinstance(one.value, str):
        return clean(one.value) or '""'
    return clean(json_module.dumps(one.value, ensure_ascii=False))


def _origin(one: ShownSetting) -> str:
    if one.origin == "file":
        return _short(one.where)
    return f"{one.origin} {_short(one.where)}".rstrip()


def _short(where: str) -> str:
    """Relative to the working directory where it is below it."""
    here = f"{Path.cwd()}{os.sep}"
    return where.removeprefix(here)


def _talk(settings: Settings, shown: Sequence[ShownSetting]) -> None:
    if settings.file is None:
        say(f"There is no {DEFAULT_FILE} here: these are the defaults, and what the environment says.")
    weak = sum(one.insecure for one in shown)
    if weak:
        say(f"{weak} weakening{'s are' if weak > 1 else ' is'} in force.")
