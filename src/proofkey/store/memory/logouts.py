"""Logout deliveries in memory."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

from proofkey.authorization_server.records import AuditEvent, LogoutDelivery
from proofkey.protocol.text import Instant
from proofkey.store.memory.grants import MemoryGrants


class MemoryLogouts(MemoryGrants):
    """The `LogoutDeliveries` of a `ServerStore`."""

    async def remember_logout(self, delivery: LogoutDelivery) -> None:
        with self._lock:
            self._check_known(sub=delivery.sub)
            place = (delivery.sid, delivery.client_id)
            held = self._logouts.get(place)
            if held is not None:
                until = max(held.expires_at, delivery.expires_at)
                self._logouts[place] = replace(held, expires_at=until)
                return
            sign_in = self._by_sid(delivery.sid)
            ended_at = sign_in.ended_at if sign_in else None
            self._logouts[place] = replace(delivery, next_at=ended_at, attempts=0)

    async def list_logouts(self, sid: str) -> Sequence[LogoutDelivery]:
        with self._lock:
            ended = [one for one in self._logouts.values() if one.sid == sid and one.next_at is not None]
            return sorted(ended, key=lambda one: one.client_id)

    async def list_due_logouts(self, now: Instant, *, most: int, per_client: int) -> Sequence[LogoutDelivery]:
        with self._lock:
            due = [one for one in self._logouts.values() if one.next_at is not None and one.next_at <= now]
        taken: Counter[str] = Counter()
        chosen: list[LogoutDelivery] = []
        for one in sorted(due, key=lambda one: (one.next_at or 0, one.sid, one.client_id)):
            taken[one.client_id] += 1
            if taken[one.client_id] <= per_client:
                chosen.append(one)
        return sorted(chosen, key=lambda one: one.attempts)[:most]

    async def claim_logout(self, delivery: LogoutDelivery, now: Instant, until: Instant) -> bool:
        with self._lock:
            held = self._held(delivery)
            if held is None or held.next_at is None or held.next_at > now:
                return False
            self._put(replace(held, next_at=until, attempts=held.attempts + 1))
            return True

    async def postpone_logout(self, delivery: LogoutDelivery, next_at: Instant) -> bool:
        with self._lock:
            held = self._held(delivery)
            if held is None:
                return False
            self._put(replace(held, next_at=next_at))
            return True

    async def finish_logout(self, delivery: LogoutDelivery, event: AuditEvent) -> bool:
        with self._lock:
            if self._held(delivery) is None:
                return False
            del self._logouts[delivery.sid, delivery.client_id]
            self.events.append(event)
            return True

    def _held(self, delivery: LogoutDelivery) -> LogoutDelivery | None:
        """The row, unless somebody else has taken it over."""
        held = self._logouts.get((delivery.sid, delivery.client_id))
        return held if held and held.attempts == delivery.attempts else None

    def _put(self, delivery: LogoutDelivery) -> None:
        self._logouts[delivery.sid, delivery.client_id] = delivery

    def _over(self, now: Instant) -> Iterator[Callable[[], object]]:
        yield from super()._over(now)
        yield from (
            partial(self._logouts.pop, place) for place, one in self._logouts.items() if one.expires_at <= now
        )
