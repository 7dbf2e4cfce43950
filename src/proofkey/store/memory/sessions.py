"""The browser's sessions at a client, in memory."""

import threading
from collections.abc import Callable
from dataclasses import replace

from proofkey.client.session import PendingLogin, Session, SessionTokens
from proofkey.errors import ServerError
from proofkey.findings import Finding
from proofkey.protocol.text import Instant, Issuer, Subject
from proofkey.store.memory.tables import make_room


class MemorySessionStore:
    """`SessionStore` in memory."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pending: dict[str, PendingLogin] = {}
        self._sessions: dict[str, Session] = {}
        self._refreshing: dict[str, tuple[str, Instant]] = {}
        self._logout_tokens: dict[str, Instant] = {}

    async def insert_pending(self, pending: PendingLogin) -> None:
        with self._lock:
            make_room(self._pending, pending.created_at)
            if self._pending.setdefault(pending.state_digest, pending) is not pending:
                raise ServerError(Finding.STORE_CONFLICT, table="pending_logins")

    async def find_pending(self, state_digest: str) -> PendingLogin | None:
        return self._pending.get(state_digest)

    async def take_pending(self, state_digest: str) -> PendingLogin | None:
        with self._lock:
            return self._pending.pop(state_digest, None)

    async def insert_session(self, session: Session) -> None:
        with self._lock:
            if self._sessions.setdefault(session.id, session) is not session:
                raise ServerError(Finding.STORE_CONFLICT, table="sessions")

    async def find_session(self, id_: str) -> Session | None:
        return self._sessions.get(id_)

    async def sessions_of_sub(self, issuer: Issuer, sub: Subject) -> tuple[Session, ...]:
        return self._where(lambda one: one.sub == sub and one.issuer == issuer)

    async def sessions_of_sid(self, issuer: Issuer, sid: str) -> tuple[Session, ...]:
        return self._where(lambda one: one.sid == sid and one.issuer == issuer)

    def _where(self, wanted: Callable[[Session], bool]) -> tuple[Session, ...]:
        with self._lock:
            found = [one for one in self._sessions.values() if wanted(one)]
        return tuple(sorted(found, key=lambda one: (one.created_at, one.id)))

    async def touch_session(self, id_: str, now: Instant) -> None:
        with self._lock:
            session = self._sessions.get(id_)
            if session and session.seen_at < now:
                self._sessions[id_] = replace(session, seen_at=now)

    async def replace_tokens(self, id_: str, version: int, tokens: SessionTokens, now: Instant) -> bool:
        with self._lock:
            session = self._sessions.get(id_)
            if session is None or session.version != version or session.absolute_expires_at <= now:
                return False
            self._sessions[id_] = replace(session, tokens=tokens, version=version + 1)
            return True

    async def end_session(self, id_: str) -> bool:
        with self._lock:
            self._refreshing.pop(id_, None)
            return self._sessions.pop(id_, None) is not None

    async def is_logout_token_used(self, digest: str) -> bool:
        return digest in self._logout_tokens

    async def use_logout_token(self, digest: str, expires_at: Instant) -> bool:
        with self._lock:
            if digest in self._logout_tokens:
                return False
            self._logout_tokens[digest] = expires_at
            return True

    async def acquire_refresh(self, id_: str, holder: str, now: Instant, lease: int) -> bool:
        with self._lock:
            held = self._refreshing.get(id_)
            if id_ not in self._sessions or (held and held[1] > now):
                return False
            self._refreshing[id_] = (holder, Instant(now + lease))
            return True

    async def release_refresh(self, id_: str, holder: str) -> None:
        with self._lock:
            held = self._refreshing.get(id_)
            if held and held[0] == holder:
                del self._refreshing[id_]

    async def purge_sessions(self, now: Instant, *, batch: int = 500) -> int:
        with self._lock:
            logins = [key for key, one in self._pending.items() if one.expires_at <= now][:batch]
            over = [key for key, one in self._sessions.items() if one.absolute_expires_at <= now]
            sessions = over[: batch - len(logins)]
            used = [key for key, end in self._logout_tokens.items() if end <= now]
            tokens = used[: batch - len(logins) - len(sessions)]
            for key in logins:
                del self._pending[key]
            for key in sessions:
                del self._sessions[key]
                self._refreshing.pop(key, None)
            for key in tokens:
                del self._logout_tokens[key]
            return len(logins) + len(sessions) + len(tokens)

    async def ping(self) -> None:
        return None

    async def aclose(self) -> None:
        return None
