"""Opens PostgreSQL stores in new processes, right ones and wrong ones, for race tests."""

from dataclasses import dataclass

from proofkey.store.sealed import Sealer
from proofkey.store.sql.postgresql_server import PostgresqlServerStore, PostgresqlSessionStore
from proofkey.testing.stores_check_then_set import CheckThenSetServer, CheckThenSetSessions


class CheckThenSetPostgresqlServerStore(CheckThenSetServer, PostgresqlServerStore):
    """Wrong on purpose."""


class CheckThenSetPostgresqlSessionStore(CheckThenSetSessions, PostgresqlSessionStore):
    """Wrong on purpose."""


@dataclass(frozen=True, slots=True)
class OpenPostgresqlServer:
    """Opens a server's store in a new process."""

    url: str
    kind: type[PostgresqlServerStore] = PostgresqlServerStore

    def __call__(self) -> PostgresqlServerStore:
        return self.kind.open(self.url)


@dataclass(frozen=True, slots=True)
class OpenPostgresqlSessions:
    """Opens a client's store in a new process."""

    url: str
    key: bytes
    kind: type[PostgresqlSessionStore] = PostgresqlSessionStore

    def __call__(self) -> PostgresqlSessionStore:
        return self.kind.open(self.url, Sealer(self.key))
