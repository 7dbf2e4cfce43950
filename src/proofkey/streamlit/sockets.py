"""The open tabs: one socket each, kept by session, so that all of them leave when the session ends."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Final

from starlette.types import Message, Receive, Send

from proofkey.client.session import Session
from proofkey.errors import ProofkeyError
from proofkey.runtime.clock import Clock
from proofkey.runtime.events import emit, internal_error, refused
from proofkey.streamlit.frames import is_rerun, redirect_frame, redirect_of, streamlit_session_of

SESSION_ENDED: Final = 4401
"""The close code of a socket whose session has ended."""
LEAVING: Final = 10.0
"""Seconds that a tab gets to log out by itself, before it is sent away as the others are."""
TOUCH_EVERY: Final = 15.0
"""Seconds between two notes of activity of one tab."""


_SMALL: Final = 2048
"""Bytes; a redirect is never longer."""


class Socket:
    """One tab: passes Streamlit's messages on until it is ended."""

    __slots__ = (
        "_accepted",
        "_ended",
        "_goodbye",
        "_quiet_until",
        "_reruns",
        "_send",
        "handle",
        "leaving",
        "streamlit_session",
    )

    def __init__(self, handle: str, send: Send, *, goodbye: str) -> None:
        self.handle: Final = handle
        """The session's id."""
        self.streamlit_session: str | None = None
        self.leaving = False
        """The page was told to go to the logout route, and must not be sent elsewhere meanwhile."""
        self._send = send
        self._goodbye = goodbye
        self._accepted = False
        self._ended = False
        self._reruns = 0
        self._quiet_until = 0.0

    async def end(self) -> None:
        """Sends the tab to the signed-out page, then closes its socket."""
        if self._ended:
            return
        self._ended = True
        try:
            if self._accepted:
                await self._send({"type": "websocket.send", "bytes": redirect_frame(self._goodbye)})
            await self._send({"type": "websocket.close", "code": SESSION_ENDED, "reason": "session ended"})
        except (RuntimeError, OSError):
            emit("streamlit.socket.gone", level="debug", session=self.handle)

    async def send(self, message: Message, *logout_paths: str) -> None:
        """A message of Streamlit's to the browser; dropped once the tab is ended."""
        if self._ended:
            return
        if message["type"] == "websocket.accept":
            self._accepted = True
        if self._goes_through(message.get("bytes") or b"", logout_paths):
            await self._send(message)

    async def receive(self, receive: Receive, clock: Clock, interacted: Callable[[], Awaitable[None]]) -> Message:
        """The next message of the browser; the end of the socket once the tab is ended."""
        message = await receive()
        if message["type"] == "websocket.receive" and self._is_interaction(message, clock):
            await interacted()
        if self._ended and message["type"] == "websocket.receive":
            return {"type": "websocket.disconnect", "code": SESSION_ENDED}
        return message

    def _goes_through(self, frame: bytes, logout_paths: tuple[str, ...]) -> bool:
        """Learns from the frame; False for one that would turn a page that is logging out elsewhere.

        After `st.logout` the rest of the page runs anonymously, and its `auth.require` asks for a login.
        """
        if self.streamlit_session is None and frame:
            self.streamlit_session = streamlit_session_of(frame)
        if len(frame) < _SMALL and (self.leaving or any(path.encode() in frame for path in logout_paths)):
            target = redirect_of(frame)
            if target is not None and self.leaving:
                return False
            self.leaving = self.leaving or (target or "").partition("?")[0].endswith(logout_paths)
        return True

    def _is_interaction(self, message: Message, clock: Clock) -> bool:
        """The first run belongs to the (re)connection, and others come from timers: neither is a person."""
        frame = message.get("bytes")
        if not frame or clock.monotonic() < self._quiet_until or not is_rerun(frame):
            return False
        self._reruns += 1
        if self._reruns == 1:
            return False
        self._quiet_until = clock.monotonic() + TOUCH_EVERY
        return True


class Sockets:
    """All tabs of this process, and the watch that finds sessions which ended elsewhere or by time.

    `find` looks a session up without counting as activity; `every` is in seconds.
    """

    def __init__(
        self, find: Callable[[str], Awaitable[Session | None]], *, every: float, leaving: float = LEAVING
    ) -> None:
        self._find = find
        self._every = every
        self._leaving = leaving
        self._open: dict[str, set[Socket]] = {}
        self._watcher: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._ending: set[str] = set()

    def __len__(self) -> int:
        return sum(map(len, self._open.values()))

    def __iter__(self) -> Iterator[Socket]:
        return iter([socket for sockets in self._open.values() for socket in sockets])

    def add(self, socket: Socket) -> None:
        self._open.setdefault(socket.handle, set()).add(socket)
        if self._watcher is None or self._watcher.done():
            self._watcher = asyncio.create_task(self._watch(), name="proofkey sockets")

    def discard(self, socket: Socket) -> None:
        sockets = self._open.get(socket.handle)
        if sockets is not None:
            sockets.discard(socket)
            if not sockets:
                del self._open[socket.handle]

    def owner_of(self, streamlit_session: str) -> str | None:
        """The session whose tab has that Streamlit id."""
        return next((socket.handle for socket in self if socket.streamlit_session == streamlit_session), None)

    def end_soon(self, handle: str) -> None:
        """Ends every tab of the session, from a callback on the loop."""
        if handle in self._open and handle not in self._ending:
            self._ending.add(handle)
            task = asyncio.get_running_loop().create_task(self.end(handle))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def end(self, handle: str) -> None:
        """Sends every tab of the session away; one that is logging out by itself gets time for it."""
        try:
            sockets = list(self._open.get(handle, ()))
            emit("streamlit.session.ended", session=handle, tabs=len(sockets))
            await asyncio.gather(*(socket.end() for socket in sockets if not socket.leaving))
            late = [socket for socket in sockets if socket.leaving]
            if late:
                await asyncio.sleep(self._leaving)
                await asyncio.gather(*(socket.end() for socket in late))
        finally:
            self._ending.discard(handle)

    async def aclose(self) -> None:
        """Stops watching; the sockets themselves end with the server."""
        tasks = [task for task in (self._watcher, *self._tasks) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._watcher = None

    async def _watch(self) -> None:
        while self._open:
            await asyncio.sleep(self._every)
            for handle in list(self._open):
                await self._check(handle)

    async def _check(self, handle: str) -> None:
        try:
            if await self._find(handle) is None:
                self.end_soon(handle)
        except ProofkeyError as error:  # the store is away for now: the pages find out when they ask
            refused("streamlit.session.unknown", error, session=handle)
        except Exception as error:  # noqa: BLE001 - a watch that ends would leave every tab open
            internal_error("streamlit.session.watch", error)
