"""A client, its provider and browsers that are dictionaries of cookies: what the login tests share."""

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from proofkey.client.config import LoginConfig
from proofkey.client.stores import SessionStore
from proofkey.protocol.text import ClientId, Issuer, Pairs, Secret
from proofkey.runtime.login_core import Finished, LoginCore
from proofkey.store.memory import MemorySessionStore
from proofkey.testing.clock import TurnedClock
from proofkey.testing.entropy import CountingEntropy
from proofkey.testing.provider import ScriptedProvider

ISSUER = "https://op.test"
RP = "https://rp.test"
API = "https://api.test"
CLIENT_SECRET = Secret("q7Zr0bX1mGd2Vt8Ky3Lw5Hs9Nc4Jf6PaEuRiTyWo0")


def config_for(**changes: Any) -> LoginConfig:
    values: dict[str, Any] = {
        "issuer": Issuer(ISSUER),
        "client_id": ClientId("web"),
        "client_secret": CLIENT_SECRET,
        "redirect_uri": f"{RP}/auth/callback",
        "post_logout_redirect_uri": f"{RP}/auth/signed-out",
        "resource": (API,),
        "scope": ("openid", "profile", "offline_access"),
    }
    return LoginConfig(**{**values, **changes})


def pairs_of(url: str) -> Pairs:
    return tuple((name, value) for name, value in parse_qsl(urlsplit(url).query, keep_blank_values=True))


@dataclass
class World:
    """One clock, one provider, one client; `cookies` are those of the browser that starts a login."""

    clock: TurnedClock = field(default_factory=TurnedClock)
    store: SessionStore = field(default_factory=MemorySessionStore)
    config: LoginConfig = field(default_factory=config_for)
    cookies: dict[str, Secret] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.provider = ScriptedProvider(
            ISSUER,
            client_secret=self.config.client_secret,
            claims={"name": "Ann Arbor"},
            clock=self.clock,
            entropy=CountingEntropy("provider"),
        )
        self.core = self.another_core()

    def another_core(self, store: SessionStore | None = None) -> LoginCore:
        """A further worker of the same client."""
        self._workers = getattr(self, "_workers", 0) + 1
        return LoginCore(
            self.config,
            store or self.store,
            self.provider,
            clock=self.clock,
            entropy=CountingEntropy(f"worker {self._workers}"),
        )

    async def start(self, next_path: str = "/", **options: Any) -> str:
        """The authorization URL; the flow's cookie is in `cookies`."""
        started = await self.core.start(next_path, **options)
        self.cookies[started.flow] = started.browser
        return started.url

    async def sign_in(self, next_path: str = "/") -> Finished:
        back = self.provider.authorize(await self.start(next_path))
        return await self.core.finish(pairs_of(back), self.cookies)

    def session_count(self) -> int:
        """Of the memory store."""
        assert isinstance(self.store, MemorySessionStore)
        return len(self.store._sessions)
