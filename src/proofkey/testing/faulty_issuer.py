"""A real issuer on loopback whose key set misbehaves on the wire, for tests of whatever fetches keys."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final, Literal, get_args

from proofkey.runtime.clock import Clock
from proofkey.testing.issuer import AUDIENCE, LocalIssuer

Fault = Literal[
    "hangs", "drips", "500", "503", "404", "html", "empty", "garbage", "huge", "endless", "redirect", "no keys",
    "cut off", "refuses",
]  # fmt: skip
FAULTS: Final[tuple[Fault, ...]] = get_args(Fault)
HUGE: Final = 10 * 1024 * 1024
"""Bytes of the answer `huge`."""
_DRIP: Final = 0.01
_HTML: Final = b"<!doctype html><title>Sign in</title>"


class FaultyIssuer:
    """`issuer` signs; `fault` says how the key set is answered (None: well) and `metadata_fault` the discovery.

    `asked` counts requests by their last path segment, `elsewhere` those that followed the redirect; `sent` is how
    many bytes of the last flood went out. `hung` is set while a request hangs, and `release` lets it go on.
    """

    def __init__(self, url: str, clock: Clock | None, audience: str) -> None:
        self.issuer = LocalIssuer(url, clock=clock, audience=audience)
        self.fault: Fault | None = None
        self.metadata_fault: Fault | None = None
        self.asked: Counter[str] = Counter()
        self.sent = 0
        self.elsewhere = 0
        self.hung = asyncio.Event()
        self.release = asyncio.Event()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, one exchange."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            path = head.split(b" ", 2)[1].decode("latin-1")
            await self._answer(path, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass  # the client has gone, as it should
        finally:
            writer.close()

    async def _answer(self, path: str, writer: asyncio.StreamWriter) -> None:
        name = path.rpartition("/")[2]
        self.asked[name] += 1
        if path.startswith("/elsewhere"):
            self.elsewhere += 1
        keys = name == "jwks"
        document = self.issuer.jwks if keys else self.issuer.metadata
        fault = self.fault if keys else self.metadata_fault
        body = json.dumps(document).encode()
        if fault is None:
            await self._write(writer, _http(body, cache_control=self.issuer.cache_control))
        else:
            await self._fail(fault, body, writer)

    async def _fail(self, fault: Fault, body: bytes, writer: asyncio.StreamWriter) -> None:
        if fault == "hangs":
            self.hung.set()
            await self.release.wait()
            self.hung.clear()
            await self._write(writer, _http(body))
        elif fault == "drips":
            await self._write(writer, _http(body)[: -len(body)])
            for byte in body:
                self.hung.set()
                await self._write(writer, bytes([byte]))
                await asyncio.sleep(_DRIP)
        elif fault in ("huge", "endless"):
            await self._flood(writer, declared=fault == "huge")
        elif fault == "cut off":
            await self._write(writer, _http(body)[:-20])
        elif fault == "refuses":
            writer.transport.abort()
        else:
            await self._write(writer, _ANSWERS[fault])

    async def _flood(self, writer: asyncio.StreamWriter, *, declared: bool) -> None:
        length = f"Content-Length: {HUGE}\r\n" if declared else ""
        head = f"HTTP/1.1 200 OK\r\n{length}Content-Type: application/json\r\nConnection: close\r\n\r\n"
        await self._write(writer, head.encode() + b'{"keys": [')
        self.sent = 0
        while self.sent < HUGE:
            await self._write(writer, b" " * 65536)
            self.sent += 65536

    async def _write(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        writer.write(data)
        await writer.drain()


def _http(body: bytes, *headers: str, status: str = "200 OK", cache_control: str | None = None) -> bytes:
    cached = () if cache_control is None else (f"Cache-Control: {cache_control}",)
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *cached, *headers, "", ""]
    return "\r\n".join(head).encode() + body


_ANSWERS: Final[dict[str, bytes]] = {
    "500": _http(b"oops", status="500 Internal Server Error"),
    "503": _http(b"", "Retry-After: 1", status="503 Service Unavailable"),
    "404": _http(b"", status="404 Not Found"),
    "html": _http(_HTML, "Content-Type: text/html"),
    "empty": _http(b""),
    "garbage": _http(b"\x00\xff{keys"),
    "no keys": _http(b'{"keys": []}'),
    "redirect": _http(b"", "Location: /elsewhere/jwks", status="302 Found"),
}


@asynccontextmanager
async def faulty_issuer(clock: Clock | None = None, *, audience: str = AUDIENCE) -> AsyncGenerator[FaultyIssuer]:
    """An issuer at a free port of 127.0.0.1, on the loop that runs."""
    found: list[FaultyIssuer] = []
    server = await asyncio.start_server(lambda reader, writer: found[0].answer(reader, writer), "127.0.0.1", 0)
    found.append(FaultyIssuer(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", clock, audience))
    try:
        yield found[0]
    finally:
        found[0].release.set()
        server.close()
