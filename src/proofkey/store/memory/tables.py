"""What the memory store of the server holds, and the lock that guards it."""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol, TypeVar

from proofkey.authorization_server.records import (
    LOGOUT_KEPT,
    AuditEvent,
    Authorization,
    Consent,
    DeviceAuthorization,
    Interaction,
    LogoutDelivery,
    OpaqueToken,
    PushedRequest,
    RegisteredClient,
    SignIn,
    SigningKeyRecord,
    User,
)
from proofkey.errors import ServerError
from proofkey.findings import Finding
from proofkey.protocol.registration import ClientRegistration
from proofkey.protocol.text import Instant, Subject
from proofkey.protocol.throttle import Attempts

_KEPT_EVENTS = 10_000
MOST_WAITING = 10_000
"""Interactions, and pending logins, that a memory store holds: anybody can begin one, so the oldest makes room."""


class _Waiting(Protocol):
    @property
    def expires_at(self) -> Instant: ...


W = TypeVar("W", bound=_Waiting)


class MemoryTables:
    """Records by key."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._clients: dict[str, ClientRegistration] = {}
        self._users: dict[str, User] = {}
        self._usernames: dict[str, Subject] = {}
        self._tombstones: set[str] = set()
        self._sign_ins: dict[str, SignIn] = {}
        self._digests_by_sid: dict[str, str] = {}
        self._consents: dict[tuple[str, str], Consent] = {}
        self._interactions: dict[str, Interaction] = {}
        self._pushed: dict[str, PushedRequest] = {}
        self._registered: dict[str, RegisteredClient] = {}
        self._devices: dict[str, DeviceAuthorization] = {}
        self._devices_by_user_code: dict[str, str] = {}
        self._authorizations: dict[str, Authorization] = {}
        self._ids_by_code: dict[str, str] = {}
        self._opaque_tokens: dict[str, OpaqueToken] = {}
        self._logouts: dict[tuple[str, str], LogoutDelivery] = {}
        self._keys: dict[str, SigningKeyRecord] = {}
        self._attempts: dict[tuple[str, str], tuple[Attempts, float]] = {}
        self.events: deque[AuditEvent] = deque(maxlen=_KEPT_EVENTS)

    def _check_known(self, *, sub: str | None = None, client_id: str | None = None) -> None:
        """Refuses a reference to nobody, as a foreign key does."""
        if sub is not None and sub not in self._users and sub not in self._tombstones:
            raise ServerError(Finding.STORE_CONFLICT, reference="users")
        if client_id is not None and client_id not in self._clients:
            raise ServerError(Finding.STORE_CONFLICT, reference="clients")

    def _logouts_are_due(
        self, now: Instant, wanted: Callable[[LogoutDelivery], bool], held_until: Instant | None = None
    ) -> None:
        """Those of an end that has just been written."""
        attempts, next_at = (0, now) if held_until is None else (1, held_until)
        for place, one in self._logouts.items():
            if one.next_at is None and wanted(one):
                until = Instant(now + LOGOUT_KEPT)
                self._logouts[place] = replace(one, next_at=next_at, attempts=attempts, expires_at=until)

    def _by_sid(self, sid: str | None) -> SignIn | None:
        digest = self._digests_by_sid.get(sid) if sid else None
        return self._sign_ins.get(digest) if digest else None


def make_room(waiting: dict[str, W], now: Instant) -> None:
    """Drops from the front, where the oldest are: what is over at `now`, and one more when no place is left."""
    while waiting:
        oldest = next(iter(waiting))
        if waiting[oldest].expires_at > now and len(waiting) < MOST_WAITING:
            return
        del waiting[oldest]
