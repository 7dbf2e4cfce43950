"""Clients, people, their sign-ins and consents in memory."""

from collections.abc import Sequence
from dataclasses import replace

from proofkey.authorization_server.records import AuditEvent, Consent, SignIn, SignInStanding, User, Visit
from proofkey.errors import ConfigurationError, ServerError
from proofkey.findings import Finding
from proofkey.protocol.registration import ClientRegistration
from proofkey.protocol.text import ClientId, Instant, Subject
from proofkey.store.memory.tables import MemoryTables


class MemoryAccounts(MemoryTables):
    """The `Clients`, `Users`, `SignIns` and `Consents` of a `ServerStore`."""

    async def find_client(self, client_id: ClientId) -> ClientRegistration | None:
        return self._clients.get(client_id)

    async def put_client(self, client: ClientRegistration, now: Instant, event: AuditEvent | None = None) -> None:
        with self._lock:
            self._clients[client.client_id] = client
            if event:
                self.events.append(event)

    async def list_clients(self) -> Sequence[ClientRegistration]:
        with self._lock:
            return sorted(self._clients.values(), key=lambda client: client.client_id)

    async def disable_client(self, client_id: ClientId, now: Instant, event: AuditEvent) -> bool:
        return self._set_client(client_id, event, disabled=True)

    async def enable_client(self, client_id: ClientId, now: Instant, event: AuditEvent) -> bool:
        return self._set_client(client_id, event, disabled=False)

    def _set_client(self, client_id: ClientId, event: AuditEvent, *, disabled: bool) -> bool:
        with self._lock:
            client = self._clients.get(client_id)
            if client is None:
                return False
            self._clients[client_id] = replace(client, disabled=disabled)
            self.events.append(event)
            return True

    async def find_user(self, sub: Subject) -> User | None:
        return self._users.get(sub)

    async def find_username(self, username: str) -> User | None:
        with self._lock:
            sub = self._usernames.get(username)
            return self._users.get(sub) if sub else None

    async def put_user(self, user: User, now: Instant, event: AuditEvent | None = None) -> None:
        with self._lock:
            if user.sub in self._tombstones:
                raise ConfigurationError(Finding.SUBJECT_RETIRED, sub=user.sub)
            if self._usernames.get(user.username, user.sub) != user.sub:
                raise ConfigurationError(Finding.USERNAME_TAKEN, username=user.username)
            before = self._users.get(user.sub)
            if before:
                del self._usernames[before.username]
            self._users[user.sub] = user
            self._usernames[user.username] = user.sub
            if event:
                self.events.append(event)

    async def list_users(self) -> Sequence[User]:
        with self._lock:
            return sorted(self._users.values(), key=lambda user: user.username)

    async def set_password(self, sub: Subject, password_hash: str, now: Instant, event: AuditEvent) -> bool:
        return self._change_user(sub, now, event, password_hash=password_hash, password_changed_at=now)

    async def upgrade_password_hash(self, sub: Subject, old_hash: str, new_hash: str) -> bool:
        with self._lock:
            user = self._users.get(sub)
            if user is None or user.password_hash != old_hash:
                return False
            self._users[sub] = replace(user, password_hash=new_hash)
            return True

    async def disable_user(self, sub: Subject, now: Instant, event: AuditEvent) -> bool:
        return self._change_user(sub, now, event, disabled=True)

    async def enable_user(self, sub: Subject, now: Instant, event: AuditEvent) -> bool:
        with self._lock:
            user = self._users.get(sub)
            if user is None:
                return False
            self._users[sub] = replace(user, disabled=False)
            self.events.append(event)
            return True

    async def delete_user(self, sub: Subject, now: Instant, event: AuditEvent) -> bool:
        with self._lock:
            if not self._change_user(sub, now, event):
                return False
            del self._usernames[self._users.pop(sub).username]
            self._tombstones.add(sub)
            for key in [key for key in self._consents if key[0] == sub]:
                del self._consents[key]
            return True

    async def end_user_sessions(self, sub: Subject, now: Instant, event: AuditEvent) -> int:
        with self._lock:
            ended = self._end_everything(sub, now)
            self.events.append(event)
            return ended

    def _change_user(self, sub: Subject, now: Instant, event: AuditEvent, **changes: object) -> bool:
        with self._lock:
            user = self._users.get(sub)
            if user is None:
                return False
            self._users[sub] = replace(user, **changes)  # type: ignore[arg-type]  # the callers name its fields
            self._end_everything(sub, now)
            self.events.append(event)
            return True

    def _end_everything(self, sub: Subject, now: Instant) -> int:
        live = [one for one in self._sign_ins.values() if one.sub == sub and one.ended_at is None]
        for one in live:
            self._sign_ins[one.digest] = replace(one, ended_at=now)
        for grant in list(self._authorizations.values()):
            if grant.sub == sub and grant.revoked_at is None:
                self._authorizations[grant.id] = replace(grant, revoked_at=now)
        self._logouts_are_due(now, lambda one: one.sub == sub)
        return len(live)

    async def insert_sign_in(self, sign_in: SignIn, event: AuditEvent) -> None:
        with self._lock:
            self._check_known(sub=sign_in.sub)
            if sign_in.digest in self._sign_ins or sign_in.sid in self._digests_by_sid:
                raise ServerError(Finding.STORE_CONFLICT, table="sign_ins")
            self._sign_ins[sign_in.digest] = sign_in
            self._digests_by_sid[sign_in.sid] = sign_in.digest
            self.events.append(event)

    async def find_sign_in(self, digest: str) -> SignInStanding | None:
        with self._lock:
            sign_in = self._sign_ins.get(digest)
            return SignInStanding(sign_in=sign_in, user=self._users.get(sign_in.sub)) if sign_in else None

    async def find_visit(self, client_id: ClientId, digest: str | None) -> Visit:
        client = await self.find_client(client_id)
        standing = await self.find_sign_in(digest) if client and digest else None
        consent = await self.find_consent(standing.sign_in.sub, client_id) if standing else None
        return Visit(client=client, standing=standing, consent=consent)

    async def touch_sign_in(self, sid: str, now: Instant) -> None:
        with self._lock:
            sign_in = self._by_sid(sid)
            if sign_in and sign_in.seen_at < now:
                self._sign_ins[sign_in.digest] = replace(sign_in, seen_at=now)

    async def renew_sign_in(self, sid: str, digest: str, auth_time: Instant, event: AuditEvent) -> bool:
        with self._lock:
            sign_in = self._by_sid(sid)
            if sign_in is None or sign_in.ended_at is not None:
                return False
            if self._sign_ins.get(digest, sign_in) is not sign_in:
                raise ServerError(Finding.STORE_CONFLICT, table="sign_ins")
            del self._sign_ins[sign_in.digest]
            self._digests_by_sid[sid] = digest
            self._sign_ins[digest] = replace(sign_in, digest=digest, auth_time=auth_time, seen_at=auth_time)
            self.events.append(event)
            return True

    async def end_sign_in(
        self, sid: str, now: Instant, event: AuditEvent, *, held_until: Instant | None = None
    ) -> bool:
        with self._lock:
            sign_in = self._by_sid(sid)
            if sign_in is None or sign_in.ended_at is not None:
                return False
            self._sign_ins[sign_in.digest] = replace(sign_in, ended_at=now)
            for grant in list(self._authorizations.values()):
                if grant.sid == sid and grant.revoked_at is None and "offline_access" not in grant.scope:
                    self._authorizations[grant.id] = replace(grant, revoked_at=now)
            self._logouts_are_due(now, lambda one: one.sid == sid, held_until)
            self.events.append(event)
            return True

    async def find_consent(self, sub: Subject, client_id: ClientId) -> Consent | None:
        return self._consents.get((sub, client_id))

    async def add_consent(self, consent: Consent, event: AuditEvent) -> None:
        with self._lock:
            self._check_known(sub=consent.sub, client_id=consent.client_id)
            before = self._consents.get((consent.sub, consent.client_id))
            if before:
                consent = replace(
                    consent, scope=before.scope | consent.scope, resource=before.resource | consent.resource
                )
            self._consents[consent.sub, consent.client_id] = consent
            self.events.append(event)
