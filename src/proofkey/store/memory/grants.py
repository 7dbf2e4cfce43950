"""Interactions, authorizations, signing keys, throttles and upkeep in memory."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice

from proofkey.authorization_server.records import (
    NOBODY,
    AuditEvent,
    Authorization,
    Interaction,
    Sender,
    SignIn,
    SigningKeyRecord,
    Standing,
)
from proofkey.errors import ServerError
from proofkey.findings import Finding
from proofkey.protocol.text import Instant, digest_of
from proofkey.protocol.throttle import Backoff, Limit, Refused, forget_at, next_attempts, waits
from proofkey.store.memory.accounts import MemoryAccounts
from proofkey.store.memory.tables import make_room


class MemoryGrants(MemoryAccounts):
    """The `Interactions`, `Authorizations`, `SigningKeys`, `Throttles` and `Upkeep` of a `ServerStore`."""

    async def insert_interaction(self, interaction: Interaction) -> None:
        with self._lock:
            if interaction.digest in self._interactions:
                raise ServerError(Finding.STORE_CONFLICT, table="interactions")
            make_room(self._interactions, interaction.created_at)
            self._interactions[interaction.digest] = interaction

    async def find_interaction(self, digest: str) -> Interaction | None:
        return self._interactions.get(digest)

    async def mark_signed_in(self, digest: str, now: Instant) -> None:
        with self._lock:
            interaction = self._interactions.get(digest)
            if interaction and interaction.used_at is None:
                self._interactions[digest] = replace(interaction, signed_in_since=now)

    async def mark_shown(self, digest: str, shown: str) -> None:
        with self._lock:
            interaction = self._interactions.get(digest)
            if interaction and interaction.used_at is None:
                self._interactions[digest] = replace(interaction, shown=shown)

    async def use_interaction(self, digest: str, now: Instant) -> bool:
        with self._lock:
            interaction = self._interactions.get(digest)
            if interaction is None or interaction.used_at is not None:
                return False
            self._interactions[digest] = replace(interaction, used_at=now)
            return True

    async def insert_authorization(self, authorization: Authorization, event: AuditEvent) -> None:
        with self._lock:
            self._keep_authorization(authorization)
            self.events.append(event)

    def _keep_authorization(self, authorization: Authorization) -> None:
        self._check_known(sub=authorization.sub, client_id=authorization.client_id)
        if authorization.id in self._authorizations or authorization.code_digest in self._ids_by_code:
            raise ServerError(Finding.STORE_CONFLICT, table="authorizations")
        sign_in = self._by_sid(authorization.sid)
        if sign_in and sign_in.ended_at is not None and "offline_access" not in authorization.scope:
            authorization = replace(authorization, revoked_at=sign_in.ended_at)
        self._authorizations[authorization.id] = authorization
        if authorization.code_digest:
            self._ids_by_code[authorization.code_digest] = authorization.id

    async def find_code(self, code_digest: str) -> Standing | None:
        with self._lock:
            id_ = self._ids_by_code.get(code_digest)
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

    async def use_code(self, id_: str, now: Instant, event: AuditEvent, sender: Sender = NOBODY) -> bool:
        with self._lock:
            grant = self._authorizations.get(id_)
            if grant is None or grant.code_used_at is not None or grant.revoked_at is not None:
                return False
            self._authorizations[id_] = replace(_bound(grant, sender), code_used_at=now, generation=1)
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
        sender: Sender = NOBODY,
    ) -> bool:
        with self._lock:
            if not self._prolong(id_, generation, idle_expires_at, expires_at, event, sender):
                return False
            grant = self._authorizations[id_]
            self._authorizations[id_] = replace(grant, generation=generation + 1, rotated_at=now)
            return True

    async def prolong(
        self,
        id_: str,
        generation: int,
        now: Instant,
        idle_expires_at: Instant,
        expires_at: Instant,
        event: AuditEvent,
        sender: Sender = NOBODY,
    ) -> bool:
        with self._lock:
            return self._prolong(id_, generation, idle_expires_at, expires_at, event, sender)

    def _prolong(
        self,
        id_: str,
        generation: int,
        idle_expires_at: Instant,
        expires_at: Instant,
        event: AuditEvent,
        sender: Sender,
    ) -> bool:
        grant = self._authorizations.get(id_)
        if grant is None or grant.generation != generation or grant.revoked_at is not None:
            return False
        self._authorizations[id_] = replace(
            _bound(grant, sender), refresh_idle_expires_at=idle_expires_at, expires_at=expires_at
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

    async def insert_signing_key(
        self, key: SigningKeyRecord, event: AuditEvent, *, unless_one_from: Instant | None = None
    ) -> bool:
        with self._lock:
            if key.kid in self._keys:
                raise ServerError(Finding.STORE_CONFLICT, table="signing_keys")
            if unless_one_from is not None and any(
                one.algorithm == key.algorithm and one.active_from > unless_one_from and one.retired_at is None
                for one in self._keys.values()
            ):
                return False
            self._keys[key.kid] = key
            self.events.append(event)
            return True

    async def retire_signing_key(
        self, kid: str, retired_at: Instant, remove_at: Instant, event: AuditEvent
    ) -> None:
        with self._lock:
            key = self._keys.get(kid)
            if key:
                self._keys[kid] = replace(key, retired_at=retired_at, remove_at=remove_at)
                self.events.append(event)

    async def take(self, rule: Limit | Backoff, key: str, now: Instant) -> Refused | None:
        with self._lock:
            kept = self._attempts.get((rule.name, key))
            after = next_attempts(rule, kept[0] if kept else None, now)
            if isinstance(after, Refused):
                return after
            self._attempts[rule.name, key] = (after, forget_at(rule, after))
            return None

    async def look(self, rule: Limit | Backoff, key: str, now: Instant) -> Refused | None:
        with self._lock:
            kept = self._attempts.get((rule.name, key))
            return waits(rule, kept[0] if kept else None, now)

    async def list_counted(self, rule: Limit | Backoff, now: Instant, most: int) -> Sequence[str]:
        with self._lock:
            of_rule = ((key, kept) for (name, key), (kept, _) in self._attempts.items() if name == rule.name)
            live = (key for key, kept in of_rule if kept.next_at > now)
            return [digest_of(key) for key in islice(live, most)]

    async def reset(self, rule: Limit | Backoff, key: str) -> None:
        with self._lock:
            self._attempts.pop((rule.name, key), None)

    async def purge(self, now: Instant, *, batch: int = 500) -> int:
        with self._lock:
            over = list(islice(self._over(now), batch))
            for forget in over:
                forget()
            return len(over)

    def _over(self, now: Instant) -> Iterator[Callable[[], object]]:
        """What forgets each record whose time is over."""
        for interaction in self._interactions.values():
            if interaction.expires_at <= now:
                yield partial(self._interactions.pop, interaction.digest)
        for place, (_, until) in self._attempts.items():
            if until <= now:
                yield partial(self._attempts.pop, place)
        yield from (
            partial(self._forget_grant, one) for one in self._authorizations.values() if one.expires_at <= now
        )
        yield from (
            partial(self._forget_sign_in, one) for one in self._sign_ins.values() if one.absolute_expires_at <= now
        )
        yield from (
            partial(self._keys.pop, one.kid)
            for one in self._keys.values()
            if one.remove_at and one.remove_at <= now
        )

    def _forget_grant(self, grant: Authorization) -> None:
        del self._authorizations[grant.id]
        if grant.code_digest:
            del self._ids_by_code[grant.code_digest]

    def _forget_sign_in(self, sign_in: SignIn) -> None:
        del self._sign_ins[sign_in.digest]
        del self._digests_by_sid[sign_in.sid]

    async def ping(self) -> None:
        return None

    async def aclose(self) -> None:
        return None


def _bound(grant: Authorization, sender: Sender) -> Authorization:
    """Bound to the sender where it was not bound before."""
    if not sender.is_bound:
        return grant
    return replace(grant, dpop_jkt=grant.dpop_jkt or sender.jkt, x5t_s256=grant.x5t_s256 or sender.x5t_s256)
