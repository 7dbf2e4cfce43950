"""An answer's head and body leave together."""

import asyncio
from typing import Any

import pytest

from proofkey.web.one_write import GatheringTransport

pytestmark = pytest.mark.spec("issue 4")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Line(asyncio.Transport):
    """Notes what is done to it."""

    def __init__(self) -> None:
        super().__init__({"peername": ("192.0.2.1", 7)})
        self.done: list[bytes | str] = []
        self.closing = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.done.append(bytes(data))

    def close(self) -> None:
        self.done.append("close")
        self.closing = True

    def abort(self) -> None:
        self.done.append("abort")
        self.closing = True

    def is_closing(self) -> bool:
        return self.closing

    def get_write_buffer_size(self) -> int:
        return 0


async def turn() -> None:
    """What the loop was asked to do in this turn is done."""
    await asyncio.sleep(0)


async def test_a_head_leaves_with_its_body() -> None:
    line = Line()
    transport = GatheringTransport(line)
    transport.write(b"head ")
    assert line.done == []
    assert transport.get_write_buffer_size() == 5
    transport.write(b"body")
    assert line.done == [b"head body"]
    await turn()
    assert line.done == [b"head body"]


async def test_a_head_alone_leaves_at_the_end_of_the_turn() -> None:
    line = Line()
    transport = GatheringTransport(line)
    transport.write(b"head")
    transport.write(b"")
    assert line.done == [b"head"]
    transport.write(b"more")
    await turn()
    assert line.done == [b"head", b"more"]


async def test_no_more_than_one_write_is_held_back() -> None:
    line = Line()
    transport = GatheringTransport(line)
    for piece in (b"1", b"2", b"3", b"4", b"5"):
        transport.write(piece)
    assert line.done == [b"12", b"34"]
    await turn()
    assert line.done == [b"12", b"34", b"5"]


@pytest.mark.parametrize(("end", "done"), [("close", [b"head", "close"]), ("abort", ["abort"])])
async def test_the_end_sends_what_is_held_back_first(end: str, done: list[Any]) -> None:
    line = Line()
    transport = GatheringTransport(line)
    transport.write(b"head")
    getattr(transport, end)()
    await turn()
    assert line.done == done


async def test_nothing_is_written_to_a_connection_that_was_lost() -> None:
    line = Line()
    transport = GatheringTransport(line)
    transport.write(b"head")
    line.closing = True
    await turn()
    assert line.done == []


async def test_all_else_is_the_transports_own() -> None:
    line = Line()
    transport = GatheringTransport(line)
    assert transport.get_extra_info("peername") == ("192.0.2.1", 7)
    assert transport.get_extra_info("socket", "none") == "none"
    assert not transport.is_closing()
    transport.close()
    assert transport.is_closing()
