"""Outgoing HTTP to addresses that strangers name: clients' key sets and documents, logout and sector addresses."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from socket import SOCK_STREAM, getaddrinfo
from typing import Final

import anyio
import anyio.to_thread
import httpx2

from proofkey.errors import Unavailable
from proofkey.findings import Finding
from proofkey.protocol.exchange import Answer, Ask
from proofkey.protocol.uri import UriParts, split_uri
from proofkey.transport.address import host_and_port, read_private_hosts, shown_address
from proofkey.transport.http import TIMEOUT, build_content, build_headers, failed, read_answer
from proofkey.transport.special_addresses import is_special_address
from proofkey.transport.tls import tls_context

PER_ADDRESS: Final = 4
"""Exchanges under way with one address at once; further ones wait, within their own time."""
AT_ONCE: Final = 128
"""Exchanges at once, the waiting ones too; further ones are refused. As many as all who ask can begin together:
each has a limit of its own, and none takes another's places."""
ADDRESSES: Final = 4
"""Of those that a name has, so many are tried."""
RESOLVERS: Final = 128
"""Threads that ask for names, begun when they are needed. A name that nobody answers holds one for longer than its
exchange lasts, so there are more than strangers can begin meanwhile."""

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Host and port → IP addresses. Raises: OSError."""


class SystemResolver:
    """Names by the system's resolver, in a few threads of its own, which are there from the first name on."""

    __slots__ = ("_threads",)

    def __init__(self) -> None:
        self._threads: ThreadPoolExecutor | None = None

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(RESOLVERS, thread_name_prefix="foreign-names")
        found = await asyncio.wrap_future(self._threads.submit(_look_up, host, port))
        return list(dict.fromkeys(found))

    def close(self) -> None:
        """Ends the threads as soon as the names that are asked for are there."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
            self._threads = None


def _look_up(host: str, port: int) -> list[str]:
    return [str(one[4][0]) for one in getaddrinfo(host, port, type=SOCK_STREAM)]


@dataclass(slots=True)
class _Gate:
    """The way to one address."""

    places: anyio.Semaphore = field(default_factory=lambda: anyio.Semaphore(PER_ADDRESS))
    users: int = 0


class ForeignTransport:
    """Implements `protocol.exchange.Transport` for URLs that strangers name (RFC 8725bis §3.10; RFC 6890).

    https alone, at port 443 or from 1024 up. The name is resolved once; if one of its addresses is not a plain one
    of the internet nothing is sent, else the connection goes to an address that was looked at, and the certificate
    and Host are those of the name. No redirect is followed, no proxy used, no cookie kept; time and size are
    bounded.
    """

    __slots__ = ("_allowed", "_ca_file", "_gates", "_own", "_resolve", "_timeout", "_under_way")

    def __init__(
        self,
        *,
        allowed: Iterable[str] = (),
        ca_file: Path | None = None,
        timeout: float = TIMEOUT,
        resolve: Resolve | None = None,
    ) -> None:
        """`allowed` are exact `host:port` of the operator's own network, for which neither address nor port is
        looked at; `ca_file` has authorities (PEM) that are trusted besides the system's; `timeout` is in seconds,
        for everything from the name to the last byte.

        Raises: ConfigurationError for what is not host:port.
        """
        self._allowed = read_private_hosts(allowed)
        self._ca_file = ca_file
        self._timeout = timeout
        self._own = None if resolve else SystemResolver()
        self._resolve: Resolve = resolve or self._own or SystemResolver()
        self._gates: dict[str, _Gate] = {}
        self._under_way = 0

    async def send(self, ask: Ask) -> Answer:
        """The answer, whatever its status; 3xx is an answer like others. `ask.allow_insecure_http` counts nothing.

        Raises: Unavailable when the address may not be called, nothing answers within the time, the answer is
        larger than `ask.max_bytes` or cannot be read.
        """
        parts = self._checked(ask)
        if self._under_way >= AT_ONCE:
            raise failed(ask, "too many exchanges at once")
        self._under_way += 1
        try:
            context = await anyio.to_thread.run_sync(tls_context, self._ca_file)  # reading it stalls a loop
            with anyio.fail_after(self._timeout):
                addresses = await self._addresses(ask, parts)
                async with self._place(addresses[0]):
                    return await self._exchange(ask, parts, addresses, context)
        except TimeoutError as error:
            raise failed(ask, "Timeout") from error
        except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError, OSError, UnicodeError) as error:
            raise failed(ask, type(error).__name__) from error
        finally:
            self._under_way -= 1

    async def aclose(self) -> None:
        """Ends the threads that resolve names; the transport may be used again."""
        if self._own is not None:
            self._own.close()

    def _checked(self, ask: Ask) -> UriParts:
        """Raises: Unavailable for a URL that may not be called whatever its name leads to."""
        try:
            parts = split_uri(ask.url)
        except ValueError as error:
            raise _refused(ask, str(error)) from error
        if parts.scheme.lower() != "https":
            raise _refused(ask, "not https")
        if host_and_port(parts) in self._allowed:
            return parts
        if parts.host.endswith("."):
            raise _refused(ask, "a dot at the end of the name")
        if int(parts.port or 443) != 443 and int(parts.port) < 1024:
            raise _refused(ask, "a port below 1024 that is not 443")
        return parts

    async def _addresses(self, ask: Ask, parts: UriParts) -> Sequence[str]:
        """Raises: Unavailable when there is none, or one that is not a plain one of the internet; OSError."""
        found = await self._resolve(parts.host.strip("[]"), int(parts.port or 443))
        if not found:
            raise failed(ask, "no address")
        if host_and_port(parts) not in self._allowed and any(is_special_address(one) for one in found):
            raise _refused(ask, "a private or otherwise special address")
        return found[:ADDRESSES]

    @asynccontextmanager
    async def _place(self, address: str) -> AsyncGenerator[None]:
        gate = self._gates.setdefault(address, _Gate())
        gate.users += 1
        try:
            async with gate.places:
                yield
        finally:
            gate.users -= 1
            if not gate.users:
                del self._gates[address]

    async def _exchange(
        self, ask: Ask, parts: UriParts, addresses: Sequence[str], context: ssl.SSLContext
    ) -> Answer:
        """At the first address that takes a connection; each but the last has an equal part of the time for it."""
        connect = httpx2.Timeout(None, connect=self._timeout / len(addresses))
        for address in addresses[:-1]:
            try:
                return await _exchange_at(address, ask, parts, context, connect)
            except (httpx2.ConnectError, httpx2.ConnectTimeout):
                continue  # nothing was sent
        return await _exchange_at(addresses[-1], ask, parts, context, httpx2.Timeout(None))


async def _exchange_at(
    address: str, ask: Ask, parts: UriParts, context: ssl.SSLContext, timeout: httpx2.Timeout
) -> Answer:
    """One exchange with an address that was looked at: the URL names it, and nothing resolves again."""
    there = f"[{address}]" if ":" in address else address
    port = f":{parts.port}" if parts.port else ""
    query = f"?{parts.query}" if parts.query else ""
    url = f"https://{there}{port}{parts.path or '/'}{query}"
    headers = build_headers(ask) | {"host": f"{parts.host.lower()}{'' if port == ':443' else port}"}
    async with (
        httpx2.AsyncClient(verify=context, timeout=timeout, follow_redirects=False, trust_env=False) as client,
        client.stream(
            ask.method,
            url,
            headers=headers,
            content=build_content(ask),
            extensions={"sni_hostname": parts.host.strip("[]").lower()},
        ) as response,
    ):
        return await read_answer(response, ask)


def _refused(ask: Ask, reason: str) -> Unavailable:
    return Unavailable(Finding.OUTGOING_GUARDED, address=shown_address(ask.url), reason=reason)
