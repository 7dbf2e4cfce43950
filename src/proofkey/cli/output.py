"""How commands speak: data on stdout, talk on stderr, colours on terminals only, one line per error."""

import json
import os
import sys
from collections.abc import Mapping
from typing import Annotated, Final, TextIO

import typer

from proofkey.errors import ProofkeyError

FINDINGS: Final = 1
"""Exit status: the command worked, and what it looked at is not in order."""
USAGE: Final = 2
"""Exit status: usage or configuration."""

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]

_STYLES: Final = {
    "bold": "1",
    "dim": "2",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "blue": "34",
    "violet": "35",
    "alarm": "1;97;41",
}


def new_app(*, help: str | None = None) -> typer.Typer:
    """The Typer application of one command's module; `help` is for those with several subcommands."""
    return typer.Typer(add_completion=False, help=help, no_args_is_help=help is not None)


def print_data(text: str) -> None:
    """One result to stdout."""
    sys.stdout.write(f"{text}\n")


def print_json(document: object) -> None:
    """One JSON document to stdout: indented for people, one line for programs."""
    indent = 2 if sys.stdout.isatty() else None
    sys.stdout.write(json.dumps(document, indent=indent, ensure_ascii=False) + "\n")


def say(text: str) -> None:
    """Talk, to stderr."""
    sys.stderr.write(f"{text}\n")


def has_colours(stream: TextIO) -> bool:
    """True on a terminal, unless NO_COLOR is set or the terminal is dumb."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def paint(text: str, style: str, stream: TextIO | None = None) -> str:
    """The text as bold, dim, red, green, yellow, blue, violet or alarm, if the stream (stdout) has them."""
    return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if has_colours(stream or sys.stdout) else text


def clean(text: str) -> str:
    """The text with control characters and other unprintable ones as escapes: safe to show on a terminal."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape", "surrogatepass").decode()
        for character in text
    )


def error_line(error: ProofkeyError) -> str:
    """`error: what is wrong: key=value (ID) fix: what to do`."""
    finding = error.finding
    return f"error: {with_facts(finding.sentence, error.facts)} ({finding.id}) fix: {finding.remedy}"


def with_facts(sentence: str, facts: Mapping[str, str]) -> str:
    """The sentence, and behind a colon what is known besides."""
    if not facts:
        return sentence
    shown = [
        f"did you mean {clean(value)}?" if name == "did_you_mean" else f"{name}={clean(value)}"
        for name, value in facts.items()
    ]
    return f"{sentence.removesuffix('.')}: {', '.join(shown)}"


def print_error(text: str) -> None:
    """One line on stderr, its first word red on a terminal."""
    line = clean(text)
    if line.startswith("error:"):
        line = paint("error:", "red", sys.stderr) + line.removeprefix("error:")
    say(line)
