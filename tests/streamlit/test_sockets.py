"""Open tabs and their end, without a server."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from starlette.types import Message
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from proofkey.client.session import Session
from proofkey.errors import Unavailable
from proofkey.findings import Finding
from proofkey.streamlit.frames import redirect_frame, redirect_of
from proofkey.streamlit.sockets import SESSION_ENDED, TOUCH_EVERY, Socket, Sockets
from proofkey.testing.clock import TurnedClock
from tests.streamlit.test_identity import session

LOGOUT = ("/auth/logout",)


class Wire:
    """What the server was told to send."""

    def __init__(self) -> None:
        self.sent: list[Message] = []

    async def __call__(self, message: Message) -> None:
        self.sent.append(message)

    @property
    def redirects(self) -> list[str]:
        return [url for message in self.sent if (url := redirect_of(message.get("bytes") or b""))]

    @property
    def codes(self) -> list[int]:
        return [message["code"] for message in self.sent if message["type"] == "websocket.close"]


class Sessions:
    """The sessions that live."""

    def __init__(self, *ids: str) -> None:
        self.live = {id_: replace(session(), id=id_) for id_ in ids}
        self.down = False

    async def __call__(self, id_: str) -> Session | None:
        if self.down:
            raise Unavailable(Finding.STORE_UNAVAILABLE)
        return self.live.get(id_)


async def opened(sockets: Sockets, handle: str) -> tuple[Socket, Wire]:
    wire = Wire()
    socket = Socket(handle, wire, goodbye="/bye")
    sockets.add(socket)
    await socket.send({"type": "websocket.accept"}, *LOGOUT)
    return socket, wire


async def test_all_tabs_of_a_session_leave_and_no_others() -> None:
    sockets = Sockets(Sessions("a", "b"), every=60)
    (_, first), (_, second), (_, other) = [await opened(sockets, handle) for handle in ("a", "a", "b")]
    await sockets.end("a")
    for wire in (first, second):
        assert wire.redirects == ["/bye"]
        assert wire.codes == [SESSION_ENDED]
    assert other.codes == []
    await sockets.aclose()


async def test_a_tab_that_logs_out_is_given_time_and_then_leaves_too() -> None:
    sockets = Sockets(Sessions("a"), every=60, leaving=0.05)
    socket, wire = await opened(sockets, "a")
    await socket.send({"type": "websocket.send", "bytes": redirect_frame("/auth/logout")}, *LOGOUT)
    await socket.send({"type": "websocket.send", "bytes": redirect_frame("/auth/login?next=/")}, *LOGOUT)
    ending = asyncio.create_task(sockets.end("a"))
    await asyncio.sleep(0.01)
    assert wire.redirects == ["/auth/logout"]
    assert wire.codes == []
    await ending
    assert wire.redirects == ["/auth/logout", "/bye"]
    assert wire.codes == [SESSION_ENDED]
    await sockets.aclose()


async def test_nothing_follows_the_end() -> None:
    sockets = Sockets(Sessions("a"), every=60)
    socket, wire = await opened(sockets, "a")
    await sockets.end("a")
    count = len(wire.sent)
    await socket.send({"type": "websocket.send", "bytes": b"private"}, *LOGOUT)
    await sockets.end("a")
    assert len(wire.sent) == count

    async def receive() -> Message:
        return {"type": "websocket.receive", "bytes": b"rerun"}

    assert (await socket.receive(receive, TurnedClock(), _nothing))["type"] == "websocket.disconnect"
    await sockets.aclose()


async def test_a_browser_that_is_gone_disturbs_nobody() -> None:
    async def broken(message: Message) -> None:
        if message["type"] != "websocket.accept":
            raise RuntimeError("gone")

    sockets = Sockets(Sessions("a"), every=60)
    gone = Socket("a", broken, goodbye="/bye")
    sockets.add(gone)
    await gone.send({"type": "websocket.accept"})
    _, wire = await opened(sockets, "a")
    await sockets.end("a")
    assert wire.codes == [SESSION_ENDED]
    await sockets.aclose()


async def test_a_session_that_ended_elsewhere_is_found_and_a_store_that_is_away_ends_nothing() -> None:
    sessions = Sessions("a")
    sockets = Sockets(sessions, every=0.01)
    _, wire = await opened(sockets, "a")
    sessions.down = True
    await asyncio.sleep(0.05)
    assert wire.codes == []
    sessions.down = False
    sessions.live.clear()
    async with asyncio.timeout(5):
        while not wire.codes:
            await asyncio.sleep(0.01)
    assert wire.redirects == ["/bye"]
    await sockets.aclose()


async def test_the_watch_outlives_what_it_did_not_foresee() -> None:
    answers: list[Any] = [ValueError("odd"), None]

    async def find(id_: str) -> Session | None:
        answer = answers.pop(0) if answers else None
        if isinstance(answer, Exception):
            raise answer
        return None

    sockets = Sockets(find, every=0.01)
    _, wire = await opened(sockets, "a")
    async with asyncio.timeout(5):
        while not wire.codes:
            await asyncio.sleep(0.01)
    await sockets.aclose()


async def test_a_closed_tab_is_forgotten() -> None:
    sockets = Sockets(Sessions("a"), every=60)
    socket, wire = await opened(sockets, "a")
    message = ForwardMsg()
    message.new_session.initialize.session_id = "st-1"
    await socket.send({"type": "websocket.send", "bytes": message.SerializeToString()}, *LOGOUT)
    assert sockets.owner_of("st-1") == "a"
    assert len(sockets) == 1
    sockets.discard(socket)
    sockets.discard(socket)
    assert sockets.owner_of("st-1") is None
    await sockets.end("a")
    assert wire.codes == []
    await sockets.aclose()


async def _nothing() -> None:
    return None


@pytest.mark.spec("N63-5.1.2")
async def test_activity_is_what_a_person_does_and_is_noted_now_and_then() -> None:
    clock, noted = TurnedClock(), 0
    socket = Socket("a", Wire(), goodbye="/bye")

    def frame(*, auto: bool = False, rerun: bool = True) -> bytes:
        message = BackMsg()
        if rerun:
            message.rerun_script.is_auto_rerun = auto
        else:
            message.app_heartbeat = True
        return bytes(message.SerializeToString())

    async def note() -> None:
        nonlocal noted
        noted += 1

    async def from_browser(data: bytes) -> int:
        async def receive() -> Message:
            return {"type": "websocket.receive", "bytes": data}

        await socket.receive(receive, clock, note)
        return noted

    assert await from_browser(frame()) == 0  # the run of the connection itself
    assert await from_browser(frame(auto=True)) == 0
    assert await from_browser(frame(rerun=False)) == 0
    assert await from_browser(frame()) == 1
    assert await from_browser(frame()) == 1
    clock.turn(TOUCH_EVERY)
    assert await from_browser(frame(auto=True)) == 1
    assert await from_browser(frame()) == 2
