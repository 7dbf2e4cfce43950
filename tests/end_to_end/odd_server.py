"""`proofkey serve` with two workers of `odd_worker`: `python -m tests.end_to_end.odd_server CONFIG PORT`."""

import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from proofkey.runtime.clock import CLOCK_FILE
from proofkey.runtime.events import configure_logging
from proofkey.testing.server import ServerProcess
from proofkey.web.uvicorn_run import bind
from proofkey.web.workers import Workers
from tests.end_to_end import odd_worker

WORKERS = 2


@contextmanager
def running_odd_server(config: Path, port: int, kind: str, clock: Path) -> Generator[ServerProcess]:
    """From its ready line until the end of the block."""
    log = config.with_suffix(".log")
    trap = config.with_suffix(".trap")
    environ = {odd_worker.KIND: kind, odd_worker.TRAP: str(trap), CLOCK_FILE: str(clock)}
    with log.open("w") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.end_to_end.odd_server", str(config), str(port)],
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            cwd=Path(__file__).parents[2],
            env={**os.environ, **environ},
        )
    url = f"http://127.0.0.1:{port}"
    server = ServerProcess(process, log, url, url, process.pid)
    try:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "ready", log.read_text()[-2000:]
        yield server
    finally:
        server.stop()


def main() -> None:
    configure_logging("info", json=True)
    listener = bind("127.0.0.1", int(sys.argv[2]))
    orders = {"config": sys.argv[1], "log_json": True}
    module = "tests.end_to_end.odd_worker"
    Workers(WORKERS, listener, orders, module=module).run(lambda: print("ready", flush=True))


if __name__ == "__main__":
    main()
