"""A client's store in Redis that looks first and writes after a pause, as so many do."""

from typing import Any

import anyio

from proofkey.client.session import PendingLogin, SessionTokens
from proofkey.protocol.text import Instant
from proofkey.store.redis_connection import Client
from proofkey.store.redis_sessions import RedisSessionStore
from proofkey.testing.stores_check_then_set import PAUSE


class CheckThenSetRedisSessions(RedisSessionStore):
    """Wrong on purpose, for race tests only."""

    async def take_pending(self, state_digest: str) -> PendingLogin | None:
        pending = await self.find_pending(state_digest)
        await anyio.sleep(PAUSE)
        await super().take_pending(state_digest)
        return pending

    async def replace_tokens(self, id_: str, version: int, tokens: SessionTokens, now: Instant) -> bool:
        session = await self.find_session(id_)
        if session is None or session.version != version:
            return False
        await anyio.sleep(PAUSE)
        await super().replace_tokens(id_, version, tokens, now)
        return True

    async def end_session(self, id_: str) -> bool:
        found = await self.find_session(id_) is not None
        await anyio.sleep(PAUSE)
        await super().end_session(id_)
        return found

    async def use_logout_token(self, digest: str, expires_at: Instant) -> bool:
        if await self.is_logout_token_used(digest):
            return False
        await anyio.sleep(PAUSE)
        await super().use_logout_token(digest, expires_at)
        return True

    async def acquire_refresh(self, id_: str, holder: str, now: Instant, lease: int) -> bool:
        key = f"check then set {id_}"

        async def look(client: Client) -> Any:  # noqa: ANN401  # what the driver found
            return await client.get(key)

        async def write(client: Client) -> None:
            await client.set(key, now + lease, ex=lease)

        held = await self._connection.run(look)
        if held is not None and int(held) > now:
            return False
        await anyio.sleep(PAUSE)
        await self._connection.run(write)
        return True
