"""Sends logout tokens: before a logout answers, and in the background for whatever is due."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import anyio
from anyio.abc import TaskGroup

from proofkey.authorization_server.logout import LEASE, deliver_logout, retry_later
from proofkey.authorization_server.records import AuditEvent, LogoutDelivery
from proofkey.authorization_server.role import AuthorizationServer
from proofkey.errors import ProofkeyError
from proofkey.findings import find
from proofkey.protocol.exchange import Transport
from proofkey.protocol.text import Instant
from proofkey.runtime import events
from proofkey.runtime.clock import Clock

ROUND: Final = 1.0
"""Seconds between two looks at what is due, which commands and other workers make due as well."""
WAIT: Final = 3.0
"""Seconds that a logout waits for clients at most; who has not answered by then is asked again later."""
AT_ONCE: Final = 32
"""Deliveries under way in a worker, in the background; as many more for all logouts that wait."""
PER_CLIENT: Final = 4
"""Of one client taken in a round: one that hangs leaves places for others."""
_LAST_WORD: Final = 2.0
"""Seconds that a delivery which is broken off has to write that it is due again."""


class LogoutSender:
    """One per worker. Every delivery is held by one worker at a time, and due again if that one dies."""

    __slots__ = ("_busy", "_clock", "_ready", "_transport", "places")

    def __init__(
        self, ready: Callable[[], Awaitable[AuthorizationServer]], transport: Transport, clock: Clock
    ) -> None:
        """`ready` gives the role with the keys of the moment."""
        self._ready = ready
        self._transport = transport
        self._clock = clock
        self._busy = 0
        self.places = anyio.Semaphore(AT_ONCE)
        """Of all logouts together, so that many at once leave the transport to others too."""

    async def tell(self, sid: str) -> None:
        """To all clients of a sign-in that the caller has just ended, with a hold on its deliveries. Waits for a
        few seconds at most, and never fails: the rest is retried in the background."""
        with anyio.move_on_after(WAIT):
            try:
                role = await self._ready()
                held = await role.store.list_logouts(sid)
            except ProofkeyError as error:
                events.refused("logout.not_read", error)
                return

            async def send(one: LogoutDelivery) -> None:
                async with self.places:
                    await self._send(role, one)

            async with anyio.create_task_group() as group:
                for one in held:
                    group.start_soon(send, one)

    async def run(self) -> None:
        """Sends what is due until it is cancelled; not in the first second, when a process may only prepare."""
        async with anyio.create_task_group() as group:
            while True:
                await anyio.sleep(ROUND)
                try:
                    await self.send_due(group)
                except ProofkeyError as error:
                    events.refused("logout.not_read", error)
                except Exception as error:  # noqa: BLE001 - it outlives every fault; type and place are logged
                    events.internal_error("logout.failed", error)

    async def send_due(self, group: TaskGroup) -> None:
        """One round: claims as many as there are places for, and sends each in a task of its own.

        Raises: Unavailable.
        """
        if self._busy >= AT_ONCE:
            return
        role, now = await self._ready(), self._clock.now()
        due = await role.store.list_due_logouts(now, most=AT_ONCE - self._busy, per_client=PER_CLIENT)
        for one in due:
            until = Instant(now + LEASE)
            if await role.store.claim_logout(one, now, until):
                self._busy += 1
                group.start_soon(self._send_claimed, role, _claimed(one, until))

    async def _send_claimed(self, role: AuthorizationServer, held: LogoutDelivery) -> None:
        try:
            await self._send(role, held)
        finally:
            self._busy -= 1

    async def _send(self, role: AuthorizationServer, held: LogoutDelivery) -> None:
        """Never fails; broken off, it says that the delivery is due again."""
        now = self._clock.now()
        try:
            _log(await deliver_logout(role, self._transport, held, now))
        except anyio.get_cancelled_exc_class():
            with anyio.move_on_after(_LAST_WORD, shield=True):
                await self._postpone(role, held)
            raise
        except ProofkeyError as error:
            events.refused("logout.failed", error, client_id=held.client_id)
        except Exception as error:  # noqa: BLE001 - other deliveries go on; type and place are logged
            events.internal_error("logout.failed", error)

    async def _postpone(self, role: AuthorizationServer, held: LogoutDelivery) -> None:
        try:
            _log(await retry_later(role, held, self._clock.now(), reason="broken off"))
        except ProofkeyError as error:
            events.refused("logout.failed", error, client_id=held.client_id)


def _claimed(one: LogoutDelivery, until: Instant) -> LogoutDelivery:
    """As the row is now."""
    return LogoutDelivery(
        sid=one.sid,
        client_id=one.client_id,
        sub=one.sub,
        created_at=one.created_at,
        expires_at=one.expires_at,
        next_at=until,
        attempts=one.attempts + 1,
    )


def _log(event: AuditEvent) -> None:
    level: events.Level = "info" if event.name == "logout.delivered" else "warning"
    facts: dict[str, Any] = dict(event.detail)
    because = find(facts.pop("finding", ""))
    events.emit(event.name, level=level, finding=because, sub=event.sub, client_id=event.client_id, **facts)
