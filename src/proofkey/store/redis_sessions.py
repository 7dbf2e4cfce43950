"""The browser's sessions at a client, in Redis (or Valkey). All that a session holds is sealed, each value to its
place.

A key lives a minute longer than what it holds, by the server's clock: the caller's clock decides. That nothing is
found is believed of a server that may not evict, and of no other. What the server itself lost (a restart without a
disk, a failover to a replica that lagged) is gone: those browsers sign in again.
"""

import os
from collections.abc import Sequence
from typing import Any, Final

from redis.asyncio import Redis

from proofkey.client.session import PendingLogin, Session, SessionTokens
from proofkey.errors import ConfigurationError, ServerError
from proofkey.findings import Finding
from proofkey.protocol.replay import key_digest
from proofkey.protocol.text import Instant, Issuer, Secret, Subject
from proofkey.store import redis_scripts as scripts
from proofkey.store.redis_connection import KEPT_LONGER, RedisConnection
from proofkey.store.sealed import Sealer
from proofkey.store.sql.documents import from_json, to_json
from proofkey.store.sql.sessions import members_of_tokens, tokens_of_members

MOST_PENDING: Final = 100_000
"""Logins that wait; anybody can begin one, so the one that ends first makes room."""

_PREFIX: Final = "proofkey:login:"
_PENDING: Final = f"{_PREFIX}pending:"
_SESSION: Final = f"{_PREFIX}session:"
_ALL_PENDING: Final = f"{_PREFIX}all-pending"
_ALL_SESSIONS: Final = f"{_PREFIX}all-sessions"
_LOGOUT_TOKENS: Final = f"{_PREFIX}logout-tokens"


class RedisSessionStore:
    """`SessionStore` in Redis. A record that another key has sealed counts as absent."""

    def __init__(self, url: str, sealer: Sealer) -> None:
        """Connects to nothing yet. Raises: ConfigurationError when the URL is none."""
        self._connection = RedisConnection(url)
        self._sealer = sealer

    # --- pending logins --------------------------------------------------------------------------------------
    async def insert_pending(self, pending: PendingLogin) -> None:
        key, life = _PENDING + pending.state_digest, _seconds(pending.created_at, pending.expires_at)
        arguments = (self._sealed_pending(pending), life, pending.expires_at, MOST_PENDING)
        if not await self._run(scripts.INSERT_PENDING, (key, _ALL_PENDING), *arguments, now=pending.created_at):
            raise ServerError(Finding.STORE_CONFLICT, table="pending_logins")

    async def find_pending(self, state_digest: str) -> PendingLogin | None:
        async def work(client: Redis) -> object:
            waiting = await client.get(_PENDING + state_digest)
            if waiting is None:
                await self._connection.look(client)
            return waiting

        return self._pending_of(state_digest, await self._connection.run(work))

    async def take_pending(self, state_digest: str) -> PendingLogin | None:
        keys = (_PENDING + state_digest, _ALL_PENDING)

        async def work(client: Redis) -> object:
            taken = await client.eval(scripts.TAKE_PENDING, len(keys), *keys)
            if taken is None:
                await self._connection.look(client)
            return taken

        return self._pending_of(state_digest, await self._connection.run(work))

    # --- sessions --------------------------------------------------------------------------------------------
    async def insert_session(self, session: Session) -> None:
        keys = [_SESSION + session.id, _ALL_SESSIONS, _listed("sub", session.issuer, session.sub)]
        if session.sid is not None:
            keys.append(_listed("sid", session.issuer, session.sid))
        inserted = await self._run(
            scripts.INSERT_SESSION,
            keys,
            self._sealed_fixed(session),
            self._sealed_tokens(session.id, session.tokens),
            session.seen_at,
            session.absolute_expires_at,
            session.version,
            _seconds(session.created_at, session.absolute_expires_at),
            now=session.created_at,
        )
        if not inserted:
            raise ServerError(Finding.STORE_CONFLICT, table="sessions")

    async def find_session(self, id_: str) -> Session | None:
        async def work(client: Redis) -> Sequence[Any]:
            fields: Sequence[Any] = await client.hmget(_SESSION + id_, ["fixed", "tokens", "seen", "version"])
            if fields[0] is None:
                await self._connection.look(client)
            return fields

        return self._session_of(id_, await self._connection.run(work))

    async def sessions_of_sub(self, issuer: Issuer, sub: Subject) -> tuple[Session, ...]:
        return await self._listed_in(_listed("sub", issuer, sub))

    async def sessions_of_sid(self, issuer: Issuer, sid: str) -> tuple[Session, ...]:
        return await self._listed_in(_listed("sid", issuer, sid))

    async def _listed_in(self, key: str) -> tuple[Session, ...]:
        async def work(client: Redis) -> Sequence[Sequence[Any]]:
            await self._connection.look(client)  # one that was evicted would be missing among others
            rows: Sequence[Sequence[Any]] = await client.eval(scripts.SESSIONS_IN, 1, key)
            return rows

        rows = await self._connection.run(work)
        found = [self._session_of(row[0].decode().removeprefix(_SESSION), row[1:]) for row in rows]
        sessions = [session for session in found if session is not None]
        return tuple(sorted(sessions, key=lambda one: (one.created_at, one.id)))

    async def touch_session(self, id_: str, now: Instant) -> None:
        await self._run(scripts.TOUCH, [_SESSION + id_], now, now=now)

    async def replace_tokens(self, id_: str, version: int, tokens: SessionTokens, now: Instant) -> bool:
        sealed = self._sealed_tokens(id_, tokens)
        return bool(await self._run(scripts.REPLACE_TOKENS, [_SESSION + id_], version, sealed, now, now=now))

    async def end_session(self, id_: str) -> bool:
        return bool(await self._run(scripts.END_SESSION, [_SESSION + id_, _ALL_SESSIONS]))

    # --- logout tokens ---------------------------------------------------------------------------------------
    async def is_logout_token_used(self, digest: str) -> bool:
        async def work(client: Redis) -> bool:
            return await client.zscore(_LOGOUT_TOKENS, digest) is not None

        return await self._connection.run(work)

    async def use_logout_token(self, digest: str, expires_at: Instant) -> bool:
        async def work(client: Redis) -> bool:
            return bool(await client.zadd(_LOGOUT_TOKENS, {digest: expires_at}, nx=True))

        return await self._connection.run(work)

    # --- the refresh lock ------------------------------------------------------------------------------------
    async def acquire_refresh(self, id_: str, holder: str, now: Instant, lease: int) -> bool:
        arguments = (holder, now, now + lease, os.urandom(16).hex())
        return bool(await self._run(scripts.ACQUIRE_REFRESH, [_SESSION + id_], *arguments, now=now))

    async def release_refresh(self, id_: str, holder: str) -> None:
        await self._run(scripts.RELEASE_REFRESH, [_SESSION + id_], holder)

    # --- upkeep ----------------------------------------------------------------------------------------------
    async def purge_sessions(self, now: Instant, *, batch: int = 500) -> int:
        return int(await self._run(scripts.PURGE, [_ALL_PENDING, _ALL_SESSIONS, _LOGOUT_TOKENS], now, batch))

    async def ping(self) -> None:
        await self._connection.ping()

    async def aclose(self) -> None:
        await self._connection.aclose()

    async def _run(
        self, script: str, keys: Sequence[str], *arguments: str | int, now: Instant | None = None
    ) -> Any:  # noqa: ANN401  # as the script answers
        async def work(client: Redis) -> Any:  # noqa: ANN401  # as above
            return await client.eval(script, len(keys), *keys, *arguments)

        return await self._connection.run(work, now=now)

    # --- sealed ----------------------------------------------------------------------------------------------
    def _sealed_pending(self, pending: PendingLogin) -> str:
        return self._sealer.seal(to_json(members_of_pending(pending)).encode(), pending.state_digest)

    def _pending_of(self, state_digest: str, sealed: Any) -> PendingLogin | None:  # noqa: ANN401  # the driver's
        members = self._unsealed(sealed, state_digest)
        return None if members is None else pending_of_members(state_digest, members)

    def _sealed_tokens(self, id_: str, tokens: SessionTokens) -> str:
        return self._sealer.seal(to_json(members_of_tokens(tokens)).encode(), id_)

    def _sealed_fixed(self, session: Session) -> str:
        members = {
            "issuer": session.issuer,
            "sub": session.sub,
            "claims": dict(session.claims),
            "sid": session.sid,
            "created_at": session.created_at,
            "absolute_expires_at": session.absolute_expires_at,
        }
        return self._sealer.seal(to_json(members).encode(), f"fixed {session.id}")

    def _session_of(self, id_: str, fields: Sequence[Any]) -> Session | None:
        fixed, tokens = self._unsealed(fields[0], f"fixed {id_}"), self._unsealed(fields[1], id_)
        if fixed is None or tokens is None:
            return None
        return Session(
            id=id_,
            **fixed,
            seen_at=Instant(int(fields[2])),
            version=int(fields[3]),
            tokens=tokens_of_members(tokens),
        )

    def _unsealed(self, sealed: Any, context: str) -> dict[str, Any] | None:  # noqa: ANN401  # the driver's
        if sealed is None:
            return None
        try:
            return from_json(self._sealer.open(sealed.decode(), context).decode())
        except ConfigurationError:
            return None


def members_of_pending(pending: PendingLogin) -> dict[str, object]:
    """All but its key, with the secrets."""
    return {
        "browser_digest": pending.browser_digest,
        "issuer": pending.issuer,
        "nonce": pending.nonce.reveal(),
        "code_verifier": pending.code_verifier.reveal(),
        "redirect_uri": pending.redirect_uri,
        "next_path": pending.next_path,
        "resource": pending.resource,
        "scope": pending.scope,
        "max_age": pending.max_age,
        "created_at": pending.created_at,
        "expires_at": pending.expires_at,
    }


def pending_of_members(state_digest: str, members: dict[str, Any]) -> PendingLogin:
    """The login again."""
    changed: dict[str, Any] = {
        "nonce": Secret(members["nonce"]),
        "code_verifier": Secret(members["code_verifier"]),
        "resource": tuple(members["resource"]),
        "scope": tuple(members["scope"]),
    }
    return PendingLogin(state_digest=state_digest, **members | changed)


def _listed(kind: str, issuer: str, value: str) -> str:
    """The set of a person's sessions, or of those of a session of the provider."""
    return f"{_PREFIX}{kind}:{key_digest(to_json([issuer, value]))}"


def _seconds(now: Instant, until: Instant) -> int:
    return max(until - now, 0) + KEPT_LONGER
