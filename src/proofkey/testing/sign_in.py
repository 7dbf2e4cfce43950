"""A whole login of a client from start to tokens, with somebody else in the place of the browser."""

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from proofkey.client.config import LoginConfig
from proofkey.client.session import Session
from proofkey.protocol.exchange import Transport
from proofkey.protocol.text import Pairs, Secret
from proofkey.runtime.clock import Clock, system_clock
from proofkey.runtime.login_core import LoginCore
from proofkey.store.memory import MemorySessionStore
from proofkey.testing.headless import HeadlessBrowser
from proofkey.transport.http import HttpTransport

Browser = Callable[[str], Pairs]
"""Takes the authorization URL to a person and brings back the parameters of the answer."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """What a login gave: the URL that it began with, the answer's parameter names, and the session."""

    url: str
    answer: tuple[str, ...]
    session: Session


class NativeLogin:
    """One login in two halves, so that a caller can say what happens between them."""

    def __init__(
        self, config: LoginConfig, *, transport: Transport | None = None, clock: Clock | None = None
    ) -> None:
        self.core = LoginCore(
            config, MemorySessionStore(), transport or HttpTransport(), clock=clock or system_clock()
        )
        self._flow = ""
        self._browser = Secret("")

    async def start(self) -> str:
        """The authorization URL. Raises: LoginFailed, Unavailable."""
        started = await self.core.start("/")
        self._flow, self._browser = started.flow, started.browser
        return started.url

    async def finish(self, pairs: Pairs) -> Session:
        """The checked session. Raises: LoginFailed, InvalidRequest, Unavailable."""
        finished = await self.core.finish(pairs, {self._flow: self._browser})
        return finished.session


def headless(browser: HeadlessBrowser, *, redirect_uri: str, username: str, password: Secret) -> Browser:
    """A browser that signs in and consents by itself. Raises, when called: HeadlessFailed."""

    def walk(url: str) -> Pairs:
        back = browser.authorize(url, redirect_uri=redirect_uri, username=username, password=password)
        return tuple(parse_qsl(urlsplit(back).query, keep_blank_values=True))

    return walk


async def sign_in(
    config: LoginConfig, browser: Browser, *, transport: Transport | None = None, clock: Clock | None = None
) -> SignedIn:
    """Runs the login. Raises: LoginFailed, InvalidRequest, Unavailable, and what the browser raises."""
    login = NativeLogin(config, transport=transport, clock=clock)
    url = await login.start()
    pairs = browser(url)
    return SignedIn(url, tuple(name for name, _ in pairs), await login.finish(pairs))
