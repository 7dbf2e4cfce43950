"""From a store's URL to the store: `memory:`, `sqlite:///path`, `postgresql://…`.

Redis is for a client's sessions, and for what is used once.
"""

import contextlib
import fcntl
import os
import tempfile
import threading
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from proofkey.authorization_server.stores import ServerStore
from proofkey.client.stores import SessionStore
from proofkey.errors import ConfigurationError, Unavailable, missing_extra
from proofkey.findings import Finding
from proofkey.protocol.replay import ReplayMemory
from proofkey.protocol.text import Instant, digest_of
from proofkey.store.address import shown_store
from proofkey.store.memory import MemoryServerStore, MemorySessionStore
from proofkey.store.memory.replay import MemoryReplay
from proofkey.store.sealed import Sealer

if TYPE_CHECKING:
    from proofkey.store.sql.database import Database

MEMORY: Final = "memory:"
_SQLITE: Final = "sqlite:///"
POSTGRESQL: Final = ("postgresql://", "postgres://")
REDIS: Final = ("redis://", "rediss://", "valkey://", "valkeys://")


def open_server_store(url: str, *, name: str = "", base: Path | None = None) -> ServerStore:
    """The authorization server's store.

    `name` is the public URL that the store serves; a memory store takes it for this process alone. A relative path
    starts at `base`, else at the working directory. A new file or database gets the schema, an older one is
    upgraded.
    Raises: ConfigurationError when it cannot be opened, or when another process serves `name` from memory.
    """
    if url == MEMORY:
        return _ClaimedServerStore(_claim("server", name))
    if url.startswith(POSTGRESQL):
        return _postgresql_server(url)
    database = _database(url, base)
    from proofkey.store.sql import SqliteServerStore

    return SqliteServerStore(database)


def open_session_store(url: str, sealer: Sealer, *, name: str = "", base: Path | None = None) -> SessionStore:
    """A client's store; `sealer` seals the provider's tokens. Also `redis://…`, `rediss://…`, `valkey://…`, which
    is connected to when it is needed. The rest as in `open_server_store`."""
    if url == MEMORY:
        return _ClaimedSessionStore(_claim("sessions", name))
    if url.startswith(POSTGRESQL):
        return _postgresql_sessions(url, sealer)
    if url.startswith(REDIS):
        return _redis_sessions(url, sealer)
    database = _database(url, base)
    from proofkey.store.sql import SqliteSessionStore

    return SqliteSessionStore(database, sealer)


def open_replay_memory(url: str, *, name: str = "", base: Path | None = None) -> ReplayMemory:
    """The memory of what was used: `memory:`, `sqlite:///path`, `postgresql://…`, `redis://…` or `rediss://…`.

    `name` and `base` as in `open_server_store`. A server is connected to when it is needed, and again by itself.
    Raises: ConfigurationError when it cannot be opened, a package is missing, or another process serves `name`
    from memory.
    """
    if url == MEMORY:
        return _ClaimedReplay(name)
    if url.startswith(POSTGRESQL):
        return _postgresql_replay(url)
    if url.startswith(REDIS):
        return _redis_replay(url)
    try:
        path = sqlite_path(url, base)
    except ConfigurationError as error:
        reason = "none of memory:, sqlite:///path, postgresql://…, redis://…"
        raise ConfigurationError(Finding.CONFIG_VALUE, store=shown_store(url), reason=reason) from error
    from proofkey.store.sql.replay import SqliteReplay

    return SqliteReplay.open(path)


def _postgresql_replay(url: str) -> ReplayMemory:
    with _needs_extra("postgres", "psycopg"):
        from proofkey.store.sql.replay_postgresql import PostgresqlReplay
    return PostgresqlReplay(url)


def prepare_store(url: str, base: Path | None = None) -> tuple[str, str | None]:
    """Makes or upgrades a database's schema: its place as it may be shown, and the revision that was there before.

    Raises: ConfigurationError.
    """
    if url.startswith(POSTGRESQL):
        with _needs_extra("postgres", "psycopg"):
            from proofkey.store.sql.upgrade_postgresql import prepare_postgresql
        return shown_store(url), prepare_postgresql(url)
    path = sqlite_path(url, base)
    from proofkey.store.sql.upgrade import prepare

    return str(path), prepare(path)


def _postgresql_server(url: str) -> ServerStore:
    with _needs_extra("postgres", "psycopg"):
        from proofkey.store.sql.postgresql_server import PostgresqlServerStore
    return PostgresqlServerStore.open(url)


def _postgresql_sessions(url: str, sealer: Sealer) -> SessionStore:
    with _needs_extra("postgres", "psycopg"):
        from proofkey.store.sql.postgresql_server import PostgresqlSessionStore
    return PostgresqlSessionStore.open(url, sealer)


@contextlib.contextmanager
def _needs_extra(extra: str, package: str) -> Generator[None]:
    """Raises: ConfigurationError when something cannot be imported inside."""
    try:
        yield
    except ImportError as error:
        raise missing_extra(extra, error.name or package) from error


def _redis_replay(url: str) -> ReplayMemory:
    with _needs_extra("redis", "redis"):
        from proofkey.store.redis import RedisReplay
    return RedisReplay(url)


def _redis_sessions(url: str, sealer: Sealer) -> SessionStore:
    with _needs_extra("redis", "redis"):
        from proofkey.store.redis_sessions import RedisSessionStore
    return RedisSessionStore(url, sealer)


def sqlite_path(url: str, base: Path | None = None) -> Path:
    """The file that `sqlite:///relative` or `sqlite:////absolute` names.

    Raises: ConfigurationError when the URL is of another kind.
    """
    if url.startswith(REDIS):
        raise ConfigurationError(Finding.CONFIG_NOT_BUILT, store=url.split(":", 1)[0])
    path = url.removeprefix(_SQLITE)
    if not url.startswith(_SQLITE) or not path or path.startswith(":") or "?" in path or "\0" in path:
        raise ConfigurationError(Finding.CONFIG_VALUE, store="use memory:, sqlite:///path or postgresql://…")
    return (base or Path.cwd()) / path


def _database(url: str, base: Path | None) -> "Database":
    path = sqlite_path(url, base)
    from proofkey.store.sql.database import Database

    return Database.open(path)


# --- one process per memory store ------------------------------------------------------------------------------

Claim = tuple[int, Path]
"""A process and the lock file that it holds."""

_claims: Final[dict[Claim, tuple[int, int]]] = {}
"""The lock file's descriptor, and how many stores of this process are open on it."""
_claims_lock: Final = threading.Lock()


class _ClaimedServerStore(MemoryServerStore):
    def __init__(self, claim: Claim) -> None:
        super().__init__()
        self._claim: Claim | None = claim

    async def aclose(self) -> None:
        """Another process may serve the name from now on."""
        await super().aclose()
        if self._claim is not None:
            _release(self._claim)
            self._claim = None


class _ClaimedSessionStore(MemorySessionStore):
    def __init__(self, claim: Claim) -> None:
        super().__init__()
        self._claim: Claim | None = claim

    async def aclose(self) -> None:
        """Another process may serve the name from now on."""
        await super().aclose()
        if self._claim is not None:
            _release(self._claim)
            self._claim = None


class _ClaimedReplay(MemoryReplay):
    """Also after a fork there is one process: the child claims the name for itself, and is refused."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name
        self._claim: Claim | None = _claim("replay", name)

    async def add(self, key: str, *, now: Instant, until: Instant, made: Instant | None = None) -> bool:
        """Raises: Unavailable when this process was forked from the one that has the memory, too."""
        if self._claim is not None and self._claim[0] != os.getpid():
            try:
                self._claim = _claim("replay", self._name)
            except ConfigurationError as error:
                raise Unavailable(Finding.STORE_NOT_SHARED, name=self._name) from error
        return await super().add(key, now=now, until=until, made=made)

    async def aclose(self) -> None:
        """Another process may serve the name from now on."""
        await super().aclose()
        if self._claim is not None:
            _release(self._claim)
            self._claim = None


def _claim(kind: str, name: str) -> Claim:
    """Takes `name` for this process until its stores are closed (a POSIX record lock: no fork inherits it)."""
    path = Path(tempfile.gettempdir()) / f"proofkey-{os.getuid()}-{kind}-{digest_of(name)[:22]}.lock"
    claim = (os.getpid(), path)
    with _claims_lock:
        if claim in _claims:
            descriptor, count = _claims[claim]
            _claims[claim] = (descriptor, count + 1)
            return claim
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise ConfigurationError(
                Finding.STORE_UNAVAILABLE, path=str(path), reason=error.strerror or ""
            ) from error
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            raise ConfigurationError(Finding.STORE_NOT_SHARED, name=name, lock=str(path)) from error
        _claims[claim] = (descriptor, 1)
    return claim


def _release(claim: Claim) -> None:
    """One store fewer; with the last one the lock is gone."""
    with _claims_lock:
        if claim[0] != os.getpid() or claim not in _claims:
            return
        descriptor, count = _claims[claim]
        if count > 1:
            _claims[claim] = (descriptor, count - 1)
            return
        del _claims[claim]
        os.close(descriptor)
