"""The root command: finds commands by name, loads the one that is asked for, and turns errors into one line."""

import errno
import importlib
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Annotated, Any, Final

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from proofkey import __version__
from proofkey.cli.output import USAGE, error_line, print_data, print_error
from proofkey.errors import ConfigurationError, ProofkeyError, missing_extra
from proofkey.findings import Finding


@dataclass(frozen=True, slots=True)
class Entry:
    """One command: what it does in a line, and the extra that its packages come with."""

    help: str
    extra: str = ""


COMMANDS: Final = {
    "demo": Entry("Run provider, API and Streamlit app on this computer.", "demo"),
    "serve": Entry("Run the authorization server.", "server"),
    "user": Entry("Add, list, disable or delete users.", "server"),
    "client": Entry("Add, list or disable clients.", "server"),
    "keys": Entry("List or rotate signing keys.", "server"),
    "db": Entry("Bring the database to this version.", "server"),
    "purge": Entry("Delete expired rows.", "server"),
    "config": Entry("Registration files for providers, Streamlit's files, the settings in force."),
    "api": Entry("List what an application serves to strangers.", "fastapi"),
    "flow": Entry("Drive a whole login against an issuer and show each step."),
    "jwt": Entry("Inspect or verify a token."),
    "pkce": Entry("Make a PKCE pair, or verify one."),
    "secret": Entry("Make a secret of 256 bits."),
    "explain": Entry("Explain a finding by its id."),
}
"""By name; the module is `proofkey.cli.<name>` and its `app` the command. One without a module is not offered."""

_EXTRA_OF: Final = {
    "alembic": "server", "argon2": "server", "jinja2": "server", "sqlalchemy": "server", "starlette": "server",
    "uvicorn": "server", "zxcvbn": "server", "fastapi": "fastapi", "fastapi_offline": "fastapi",
    "streamlit": "streamlit", "authlib": "streamlit", "pytest": "testing",
}  # fmt: skip


class LazyGroup(TyperGroup):
    """Knows names and help texts; a command's module is imported when the command is called."""

    def __init__(self, **attributes: Any) -> None:  # noqa: ANN401 - Typer's own
        super().__init__(**attributes)
        for name, entry in COMMANDS.items():
            if find_spec(f"proofkey.cli.{name}") is not None:
                self.add_command(TyperCommand(name, help=entry.help))

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[Any, Any, list[str]]:  # noqa: ANN401 - Typer's own
        name, command, rest = super().resolve_command(ctx, args)
        return name, _load(name) if name in COMMANDS else command, rest


app: Final = typer.Typer(cls=LazyGroup, no_args_is_help=True, rich_markup_mode="rich")


def _print_version(wanted: bool) -> None:
    if wanted:
        print_data(f"proofkey {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version.")
    ] = False,
) -> None:
    """OAuth 2.0 and OpenID Connect for FastAPI APIs and Streamlit apps."""


def run(arguments: Sequence[str]) -> int:
    """Runs one command line; gives the exit status. Whatever happens, nobody sees a traceback."""
    try:
        status: object = app(list(arguments), prog_name="proofkey", standalone_mode=False)
        sys.stdout.flush()
    except ProofkeyError as error:
        print_error(error_line(error))
        return USAGE
    except ImportError as error:
        return _import_failed(error)
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except OSError as error:
        return _os_failed(error)
    except UnicodeDecodeError:
        print_error("error: A file, or what came on stdin, is not UTF-8 text. fix: check which file it is.")
        return USAGE
    except Exception as error:  # noqa: BLE001 - the last line of defence against tracebacks
        return _failed(error)
    return status if isinstance(status, int) else 0


def _load(name: str) -> object:
    """The command itself. Raises: ConfigurationError when a package that it needs is not installed."""
    try:
        return get_command(importlib.import_module(f"proofkey.cli.{name}").app)
    except ImportError as error:
        raise _extra_missing(error, COMMANDS[name].extra) from error


def _import_failed(error: ImportError) -> int:
    print_error(error_line(_extra_missing(error, "")))
    return USAGE


def _extra_missing(error: ImportError, extra: str) -> ConfigurationError:
    return missing_extra(extra or _EXTRA_OF.get((error.name or "").partition(".")[0], ""), error.name)


def _os_failed(error: OSError) -> int:
    if error.filename is None:  # of our own output: what is left in its buffer must not fail again at the end
        with suppress(OSError, ValueError, AttributeError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if error.errno == errno.EPIPE:  # the reader of our output has gone, as `head` does
        return 1
    reason = error.strerror or type(error).__name__
    where = f": {error.filename}" if isinstance(error.filename, str) else ""
    print_error(f"error: {reason}{where}. fix: check the path and its permissions.")
    return USAGE


def _failed(error: Exception) -> int:
    format_message = getattr(error, "format_message", None)
    if format_message is not None:  # a usage error of the argument parser
        path = getattr(getattr(error, "ctx", None), "command_path", "proofkey")
        message = " ".join(str(format_message()).split())
        if message:  # else the help was shown in place of a missing command
            print_error(f"error: {message.removesuffix('.')}. fix: {path} --help")
        return USAGE
    from proofkey.runtime.events import internal_error

    correlation = internal_error("cli.failed", error)
    print_error(f"error: {Finding.INTERNAL.sentence} ({Finding.INTERNAL.id}) fix: report it with {correlation}.")
    return USAGE
