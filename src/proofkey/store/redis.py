"""What was used, in Redis (or Valkey), for the workers of any number of hosts.

Redis forgets more easily than a database does, so this looks twice: a server that may evict keys is refused, and
so is, for a moment, one that was flushed or came back empty. A failover to a replica that had not yet heard of
the last writes cannot be seen: where that matters, use PostgreSQL.
"""

import os
from typing import Final
from urllib.parse import parse_qs, urlsplit

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from proofkey.errors import ConfigurationError, Unavailable
from proofkey.findings import Finding
from proofkey.protocol.replay import key_digest
from proofkey.protocol.text import Instant
from proofkey.store.address import shown_store
from proofkey.store.deadline import DEADLINE, PerLoop, within

SIZE: Final = 8
"""Connections of one process."""
AHEAD: Final = 3
"""Seconds by which a maker's clock may be ahead and its thing still not be used again after a flush. More would
keep everybody out for longer."""
KEPT_LONGER: Final = 60
"""Seconds that Redis keeps a key beyond its time, as its clock is not ours: `until` decides, by the caller's."""
LOOK_EVERY: Final = 5
"""Seconds between two looks at the server's eviction policy."""

_PREFIX: Final = "proofkey:replay:"
_BEGAN: Final = f"{_PREFIX}began"
_OPTIONS: Final = frozenset({"db", "protocol", "client_name", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile"})
"""What a URL's query may say: nothing there turns a check of the certificate off."""

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
        self.shown = shown_store(url)
        _check_url(url, self.shown)
        self._url = url
        self._seen = False
        self._looked: Instant | None = None
        try:
            self._clients: PerLoop[Redis] = PerLoop(self._client, _forget)
            _ = self._client()
        except (ValueError, RedisError):
            raise ConfigurationError(Finding.CONFIG_VALUE, store=self.shown, reason="not a URL") from None

    async def add(self, key: str, *, now: Instant, until: Instant, made: Instant | None = None) -> bool:
        """As `ReplayMemory.add`. Raises: Unavailable within two seconds, also while the server may evict."""
        try:
            answer = await within(self._add(key, now, until, made), store=self.shown)
        except (RedisError, OSError) as error:
            raise self._unavailable(type(error).__name__) from error
        self._seen = True
        if answer < 0:
            raise self._unavailable("it has lost what it held: only what is made from now on can be told apart")
        return answer == 1

    async def purge(self, now: Instant) -> int:
        """Redis forgets by itself."""
        return 0

    async def ping(self) -> None:
        """Raises: Unavailable when the server does not answer, or may evict."""
        try:
            await within(self._look(self._clients.here()), store=self.shown)
        except (RedisError, OSError) as error:
            raise self._unavailable(type(error).__name__) from error

    async def aclose(self) -> None:
        """Closes what this loop has."""
        client = self._clients.take()
        if client is not None:
            await client.aclose(close_connection_pool=True)

    async def _add(self, key: str, now: Instant, until: Instant, made: Instant | None) -> int:
        client = self._clients.here()
        if self._looked is None or not 0 <= now - self._looked < LOOK_EVERY:
            await self._look(client)
            self._looked = now
        oldest = made - AHEAD if made is not None else 2 * now - until
        arguments = (now, until, oldest, os.urandom(16).hex(), int(self._seen), KEPT_LONGER)
        keys = (_PREFIX + key_digest(key), _BEGAN)
        return int(await client.eval(ADD, len(keys), *keys, *arguments))

    async def _look(self, client: "Redis") -> None:
        """Raises: Unavailable when a used key could be evicted, or nobody may ask."""
        memory = await client.info("memory")  # pyright: ignore[reportUnknownMemberType]  # untyped keywords
        if memory.get("maxmemory") == 0 or memory.get("maxmemory_policy") == "noeviction":
            return
        policy = str(memory.get("maxmemory_policy", "unknown"))
        raise Unavailable(Finding.STORE_EVICTS, store=self.shown, policy=policy[:40])

    def _client(self) -> "Redis":
        pool = BlockingConnectionPool.from_url(  # pyright: ignore[reportUnknownMemberType]  # untyped keywords
            self._url,
            max_connections=SIZE,
            timeout=DEADLINE,
            socket_timeout=DEADLINE,
            socket_connect_timeout=DEADLINE,
            retry=Retry(NoBackoff(), 1),
        )
        return Redis(connection_pool=pool)

    def _unavailable(self, reason: str) -> Unavailable:
        return Unavailable(Finding.STORE_UNAVAILABLE, store=self.shown, reason=reason)


def _forget(_client: "Redis") -> None:
    """Its loop is closed, and with it the connections."""


def _check_url(url: str, shown: str) -> None:
    """Raises: ConfigurationError for an option that weakens, or that the driver would trip over later."""
    try:
        options = parse_qs(urlsplit(url).query, keep_blank_values=True)
    except ValueError:
        raise ConfigurationError(Finding.CONFIG_VALUE, store=shown, reason="not a URL") from None
    unknown = next((name for name in options if name not in _OPTIONS), None)
    if unknown is not None:
        known = ", ".join(sorted(_OPTIONS))
        raise ConfigurationError(
            Finding.CONFIG_VALUE, store=shown, option=unknown[:40], reason=f"the options are {known}"
        )
