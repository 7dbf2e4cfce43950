"""Clients that share a store, refreshes that nobody waits for, and leases that end too early."""

import asyncio

import pytest

from proofkey.errors import LoginFailed, Unavailable
from proofkey.findings import Finding
from proofkey.protocol.exchange import Answer, Ask
from proofkey.protocol.text import Instant
from proofkey.runtime import login_refresh
from proofkey.runtime.login_core import LoginCore
from proofkey.store.memory import MemorySessionStore
from proofkey.testing.entropy import CountingEntropy
from proofkey.testing.provider import ScriptedProvider
from tests.client.login_kit import CLIENT_SECRET, World, config_for, pairs_of


@pytest.fixture
def world() -> World:
    return World()


class Slow:
    """A provider that answers token requests when it is let."""

    def __init__(self, world: World) -> None:
        self.inner = world.provider
        self.asked = asyncio.Event()
        self.may_go = asyncio.Event()

    async def send(self, ask: Ask) -> Answer:
        if ask.url.endswith("/token"):
            self.asked.set()
            await self.may_go.wait()
        return await self.inner.send(ask)


def core_on(world: World, transport: Slow) -> LoginCore:
    return LoginCore(world.config, world.store, transport, clock=world.clock, entropy=CountingEntropy("slow"))


# --- one store, several clients ------------------------------------------------------------------------------
@pytest.mark.spec("9700-4.4.2-a", "threats 1.4")
@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"client_id": "other"}, id="another client"),
        pytest.param({"issuer": "https://other-op.test"}, id="another issuer"),
    ],
)
async def test_a_session_belongs_to_one_client_at_one_issuer(world: World, changes: dict[str, str]) -> None:
    finished = await world.sign_in()
    config = config_for(**changes)
    stranger = LoginCore(
        config,
        world.store,
        ScriptedProvider(config.issuer, client_secret=CLIENT_SECRET, clock=world.clock),
        clock=world.clock,
    )
    world.clock.turn(config.idle + 1)  # nor may it end what is not its own
    assert await stranger.session(finished.handle) is None
    assert await stranger.log_out(finished.handle) is None
    assert world.session_count() == 1


@pytest.mark.spec("9700-4.4.2.2-a")
async def test_a_login_finishes_at_the_redirect_uri_where_it_was_to_end(world: World) -> None:
    back = pairs_of(world.provider.authorize(await world.start()))
    other = LoginCore(
        config_for(redirect_uri="https://rp.test/staff/callback"), world.store, world.provider, clock=world.clock
    )
    with pytest.raises(LoginFailed) as refused:
        await other.finish(back, world.cookies)
    assert refused.value.finding is Finding.LOGIN_STATE_UNKNOWN
    assert world.provider.token_requests("authorization_code") == []
    await world.core.finish(back, world.cookies)


# --- refreshes -----------------------------------------------------------------------------------------------
async def test_a_refresh_that_nobody_waits_for_any_more_leaves_nothing_behind(world: World) -> None:
    finished = await world.sign_in()
    world.clock.turn(890)
    slow = Slow(world)
    core = core_on(world, slow)
    caller = asyncio.create_task(core.access_token(finished.handle))
    await slow.asked.wait()
    caller.cancel()
    await asyncio.gather(caller, return_exceptions=True)
    slow.may_go.set()
    for _ in range(100):
        await asyncio.sleep(0)
    assert core._refresher._flights == {}
    assert (await core.access_token(finished.handle)).access_expires_at == world.clock.now() + 900


@pytest.mark.spec("X-refresh-lock")
async def test_the_metadata_are_asked_for_before_the_lease_begins() -> None:
    """A provider that is slow with its metadata must not use up the time in which nobody else may refresh."""
    order: list[str] = []

    class Watched(MemorySessionStore):
        async def acquire_refresh(self, id_: str, holder: str, now: Instant, lease: int) -> bool:
            order.append("lease")
            return await super().acquire_refresh(id_, holder, now, lease)

    world = World(store=Watched())

    class Told:
        async def send(self, ask: Ask) -> Answer:
            order.append(ask.url.rpartition("/")[2])
            return await world.provider.send(ask)

    finished = await world.sign_in()
    world.clock.turn(890)
    another = LoginCore(world.config, world.store, Told(), clock=world.clock, entropy=CountingEntropy("told"))
    await another.access_token(finished.handle)
    assert order[:3] == ["openid-configuration", "lease", "token"]


@pytest.mark.spec("X-refresh-lock")
async def test_a_token_request_never_outlasts_the_lease(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    assert login_refresh.ASK < login_refresh.LEASE
    finished = await world.sign_in()
    world.clock.turn(890)
    monkeypatch.setattr(login_refresh, "ASK", 0.05)
    core = core_on(world, Slow(world))
    tokens = await core.access_token(finished.handle)  # the old ones live for ten seconds more
    assert tokens == finished.session.tokens
    assert await world.store.acquire_refresh(finished.session.id, "next", world.clock.now(), 20)


async def test_tokens_that_were_stored_count_although_the_lease_could_not_be_released() -> None:
    class Sticky(MemorySessionStore):
        async def release_refresh(self, id_: str, holder: str) -> None:
            raise Unavailable(Finding.STORE_UNAVAILABLE)

    world = World(store=Sticky())
    finished = await world.sign_in()
    world.clock.turn(901)
    assert (await world.core.access_token(finished.handle)).access_expires_at == world.clock.now() + 900
