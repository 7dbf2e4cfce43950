"""A server that is wrong on purpose: two worker processes on the store that looks first and writes later.

`python -m tests.end_to_end.check_then_set_server CONFIG PORT` says one line when it serves,
and ends with its stdin.
"""

import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import anyio

from proofkey.runtime.clock import system_clock
from proofkey.runtime.entropy import system_entropy
from proofkey.runtime.events import configure_logging
from proofkey.runtime.master_key import MasterKey
from proofkey.runtime.passwords import PasswordPool
from proofkey.runtime.server_core import ServerCore
from proofkey.runtime.server_policy import server_policy
from proofkey.runtime.settings import Settings
from proofkey.store.open import sqlite_path
from proofkey.testing.stores_check_then_set import CheckThenSetServerStore
from proofkey.web.server import Server
from proofkey.web.uvicorn_run import DrainingServer, Listener, bind, run_async

WORKERS = 2


@asynccontextmanager
async def wrong_server(config: Path):
    settings = Settings.load(config).server
    store = CheckThenSetServerStore.open(sqlite_path(settings.store))
    passwords = PasswordPool()
    core = ServerCore(
        server_policy(settings),
        store,
        clock=system_clock(),
        entropy=system_entropy,
        master_key=MasterKey(settings.master_key),
        passwords=passwords,
    )
    server = Server(core, trusted_proxies=settings.trusted_proxies)
    async with server.running():
        yield server
    passwords.close()
    await store.aclose()


async def prepare(config: Path) -> None:
    async with wrong_server(config):
        pass


async def work(config: Path, descriptors: list[int]) -> None:
    import socket

    sockets = [socket.socket(fileno=descriptor) for descriptor in descriptors]
    async with wrong_server(config) as server:
        runner = DrainingServer(server.asgi(), lambda: print("ready", flush=True))
        async with anyio.create_task_group() as group:
            group.start_soon(end_with_stdin, runner)
            await runner.serve(sockets)
            group.cancel_scope.cancel()


async def end_with_stdin(runner: DrainingServer) -> None:
    await anyio.wait_readable(sys.stdin)
    runner.should_exit = True


def start_worker(config: Path, listener: Listener) -> "subprocess.Popen[str]":
    descriptors = [one.fileno() for one in listener.sockets]
    command = [sys.executable, "-m", __spec__.name, str(config), "worker", *map(str, descriptors)]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, pass_fds=descriptors
    )


def main() -> None:
    config = Path(sys.argv[1])
    configure_logging("info", json=True)
    if sys.argv[2] == "worker":
        run_async(lambda: work(config, [int(one) for one in sys.argv[3:]]))
        return
    listener = bind("127.0.0.1", int(sys.argv[2]))
    run_async(lambda: prepare(config))
    workers = [start_worker(config, listener) for _ in range(WORKERS)]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline().strip() == "ready"
    print("ready", *(worker.pid for worker in workers), flush=True)
    sys.stdin.read()
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.close()
    for worker in workers:
        worker.wait()


if __name__ == "__main__":
    main()
