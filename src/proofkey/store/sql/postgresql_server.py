"""The authorization server's store and a client's sessions in PostgreSQL, for any number of workers and hosts.

Parts of a store are written for both databases (see `part`); here stands only what PostgreSQL does in fewer round
trips, or must do otherwise because it has many writers.
"""

from dataclasses import dataclass
from typing import Final, Self

from proofkey.client.session import PendingLogin
from proofkey.errors import Unavailable
from proofkey.findings import Finding
from proofkey.protocol.text import Instant, digest_of
from proofkey.protocol.throttle import Attempts, Backoff, Limit, Refused, forget_at, next_attempts
from proofkey.store.sealed import Sealer
from proofkey.store.sql import statements as sql
from proofkey.store.sql.grants import SqlServerStore
from proofkey.store.sql.part import Row, Transaction
from proofkey.store.sql.postgresql_database import PostgresqlDatabase
from proofkey.store.sql.sessions import SqlSessionStore
from proofkey.store.sql.upgrade_postgresql import prepare_postgresql

_TURNS: Final = 5
"""So often a row may come and go while an attempt waits in line for it."""
_FIND_IN_LINE: Final = f"{sql.FIND_ATTEMPTS} FOR UPDATE"
_PUT_ATTEMPTS: Final = f"{sql.PUT_ATTEMPTS} WHERE throttles.next_at = ? AND throttles.count = ?"
"""Where nothing stood, or still stands what was read."""
_TAKE_PENDING: Final = f"""
    {sql.DELETE_PENDING}
    RETURNING state_digest, browser_digest, issuer, sealed, redirect_uri, next_path, resource, scope, max_age,
        created_at, expires_at
"""


class PostgresqlServerStore(SqlServerStore):
    """`ServerStore` in PostgreSQL."""

    def __init__(self, database: PostgresqlDatabase) -> None:
        super().__init__(database)

    @classmethod
    def open(cls, url: str) -> Self:
        """Makes or upgrades the tables; connects for requests when one comes. Raises: ConfigurationError."""
        prepare_postgresql(url)
        return cls(PostgresqlDatabase(url))

    async def take(self, rule: Limit | Backoff, key: str, now: Instant) -> Refused | None:
        """Reads, and writes only over what was read, without a lock; where another worker came first, it waits in
        line for the row: of many at once, each gets its turn."""
        place = (rule.name, digest_of(key))
        attempt = _Attempt(rule, place, now)
        row = await self._database.one(sql.FIND_ATTEMPTS, place)
        values = attempt.values(row)
        if isinstance(values, Refused):
            return values
        if await self._database.change(_PUT_ATTEMPTS, values):
            return None
        for _ in range(_TURNS):
            counted, refused = await self._database.transact(attempt.in_line)
            if counted or refused:
                return refused
        raise Unavailable(Finding.STORE_UNAVAILABLE, reason="too many attempts at once", rule=rule.name)


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One attempt, to be counted at its place."""

    rule: Limit | Backoff
    place: tuple[str, str]
    now: Instant

    def values(self, row: Row | None) -> tuple[object, ...] | Refused:
        """What `_PUT_ATTEMPTS` takes after that row was read."""
        after = next_attempts(self.rule, Attempts(*row) if row else None, self.now)
        if isinstance(after, Refused):
            return after
        return (*self.place, after.next_at, after.count, forget_at(self.rule, after), *(row or (None, None)))

    async def in_line(self, transaction: Transaction) -> tuple[bool, Refused | None]:
        """Whether it was counted; not when there was no row to wait for and another worker made one."""
        values = self.values(await transaction.one(_FIND_IN_LINE, self.place))
        if isinstance(values, Refused):
            return False, values
        return await transaction.run(_PUT_ATTEMPTS, values) == 1, None


class PostgresqlSessionStore(SqlSessionStore):
    """`SessionStore` in PostgreSQL."""

    def __init__(self, database: PostgresqlDatabase, sealer: Sealer) -> None:
        super().__init__(database, sealer)
        self._postgresql = database

    @classmethod
    def open(cls, url: str, sealer: Sealer) -> Self:
        """As `PostgresqlServerStore.open`."""
        prepare_postgresql(url)
        return cls(PostgresqlDatabase(url), sealer)

    async def take_pending(self, state_digest: str) -> PendingLogin | None:
        return self._pending_of(await self._postgresql.take(_TAKE_PENDING, (state_digest,)))
