"""The browser's sessions at a client, in SQL. What the provider gave is sealed, each value to its place."""

from pathlib import Path
from typing import Any, Final, Self

from proofkey.client.session import PendingLogin, Session, SessionTokens
from proofkey.errors import ConfigurationError
from proofkey.protocol.text import Instant, Issuer, Secret, Subject
from proofkey.store.sealed import Sealer
from proofkey.store.sql import statements as sql
from proofkey.store.sql.database import Database
from proofkey.store.sql.documents import from_json, strings, to_json
from proofkey.store.sql.part import Row, SqlDatabase, SqlPart, Transaction

_LOCK_PENDING: Final = "SELECT 1 FROM pending_logins WHERE state_digest = ? FOR UPDATE"


class SqlSessionStore(SqlPart):
    """`SessionStore` in a database. A record that another key has sealed counts as absent."""

    def __init__(self, database: SqlDatabase, sealer: Sealer) -> None:
        super().__init__(database)
        self._sealer = sealer

    # --- pending logins --------------------------------------------------------------------------------------
    async def insert_pending(self, pending: PendingLogin) -> None:
        secrets = {"nonce": pending.nonce.reveal(), "code_verifier": pending.code_verifier.reveal()}
        row = (
            pending.state_digest,
            pending.browser_digest,
            pending.issuer,
            self._sealer.seal(to_json(secrets).encode(), pending.state_digest),
            pending.redirect_uri,
            pending.next_path,
            to_json(pending.resource),
            " ".join(pending.scope),
            pending.max_age,
            pending.created_at,
            pending.expires_at,
        )
        await self._change(sql.INSERT_PENDING, row)

    async def find_pending(self, state_digest: str) -> PendingLogin | None:
        return self._pending_of(await self._database.one(sql.FIND_PENDING, (state_digest,)))

    async def take_pending(self, state_digest: str) -> PendingLogin | None:
        async def work(transaction: Transaction) -> Row | None:
            await transaction.lock(_LOCK_PENDING, (state_digest,))
            row = await transaction.one(sql.FIND_PENDING, (state_digest,))
            await transaction.run(sql.DELETE_PENDING, (state_digest,))
            return row

        return self._pending_of(await self._database.transact(work))

    def _pending_of(self, row: Row | None) -> PendingLogin | None:
        secrets = self._unsealed(row[3], row[0]) if row else None
        if row is None or secrets is None:
            return None
        return PendingLogin(
            state_digest=row[0],
            browser_digest=row[1],
            issuer=row[2],
            nonce=Secret(secrets["nonce"]),
            code_verifier=Secret(secrets["code_verifier"]),
            redirect_uri=row[4],
            next_path=row[5],
            resource=strings(row[6]),
            scope=tuple(row[7].split()),
            max_age=row[8],
            created_at=row[9],
            expires_at=row[10],
        )

    # --- sessions --------------------------------------------------------------------------------------------
    async def insert_session(self, session: Session) -> None:
        row = (
            session.id,
            session.issuer,
            session.sub,
            to_json(dict(session.claims)),
            session.sid,
            session.created_at,
            session.seen_at,
            session.absolute_expires_at,
            self._sealed_tokens(session.id, session.tokens),
            session.version,
        )
        await self._change(sql.INSERT_SESSION, row)

    async def find_session(self, id_: str) -> Session | None:
        return self._session_of(await self._database.one(sql.FIND_SESSION, (id_,)))

    async def sessions_of_sub(self, issuer: Issuer, sub: Subject) -> tuple[Session, ...]:
        return self._sessions_of(await self._database.all(sql.SESSIONS_OF_SUB, (sub, issuer)))

    async def sessions_of_sid(self, issuer: Issuer, sid: str) -> tuple[Session, ...]:
        return self._sessions_of(await self._database.all(sql.SESSIONS_OF_SID, (sid, issuer)))

    def _sessions_of(self, rows: list[Row]) -> tuple[Session, ...]:
        found = (self._session_of(row) for row in rows)
        return tuple(session for session in found if session is not None)

    def _session_of(self, row: Row | None) -> Session | None:
        tokens = self._unsealed(row[8], row[0]) if row else None
        if row is None or tokens is None:
            return None
        return Session(
            id=row[0],
            issuer=row[1],
            sub=row[2],
            claims=from_json(row[3]),
            sid=row[4],
            created_at=row[5],
            seen_at=row[6],
            absolute_expires_at=row[7],
            tokens=tokens_of_members(tokens),
            version=row[9],
        )

    async def touch_session(self, id_: str, now: Instant) -> None:
        await self._change(sql.TOUCH_SESSION, (now, id_, now))

    async def replace_tokens(self, id_: str, version: int, tokens: SessionTokens, now: Instant) -> bool:
        return await self._change(sql.REPLACE_TOKENS, (self._sealed_tokens(id_, tokens), id_, version, now))

    async def end_session(self, id_: str) -> bool:
        return await self._change(sql.END_SESSION, (id_,))

    # --- logout tokens ---------------------------------------------------------------------------------------
    async def is_logout_token_used(self, digest: str) -> bool:
        return await self._database.one(sql.FIND_LOGOUT_TOKEN, (digest,)) is not None

    async def use_logout_token(self, digest: str, expires_at: Instant) -> bool:
        return await self._change(sql.INSERT_LOGOUT_TOKEN, (digest, expires_at))

    # --- the refresh lock ------------------------------------------------------------------------------------
    async def acquire_refresh(self, id_: str, holder: str, now: Instant, lease: int) -> bool:
        return await self._change(sql.ACQUIRE_REFRESH, (holder, now + lease, id_, now))

    async def release_refresh(self, id_: str, holder: str) -> None:
        await self._change(sql.RELEASE_REFRESH, (id_, holder))

    # --- upkeep ----------------------------------------------------------------------------------------------
    async def purge_sessions(self, now: Instant, *, batch: int = 500) -> int:
        return await self._database.purge(sql.PURGED_SESSIONS, now, batch)

    async def ping(self) -> None:
        await self._database.ping()

    async def aclose(self) -> None:
        await self._database.aclose()

    def _sealed_tokens(self, id_: str, tokens: SessionTokens) -> str:
        return self._sealer.seal(to_json(members_of_tokens(tokens)).encode(), id_)

    def _unsealed(self, sealed: str, context: str) -> dict[str, Any] | None:
        try:
            return from_json(self._sealer.open(sealed, context).decode())
        except ConfigurationError:
            return None


class SqliteSessionStore(SqlSessionStore):
    """`SessionStore` in an SQLite file."""

    @classmethod
    def open(cls, path: Path, sealer: Sealer) -> Self:
        """Makes, upgrades and opens the file. Raises: ConfigurationError."""
        return cls(Database.open(path), sealer)


def members_of_tokens(tokens: SessionTokens) -> dict[str, object]:
    """For JSON that is sealed."""
    return {
        "access_token": tokens.access_token.reveal(),
        "access_expires_at": tokens.access_expires_at,
        "scope": tokens.scope,
        "refresh_token": tokens.refresh_token.reveal() if tokens.refresh_token else None,
        "id_token": tokens.id_token.reveal() if tokens.id_token else None,
    }


def tokens_of_members(members: dict[str, Any]) -> SessionTokens:
    """The tokens again."""
    refresh_token, id_token = members["refresh_token"], members["id_token"]
    return SessionTokens(
        access_token=Secret(members["access_token"]),
        access_expires_at=members["access_expires_at"],
        scope=tuple(members["scope"]),
        refresh_token=Secret(refresh_token) if refresh_token is not None else None,
        id_token=Secret(id_token) if id_token is not None else None,
    )
