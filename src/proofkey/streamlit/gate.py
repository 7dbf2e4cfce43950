"""What the guard and the pages of one protected app share: the login, the sockets, the way identity goes in."""

from collections.abc import Callable
from typing import Final
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers
from streamlit import config

from proofkey.client.session import Session
from proofkey.findings import Finding
from proofkey.protocol.redirect_uri import safe_return_path
from proofkey.protocol.text import Secret
from proofkey.runtime.clock import Clock
from proofkey.runtime.events import emit
from proofkey.runtime.login_core import LoginCore
from proofkey.runtime.portal import Portal, portal_of_running_loop
from proofkey.streamlit import backend
from proofkey.streamlit.allowed import AllowedApis
from proofkey.streamlit.identity import Writer, choose_writer
from proofkey.streamlit.in_process import InProcess
from proofkey.streamlit.quiet import quieten_request_lines
from proofkey.streamlit.sockets import Sockets
from proofkey.streamlit.streamlit_config import check_streamlit_config
from proofkey.web.login import Login
from proofkey.web.pages import Pages

POLL: Final = 1.0
"""Seconds between two looks for sessions that ended in another process or by time."""


class Gate:
    """One protected app. `start` may be called for every request; the first call does the work."""

    def __init__(self, login: Login, apis: AllowedApis, clock: Clock, *, poll: float = POLL) -> None:
        self.login: Final = login
        self.clock: Final = clock
        self._apis = apis
        self.origin: Final = login.public_url
        self.netloc: Final = urlsplit(login.public_url).netloc
        self.pages: Final = Pages(f"{login.public_url}{login.prefix}")
        self.sockets: Final = Sockets(self.find_by_id, every=poll)
        self._warned = False
        self._writer: Writer | None = None
        self._portal: Portal | None = None
        self._unsubscribe: Callable[[], None] | None = None

    @property
    def core(self) -> LoginCore:
        return self.login.core

    @property
    def logout_path(self) -> str:
        return self.login.logout_path

    def base_path(self, mounted_at: str) -> str:
        """`server.baseUrlPath`, which below a mount leads to a doubled path."""
        base = str(config.get_option("server.baseUrlPath") or "")
        if base and mounted_at and not self._warned:
            self._warned = True
            emit(
                "streamlit.config",
                level="warning",
                finding=Finding.STREAMLIT_BASE_PATH,
                base=base,
                mount=mounted_at,
            )
        return base

    @property
    def writer(self) -> Writer:
        """How identity goes into a websocket; tested against the installed Streamlit once."""
        if self._writer is None:
            raise RuntimeError("start the gate first")
        return self._writer

    def start(self) -> None:
        """Takes hold of the running loop, and becomes the one that pages ask.

        Raises: ConfigurationError, at every request until Streamlit's configuration is mended.
        """
        if self._portal is not None:
            return
        check_streamlit_config()
        quieten_request_lines()
        self._writer = choose_writer(self.origin)
        self._portal = portal_of_running_loop()
        self._unsubscribe = self.core.subscribe(self.sockets.end_soon)
        backend.install(InProcess(self, self._portal, self._apis))

    async def aclose(self) -> None:
        if self._unsubscribe is not None:
            self._unsubscribe()
        self._portal = self._unsubscribe = None
        await self.sockets.aclose()

    def login_url(self, next_path: str | None) -> str:
        """The login route that comes back to `next_path`, when that stays on the origin."""
        return f"{self.login.login_path}?next={quote(safe_return_path(next_path), safe='/')}"

    def handle_of(self, headers: Headers) -> Secret | None:
        """The session cookie's value."""
        return self.login.cookie.read(headers)

    async def find(self, handle: Secret | None) -> Session | None:
        """The live session of a cookie, without counting as activity."""
        return None if handle is None else await self.find_by_id(handle.digest())

    async def find_by_id(self, id_: str) -> Session | None:
        return await self.core.session_by_id(id_)

    async def seen(self, handle: Secret | None) -> Session | None:
        """The live session of a cookie; a person is active now."""
        return None if handle is None else await self.core.session(handle)
