"""Outgoing HTTP to the operator's URLs: issuers, token endpoints, key sets."""

import ssl
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

import anyio
import anyio.to_thread
import httpx2

from proofkey.errors import Unavailable
from proofkey.findings import Finding
from proofkey.protocol.exchange import Answer, Ask
from proofkey.transport.address import check_outgoing_url, shown_address
from proofkey.transport.tls import no_tls, tls_context

TIMEOUT: Final = 5.0
"""Seconds for the whole exchange: name, connection, TLS, request, answer."""

USER_AGENT: Final = "proofkey"
DIRECT: Final = ("all://localhost", "all://127.0.0.1", "all://[::1]")
"""Never through the proxy that HTTP_PROXY or HTTPS_PROXY may name."""


class HttpTransport:
    """Implements `protocol.exchange.Transport` on httpx2.

    Every exchange has a connection of its own, so that a connection which the other side dropped in silence never
    costs a single-use code, and one transport serves any number of event loops.
    """

    __slots__ = ("_ca_file", "_timeout")

    def __init__(self, *, timeout: float = TIMEOUT, ca_file: Path | None = None) -> None:
        self._timeout = timeout
        self._ca_file = ca_file

    async def send(self, ask: Ask) -> Answer:
        """The answer, whatever its status; redirects are not followed, 3xx is an answer like others.

        Raises: Unavailable when the address may not be called, nothing answers within the time, the answer is
        larger than `ask.max_bytes` or cannot be read.
        """
        check_outgoing_url(ask.url, allow_insecure_http=ask.allow_insecure_http)
        if ask.url[:5].lower() == "http:":
            context = no_tls()
        else:
            context = await anyio.to_thread.run_sync(tls_context, self._ca_file)  # reading it stalls a loop
        try:
            with anyio.fail_after(self._timeout):
                return await self._exchange(ask, context)
        except TimeoutError as error:
            raise failed(ask, "Timeout") from error
        except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError, OSError, UnicodeError) as error:
            raise failed(ask, type(error).__name__) from error

    async def aclose(self) -> None:
        """Nothing stays open between exchanges; the transport may be used again."""

    async def _exchange(self, ask: Ask, context: ssl.SSLContext) -> Answer:
        # The one deadline of `send` governs; httpx2's own would start anew with every chunk.
        async with (
            httpx2.AsyncClient(
                verify=context, timeout=None, follow_redirects=False, mounts=dict.fromkeys(DIRECT)
            ) as client,
            client.stream(ask.method, ask.url, headers=build_headers(ask), content=build_content(ask)) as response,
        ):
            return await read_answer(response, ask)


async def read_answer(response: httpx2.Response, ask: Ask) -> Answer:
    """Reads the body up to `ask.max_bytes`. Raises: Unavailable when it is larger or compressed."""
    headers = {name.lower(): value for name, value in response.headers.items()}
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise failed(ask, "ContentEncoding")  # never asked for, and a way around the size limit
    declared = headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > ask.max_bytes and ask.method != "HEAD":
        raise _too_large(ask)
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > ask.max_bytes:
            raise _too_large(ask)
    return Answer(response.status_code, headers, bytes(body))


def build_headers(ask: Ask) -> dict[str, str]:
    """What is sent with every request: JSON is wanted, and nothing compressed."""
    headers = {"accept": "application/json", "accept-encoding": "identity", "user-agent": USER_AGENT}
    if ask.form is not None:
        headers["content-type"] = "application/x-www-form-urlencoded"
    return headers | {name.lower(): value for name, value in ask.headers.items()}


def build_content(ask: Ask) -> bytes | None:
    """The form as bytes."""
    return None if ask.form is None else urlencode(ask.form).encode()


def failed(ask: Ask, reason: str) -> Unavailable:
    """Nothing came, or nothing that can be read; `reason` is for the log."""
    return Unavailable(Finding.OUTGOING_FAILED, address=shown_address(ask.url), reason=reason)


def _too_large(ask: Ask) -> Unavailable:
    return Unavailable(Finding.OUTGOING_TOO_LARGE, address=shown_address(ask.url), limit=str(ask.max_bytes))
