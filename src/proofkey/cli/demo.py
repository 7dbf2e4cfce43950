"""`proofkey demo`: provider, API and Streamlit app on this computer, or one part of it."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from proofkey.cli.output import USAGE, new_app
from proofkey.cli.serve import refuse_start
from proofkey.demo.launcher import run_demo
from proofkey.demo.parts import run_part
from proofkey.errors import ConfigurationError, ProofkeyError
from proofkey.findings import Finding
from proofkey.runtime.events import internal_error

app = new_app()


@app.command()
def demo(
    only: Annotated[
        Literal["api", "web", "streamlit"] | None, typer.Option(help="Run this part alone, against --config.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="The configuration of --only; else ./proofkey.toml.")] = None,
    host: Annotated[str, typer.Option(help="The address that --only listens on.")] = "127.0.0.1",
    port: Annotated[int | None, typer.Option(help="Its port; 0 is any free one.", min=0, max=65535)] = None,
    browser: Annotated[bool, typer.Option(help="Open the browser where there is one.")] = True,
    ready_json: Annotated[
        bool, typer.Option("--ready-json", help="Say JSON lines once it serves, or why not.")
    ] = False,
) -> None:
    """Run the demonstration: sign in as ann or bob, see orders that only the API can give.

    Everything is local and ends with the command. Keys: t a token, c moves the clock by 20 minutes, q quits.
    """
    if only is None:
        if config is not None or port is not None:
            raise typer.BadParameter("--config and --port belong to --only; the whole demonstration makes its own")
        raise typer.Exit(run_demo(ready_json=ready_json, browser=browser))
    try:
        run_part(only, config, host=host, port=port, ready_json=ready_json)
    except ProofkeyError as error:
        if not ready_json:
            raise
        refuse_start(error)
        raise typer.Exit(USAGE) from error
    except Exception as error:
        if not ready_json:
            raise
        internal_error("demo.failed", error)
        refuse_start(ConfigurationError(Finding.INTERNAL))
        raise typer.Exit(USAGE) from error
