"""Several worker processes on one socket: started, watched, replaced when they die, ended together.

A worker is `python -m proofkey.web.worker`. It gets its orders as one JSON line on stdin, which stays open as a
life-line: when the parent is gone, the worker ends. It says one JSON line on stdout once it serves, or why not.
"""

import json
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import IO, Any, Final

from proofkey.errors import ConfigurationError
from proofkey.findings import Finding, find
from proofkey.runtime.events import emit
from proofkey.web.uvicorn_run import DRAIN_SECONDS, Listener

WORKER: Final = "proofkey.web.worker"
POLL_SECONDS: Final = 0.2
RESTART_SECONDS: Final = 1.0
"""Between the death of a worker and its successor."""
KILL_SECONDS: Final = DRAIN_SECONDS + 5


class Workers:
    """The worker processes of one listener. `orders` is what each is told, `module` what each runs."""

    def __init__(self, count: int, listener: Listener, orders: Mapping[str, Any], *, module: str = WORKER) -> None:
        self._count = count
        self._listener = listener
        self._orders = orders
        self._module = module
        self._running: list[subprocess.Popen[str]] = []
        self._said: queue.Queue[str] = queue.Queue()
        self._stop = threading.Event()

    def run(self, on_ready: Callable[[], None]) -> None:
        """Until SIGTERM or SIGINT. Raises: ConfigurationError with what a worker said when it could not start."""
        with self._signals():
            try:
                self._running = [self._start() for _ in range(self._count)]
                if self._wait_until_ready():
                    on_ready()
                    self._watch()
            finally:
                self._end()

    def _start(self) -> subprocess.Popen[str]:
        descriptors = tuple(one.fileno() for one in self._listener.sockets)
        process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", self._module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            pass_fds=descriptors,
            start_new_session=True,  # Ctrl-C reaches the parent alone, which ends the workers in order
        )
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("a worker without pipes")
        process.stdin.write(json.dumps({**self._orders, "descriptors": descriptors}) + "\n")
        process.stdin.flush()
        threading.Thread(target=self._listen, args=(process.stdout,), daemon=True).start()
        return process

    def _listen(self, stdout: IO[str]) -> None:
        self._said.put(stdout.readline())

    def _wait_until_ready(self) -> bool:
        """True when all serve, False when the end was asked for before. Raises: ConfigurationError."""
        ready = 0
        while ready < self._count:
            if self._stop.is_set():
                return False
            try:
                line = self._said.get(timeout=POLL_SECONDS)
            except queue.Empty:
                continue
            said: dict[str, Any] = json.loads(line) if line else {}
            if said.get("event") != "ready":
                finding = find(str(said.get("finding", ""))) or Finding.INTERNAL
                raise ConfigurationError(finding, worker=str(said.get("message", "it ended before it was ready")))
            ready += 1
        return True

    def _watch(self) -> None:
        while not self._stop.wait(POLL_SECONDS):
            self._tell_refusals()
            dead = [process for process in self._running if process.poll() is not None]
            for process in dead:
                emit("worker.died", level="error", pid=process.pid, code=process.returncode)
                _close(process)
                if self._stop.wait(RESTART_SECONDS):
                    return
                self._running[self._running.index(process)] = self._start()

    def _tell_refusals(self) -> None:
        """Why a successor could not start; what the others say is that they serve."""
        while not self._said.empty():
            said: dict[str, Any] = json.loads(self._said.get() or "{}")
            if said.get("event") == "error":
                finding = find(str(said.get("finding", ""))) or Finding.INTERNAL
                emit("worker.refused", level="error", finding=finding, reason=str(said.get("message", "")))

    def _end(self) -> None:
        for process in self._running:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self._running:
            try:
                process.wait(KILL_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            _close(process)

    @contextmanager
    def _signals(self) -> Generator[None]:
        def ask(number: int, frame: object) -> None:
            self._stop.set()

        before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _close(process: subprocess.Popen[str]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
