"""A PostgreSQL server of a test's own: in a temporary folder, on a free loopback port, with a password."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from proofkey.testing.redis_server import end, wait_until
from proofkey.testing.server import ServerFailed, free_port

PASSWORD: Final = "canary-of-postgresql"
_ACCOUNT: Final = "postgres"
"""PostgreSQL does not run as root; the distribution's package makes this account, and a group of that name."""


@dataclass(slots=True)
class PostgresqlServer:
    """A `postgres` process that can be stopped, killed and started again on its port."""

    folder: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """For `open_replay_memory`."""
        return f"postgresql://proofkey:{PASSWORD}@127.0.0.1:{self.port}/postgres"

    def initialize(self) -> None:
        """Makes the files of a new cluster. Raises: ServerFailed."""
        password = self.folder / "password"
        password.write_text(PASSWORD)
        account = _account()
        if account:
            for path in (self.folder, password):
                shutil.chown(path, account)
        words = ["--pgdata", str(self.folder / "data"), "--username", "proofkey", "--pwfile", str(password)]
        words += ["--auth", "scram-sha-256", "--encoding", "UTF8", "--no-locale", "--no-sync"]
        done = subprocess.run(  # noqa: S603 - our own command line
            [postgresql_binary("initdb"), *words],
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            user=account,
            group=account,
        )
        if done.returncode:
            raise ServerFailed(f"initdb: {done.stderr[-2000:]}")

    def start(self) -> None:
        """Serves when it returns. Raises: ServerFailed."""
        words = ["-D", str(self.folder / "data"), "-p", str(self.port), "-k", str(self.folder)]
        for setting in ("listen_addresses=127.0.0.1", "fsync=off", "shared_buffers=16MB", "max_connections=100"):
            words += ["-c", setting]
        log = self.folder / "postgresql.log"
        with log.open("ab") as stream:
            account = _account()
            process = subprocess.Popen(  # noqa: S603 - our own command line
                [postgresql_binary("postgres"), *words],
                stdout=stream,
                stderr=stream,
                stdin=subprocess.DEVNULL,
                cwd="/",
                user=account,
                group=account,
            )
        self.process = process
        wait_until(self._answers, process, log)

    def stop(self) -> None:
        """Ends it at once and in order, whoever is connected."""
        end(self.process, signal.SIGINT)

    def kill(self) -> None:
        """`kill -9` of the postmaster; its children notice and end too."""
        end(self.process, signal.SIGKILL)

    def sql(self, statement: str, *, database: str = "postgres") -> str:
        """Runs it with psql; rows as lines, columns separated by bars. Raises: ServerFailed."""
        url = self.url.removesuffix("postgres") + database
        command = [postgresql_binary("psql"), "--no-psqlrc", "-qtA", "-c", statement, url]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own
        if done.returncode:
            raise ServerFailed(done.stderr[-2000:])
        return done.stdout.strip()

    def _answers(self) -> bool:
        with contextlib.suppress(ServerFailed):
            return self.sql("SELECT 1") == "1"
        return False


@contextmanager
def running_postgresql() -> Generator[PostgresqlServer]:
    """A new, empty cluster that runs for the block. Raises: ServerFailed."""
    with tempfile.TemporaryDirectory(prefix="proofkey-pg-", dir="/tmp") as folder:
        server = PostgresqlServer(Path(folder))
        try:
            server.initialize()
            server.start()
            yield server
        finally:
            server.stop()


def postgresql_binary(name: str) -> str:
    """The newest one of the distribution, or the one on the path. Raises: ServerFailed when there is none."""
    places = [path for path in Path("/usr/lib/postgresql").glob(f"*/bin/{name}") if path.is_file()]
    newest = max(places, key=lambda path: int(path.parts[-3]), default=None)
    found = str(newest) if newest else shutil.which(name)
    if found is None:
        raise ServerFailed(f"{name} is not installed: apt-get install postgresql")
    return found


def _account() -> str | None:
    return _ACCOUNT if os.geteuid() == 0 else None
