"""What was used, in Redis (or Valkey), for the workers of any number of hosts.

Redis forgets more easily than a database does, so this looks twice: a server that may evict keys is refused, and
so is, for a moment, one that was flushed or came back empty. A failover to a replica that had not yet heard of
the last writes cannot be seen: where that matters, use PostgreSQL.
"""

import os
from typing import Final

from redis.asyncio import Redis

from proofkey.protocol.replay import key_digest
from proofkey.protocol.text import Instant
from proofkey.store.redis_connection import KEPT_LONGER, RedisConnection

AHEAD: Final = 3
"""Seconds by which a maker's clock may be ahead and its thing still not be used again after a flush. More would
keep everybody out for longer."""

_PREFIX: Final = "proofkey:replay:"
_BEGAN: Final = f"{_PREFIX}began"
ADD: Final = """
local now, till, made = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local began = redis.call('GET', KEYS[2])
if not began then
  began = ARGV[5] == '1' and ARGV[1] or '0'
  redis.call('SET', KEYS[2], began)
end
local held = redis.call('GET', KEYS[1])
if held then
  local held_till, holder = string.match(held, '^(%d+):(%x+)$')
  if holder == ARGV[4] then return 1 end
  if tonumber(held_till) > now then return 0 end
end
if made <= tonumber(began) then return -1 end
redis.call('SET', KEYS[1], ARGV[2] .. ':' .. ARGV[4], 'EX', math.max(till - now, 0) + tonumber(ARGV[6]))
return 1
"""
"""One script is one atomic step. KEYS: the key, and since when the memory is whole (0: since ever). ARGV: now,
until, made, the holder (one call: sent again after a lost answer, it is first again), whether this process has
seen the memory before, the seconds to keep longer. Gives 1 for the first, 0 for the others, -1 for what is older
than the memory."""


class RedisReplay:
    """`ReplayMemory` in Redis; see the module."""

    def __init__(self, url: str) -> None:
        """Connects to nothing yet. Raises: ConfigurationError when the URL is none."""
        self._connection = RedisConnection(url)
        self.shown = self._connection.shown
        self._seen = False

    async def add(self, key: str, *, now: Instant, until: Instant, made: Instant | None = None) -> bool:
        """As `ReplayMemory.add`. Raises: Unavailable within two seconds, also while the server may evict."""

        async def work(client: Redis) -> int:
            return await self._add(client, key, now, until, made)

        answer = await self._connection.run(work, now=now)
        self._seen = True
        if answer < 0:
            raise self._connection.unavailable(
                "it has lost what it held: only what is made from now on can be told apart"
            )
        return answer == 1

    async def purge(self, now: Instant) -> int:
        """Redis forgets by itself."""
        return 0

    async def ping(self) -> None:
        """Raises: Unavailable when the server does not answer, or may evict."""
        await self._connection.ping()

    async def aclose(self) -> None:
        """Closes what this loop has."""
        await self._connection.aclose()

    async def _add(self, client: Redis, key: str, now: Instant, until: Instant, made: Instant | None) -> int:
        oldest = made - AHEAD if made is not None else 2 * now - until
        arguments = (now, until, oldest, os.urandom(16).hex(), int(self._seen), KEPT_LONGER)
        keys = (_PREFIX + key_digest(key), _BEGAN)
        return int(await client.eval(ADD, len(keys), *keys, *arguments))
