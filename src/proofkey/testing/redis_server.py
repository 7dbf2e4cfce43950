"""A Redis server of a test's own: on a free loopback port, with a password, nothing kept on disk."""

import contextlib
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from proofkey.runtime.clock import SystemClock
from proofkey.testing.server import START_SECONDS, STOP_SECONDS, ServerFailed, free_port

PASSWORD: Final = "canary-of-redis"


@dataclass(slots=True)
class RedisServer:
    """A `redis-server` process that can be stopped, killed, frozen and started again on its port."""

    folder: Path
    port: int = field(default_factory=free_port)
    options: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """For `open_replay_memory`."""
        return f"redis://:{PASSWORD}@127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Serves when it returns. Raises: ServerFailed."""
        words = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder)]
        words += ["--requirepass", PASSWORD, "--save", "", "--appendonly", "no", "--daemonize", "no"]
        with (self.folder / "redis.log").open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - our own command line
                [redis_binary(), *words, *self.options], stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        wait_until(self._answers, self.process, self.folder / "redis.log")

    def stop(self) -> None:
        """Ends it in order."""
        end(self.process, signal.SIGTERM)

    def kill(self) -> None:
        """`kill -9`."""
        end(self.process, signal.SIGKILL)

    def freeze(self, frozen: bool = True) -> None:
        """Holds the process, which keeps its connections and answers nothing; or lets it go on."""
        if self.process is not None:
            self.process.send_signal(signal.SIGSTOP if frozen else signal.SIGCONT)

    def ask(self, *words: str) -> str:
        """Sends one command; the first line of the answer. Raises: OSError."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            reader = connection.makefile("rb")
            connection.sendall(_command("AUTH", PASSWORD) + _command(*words))
            reader.readline()
            line = reader.readline()
            if line[:1] == b"$":
                line = reader.readline()
        return line.decode().rstrip("\r\n")

    def _answers(self) -> bool:
        with contextlib.suppress(OSError):
            return self.ask("PING") == "+PONG"
        return False


def _command(*words: str) -> bytes:
    sent = [word.encode() for word in words]
    return b"*%d\r\n" % len(sent) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in sent)


@contextmanager
def running_redis(*options: str) -> Generator[RedisServer]:
    """Runs for the block; `options` are added to its command line. Raises: ServerFailed."""
    with tempfile.TemporaryDirectory(prefix="proofkey-redis-") as folder:
        server = RedisServer(Path(folder), options=options)
        try:
            server.start()
            yield server
        finally:
            server.freeze(False)
            server.stop()


def redis_binary() -> str:
    """Raises: ServerFailed when there is none."""
    found = shutil.which("redis-server") or shutil.which("valkey-server")
    if found is None:
        raise ServerFailed("redis-server is not installed: apt-get install redis-server")
    return found


def wait_until(answers: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    """Waits until a server answers. Raises: ServerFailed with the end of its log when it ends, or does not."""
    pause, clock = threading.Event(), SystemClock()
    last = clock.monotonic() + START_SECONDS
    while not answers():
        if process.poll() is not None or clock.monotonic() > last:
            raise ServerFailed(f"it did not start; the log: {log.read_text(errors='replace')[-2000:]}")
        pause.wait(0.02)


def end(process: subprocess.Popen[bytes] | None, number: int) -> None:
    """Sends the signal and waits; kills what does not end."""
    if process is None or process.poll() is not None:
        return
    process.send_signal(number)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
