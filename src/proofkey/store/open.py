"""From a store's URL to the store: `memory:` or `sqlite:///path`."""

import fcntl
import os
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

from proofkey.authorization_server.stores import ServerStore
from proofkey.client.stores import SessionStore
from proofkey.errors import ConfigurationError
from proofkey.findings import Finding
from proofkey.protocol.text import digest_of
from proofkey.store.memory import MemoryServerStore, MemorySessionStore
from proofkey.store.sealed import Sealer

if TYPE_CHECKING:
    from proofkey.store.sql.database import Database

MEMORY: Final = "memory:"
_SQLITE: Final = "sqlite:///"
_LATER: Final = ("postgresql://", "postgres://", "redis://", "rediss://")


def open_server_store(url: str, *, name: str = "", base: Path | None = None) -> ServerStore:
    """The authorization server's store.

    `name` is the public URL that the store serves; a memory store takes it for this process alone. A relative path
    starts at `base`, else at the working directory. A new file gets the schema; an older one is upgraded.
    Raises: ConfigurationError when it cannot be opened, or when another process serves `name` from memory.
    """
    if url == MEMORY:
        _claim("server", name)
        return MemoryServerStore()
    database = _database(url, base)
    from proofkey.store.sql import SqliteServerStore

    return SqliteServerStore(database)


def open_session_store(url: str, sealer: Sealer, *, name: str = "", base: Path | None = None) -> SessionStore:
    """A client's store; `sealer` seals the provider's tokens. The rest as in `open_server_store`."""
    if url == MEMORY:
        _claim("sessions", name)
        return MemorySessionStore()
    database = _database(url, base)
    from proofkey.store.sql import SqliteSessionStore

    return SqliteSessionStore(database, sealer)


def sqlite_path(url: str, base: Path | None = None) -> Path:
    """The file that `sqlite:///relative` or `sqlite:////absolute` names.

    Raises: ConfigurationError when the URL is of another kind.
    """
    if url.startswith(_LATER):
        raise ConfigurationError(Finding.CONFIG_NOT_BUILT, store=url.split(":", 1)[0])
    path = url.removeprefix(_SQLITE)
    if not url.startswith(_SQLITE) or not path or path.startswith(":") or "?" in path or "\0" in path:
        raise ConfigurationError(Finding.CONFIG_VALUE, store="use memory: or sqlite:///path")
    return (base or Path.cwd()) / path


def _database(url: str, base: Path | None) -> "Database":
    path = sqlite_path(url, base)
    from proofkey.store.sql.database import Database

    return Database.open(path)


# --- one process per memory store ------------------------------------------------------------------------------

_claims: Final[dict[tuple[int, Path], int]] = {}
"""Descriptors of the lock files that this process holds until it ends, by process id and path."""
_claims_lock: Final = threading.Lock()


def _claim(kind: str, name: str) -> None:
    """Takes `name` for this process until it ends (POSIX record lock: a fork does not inherit it)."""
    path = Path(tempfile.gettempdir()) / f"proofkey-{os.getuid()}-{kind}-{digest_of(name)[:22]}.lock"
    with _claims_lock:
        if (os.getpid(), path) in _claims:
            return
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
        _claims[os.getpid(), path] = descriptor
