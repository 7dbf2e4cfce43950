"""`proofkey api`: what an application serves to strangers."""

import importlib
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final

import typer

from proofkey.cli.output import FINDINGS, Json, clean, new_app, paint, print_data, print_json, say
from proofkey.errors import ConfigurationError
from proofkey.fastapi.routes import OpenRoute, list_open_routes
from proofkey.findings import Finding

app = new_app(help="Look at a FastAPI application from outside of its code.")

_PUBLIC: Final = typer.Option(
    "--public", metavar="PATH", help="A path that may be open; may be given several times."
)
Public = Annotated[list[str] | None, _PUBLIC]
_FACTORY: Final = typer.Option("--factory", help="What is named makes the application when it is called.")


@app.callback()
def root() -> None:
    """Look at a FastAPI application from outside of its code."""


@app.command()
def routes(
    target: Annotated[str, typer.Argument(metavar="MODULE:APP", help="Where the application is, as for uvicorn.")],
    public: Public = None,
    factory: Annotated[bool, _FACTORY] = False,
    json: Json = False,
) -> None:
    """List every route that asks for no token; exit status 1 when one of them is not declared public.

    Declared are operations with @public, public paths of a guard, those of --public, and FastAPI's own pages.
    """
    found = list_open_routes(load_application(target, factory=factory))
    allowed = frozenset(public or ())
    forgotten = [route for route in found if not _is_meant(route, allowed)]
    if json:
        print_json([asdict(route) | {"meant": _is_meant(route, allowed)} for route in found])
    else:
        _show(found, allowed)
    if forgotten:
        raise typer.Exit(FINDINGS)


def load_application(target: str, *, factory: bool = False) -> object:
    """The object that `module:name` stands for; modules of the working directory are found.

    Raises: ConfigurationError when there is none.
    """
    module_name, _, name = target.partition(":")
    if not module_name or not name:
        raise ConfigurationError(Finding.CONFIG_VALUE, key="MODULE:APP", value=target[:200], fix="main:app")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        found: object = importlib.import_module(module_name)
        for part in name.split("."):
            found = getattr(found, part)
    except (ModuleNotFoundError, AttributeError) as error:
        missing = error.name or target
        raise ConfigurationError(
            Finding.CONFIG_VALUE, key="MODULE:APP", value=target[:200], missing=missing
        ) from error
    if not factory:
        return found
    if not callable(found):
        raise ConfigurationError(Finding.CONFIG_VALUE, key="MODULE:APP", value=target[:200], reason="no factory")
    made: object = found()
    return made


def _is_meant(route: OpenRoute, allowed: frozenset[str]) -> bool:
    return route.declared or route.kind == "documentation" or route.path in allowed


def _show(found: list[OpenRoute], allowed: frozenset[str]) -> None:
    width = max((len(str(route)) for route in found), default=0)
    for route in found:
        meant = _is_meant(route, allowed)
        mark = paint("public", "green") if meant else paint("open", "alarm")
        note = f"  {route.kind}" if route.kind in ("mount", "documentation") else ""
        print_data(f"{clean(str(route)):{width}}  {mark}{note}")
    forgotten = sum(not _is_meant(route, allowed) for route in found)
    if forgotten:
        say(f"{forgotten} open to strangers and not declared: add a dependency, or @public from proofkey.fastapi.")
    else:
        say(f"{len(found)} open to strangers, all of them declared.")
