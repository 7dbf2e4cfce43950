"""Clients that registered themselves, in SQL: in a table of their own until a person has allowed one something."""

from collections.abc import Sequence

from proofkey.authorization_server.records import AuditEvent, RegisteredClient, Visit
from proofkey.protocol.registration import ClientRegistration
from proofkey.protocol.text import ClientId, Instant
from proofkey.store.sql import statements as sql
from proofkey.store.sql.accounts import SqlAccounts
from proofkey.store.sql.part import Row, Transaction
from proofkey.store.sql.rows import client_of, row_of_client, row_of_event, visit_of


class SqlRegisteredClients(SqlAccounts):
    """The `RegisteredClients` of a `ServerStore`, and its `Clients`, who may be such ones."""

    async def insert_registered(self, registered: RegisteredClient, event: AuditEvent) -> None:
        await self._change(sql.INSERT_REGISTERED, _row_of(registered), event)

    async def find_registered(self, client_id: ClientId) -> RegisteredClient | None:
        row = await self._database.one(sql.FIND_REGISTERED, (client_id,))
        return _registered_of(row) if row else None

    async def replace_registered(
        self, client: ClientRegistration, token_digest: str, new_digest: str, now: Instant, event: AuditEvent
    ) -> bool:
        document = _document_of(client, now)

        async def work(transaction: Transaction) -> bool:
            changed = (document, new_digest, client.client_id, token_digest)
            if await transaction.run(sql.REPLACE_REGISTERED, changed) != 1:
                return False
            await transaction.run(sql.REPLACE_USED_CLIENT, (document, now, client.client_id))
            await transaction.run(sql.INSERT_EVENT, row_of_event(event))
            return True

        return await self._database.transact(work)

    async def delete_registered(
        self, client_id: ClientId, token_digest: str, now: Instant, event: AuditEvent
    ) -> bool:
        async def work(transaction: Transaction) -> bool:
            if await transaction.run(sql.DELETE_REGISTERED, (client_id, token_digest)) != 1:
                return False
            emptied = _document_of(ClientRegistration.emptied(client_id), now)
            await transaction.run(sql.EMPTY_USED_CLIENT, (emptied, now, client_id))
            await transaction.run(sql.INSERT_EVENT, row_of_event(event))
            return True

        return await self._database.transact(work)

    async def put_document_client(
        self, registered: RegisteredClient, now: Instant, event: AuditEvent | None
    ) -> None:
        row = _row_of(registered)

        async def work(transaction: Transaction) -> None:
            await transaction.run(sql.PUT_DOCUMENT_CLIENT, row)
            await transaction.run(sql.REPLACE_USED_CLIENT, (row[1], now, registered.client.client_id))
            if event is not None:
                await transaction.run(sql.INSERT_EVENT, row_of_event(event))

        await self._database.transact(work)

    async def keep_client(self, client_id: ClientId, now: Instant) -> bool:
        """The row is written first, so that an update of the same client waits, or was waited for."""

        async def work(transaction: Transaction) -> bool:
            if await transaction.run(sql.KEEP_REGISTERED, (client_id,)) != 1:
                return False
            await transaction.run(sql.INSERT_USED_CLIENT, (now, client_id))
            return True

        return await self._database.transact(work)

    async def find_client(self, client_id: ClientId) -> ClientRegistration | None:
        found = await super().find_client(client_id)
        if found is not None:
            return found
        row = await self._database.one(sql.FIND_UNUSED_CLIENT, (client_id,))
        return client_of(row) if row else None

    async def find_visit(self, client_id: ClientId, digest: str | None) -> Visit:
        row = await self._database.one(sql.FIND_VISIT, (client_id, digest))
        if row is not None:
            return visit_of(row)
        unused = await self._database.one(sql.FIND_UNUSED_CLIENT, (client_id,))
        if unused is None:
            return Visit(client=None, standing=None, consent=None)
        standing = await self.find_sign_in(digest) if digest else None
        return Visit(client=client_of(unused), standing=standing, consent=None)

    async def list_clients(self) -> Sequence[ClientRegistration]:
        unused = [client_of(row) for row in await self._database.all(sql.LIST_UNUSED_CLIENTS)]
        return sorted([*await super().list_clients(), *unused], key=lambda client: client.client_id)

    async def disable_client(self, client_id: ClientId, now: Instant, event: AuditEvent) -> bool:
        await self.keep_client(client_id, now)
        return await super().disable_client(client_id, now, event)

    async def enable_client(self, client_id: ClientId, now: Instant, event: AuditEvent) -> bool:
        client = await super().find_client(client_id)
        if client is None or client.is_emptied:
            return False
        return await super().enable_client(client_id, now, event)


def _document_of(client: ClientRegistration, now: Instant) -> object:
    return row_of_client(client, now)[1]


def _row_of(registered: RegisteredClient) -> Row:
    return (
        registered.client.client_id,
        _document_of(registered.client, registered.registered_at),
        registered.token_digest,
        registered.registered_at,
        registered.expires_at,
    )


def _registered_of(row: Row) -> RegisteredClient:
    registration, disabled, token_digest, registered_at, expires_at = row
    return RegisteredClient(
        client=client_of((registration, disabled)),
        token_digest=token_digest,
        registered_at=registered_at,
        expires_at=expires_at,
    )
