"""Clients, people, their sign-ins and consents in SQL."""

from collections.abc import Sequence

from proofkey.authorization_server.records import LOGOUT_KEPT, AuditEvent, Consent, SignIn, SignInStanding, User
from proofkey.errors import ConfigurationError
from proofkey.findings import Finding
from proofkey.protocol.registration import ClientRegistration
from proofkey.protocol.text import ClientId, Instant, Subject
from proofkey.store.sql import statements as sql
from proofkey.store.sql.part import Follow, SqlPart, Transaction
from proofkey.store.sql.rows import (
    client_of,
    consent_of,
    row_of_client,
    row_of_consent,
    row_of_event,
    row_of_sign_in,
    row_of_user,
    sign_in_standing_of,
    user_of,
)


class SqlAccounts(SqlPart):
    """The `Clients`, `Users`, `SignIns` and `Consents` of a `ServerStore`."""

    # --- clients ---------------------------------------------------------------------------------------------
    async def find_client(self, client_id: ClientId) -> ClientRegistration | None:
        row = await self._database.one(sql.FIND_CLIENT, (client_id,))
        return client_of(row) if row else None

    async def put_client(self, client: ClientRegistration, now: Instant, event: AuditEvent | None = None) -> None:
        await self._change(sql.PUT_CLIENT, row_of_client(client, now), event)

    async def list_clients(self) -> Sequence[ClientRegistration]:
        return [client_of(row) for row in await self._database.all(sql.LIST_CLIENTS)]

    async def disable_client(self, client_id: ClientId, now: Instant, event: AuditEvent) -> bool:
        return await self._change(sql.DISABLE_CLIENT, (now, client_id), event)

    async def enable_client(self, client_id: ClientId, now: Instant, event: AuditEvent) -> bool:
        return await self._change(sql.ENABLE_CLIENT, (now, client_id), event)

    # --- users -----------------------------------------------------------------------------------------------
    async def find_user(self, sub: Subject) -> User | None:
        row = await self._database.one(sql.FIND_USER, (sub,))
        return user_of(row) if row else None

    async def find_username(self, username: str) -> User | None:
        row = await self._database.one(sql.FIND_USERNAME, (username,))
        return user_of(row) if row else None

    async def put_user(self, user: User, now: Instant, event: AuditEvent | None = None) -> None:
        async def work(transaction: Transaction) -> None:
            await transaction.lock("LOCK TABLE users IN SHARE ROW EXCLUSIVE MODE")
            if await transaction.one(sql.IS_TOMBSTONE, (user.sub,)):
                raise ConfigurationError(Finding.SUBJECT_RETIRED, sub=user.sub)
            if await transaction.one(sql.OTHER_OF_USERNAME, (user.username, user.sub)):
                raise ConfigurationError(Finding.USERNAME_TAKEN, username=user.username)
            await transaction.run(sql.PUT_USER, row_of_user(user))
            if event:
                await transaction.run(sql.INSERT_EVENT, row_of_event(event))

        await self._database.transact(work)

    async def list_users(self) -> Sequence[User]:
        return [user_of(row) for row in await self._database.all(sql.LIST_USERS)]

    async def set_password(self, sub: Subject, password_hash: str, now: Instant, event: AuditEvent) -> bool:
        return await self._change(sql.SET_PASSWORD, (password_hash, now, sub), event, _end_all(sub, now))

    async def upgrade_password_hash(self, sub: Subject, old_hash: str, new_hash: str) -> bool:
        return await self._change(sql.UPGRADE_PASSWORD_HASH, (new_hash, sub, old_hash))

    async def disable_user(self, sub: Subject, now: Instant, event: AuditEvent) -> bool:
        return await self._change(sql.DISABLE_USER, (sub,), event, _end_all(sub, now))

    async def enable_user(self, sub: Subject, now: Instant, event: AuditEvent) -> bool:
        return await self._change(sql.ENABLE_USER, (sub,), event)

    async def delete_user(self, sub: Subject, now: Instant, event: AuditEvent) -> bool:
        follow = (*_end_all(sub, now), (sql.DELETE_CONSENTS, (sub,)))
        return await self._change(sql.DELETE_USER, (now, sub), event, follow)

    async def end_user_sessions(self, sub: Subject, now: Instant, event: AuditEvent) -> int:
        async def work(transaction: Transaction) -> int:
            ended, *_ = [await transaction.run(*one) for one in _end_all(sub, now)]
            await transaction.run(sql.INSERT_EVENT, row_of_event(event))
            return ended

        return await self._database.transact(work)

    # --- sign-ins, consents ------------------------------------------------------------------------------------
    async def insert_sign_in(self, sign_in: SignIn, event: AuditEvent) -> None:
        await self._change(sql.INSERT_SIGN_IN, row_of_sign_in(sign_in), event)

    async def find_sign_in(self, digest: str) -> SignInStanding | None:
        row = await self._database.one(sql.FIND_SIGN_IN, (digest,))
        return sign_in_standing_of(row) if row else None

    async def touch_sign_in(self, sid: str, now: Instant) -> None:
        await self._change(sql.TOUCH_SIGN_IN, (now, sid, now))

    async def renew_sign_in(self, sid: str, digest: str, auth_time: Instant, event: AuditEvent) -> bool:
        return await self._change(sql.RENEW_SIGN_IN, (digest, auth_time, auth_time, sid), event)

    async def end_sign_in(
        self, sid: str, now: Instant, event: AuditEvent, *, held_until: Instant | None = None
    ) -> bool:
        due = (held_until or now, int(held_until is not None), now + LOGOUT_KEPT, sid)
        follow = ((sql.REVOKE_OF_SIGN_IN, (now, sid)), (sql.LOGOUTS_OF_SIGN_IN_ARE_DUE, due))
        return await self._change(sql.END_SIGN_IN, (now, sid), event, follow)

    async def find_consent(self, sub: Subject, client_id: ClientId) -> Consent | None:
        row = await self._database.one(sql.FIND_CONSENT, (sub, client_id))
        return consent_of(row) if row else None

    async def add_consent(self, consent: Consent, event: AuditEvent) -> None:
        async def work(transaction: Transaction) -> None:
            await transaction.lock("SELECT 1 FROM users WHERE sub = ? FOR NO KEY UPDATE", (consent.sub,))
            row = await transaction.one(sql.FIND_CONSENT, (consent.sub, consent.client_id))
            joined = _joined(consent_of(row), consent) if row else consent
            await transaction.run(sql.PUT_CONSENT, row_of_consent(joined))
            await transaction.run(sql.INSERT_EVENT, row_of_event(event))

        await self._database.transact(work)


def _end_all(sub: Subject, now: Instant) -> Follow:
    """Sign-ins first: an authorization that is being inserted reads its sign-in under a lock."""
    due = (now, now + LOGOUT_KEPT, sub)
    ended = (sql.END_SIGN_INS_OF_USER, (now, sub))
    return (ended, (sql.REVOKE_OF_USER, (now, sub)), (sql.LOGOUTS_OF_USER_ARE_DUE, due))


def _joined(before: Consent, more: Consent) -> Consent:
    return Consent(
        sub=more.sub,
        client_id=more.client_id,
        scope=before.scope | more.scope,
        resource=before.resource | more.resource,
        granted_at=more.granted_at,
    )
