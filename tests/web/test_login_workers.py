"""Two workers behind a load balancer that sends each request anywhere, browsers with two tabs each, and a provider
that rotates its refresh tokens: over each store that workers can share."""

import asyncio
import random
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx2
import pytest

from proofkey.client.stores import SessionStore
from proofkey.protocol.text import Instant
from proofkey.testing.clock import TurnedClock
from proofkey.testing.entropy import CountingEntropy
from proofkey.testing.postgresql_server import running_postgresql
from proofkey.testing.provider import ScriptedProvider
from proofkey.testing.redis_server import running_redis
from proofkey.web.login import Login
from tests.client.login_kit import API, CLIENT_SECRET, ISSUER, RP
from tests.web.login_browser import NAVIGATION, build_app

pytestmark = pytest.mark.timeout(300)

BROWSERS: Final = 10
ROUNDS: Final = 5
"""Each is two logins and two refreshes of every browser: 200 in all."""
STORES: Final = ["sqlite", "postgresql", "redis"]


@contextmanager
def store_url(kind: str, folder: Path) -> Generator[str]:
    if kind == "postgresql":
        with running_postgresql() as postgresql:
            yield postgresql.url
    elif kind == "redis":
        with running_redis() as redis:
            yield redis.url
    else:
        yield f"sqlite:///{folder}/sessions.db"


class Cluster:
    """Two workers of one application; no request knows which of them it gets."""

    def __init__(self, url: str) -> None:
        self.clock = TurnedClock()
        self.provider = ScriptedProvider(
            ISSUER, client_secret=CLIENT_SECRET, clock=self.clock, entropy=CountingEntropy("provider")
        )
        self.provider.faults.delay = 0.01
        self.logins = [
            Login(
                issuer=ISSUER,
                client_id="web",
                client_secret=CLIENT_SECRET,
                public_url=RP,
                audience=API,
                scope="openid offline_access",
                store=url,
                transport=self.provider,
                clock=self.clock,
                entropy=CountingEntropy(f"worker {number}"),
            )
            for number in range(2)
        ]
        self._workers = [httpx2.ASGITransport(build_app(login, [])) for login in self.logins]
        self._random = random.Random(5)
        self.failed: list[str] = []

    @property
    def stores(self) -> list[SessionStore]:
        return [login.core.store for login in self.logins]

    @property
    def refreshes(self) -> int:
        return len(self.provider.token_requests("refresh_token"))

    async def ask(self, jar: httpx2.Cookies, path: str, wanted: int) -> httpx2.Response:
        async with httpx2.AsyncClient(transport=_Kept(self._random.choice(self._workers)), base_url=RP) as tab:
            tab.cookies.jar = jar.jar
            answer = await tab.get(path, headers=NAVIGATION)
        if answer.status_code != wanted:
            self.failed.append(f"{path.partition('?')[0]}: {answer.status_code}")
        return answer

    async def sign_in(self, jar: httpx2.Cookies) -> None:
        """One tab; what it does waits for what other tabs do."""
        started = await self.ask(jar, "/auth/login?next=/me", 303)
        await asyncio.sleep(self._random.choice([0, 0.005, 0.01]))
        await self.ask(jar, self.provider.authorize(started.headers["location"]).removeprefix(RP), 303)

    async def life(self, jar: httpx2.Cookies) -> int:
        answer = await self.ask(jar, "/token-life", 200)
        return int(answer.json()["expires_at"]) if answer.status_code == 200 else 0

    async def run(self) -> None:
        """All browsers sign in, in two tabs at once; then their tokens end, and two tabs of each ask."""
        browsers = [httpx2.Cookies() for _ in range(BROWSERS)]
        tabs = [jar for jar in browsers for _ in range(2)]
        for _ in range(ROUNDS):
            await asyncio.gather(*(self.sign_in(jar) for jar in tabs))
            self.clock.turn(900)
            lives = await asyncio.gather(*(self.life(jar) for jar in tabs))
            if set(lives) != {self.clock.now() + 900}:
                self.failed.append(f"lives: {sorted(set(lives))}")

    async def aclose(self) -> None:
        for login in self.logins:
            await login.core.aclose()


class _Kept(httpx2.AsyncBaseTransport):
    """A worker that goes on when a client of it is closed."""

    def __init__(self, worker: httpx2.ASGITransport) -> None:
        self._worker = worker

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        return await self._worker.handle_async_request(request)


@pytest.mark.parametrize("kind", STORES)
@pytest.mark.spec("X-refresh-lock", "9700-4.2.4-b")
async def test_logins_and_refreshes_of_many_tabs_at_two_workers_all_succeed_with_one_refresh_each(
    kind: str, tmp_path: Path
) -> None:
    with store_url(kind, tmp_path) as url:
        cluster = Cluster(url)
        await cluster.run()
        await cluster.aclose()
    assert cluster.failed == []
    assert len(cluster.provider.token_requests("authorization_code")) == 2 * BROWSERS * ROUNDS
    assert cluster.refreshes == BROWSERS * ROUNDS


@pytest.mark.parametrize("kind", STORES)
async def test_the_same_without_the_lease_refreshes_too_often(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def everybody(_id: str, _holder: str, _now: Instant, _lease: int) -> bool:
        return True

    with store_url(kind, tmp_path) as url:
        cluster = Cluster(url)
        for store in cluster.stores:
            monkeypatch.setattr(store, "acquire_refresh", everybody)
        await cluster.run()
        await cluster.aclose()
    assert cluster.refreshes > BROWSERS * ROUNDS
