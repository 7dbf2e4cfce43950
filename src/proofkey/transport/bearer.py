"""HTTP clients for an API that add a fresh access token to each request, and to that API only."""

import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from pathlib import Path
from typing import Any

import httpx2

from proofkey.errors import ProofkeyError
from proofkey.findings import Finding
from proofkey.protocol.uri import is_loopback_http
from proofkey.transport.address import check_outgoing_url, shown_address
from proofkey.transport.http import DIRECT
from proofkey.transport.tls import no_tls, tls_context

BearerClient = httpx2.Client
AsyncBearerClient = httpx2.AsyncClient
AsyncApiTransport = httpx2.AsyncBaseTransport

TIMEOUT = 30.0
"""Seconds without progress; an API may work longer than a token endpoint."""

ApiClient = httpx2.Client
"""What `bearer_client` gives, by a name that the layers above may import."""


class _Bearer(httpx2.Auth):
    """RFC 6750 §2.1, for one origin."""

    def __init__(self, base_url: str) -> None:
        check_outgoing_url(base_url)
        self._origin = httpx2.URL(base_url).origin

    def check(self, request: httpx2.Request) -> None:
        """Raises: ProofkeyError when the request goes to another origin."""
        if request.url.origin != self._origin:
            raise ProofkeyError(Finding.OUTGOING_FOREIGN, address=shown_address(str(request.url)))


class _SyncBearer(_Bearer):
    def __init__(self, base_url: str, token: Callable[[], str]) -> None:
        super().__init__(base_url)
        self._token = token

    def sync_auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        self.check(request)
        request.headers["Authorization"] = f"Bearer {self._token()}"
        yield request


class _AsyncBearer(_Bearer):
    def __init__(self, base_url: str, token: Callable[[], Awaitable[str]]) -> None:
        super().__init__(base_url)
        self._token = token

    async def async_auth_flow(self, request: httpx2.Request) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        self.check(request)
        request.headers["Authorization"] = f"Bearer {await self._token()}"
        yield request


def _context(base_url: str, ca_file: Path | None) -> ssl.SSLContext:
    return no_tls() if is_loopback_http(base_url) else tls_context(ca_file)


def bearer_client(
    base_url: str,
    token: Callable[[], str],
    *,
    ca_file: Path | None = None,
    timeout: float = TIMEOUT,
    transport: httpx2.BaseTransport | None = None,
) -> httpx2.Client:
    """A client whose relative URLs start at `base_url`; `token` is asked before each request.

    Redirects are not followed. No connection stays open between requests: the pages that use this close no client.
    Raises: Unavailable when the URL is neither https nor http on loopback; requests to another origin raise
    ProofkeyError.
    """
    auth = _SyncBearer(base_url, token)
    if transport is not None:
        return httpx2.Client(base_url=base_url, auth=auth, timeout=timeout, transport=transport)
    mounts: dict[str, Any] = dict.fromkeys(DIRECT)
    return httpx2.Client(
        base_url=base_url,
        auth=auth,
        timeout=timeout,
        verify=_context(base_url, ca_file),
        mounts=mounts,
        limits=httpx2.Limits(max_keepalive_connections=0),
    )


def async_bearer_client(
    base_url: str,
    token: Callable[[], Awaitable[str]],
    *,
    ca_file: Path | None = None,
    timeout: float = TIMEOUT,
    transport: httpx2.AsyncBaseTransport | None = None,
) -> httpx2.AsyncClient:
    """`bearer_client` for code on an event loop."""
    auth = _AsyncBearer(base_url, token)
    if transport is not None:
        return httpx2.AsyncClient(base_url=base_url, auth=auth, timeout=timeout, transport=transport)
    mounts: dict[str, Any] = dict.fromkeys(DIRECT)
    return httpx2.AsyncClient(
        base_url=base_url, auth=auth, timeout=timeout, verify=_context(base_url, ca_file), mounts=mounts
    )
