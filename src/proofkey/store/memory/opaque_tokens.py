"""Opaque access tokens in memory."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

from proofkey.authorization_server.records import AuditEvent, OpaqueToken, TokenStanding
from proofkey.errors import ServerError
from proofkey.findings import Finding
from proofkey.protocol.text import Instant
from proofkey.store.memory.grants import MemoryGrants


class MemoryOpaqueTokens(MemoryGrants):
    """The `OpaqueTokens` of a `ServerStore`."""

    async def insert_opaque_token(self, token: OpaqueToken) -> None:
        with self._lock:
            self._check_known(sub=token.sub, client_id=token.client_id)
            if token.digest in self._opaque_tokens:
                raise ServerError(Finding.STORE_CONFLICT, table="opaque_tokens")
            self._opaque_tokens[token.digest] = token

    async def find_opaque_token(self, digest: str) -> TokenStanding | None:
        with self._lock:
            token = self._opaque_tokens.get(digest)
            if token is None:
                return None
            id_ = token.authorization_id
            return TokenStanding(
                holder=self._clients.get(token.client_id),
                authorization_id=id_,
                grant=self._standing(id_) if id_ else None,
                row=token,
            )

    async def revoke_opaque_token(self, token: OpaqueToken, now: Instant, event: AuditEvent) -> bool:
        with self._lock:
            self._check_known(sub=token.sub, client_id=token.client_id)
            held = self._opaque_tokens.get(token.digest, token)
            if held.revoked_at is not None:
                return False
            self._opaque_tokens[token.digest] = replace(held, revoked_at=now)
            self.events.append(event)
            return True

    def _over(self, now: Instant) -> Iterator[Callable[[], object]]:
        yield from super()._over(now)
        yield from (
            partial(self._opaque_tokens.pop, one.digest)
            for one in self._opaque_tokens.values()
            if one.expires_at <= now
        )
