"""Clients that registered themselves, in memory."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

from proofkey.authorization_server.records import AuditEvent, RegisteredClient
from proofkey.errors import ServerError
from proofkey.findings import Finding
from proofkey.protocol.registration import ClientRegistration
from proofkey.protocol.text import ClientId, Instant
from proofkey.store.memory.grants import MemoryGrants


class MemoryRegisteredClients(MemoryGrants):
    """The `RegisteredClients` of a `ServerStore`, and its `Clients`, who may be such ones."""

    async def insert_registered(self, registered: RegisteredClient, event: AuditEvent) -> None:
        with self._lock:
            client_id = registered.client.client_id
            if client_id in self._registered:
                raise ServerError(Finding.STORE_CONFLICT, table="registered_clients")
            self._registered[client_id] = registered
            self.events.append(event)

    async def find_registered(self, client_id: ClientId) -> RegisteredClient | None:
        with self._lock:
            found = self._registered.get(client_id)
            if found is None:
                return None
            return replace(found, client=self._clients.get(client_id, found.client))

    async def replace_registered(
        self, client: ClientRegistration, token_digest: str, new_digest: str, now: Instant, event: AuditEvent
    ) -> bool:
        with self._lock:
            found = self._registered.get(client.client_id)
            if found is None or found.token_digest != token_digest:
                return False
            self._registered[client.client_id] = replace(found, client=client, token_digest=new_digest)
            before = self._clients.get(client.client_id)
            if before is not None:
                self._clients[client.client_id] = replace(client, disabled=before.disabled)
            self.events.append(event)
            return True

    async def delete_registered(
        self, client_id: ClientId, token_digest: str, now: Instant, event: AuditEvent
    ) -> bool:
        with self._lock:
            found = self._registered.get(client_id)
            if found is None or found.token_digest != token_digest:
                return False
            del self._registered[client_id]
            if client_id in self._clients:
                self._clients[client_id] = replace(ClientRegistration.emptied(client_id), disabled=True)
            self.events.append(event)
            return True

    async def put_document_client(
        self, registered: RegisteredClient, now: Instant, event: AuditEvent | None
    ) -> None:
        with self._lock:
            client = registered.client
            found, used = self._registered.get(client.client_id), self._clients.get(client.client_id)
            kept = found is not None and found.expires_at is None
            self._registered[client.client_id] = replace(registered, expires_at=None) if kept else registered
            if used is not None:
                self._clients[client.client_id] = replace(client, disabled=used.disabled)
            if event is not None:
                self.events.append(event)

    async def keep_client(self, client_id: ClientId, now: Instant) -> bool:
        with self._lock:
            found = self._registered.get(client_id)
            if found is None:
                return False
            self._registered[client_id] = replace(found, expires_at=None)
            self._clients.setdefault(client_id, found.client)
            return True

    async def find_client(self, client_id: ClientId) -> ClientRegistration | None:
        found, registered = self._clients.get(client_id), self._registered.get(client_id)
        return found or (registered.client if registered else None)

    async def list_clients(self) -> Sequence[ClientRegistration]:
        with self._lock:
            unused = [one.client for one in self._registered.values() if one.expires_at is not None]
            return sorted([*self._clients.values(), *unused], key=lambda client: client.client_id)

    async def disable_client(self, client_id: ClientId, now: Instant, event: AuditEvent) -> bool:
        await self.keep_client(client_id, now)
        return await super().disable_client(client_id, now, event)

    async def enable_client(self, client_id: ClientId, now: Instant, event: AuditEvent) -> bool:
        client = self._clients.get(client_id)
        if client is None or client.is_emptied:
            return False
        return await super().enable_client(client_id, now, event)

    def _over(self, now: Instant) -> Iterator[Callable[[], object]]:
        yield from super()._over(now)
        yield from (
            partial(self._registered.pop, client_id)
            for client_id, one in self._registered.items()
            if one.expires_at is not None and one.expires_at <= now
        )
