"""One tab of a browser at a real Streamlit server, without a browser: its websocket, spoken by hand."""

import asyncio
from collections.abc import Mapping
from types import TracebackType
from typing import Self

import httpx2
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.Element_pb2 import Element
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

XSRF_COOKIE = "_streamlit_xsrf"
_WORDS = ("body", "label", "message")


class StreamlitSession:
    """What the page shows, and what a person may do there.

    `async with StreamlitSession("http://127.0.0.1:8501", cookies=…) as tab: await tab.run()`. The handshake is
    as a browser's: cookies, `Origin` (`origin`; None leaves it out), the XSRF token (`xsrf=False` leaves it out).
    `resume` is the `session_id` of an earlier tab. The handshake's refusal raises `websockets.InvalidStatus`.
    """

    def __init__(
        self,
        url: str,
        *,
        cookies: Mapping[str, str] | None = None,
        origin: str | None = "",
        xsrf: bool = True,
        resume: str | None = None,
        headers: Mapping[str, str] | None = None,
        deadline: float = 20.0,
    ) -> None:
        self.url = url.rstrip("/")
        self.cookies = dict(cookies or {})
        self._origin = "/".join(self.url.split("/")[:3]) if origin == "" else origin
        self._xsrf = xsrf
        self._resume = resume
        self._headers = dict(headers or {})
        self._deadline = deadline
        self._socket: ClientConnection | None = None
        self._widgets: dict[str, WidgetState] = {}
        self._elements: dict[tuple[int, ...], Element] = {}
        self.session_id: str | None = None
        """Streamlit's id of this tab."""
        self.frames: list[bytes] = []
        """Everything that the server sent."""
        self.auth_redirect: str | None = None
        """Where the page was told to go."""
        self.close_code: int | None = None

    async def __aenter__(self) -> Self:
        if XSRF_COOKIE not in self.cookies:
            async with httpx2.AsyncClient(trust_env=False, timeout=self._deadline) as client:
                answer = await client.get(f"{self.url}/_stcore/health")
                self.cookies[XSRF_COOKIE] = answer.cookies.get(XSRF_COOKIE) or ""
        entries = ["streamlit", self.cookies[XSRF_COOKIE] if self._xsrf else "none", *filter(None, [self._resume])]
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        origin = {} if self._origin is None else {"Origin": self._origin}
        self._socket = await connect(
            f"ws{self.url.removeprefix('http')}/_stcore/stream",
            subprotocols=[Subprotocol(entry) for entry in entries],
            additional_headers={"Cookie": cookie, **origin, **self._headers},
            open_timeout=self._deadline,
            max_size=None,
            proxy=None,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._socket is not None:
            await self._socket.close()

    # --- what the page shows -------------------------------------------------------------------------------------
    @property
    def elements(self) -> list[Element]:
        """In the order of the page."""
        return [self._elements[path] for path in sorted(self._elements)]

    @property
    def texts(self) -> list[str]:
        """The words of every element: bodies, labels, exceptions."""
        return [word for element in self.elements if (word := _words_of(element))]

    # --- what a person does --------------------------------------------------------------------------------------
    async def run(self, *, auto: bool = False) -> Self:
        """Asks for a run of the page and reads until it has finished; `auto` says that a timer asked."""
        message = BackMsg()
        message.rerun_script.is_auto_rerun = auto
        message.rerun_script.widget_states.widgets.extend(self._widgets.values())
        await self._connection.send(message.SerializeToString())
        await self.read_until_finished()
        return self

    async def click(self, label: str) -> Self:
        """Presses the button with that label. Raises: LookupError."""
        id_ = self._widget(label, "button")
        self._widgets[id_] = WidgetState(id=id_, trigger_value=True)
        try:
            return await self.run()
        finally:
            del self._widgets[id_]

    async def set_text(self, label: str, value: str) -> Self:
        """Types into the text field with that label. Raises: LookupError."""
        id_ = self._widget(label, "text_input")
        self._widgets[id_] = WidgetState(id=id_, string_value=value)
        return await self.run()

    # --- reading -------------------------------------------------------------------------------------------------
    async def read_until_finished(self) -> None:
        """Reads to the end of a run, or of the socket. Raises: TimeoutError."""
        async with asyncio.timeout(self._deadline):
            while (message := await self.read()) is not None:
                if message.WhichOneof("type") == "script_finished":
                    return

    async def read_until_closed(self) -> int:
        """Reads to the end of the socket; the close code. Raises: TimeoutError."""
        async with asyncio.timeout(self._deadline):
            while await self.read() is not None:
                pass
        return self.close_code or 0

    async def read(self) -> ForwardMsg | None:
        """The next message; None when the socket is closed."""
        try:
            frame = await self._connection.recv(decode=False)
        except ConnectionClosed as closed:
            self.close_code = closed.rcvd.code if closed.rcvd else 1006
            return None
        self.frames.append(frame)
        message = ForwardMsg()
        message.ParseFromString(frame)
        self._take(message)
        return message

    def _take(self, message: ForwardMsg) -> None:
        kind = message.WhichOneof("type")
        if kind == "new_session":
            self.session_id = message.new_session.initialize.session_id or self.session_id
            self._elements.clear()
        elif kind == "delta":
            path = tuple(message.metadata.delta_path)
            if message.delta.WhichOneof("type") == "new_element":
                self._elements[path] = message.delta.new_element
            else:
                self._elements.pop(path, None)
        elif kind == "auth_redirect":
            self.auth_redirect = message.auth_redirect.url

    @property
    def _connection(self) -> ClientConnection:
        if self._socket is None:
            raise RuntimeError("open the tab first: async with StreamlitSession(...)")
        return self._socket

    def _widget(self, label: str, kind: str) -> str:
        for element in self.elements:
            if element.WhichOneof("type") == kind and getattr(element, kind).label == label:
                return str(getattr(element, kind).id)
        raise LookupError(f"the page has no {kind} {label!r}; it shows {self.texts}")


def _words_of(element: Element) -> str:
    kind = element.WhichOneof("type")
    value: object = getattr(element, kind) if kind else None
    return next((str(word) for name in _WORDS if (word := getattr(value, name, ""))), "")
