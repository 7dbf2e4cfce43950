"""One worker process of `proofkey serve`; started by `workers`, never by hand."""

import json
import os
import socket
import sys
from pathlib import Path
from typing import Any

import anyio

from proofkey.errors import ProofkeyError
from proofkey.runtime.events import configure_logging
from proofkey.runtime.settings import Settings
from proofkey.web.server import Server
from proofkey.web.uvicorn_run import DrainingServer, run_async, settle


def main() -> int:
    """Serves on the sockets that it inherits, until SIGTERM or until its parent is gone."""
    orders: dict[str, Any] = json.loads(sys.stdin.readline())
    try:
        settings = Settings.load(Path(orders["config"]) if orders["config"] else None)
        configure_logging(settings.log.level, orders["log_json"])
        sockets = [socket.socket(fileno=descriptor) for descriptor in orders["descriptors"]]
        run_async(lambda: _serve(Server(settings), sockets))
    except ProofkeyError as error:
        _say({"event": "error", "finding": error.finding.id, "message": str(error)})
        return 2
    return 0


async def _serve(server: Server, sockets: list[socket.socket]) -> None:
    async with server.running():
        runner = DrainingServer(server.asgi(), lambda: _say({"event": "ready", "pid": os.getpid()}))
        settle()
        async with anyio.create_task_group() as group:
            group.start_soon(_end_with_parent, runner)
            await runner.serve(sockets)
            group.cancel_scope.cancel()


async def _end_with_parent(runner: DrainingServer) -> None:
    """The parent holds the other end of stdin: when that is closed, the parent is gone."""
    await anyio.wait_readable(sys.stdin)
    runner.should_exit = True


def _say(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
