"""Stores in the memory of one process: for demonstrations, tests and single-process servers.

Each method holds one lock from its first look to its last write and never awaits, so what the SQL stores decide
by a conditional write is decided here by the lock. `proofkey.store.open` makes sure that there is one process.
"""

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import replace

from proofkey.authorization_server.records import (
    AuditEvent,
    Authorization,
    Consent,
    Interaction,
    SignIn,
    SigningKeyRecord,
    SignInStanding,
    Standing,
    User,
)
from proofkey.client.session import PendingLogin, Session, SessionTokens
from proofkey.errors import ConfigurationError, ServerError
from proofkey.findings import Finding
from proofkey.protocol.registration import ClientRegistration
from proofkey.protocol.text import ClientId, Instant, Subject
from proofkey.protocol.throttle import Attempts, Backoff, Limit, Refused, forget_at, next_attempts

_KEPT_EVENTS = 10_000


class MemoryServerStore:
    """`ServerStore` in memory. `events` holds the last audit events, oldest first."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._clients: dict[str, ClientRegistration] = {}
        self._users: dict[str, User] = {}
        self._usernames: dict[str, Subject] = {}
        self._tombstones: set[str] = set()
        self._sign_ins: dict[str, SignIn] = {}
        self._sign_in_sids: dict[str, str] = {}
        self._consents: dict[tuple[str, str], Consent] = {}
        self._interactions: dict[str, Interaction] = {}
        self._authorizations: dict[str, Authorization] = {}
        self._codes: dict[str, str] = {}
        self._keys: dict[str, SigningKeyRecord] = {}
        self._attempts: dict[tuple[str, str], tuple[Attempts, float]] = {}
        self.events: deque[AuditEvent] = deque(maxlen=_KEPT_EVENTS)

    # --- clients ---------------------------------------------------------------------------------------------
    async def find_client(self, client_id: ClientId) -> ClientRegistration | None:
        return self._clients.get(client_id)

    async def put_client(self, client: ClientRegistration, now: Instant) -> None:
        with self._lock:
            self._clients[client.client_id] = client

    async def list_clients(self) -> Sequence[ClientRegistration]:
        with self._lock:
            return sorted(self._clients.values(), key=lambda client: client.client_id)

    async def disable_client(self, client_id: ClientId, now: Instant, event: AuditEvent) -> bool:
        with self._lock:
            client = self._clients.get(client_id)
            if client is None:
                return False
            self._clients[client_id] = replace(client, disabled=True)
            self.events.append(event)
            return True

    # --- users -----------------------------------------------------------------------------------------------
    async def find_user(self, sub: Subject) -> User | None:
        return self._users.get(sub)

    async def find_username(self, username: str) -> User | None:
        with self._lock:
            sub = self._usernames.get(username)
            return self._users.get(sub) if sub else None

    async def put_user(self, user: User, now: Instant) -> None:
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
        return len(live)

    # --- sign-ins, consents, interactions ----------------------------------------------------------------------
    async def insert_sign_in(self, sign_in: SignIn, event: AuditEvent) -> None:
        with self._lock:
            self._check_known(sub=sign_in.sub)
            if sign_in.digest in self._sign_ins or sign_in.sid in self._sign_in_sids:
                raise ServerError(Finding.STORE_CONFLICT, table="sign_ins")
            self._sign_ins[sign_in.digest] = sign_in
            self._sign_in_sids[sign_in.sid] = sign_in.digest
            self.events.append(event)

    async def find_sign_in(self, digest: str) -> SignInStanding | None:
        with self._lock:
            sign_in = self._sign_ins.get(digest)
            return SignInStanding(sign_in=sign_in, user=self._users.get(sign_in.sub)) if sign_in else None

    async def touch_sign_in(self, sid: str, now: Instant) -> None:
        with self._lock:
            sign_in = self._by_sid(sid)
            if sign_in and sign_in.seen_at < now:
                self._sign_ins[sign_in.digest] = replace(sign_in, seen_at=now)

    async def end_sign_in(self, sid: str, now: Instant, event: AuditEvent) -> bool:
        with self._lock:
            sign_in = self._by_sid(sid)
            if sign_in is None or sign_in.ended_at is not None:
                return False
            self._sign_ins[sign_in.digest] = replace(sign_in, ended_at=now)
            for grant in list(self._authorizations.values()):
                if grant.sid == sid and grant.revoked_at is None and "offline_access" not in grant.scope:
                    self._authorizations[grant.id] = replace(grant, revoked_at=now)
            self.events.append(event)
            return True

    def _by_sid(self, sid: str | None) -> SignIn | None:
        digest = self._sign_in_sids.get(sid) if sid else None
        return self._sign_ins.get(digest) if digest else None

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

    async def insert_interaction(self, interaction: Interaction) -> None:
        with self._lock:
            if interaction.digest in self._interactions:
                raise ServerError(Finding.STORE_CONFLICT, table="interactions")
            self._interactions[interaction.digest] = interaction

    async def find_interaction(self, digest: str) -> Interaction | None:
        return self._interactions.get(digest)

    async def mark_signed_in(self, digest: str, now: Instant) -> None:
        with self._lock:
            interaction = self._interactions.get(digest)
            if interaction and interaction.used_at is None:
                self._interactions[digest] = replace(interaction, signed_in_since=now)

    async def use_interaction(self, digest: str, now: Instant) -> bool:
        with self._lock:
            interaction = self._interactions.get(digest)
            if interaction is None or interaction.used_at is not None:
                return False
            self._interactions[digest] = replace(interaction, used_at=now)
            return True

    # --- authorizations --------------------------------------------------------------------------------------
    async def insert_authorization(self, authorization: Authorization, event: AuditEvent) -> None:
        with self._lock:
            self._check_known(sub=authorization.sub, client_id=authorization.client_id)
            if authorization.id in self._authorizations or authorization.code_digest in self._codes:
                raise ServerError(Finding.STORE_CONFLICT, table="authorizations")
            sign_in = self._by_sid(authorization.sid)
            if sign_in and sign_in.ended_at is not None and "offline_access" not in authorization.scope:
                authorization = replace(authorization, revoked_at=sign_in.ended_at)
            self._authorizations[authorization.id] = authorization
            if authorization.code_digest:
                self._codes[authorization.code_digest] = authorization.id
            self.events.append(event)

    async def find_code(self, code_digest: str) -> Standing | None:
        with self._lock:
            id_ = self._codes.get(code_digest)
            return self._standing(id_) if id_ else None

    async def find_authorization(self, id_: str) -> Standing | None:
        with self._lock:
            return self._standing(id_)

    def _standing(self, id_: str) -> Standing | None:
        grant = self._authorizations.get(id_)
        if grant is None:
            return None
        return Standing(
            authorization=grant,
            client=self._clients.get(grant.client_id),
            user=self._users.get(grant.sub) if grant.sub else None,
            sign_in=self._by_sid(grant.sid),
            consent=self._consents.get((grant.sub, grant.client_id)) if grant.sub else None,
        )

    async def use_code(self, id_: str, now: Instant, event: AuditEvent) -> bool:
        with self._lock:
            grant = self._authorizations.get(id_)
            if grant is None or grant.code_used_at is not None or grant.revoked_at is not None:
                return False
            self._authorizations[id_] = replace(grant, code_used_at=now, generation=1)
            self.events.append(event)
            return True

    async def rotate(
        self,
        id_: str,
        generation: int,
        now: Instant,
        idle_expires_at: Instant,
        expires_at: Instant,
        event: AuditEvent,
    ) -> bool:
        with self._lock:
            grant = self._authorizations.get(id_)
            if grant is None or grant.generation != generation or grant.revoked_at is not None:
                return False
            self._authorizations[id_] = replace(
                grant,
                generation=generation + 1,
                rotated_at=now,
                refresh_idle_expires_at=idle_expires_at,
                expires_at=expires_at,
            )
            self.events.append(event)
            return True

    async def revoke(self, id_: str, now: Instant, event: AuditEvent) -> bool:
        with self._lock:
            grant = self._authorizations.get(id_)
            if grant is None or grant.revoked_at is not None:
                return False
            self._authorizations[id_] = replace(grant, revoked_at=now)
            self.events.append(event)
            return True

    # --- signing keys ----------------------------------------------------------------------------------------
    async def list_signing_keys(self) -> Sequence[SigningKeyRecord]:
        with self._lock:
            return sorted(self._keys.values(), key=lambda key: (key.created_at, key.kid))

    async def insert_first_signing_keys(self, keys: Sequence[SigningKeyRecord], event: AuditEvent) -> bool:
        with self._lock:
            if self._keys:
                return False
            self._keys = {key.kid: key for key in keys}
            self.events.append(event)
            return True

    async def insert_signing_key(self, key: SigningKeyRecord, event: AuditEvent) -> None:
        with self._lock:
            if key.kid in self._keys:
                raise ServerError(Finding.STORE_CONFLICT, table="signing_keys")
            self._keys[key.kid] = key
            self.events.append(event)

    async def retire_signing_key(
        self, kid: str, retired_at: Instant, remove_at: Instant, event: AuditEvent
    ) -> None:
        with self._lock:
            key = self._keys.get(kid)
            if key:
                self._keys[kid] = replace(key, retired_at=retired_at, remove_at=remove_at)
                self.events.append(event)

    # --- throttles, upkeep -----------------------------------------------------------------------------------
    async def take(self, rule: Limit | Backoff, key: str, now: Instant) -> Refused | None:
        with self._lock:
            kept = self._attempts.get((rule.name, key))
            after = next_attempts(rule, kept[0] if kept else None, now)
            if isinstance(after, Refused):
                return after
            self._attempts[rule.name, key] = (after, forget_at(rule, after))
            return None

    async def reset(self, rule: Limit | Backoff, key: str) -> None:
        with self._lock:
            self._attempts.pop((rule.name, key), None)

    async def purge(self, now: Instant, *, batch: int = 500) -> int:
        with self._lock:
            over: list[tuple[dict[str, object], str]] = []
        raise NotImplementedError

    def _check_known(self, *, sub: str | None = None, client_id: str | None = None) -> None:
        """Refuses a reference to nobody, as a foreign key does."""
        if sub is not None and sub not in self._users and sub not in self._tombstones:
            raise ServerError(Finding.STORE_CONFLICT, reference="users")
        if client_id is not None and client_id not in self._clients:
            raise ServerError(Finding.STORE_CONFLICT, reference="clients")

    async def ping(self) -> None:
        return None

    async def aclose(self) -> None:
        return None
