"""Answers that leave in one piece: uvicorn writes their head and their body one after the other, and each write is
a system call and a segment that wakes the other side (a fifth of the CPU time of a small answer)."""

import asyncio
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or find_spec("httptools"):
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol as _Http
else:
    from uvicorn.protocols.http.h11_impl import H11Protocol as _Http


class OneWrite(_Http):
    """uvicorn's protocol of HTTP on such a transport; `uvicorn.Config(http=OneWrite)`."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as its base has it
        super().connection_made(GatheringTransport(transport))


class GatheringTransport(asyncio.Transport):
    """Holds one write back until the next, at most to the end of the loop's turn. Never more than that one, so
    that what is under it goes on saying when too much waits."""

    __slots__ = ("_held", "_loop", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._held = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._held:
            self._transport.write(b"".join((self._taken(), data)))
        elif data:
            self._held = bytes(data)
            self._loop.call_soon(self._flush)

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def abort(self) -> None:
        self._held = b""
        self._transport.abort()

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:  # noqa: ANN401  # whatever the transport has
        return self._transport.get_extra_info(name, default)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._transport.set_protocol(protocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._transport.get_protocol()

    def is_reading(self) -> bool:
        return self._transport.is_reading()

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._transport.resume_reading()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._transport.set_write_buffer_limits(high, low)

    def get_write_buffer_size(self) -> int:
        return len(self._held) + self._transport.get_write_buffer_size()

    def can_write_eof(self) -> bool:
        return self._transport.can_write_eof()

    def write_eof(self) -> None:
        self._flush()
        self._transport.write_eof()

    def _taken(self) -> bytes:
        held, self._held = self._held, b""
        return held

    def _flush(self) -> None:
        """Also after the connection was lost; then there is nobody to write to."""
        if self._held and not self._transport.is_closing():
            self._transport.write(self._taken())
