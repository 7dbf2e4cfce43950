"""Opaque access tokens in SQL."""

from dataclasses import replace

from proofkey.authorization_server.records import AuditEvent, OpaqueToken, TokenStanding
from proofkey.protocol.text import Instant
from proofkey.store.sql import statements as sql
from proofkey.store.sql.documents import from_json, to_json
from proofkey.store.sql.part import Row, SqlPart
from proofkey.store.sql.rows import client_of, standing_of


class SqlOpaqueTokens(SqlPart):
    """The `OpaqueTokens` of a `ServerStore`."""

    async def insert_opaque_token(self, token: OpaqueToken) -> None:
        await self._change(sql.INSERT_OPAQUE_TOKEN, _row_of(token))

    async def find_opaque_token(self, digest: str) -> TokenStanding | None:
        row = await self._database.one(sql.FIND_OPAQUE_TOKEN, (digest,))
        return _standing_of(row) if row else None

    async def revoke_opaque_token(self, token: OpaqueToken, now: Instant, event: AuditEvent) -> bool:
        return await self._change(sql.REVOKE_OPAQUE_TOKEN, _row_of(replace(token, revoked_at=now)), event)


def _row_of(token: OpaqueToken) -> Row:
    return (
        token.digest,
        token.authorization_id,
        token.client_id,
        token.sub,
        to_json(dict(token.claims)),
        token.created_at,
        token.expires_at,
        token.revoked_at,
    )


def _standing_of(row: Row) -> TokenStanding:
    """8 columns of the token, 2 of the client that it was issued to, then those of the grant's standing."""
    digest, authorization_id, client_id, sub, claims, created_at, expires_at, revoked_at = row[:8]
    token = OpaqueToken(
        digest=digest,
        authorization_id=authorization_id,
        client_id=client_id,
        sub=sub,
        claims=from_json(claims),
        created_at=created_at,
        expires_at=expires_at,
        revoked_at=revoked_at,
    )
    return TokenStanding(
        holder=client_of(row[8:10]) if row[8] is not None else None,
        authorization_id=authorization_id,
        grant=standing_of(row[10:]) if row[10] is not None else None,
        row=token,
    )
