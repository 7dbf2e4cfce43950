"""A worker whose store on PostgreSQL is odd on purpose: it looks first and writes later, or is killed on demand.

`odd_server` runs it in the place of `proofkey.web.worker`; everything but the store is the real thing.
"""

import os
import signal
from pathlib import Path
from typing import Final

from proofkey.authorization_server.records import NOBODY, AuditEvent, Sender
from proofkey.protocol.text import Instant
from proofkey.store.sql.postgresql_server import PostgresqlServerStore
from proofkey.testing.stores_postgresql import CheckThenSetPostgresqlServerStore
from proofkey.web import server, worker

KIND: Final = "ODD_STORE"
"""Names one of `KINDS`."""
TRAP: Final = "ODD_STORE_TRAP"
"""Names a file; whoever finds it there after a commit takes it away and dies."""


class KilledAfterCommit(PostgresqlServerStore):
    """`kill -9` between the commit of a redemption or a rotation and its answer, once per trap."""

    async def use_code(self, id_: str, now: Instant, event: AuditEvent, sender: Sender = NOBODY) -> bool:
        won = await super().use_code(id_, now, event, sender)
        _die_if_trapped(won=won)
        return won

    async def rotate(
        self,
        id_: str,
        generation: int,
        now: Instant,
        idle_expires_at: Instant,
        expires_at: Instant,
        event: AuditEvent,
        sender: Sender = NOBODY,
    ) -> bool:
        won = await super().rotate(id_, generation, now, idle_expires_at, expires_at, event, sender)
        _die_if_trapped(won=won)
        return won


def _die_if_trapped(*, won: bool) -> None:
    if not won:
        return
    try:
        Path(os.environ[TRAP]).unlink()
    except FileNotFoundError:
        return
    os.kill(os.getpid(), signal.SIGKILL)


KINDS: Final = {"check-then-set": CheckThenSetPostgresqlServerStore, "killed": KilledAfterCommit}


def main() -> int:
    kind = KINDS[os.environ[KIND]]
    setattr(server, "open_server_store", lambda url, **_: kind.open(url))  # noqa: B010 - not a name that it exports
    return worker.main()


if __name__ == "__main__":
    raise SystemExit(main())
