"""Requests to a server on loopback over connections that stay open, and the CPU time that its processes used."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

CONNECTIONS = 8
_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Reply:
    """Status, header fields (the last of each name) and body of an answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Connection:
    """One keep-alive connection; requests go one after the other."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str) -> None:
        self._reader, self._writer, self._host = reader, writer, host

    @classmethod
    async def open(cls, port: int) -> "Connection":
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        return cls(reader, writer, f"127.0.0.1:{port}")

    def close(self) -> None:
        self._writer.close()

    async def get(self, path: str, **headers: str) -> Reply:
        return await self._send("GET", path, b"", headers)

    async def post(self, path: str, form: Mapping[str, str], **headers: str) -> Reply:
        type_ = {"content-type": "application/x-www-form-urlencoded"}
        return await self._send("POST", path, urlencode(form).encode(), type_ | headers)

    async def _send(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        lines = [f"{method} {path} HTTP/1.1", f"host: {self._host}", "accept: */*"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if method == "POST":
            lines.append(f"content-length: {len(body)}")
        self._writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        status_line, *fields = head.rstrip().split("\r\n")
        found = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
        return Reply(int(status_line.split(" ", 2)[1]), found, await self._read_body(found))

    async def _read_body(self, headers: Mapping[str, str]) -> bytes:
        if headers.get("transfer-encoding") == "chunked":
            body = b""
            while size := int(await self._reader.readline(), 16):
                body += (await self._reader.readexactly(size + 2))[:-2]
            await self._reader.readline()
            return body
        return await self._reader.readexactly(int(headers.get("content-length", "0")))


Operation = Callable[[Connection], Awaitable[None]]


async def drive(port: int, operation: Operation, times: int) -> list[float]:
    """Does the operation so often, `CONNECTIONS` at a time; gives the seconds that each took."""
    connections = [await Connection.open(port) for _ in range(CONNECTIONS)]
    left, seconds = times, list[float]()

    async def work(connection: Connection) -> None:
        nonlocal left
        while left > 0:
            left -= 1
            begun = time.perf_counter()
            await operation(connection)
            seconds.append(time.perf_counter() - begun)

    try:
        await asyncio.gather(*map(work, connections))
    finally:
        for connection in connections:
            connection.close()
    return seconds


def cpu_seconds(pid: int) -> float:
    """User and system time of that process and those that it started, while they live."""
    total = 0.0
    for one in _family(pid):
        fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        total += (int(fields[11]) + int(fields[12])) / _TICK
    return total


def resident_bytes(pid: int) -> int:
    """The most memory that those processes held at once, summed."""
    lines = [
        line
        for one in _family(pid)
        for line in Path(f"/proc/{one}/status").read_text().splitlines()
        if line.startswith("VmHWM:")
    ]
    return sum(int(line.split()[1]) * 1024 for line in lines)


def _family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(one for child in children for one in _family(int(child)))]
