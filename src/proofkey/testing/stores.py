"""For authors and users of stores: records to put in, and stores that are wrong on purpose.

A race test that cannot fail shows nothing. The `CheckThenSet…` stores look first and write after a pause, as so
many do; beside each race test the same test runs on them and must find more than one winner.
"""

from typing import Any, Final

import anyio

from proofkey.authorization_server.records import (
    NOBODY,
    AuditEvent,
    Authorization,
    Interaction,
    OpaqueToken,
    PushedRequest,
    Sender,
    SignIn,
    User,
)
from proofkey.client.session import PendingLogin, Session, SessionTokens
from proofkey.protocol.messages import AuthorizationRequest
from proofkey.protocol.registration import ClientRegistration
from proofkey.protocol.text import ClientId, Instant, Issuer, Secret, Subject, digest_of
from proofkey.protocol.throttle import Attempts, Backoff, Limit, Refused, forget_at, next_attempts
from proofkey.store.sql import SqliteServerStore, SqliteSessionStore
from proofkey.store.sql import statements as sql
from proofkey.store.sql.grants import SqlServerStore
from proofkey.store.sql.sessions import SqlSessionStore

START: Final = Instant(1_800_000_000)
"""The instant at which everything here begins; the same as `TurnedClock`'s."""
PAUSE: Final = 0.05
"""Seconds between look and write of a check-then-set store."""


def a_client(client_id: str = "web", **changes: Any) -> ClientRegistration:  # noqa: ANN401  # fields of the record
    """A confidential web client."""
    members: dict[str, Any] = {
        "client_id": ClientId(client_id),
        "secret_digest": digest_of("a client secret of 32 characters"),
        "redirect_uris": frozenset({"https://rp.test/auth/callback"}),
    }
    return ClientRegistration(**members | changes)


def a_user(username: str = "ann", **changes: Any) -> User:  # noqa: ANN401
    """Ann, whose `sub` is not her name."""
    members: dict[str, Any] = {
        "sub": Subject(f"sub-of-{username}"),
        "username": username,
        "password_hash": "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$hash",
        "roles": ("admin",),
        "claims": {"email": f"{username}@op.test", "email_verified": True},
        "created_at": START,
        "password_changed_at": START,
    }
    return User(**members | changes)


def a_sign_in(sid: str = "sid-1", **changes: Any) -> SignIn:  # noqa: ANN401
    """Ann's session at the server, for a day."""
    members: dict[str, Any] = {
        "sid": sid,
        "digest": digest_of(f"handle of {sid}"),
        "sub": Subject("sub-of-ann"),
        "auth_time": START,
        "created_at": START,
        "seen_at": START,
        "absolute_expires_at": Instant(START + 86_400),
    }
    return SignIn(**members | changes)


def an_interaction(name: str = "flow-1", **changes: Any) -> Interaction:  # noqa: ANN401
    """A request that waits for a page, for ten minutes."""
    members: dict[str, Any] = {
        "digest": digest_of(name),
        "browser_digest": digest_of(f"browser of {name}"),
        "request": AuthorizationRequest(
            client_id=ClientId("web"),
            redirect_uri="https://rp.test/auth/callback",
            scope=("openid", "profile"),
            state="a state",
            nonce="a nonce",
            code_challenge=digest_of("a verifier"),
            code_challenge_method="S256",
            resource=("https://api.test",),
            prompt=frozenset({"login", "consent"}),
            max_age=300,
        ),
        "created_at": START,
        "expires_at": Instant(START + 600),
    }
    return Interaction(**members | changes)


def a_pushed_request(name: str = "pushed-1", **changes: Any) -> PushedRequest:  # noqa: ANN401
    """A request that waits for its browser."""
    members: dict[str, Any] = {
        "digest": digest_of(name),
        "client_id": ClientId("web"),
        "request": an_interaction().request,
        "created_at": START,
        "expires_at": Instant(START + 750),
    }
    return PushedRequest(**members | changes)


def an_opaque_token(name: str = "opaque-1", **changes: Any) -> OpaqueToken:  # noqa: ANN401
    """An access token of Ann's authorization of `web`, for a quarter of an hour."""
    members: dict[str, Any] = {
        "digest": digest_of(name),
        "authorization_id": "grant-1",
        "client_id": ClientId("web"),
        "sub": Subject("sub-of-ann"),
        "claims": {"sub": "sub-of-ann", "aud": "https://api.test", "exp": START + 900, "roles": ["admin"]},
        "created_at": START,
        "expires_at": Instant(START + 900),
    }
    return OpaqueToken(**members | changes)


def an_authorization(id_: str = "grant-1", **changes: Any) -> Authorization:  # noqa: ANN401
    """Ann's authorization of `web`, its code not used yet, its row kept for a day."""
    members: dict[str, Any] = {
        "id": id_,
        "client_id": ClientId("web"),
        "sub": Subject("sub-of-ann"),
        "sid": "sid-1",
        "scope": ("openid", "profile"),
        "resource": ("https://api.test",),
        "nonce": "a nonce",
        "auth_time": START,
        "code_digest": digest_of(f"code of {id_}"),
        "code_challenge": digest_of("a verifier"),
        "redirect_uri": "https://rp.test/auth/callback",
        "code_expires_at": Instant(START + 60),
        "refresh_idle_expires_at": Instant(START + 3600),
        "refresh_absolute_expires_at": Instant(START + 86_400),
        "created_at": START,
        "expires_at": Instant(START + 86_400),
    }
    return Authorization(**members | changes)


def an_event(name: str = "test.happened", **changes: Any) -> AuditEvent:  # noqa: ANN401
    """An audit event."""
    members: dict[str, Any] = {"at": START, "name": name, "sub": "sub-of-ann", "client_id": "web"}
    return AuditEvent(**members | changes)


def a_pending_login(state: str = "state-1", **changes: Any) -> PendingLogin:  # noqa: ANN401
    """A login that waits for its callback, for ten minutes."""
    members: dict[str, Any] = {
        "state_digest": digest_of(state),
        "browser_digest": digest_of(f"browser of {state}"),
        "issuer": Issuer("https://op.test"),
        "nonce": Secret(f"nonce of {state}"),
        "code_verifier": Secret(f"verifier of {state}, 43 characters or more…"),
        "redirect_uri": "https://rp.test/auth/callback",
        "next_path": "/orders",
        "resource": ("https://api.test",),
        "scope": ("openid", "orders:read"),
        "max_age": 300,
        "created_at": START,
        "expires_at": Instant(START + 600),
    }
    return PendingLogin(**members | changes)


def some_tokens(mark: str = "1", **changes: Any) -> SessionTokens:  # noqa: ANN401
    """A provider's tokens."""
    members: dict[str, Any] = {
        "access_token": Secret(f"access token {mark}"),
        "access_expires_at": Instant(START + 900),
        "scope": ("openid", "orders:read"),
        "refresh_token": Secret(f"refresh token {mark}"),
        "id_token": Secret(f"id token {mark}"),
    }
    return SessionTokens(**members | changes)


def a_session(name: str = "cookie-1", **changes: Any) -> Session:  # noqa: ANN401
    """Ann's session at a client, for twelve hours."""
    members: dict[str, Any] = {
        "id": digest_of(name),
        "issuer": Issuer("https://op.test"),
        "sub": Subject("sub-of-ann"),
        "claims": {"name": "Ann", "roles": ["admin"]},
        "sid": "sid-1",
        "created_at": START,
        "seen_at": START,
        "absolute_expires_at": Instant(START + 43_200),
        "tokens": some_tokens(),
    }
    return Session(**members | changes)


class CheckThenSetServer(SqlServerStore):
    """Looks, waits, writes, in whichever database: wrong on purpose, for race tests only."""

    async def use_code(self, id_: str, now: Instant, event: AuditEvent, sender: Sender = NOBODY) -> bool:
        standing = await self.find_authorization(id_)
        if standing is None or standing.authorization.code_used_at is not None:
            return False
        await anyio.sleep(PAUSE)
        return await self._change(
            "UPDATE authorizations SET code_used_at = ?, generation = 1 WHERE id = ?", (now, id_), event
        )

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
        standing = await self.find_authorization(id_)
        if standing is None or standing.authorization.generation != generation:
            return False
        await anyio.sleep(PAUSE)
        return await self._change(
            "UPDATE authorizations SET generation = ?, rotated_at = ?, refresh_idle_expires_at = ?, expires_at = ?"
            " WHERE id = ?",
            (generation + 1, now, idle_expires_at, expires_at, id_),
            event,
        )

    async def use_interaction(self, digest: str, now: Instant) -> bool:
        interaction = await self.find_interaction(digest)
        if interaction is None or interaction.used_at is not None:
            return False
        await anyio.sleep(PAUSE)
        return await self._change("UPDATE interactions SET used_at = ? WHERE digest = ?", (now, digest))

    async def use_pushed_request(self, digest: str, now: Instant) -> bool:
        pushed = await self.find_pushed_request(digest)
        if pushed is None or pushed.used_at is not None:
            return False
        await anyio.sleep(PAUSE)
        return await self._change("UPDATE pushed_requests SET used_at = ? WHERE digest = ?", (now, digest))

    async def revoke_opaque_token(self, token: OpaqueToken, now: Instant, event: AuditEvent) -> bool:
        standing = await self.find_opaque_token(token.digest)
        if standing is None or standing.row is None or standing.row.revoked_at is not None:
            return False
        await anyio.sleep(PAUSE)
        return await self._change(
            "UPDATE opaque_tokens SET revoked_at = ? WHERE digest = ?", (now, token.digest), event
        )

    async def end_sign_in(self, sid: str, now: Instant, event: AuditEvent) -> bool:
        row = await self._database.one("SELECT ended_at FROM sign_ins WHERE sid = ?", (sid,))
        if row is None or row[0] is not None:
            return False
        await anyio.sleep(PAUSE)
        return await self._change("UPDATE sign_ins SET ended_at = ? WHERE sid = ?", (now, sid), event)

    async def take(self, rule: Limit | Backoff, key: str, now: Instant) -> Refused | None:
        place = (rule.name, digest_of(key))
        row = await self._database.one(sql.FIND_ATTEMPTS, place)
        after = next_attempts(rule, Attempts(*row) if row else None, now)
        if isinstance(after, Refused):
            return after
        await anyio.sleep(PAUSE)
        await self._change(sql.PUT_ATTEMPTS, (*place, after.next_at, after.count, forget_at(rule, after)))
        return None


class CheckThenSetServerStore(CheckThenSetServer, SqliteServerStore):
    """In SQLite."""


class CheckThenSetSessions(SqlSessionStore):
    """Looks, waits, writes, in whichever database: wrong on purpose, for race tests only."""

    async def take_pending(self, state_digest: str) -> PendingLogin | None:
        pending = await self.find_pending(state_digest)
        if pending is None:
            return None
        await anyio.sleep(PAUSE)
        await self._change("DELETE FROM pending_logins WHERE state_digest = ?", (state_digest,))
        return pending

    async def acquire_refresh(self, id_: str, holder: str, now: Instant, lease: int) -> bool:
        row = await self._database.one("SELECT refresh_until FROM sessions WHERE id = ?", (id_,))
        if row is None or (row[0] is not None and row[0] > now):
            return False
        await anyio.sleep(PAUSE)
        return await self._change(
            "UPDATE sessions SET refresh_holder = ?, refresh_until = ? WHERE id = ?", (holder, now + lease, id_)
        )

    async def end_session(self, id_: str) -> bool:
        if await self.find_session(id_) is None:
            return False
        await anyio.sleep(PAUSE)
        await self._change("DELETE FROM sessions WHERE id = ?", (id_,))
        return True


class CheckThenSetSessionStore(CheckThenSetSessions, SqliteSessionStore):
    """In SQLite."""
