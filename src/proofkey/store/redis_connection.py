"""One Redis (or Valkey) server: its connections, the deadline of each call, and whether it may evict."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar
from urllib.parse import parse_qs, urlsplit

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from proofkey.errors import ConfigurationError, Unavailable
from proofkey.findings import Finding
from proofkey.protocol.text import Instant
from proofkey.store.address import shown_store
from proofkey.store.deadline import DEADLINE, PerLoop, within

T = TypeVar("T")
Client = Redis

SIZE: Final = 8
"""Connections of one process."""
KEPT_LONGER: Final = 60
"""Seconds that Redis keeps a key beyond its time, as its clock is not ours: the caller's decides."""
LOOK_EVERY: Final = 5
"""Seconds between two looks at the server's eviction policy."""

_OPTIONS: Final = frozenset({"db", "protocol", "client_name", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile"})
"""What a URL's query may say: nothing there turns a check of the certificate off."""
_SCHEMES: Final = {"valkey": "redis", "valkeys": "rediss"}
"""Valkey speaks the same; the driver knows one name."""


class RedisConnection:
    """A server that is connected to when it is needed, and again by itself."""

    def __init__(self, url: str) -> None:
        """Connects to nothing yet. Raises: ConfigurationError when the URL is none."""
        self.shown = shown_store(url)
        _check_url(url, self.shown)
        scheme, mark, rest = url.partition("://")
        self._url = _SCHEMES.get(scheme, scheme) + mark + rest
        self._looked: Instant | None = None
        try:
            self._clients: PerLoop[Redis] = PerLoop(self._client, _forget)
            _ = self._client()
        except (ValueError, RedisError):
            raise ConfigurationError(Finding.CONFIG_VALUE, store=self.shown, reason="not a URL") from None

    async def run(self, work: "Callable[[Redis], Awaitable[T]]", *, now: Instant | None = None) -> T:
        """What `work` gives; with `now`, after a look at the eviction policy when the last was some time ago.

        Raises: Unavailable within two seconds, also while the server may evict.
        """

        async def looked() -> T:
            client = self._clients.here()
            if now is not None and (self._looked is None or not 0 <= now - self._looked < LOOK_EVERY):
                await _look(client, self.shown)
                self._looked = now
            return await work(client)

        try:
            return await within(looked(), store=self.shown)
        except (RedisError, OSError) as error:
            raise self.unavailable(type(error).__name__) from error

    async def ping(self) -> None:
        """Raises: Unavailable when the server does not answer, or may evict."""
        await self.run(self.look)

    async def look(self, client: "Redis") -> None:
        """For `work`. Raises: Unavailable when a key could have been evicted; RedisError, OSError."""
        await _look(client, self.shown)

    async def aclose(self) -> None:
        """Closes what this loop has."""
        client = self._clients.take()
        if client is not None:
            await client.aclose(close_connection_pool=True)

    def unavailable(self, reason: str) -> Unavailable:
        """The refusal of this server."""
        return Unavailable(Finding.STORE_UNAVAILABLE, store=self.shown, reason=reason)

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


async def _look(client: "Redis", shown: str) -> None:
    memory = await client.info("memory")  # pyright: ignore[reportUnknownMemberType]  # untyped keywords
    if memory.get("maxmemory") == 0 or memory.get("maxmemory_policy") == "noeviction":
        return
    policy = str(memory.get("maxmemory_policy", "unknown"))
    raise Unavailable(Finding.STORE_EVICTS, store=shown, policy=policy[:40])


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
