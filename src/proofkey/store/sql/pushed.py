"""Pushed authorization requests in SQL."""

from proofkey.authorization_server.records import PushedRequest
from proofkey.protocol.messages import AuthorizationRequest
from proofkey.protocol.text import Instant
from proofkey.store.sql import statements as sql
from proofkey.store.sql.documents import from_document, to_document
from proofkey.store.sql.part import Row, SqlPart


class SqlPushedRequests(SqlPart):
    """The `PushedRequests` of a `ServerStore`."""

    async def insert_pushed_request(self, pushed: PushedRequest) -> None:
        await self._change(sql.INSERT_PUSHED_REQUEST, _row_of(pushed))

    async def find_pushed_request(self, digest: str) -> PushedRequest | None:
        row = await self._database.one(sql.FIND_PUSHED_REQUEST, (digest,))
        return _pushed_of(row) if row else None

    async def use_pushed_request(self, digest: str, now: Instant) -> bool:
        return await self._change(sql.USE_PUSHED_REQUEST, (now, digest))


def _row_of(pushed: PushedRequest) -> Row:
    return (
        pushed.digest,
        pushed.client_id,
        to_document(pushed.request),
        pushed.dpop_jkt,
        pushed.hint_sub,
        pushed.created_at,
        pushed.expires_at,
        pushed.used_at,
    )


def _pushed_of(row: Row) -> PushedRequest:
    digest, client_id, request, dpop_jkt, hint_sub, created_at, expires_at, used_at = row
    return PushedRequest(
        digest=digest,
        client_id=client_id,
        request=from_document(AuthorizationRequest, request),
        dpop_jkt=dpop_jkt,
        hint_sub=hint_sub,
        created_at=created_at,
        expires_at=expires_at,
        used_at=used_at,
    )
