"""The backend beside a guard in the same process: page threads ask the server's event loop."""

from typing import Protocol

from proofkey.client.session import Session, SessionTokens
from proofkey.protocol.text import Instant
from proofkey.runtime.clock import Clock
from proofkey.runtime.login_core import LoginCore
from proofkey.runtime.portal import Portal
from proofkey.streamlit.allowed import AllowedApis


class _Gate(Protocol):
    @property
    def core(self) -> LoginCore: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def logout_path(self) -> str: ...
    def login_url(self, next_path: str | None) -> str: ...


class InProcess:
    """Implements `proofkey.streamlit.backend.Backend`."""

    __slots__ = ("_apis", "_gate", "_portal")

    def __init__(self, gate: _Gate, portal: Portal, apis: AllowedApis) -> None:
        self._gate = gate
        self._portal = portal
        self._apis = apis

    @property
    def logout_url(self) -> str:
        return self._gate.logout_path

    def login_url(self, next_path: str | None) -> str:
        return self._gate.login_url(next_path)

    def session(self, id_: str) -> Session | None:
        return self._portal.call(self._gate.core.session_by_id, id_)

    def tokens(self, id_: str, min_ttl: int) -> SessionTokens:
        return self._portal.call(self._fresh, id_, min_ttl)

    def check_api(self, base_url: str) -> None:
        self._apis.check(base_url)

    def now(self) -> Instant:
        return self._gate.clock.now()

    async def _fresh(self, id_: str, min_ttl: int) -> SessionTokens:
        return await self._gate.core.access_token(id_, min_ttl=min_ttl)
