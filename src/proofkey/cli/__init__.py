"""The command line: one file per command, each loaded when it is asked for.

A command's module has `app`, made by `proofkey.cli.output.new_app`, and one line in `proofkey.cli.app.COMMANDS`.
"""

import sys
from contextlib import suppress


def main() -> None:
    """Entry point of `proofkey`: exit status 0 ok, 1 findings, 2 usage or configuration."""
    arguments = sys.argv[1:]
    if arguments == ["secret"]:  # what scripts call most: nothing to parse, so the parser is not loaded
        from proofkey.runtime.entropy import system_entropy

        with suppress(OSError, AttributeError):  # no room, or no stdout at all: the parser's way tells of it
            sys.stdout.write(f"{system_entropy()}\n")
            sys.stdout.flush()
            return
    from proofkey.cli.app import run

    sys.exit(run(arguments))
