"""`proofkey serve`: the authorization server in one process or several."""

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

import typer

from proofkey.cli.output import USAGE, clean, error_line, new_app, paint, print_data, say
from proofkey.errors import ConfigurationError, ProofkeyError
from proofkey.findings import Finding
from proofkey.protocol.uri import is_loopback_host, is_loopback_http
from proofkey.runtime.clock import check_clock_file
from proofkey.runtime.events import configure_logging, emit, internal_error
from proofkey.runtime.settings import ServerSettings, Settings
from proofkey.store.address import shown_store
from proofkey.web.endpoints import Core
from proofkey.web.server import Server
from proofkey.web.uvicorn_run import DrainingServer, Listener, bind, run_async, settle
from proofkey.web.workers import Workers

DEFAULT_PORT: Final = 9000
MEMORY: Final = "memory:"


app = new_app()


@app.command()
def serve(
    config: Annotated[Path | None, typer.Option(help="The configuration; else ./proofkey.toml.")] = None,
    port: Annotated[int, typer.Option(help="0 is any free port.", min=0, max=65535)] = DEFAULT_PORT,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    workers: Annotated[int | None, typer.Option(help="Processes; else as configured.", min=1, max=64)] = None,
    ready_json: Annotated[
        bool, typer.Option("--ready-json", help="Say one JSON line once it serves, or why not.")
    ] = False,
) -> None:
    """Run the authorization server until SIGTERM or Ctrl-C."""
    try:
        run_serve(config, port=port, host=host, workers=workers, ready_json=ready_json)
    except ProofkeyError as error:
        if not ready_json:
            raise
        refuse_start(error)
        raise typer.Exit(USAGE) from error
    except Exception as error:
        if not ready_json:
            raise
        internal_error("serve.failed", error)
        refuse_start(ConfigurationError(Finding.INTERNAL))
        raise typer.Exit(USAGE) from error


def run_serve(config: Path | None, *, port: int, host: str, workers: int | None, ready_json: bool) -> None:
    """Serves until it is told to end; then everything is drained.

    Raises: ConfigurationError, Unavailable, in one line that names the fix, when it cannot start.
    """
    settings = Settings.load(config)
    log_json = True if ready_json else None
    configure_logging(settings.log.level, log_json)
    count = workers or settings.server.workers
    check_start(settings.server, host, count)
    server = Server(settings)
    listener = bind(host, port)
    try:
        announce = Announcement(listener, server, settings.server, ready_json=ready_json)
        if count == 1:
            run_async(lambda: _serve_here(server, listener, announce))
        else:
            if settings.server.store.startswith("sqlite:"):
                reason = "processes on one SQLite file wait for each other's writes; PostgreSQL is for more"
                emit("serve.workers", level="warning", workers=count, reason=reason)
            orders = {"config": str(config.absolute()) if config else "", "log_json": log_json}
            _serve_in_workers(server, listener, announce, count, orders)
    finally:
        listener.close()


def check_start(settings: ServerSettings, host: str, workers: int) -> None:
    """What the command line adds to the checks of the settings. Raises: ConfigurationError."""
    check_clock_file([host])
    if workers > 1 and settings.store == MEMORY:
        raise ConfigurationError(Finding.STORE_NOT_SHARED, workers=str(workers))
    name = host.strip("[]")
    if settings.allow_insecure_no_throttles and not is_loopback_host(f"[{name}]" if ":" in name else name):
        why = "allowed only while everything is bound to loopback"
        raise ConfigurationError(Finding.CONFIG_VALUE, key="allow_insecure_no_throttles", host=host, reason=why)


async def _serve_here(server: Server, listener: Listener, announce: "Announcement") -> None:
    async with server.running() as core:
        await announce.prepare(core)
        settle()
        await DrainingServer(server.asgi(), announce.say).serve(list(listener.sockets))


def _serve_in_workers(
    server: Server, listener: Listener, announce: "Announcement", count: int, orders: dict[str, Any]
) -> None:
    """This process migrates the store, makes the first keys and looks after the workers; it serves nothing."""

    async def prepare() -> None:
        async with server.running() as core:
            await announce.prepare(core)

    run_async(prepare)
    Workers(count, listener, orders).run(announce.say)


class Announcement:
    """The word that it serves: one JSON line on stdout for programs, a few lines on stderr for people."""

    def __init__(self, listener: Listener, server: Server, settings: ServerSettings, *, ready_json: bool) -> None:
        self._listener = listener
        self._server = server
        self._settings = settings
        self._json = ready_json
        self._hints: list[str] = []

    async def prepare(self, core: Core) -> None:
        """Looks whether there is anybody to sign in, and anything to sign in to."""
        if self._json:
            return
        issuer = urlsplit(self._server.issuer)
        if is_loopback_http(self._server.issuer) and (issuer.port or 80) != self._listener.port:
            self._hints.append("The issuer names another port: browsers will not find this server there.")
        if not await core.store.list_users():
            self._hints.append("No users yet. Add one:    proofkey user add USERNAME")
        if not await core.store.list_clients():
            self._hints.append("No clients yet. Add one:  proofkey client add CLIENT_ID --redirect-uri URL")

    def say(self) -> None:
        if not self._json:
            say("\n".join(["", *(f"  {line}" for line in self._lines()), "", "  Ctrl-C ends it.", ""]))
            return
        line = {
            "event": "ready",
            "role": "server",
            "pid": os.getpid(),
            "url": self._listener.url,
            "public_url": self._server.issuer,
        }
        print_data(json.dumps(line))
        sys.stdout.flush()

    def _lines(self) -> list[str]:
        return [
            f"{paint('Identity provider', 'bold', sys.stderr)}  {self._server.issuer}",
            f"{'Listening on':<17}  {self._listener.url}",
            f"{'Discovery':<17}  {self._server.issuer}/.well-known/openid-configuration",
            f"{'Store':<17}  {shown_store(self._settings.store)}",
            *(["", *self._hints] if self._hints else []),
        ]


def refuse_start(error: ProofkeyError) -> None:
    """One JSON line with the finding, and the line that a person would read."""
    message = clean(error_line(error)).removeprefix("error: ")
    print_data(json.dumps({"event": "error", "finding": error.finding.id, "message": message}))
    sys.stdout.flush()
