"""Device authorizations in memory."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

from proofkey.authorization_server.records import AuditEvent, Authorization, DeviceAuthorization, DeviceStanding
from proofkey.errors import ServerError
from proofkey.findings import Finding
from proofkey.protocol.text import Instant
from proofkey.store.memory.grants import MemoryGrants
from proofkey.store.memory.tables import MOST_WAITING


class MemoryDeviceAuthorizations(MemoryGrants):
    """The `DeviceAuthorizations` of a `ServerStore`."""

    async def insert_device_authorization(self, device: DeviceAuthorization, event: AuditEvent) -> bool:
        with self._lock:
            self._check_known(client_id=device.client_id)
            if device.user_code_digest in self._devices_by_user_code:
                return False
            if device.digest in self._devices:
                raise ServerError(Finding.STORE_CONFLICT, table="device_authorizations")
            while len(self._devices) >= MOST_WAITING:
                self._forget_device(next(iter(self._devices.values())))
            self._devices[device.digest] = device
            self._devices_by_user_code[device.user_code_digest] = device.digest
            self.events.append(event)
            return True

    async def find_device_code(self, digest: str) -> DeviceStanding | None:
        with self._lock:
            device = self._devices.get(digest)
            if device is None:
                return None
            id_ = device.authorization_id
            client = self._clients.get(device.client_id)
            return DeviceStanding(device=device, client=client, grant=self._standing(id_) if id_ else None)

    async def find_user_code(self, user_code_digest: str) -> DeviceAuthorization | None:
        with self._lock:
            digest = self._devices_by_user_code.get(user_code_digest)
            return self._devices.get(digest) if digest else None

    async def poll_device_code(self, digest: str, now: Instant) -> bool:
        with self._lock:
            device = self._devices.get(digest)
            if device is None:
                return False
            in_time = device.polled_at is None or device.polled_at + device.interval <= now + 1
            interval = device.interval if in_time else device.interval + 5
            self._devices[digest] = replace(device, polled_at=now, interval=interval)
            return in_time

    async def decide_device_code(
        self, digest: str, now: Instant, event: AuditEvent, authorization: Authorization | None = None
    ) -> bool:
        with self._lock:
            device = self._devices.get(digest)
            if device is None or device.decided_at is not None or device.code_expires_at <= now:
                return False
            if authorization is not None:
                self._keep_authorization(authorization)
            id_ = authorization.id if authorization else None
            self._devices[digest] = replace(device, decided_at=now, authorization_id=id_)
            self.events.append(event)
            return True

    def _over(self, now: Instant) -> Iterator[Callable[[], object]]:
        yield from super()._over(now)
        yield from (partial(self._forget_device, one) for one in self._devices.values() if one.expires_at <= now)

    def _forget_device(self, device: DeviceAuthorization) -> None:
        del self._devices[device.digest]
        del self._devices_by_user_code[device.user_code_digest]
