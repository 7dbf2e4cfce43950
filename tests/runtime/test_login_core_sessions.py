"""Sessions of a client over time, logout, and what happens while provider or store are down."""

from typing import Any

import pytest

from proofkey.errors import ConfigurationError, LoginFailed, NotSignedIn, Unavailable
from proofkey.findings import Finding
from proofkey.protocol.text import Secret
from proofkey.runtime.login_core import LoginCore
from proofkey.store.memory import MemorySessionStore
from proofkey.testing.provider import ScriptedProvider
from tests.client.login_kit import CLIENT_SECRET, ISSUER, World, config_for, pairs_of


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def world() -> World:
    return World()


# --- sessions --------------------------------------------------------------------------------------------------
@pytest.mark.spec("V7-7.3.1", "N63-2.2.3")
async def test_a_session_ends_after_thirty_idle_minutes(world: World) -> None:
    finished = await world.sign_in()
    ended: list[str] = []
    world.core.subscribe(ended.append)
    for _ in range(3):
        world.clock.turn(1799)
        assert await world.core.session(finished.handle) is not None
    world.clock.turn(1800)
    assert await world.core.session(finished.handle) is None
    assert ended == [finished.session.id]
    assert world.session_count() == 0


@pytest.mark.spec("V7-7.3.2", "N63-2.2.3")
async def test_a_session_ends_after_twelve_hours_however_busy(world: World) -> None:
    finished = await world.sign_in()
    for _ in range(12 * 4 - 1):
        world.clock.turn(900)
        assert await world.core.session(finished.handle) is not None
    world.clock.turn(899)
    assert await world.core.session(finished.handle) is not None
    world.clock.turn(1)
    assert await world.core.session(finished.handle) is None


@pytest.mark.spec("N63-5.1.2")
async def test_calls_to_an_api_do_not_count_as_presence(world: World) -> None:
    finished = await world.sign_in()
    world.clock.turn(1700)
    await world.core.access_token(finished.handle)
    await world.core.session_by_id(finished.session.id)
    world.clock.turn(100)
    assert await world.core.session(finished.handle) is None


async def test_presence_is_written_at_most_once_a_minute(world: World) -> None:
    finished = await world.sign_in()
    writes: list[str] = []
    store = world.store

    async def touch(id_: str, now: Any) -> None:
        writes.append(id_)

    store.touch_session = touch  # type: ignore[method-assign]
    for _ in range(60):
        world.clock.turn(1)
        await world.core.session(finished.handle)
    assert len(writes) <= 30


@pytest.mark.spec("V7-7.4.1")
async def test_after_logout_the_handle_is_dead_and_the_provider_is_asked_to_end_its_session(world: World) -> None:
    finished = await world.sign_in()
    url = await world.core.log_out(finished.handle, state="s1")
    assert url is not None
    sent = dict(pairs_of(url))
    assert url.startswith(f"{ISSUER}/end-session?")
    assert (sent["client_id"], sent["state"]) == ("web", "s1")
    assert sent["id_token_hint"].count(".") == 2
    assert await world.core.session(finished.handle) is None
    with pytest.raises(NotSignedIn):
        await world.core.access_token(finished.handle)


async def test_logout_works_while_the_provider_is_down(world: World) -> None:
    finished = await world.sign_in()
    other = world.another_core()
    world.provider.faults.down = {"discovery"}
    assert await other.log_out(finished.handle) is None
    assert await other.session(finished.handle) is None


async def test_logout_of_nobody_leads_nowhere(world: World) -> None:
    assert await world.core.log_out(Secret("nobody")) is None


async def test_subscribers_hear_of_the_end_until_they_unsubscribe_and_do_not_disturb_each_other(
    world: World,
) -> None:
    heard: list[str] = []

    def broken(id_: str) -> None:
        raise RuntimeError("a fault of the subscriber")

    world.core.subscribe(broken)
    unsubscribe = world.core.subscribe(heard.append)
    first = await world.sign_in()
    await world.core.log_out(first.handle)
    unsubscribe()
    unsubscribe()
    second = await world.sign_in()
    await world.core.log_out(second.handle)
    assert heard == [first.session.id]


async def test_a_handle_is_256_bits_and_only_its_digest_is_stored() -> None:
    world = World()
    core = LoginCore(config_for(), world.store, world.provider, clock=world.clock)
    started = await core.start("/")
    back = world.provider.authorize(started.url)
    finished = await core.finish(pairs_of(back), {started.flow: started.browser})
    assert len(finished.handle.reveal()) == 43
    assert await world.store.find_session(finished.handle.reveal()) is None


# --- faults ----------------------------------------------------------------------------------------------------
async def test_a_provider_that_is_down_at_the_start_is_asked_again(world: World) -> None:
    world.provider.faults.down = {"discovery"}
    with pytest.raises(Unavailable):
        await world.start()
    world.provider.faults.down = set()
    world.clock.turn(2)
    assert (await world.sign_in()).session.sub == "u1"


async def test_a_provider_that_is_down_is_not_hammered(world: World) -> None:
    world.provider.faults.down = {"discovery"}
    for _ in range(10):
        with pytest.raises(Unavailable):
            await world.start()
    assert len(world.provider.asked) == 1


async def test_metadata_is_kept_for_an_hour_and_serves_while_the_provider_is_down(world: World) -> None:
    await world.start()
    world.clock.turn(3599)
    await world.start()
    assert len(world.provider.asked) == 1
    world.provider.faults.down = {"discovery"}
    world.clock.turn(1)
    await world.start()
    assert len(world.provider.asked) == 2
    world.clock.turn(86400)
    with pytest.raises(Unavailable):
        await world.start()


async def test_a_callback_while_the_metadata_cannot_be_had_may_be_repeated(world: World) -> None:
    back = world.provider.authorize(await world.start())
    other = world.another_core()
    world.provider.faults.down = {"discovery"}
    with pytest.raises(Unavailable):
        await other.finish(pairs_of(back), world.cookies)
    world.provider.faults.down = set()
    world.clock.turn(2)
    assert (await other.finish(pairs_of(back), world.cookies)).session.sub == "u1"


@pytest.mark.spec("OC-10.1.1-b")
async def test_a_rotated_key_is_fetched_once(world: World) -> None:
    await world.sign_in()
    world.clock.turn(31)
    world.provider.rotate_key()
    await world.sign_in()
    fetched = [ask for ask in world.provider.asked if ask.url.endswith("/jwks")]
    assert len(fetched) == 2


class BrokenStore(MemorySessionStore):
    """A store that cannot be asked."""

    broken = False

    async def find_session(self, id_: str) -> Any:
        if self.broken:
            raise Unavailable(Finding.STORE_UNAVAILABLE)
        return await super().find_session(id_)


async def test_a_store_that_is_down_is_never_a_silent_sign_out() -> None:
    store = BrokenStore()
    world = World(store=store)
    finished = await world.sign_in()
    store.broken = True
    for ask in (world.core.session, world.core.access_token, world.core.log_out):
        with pytest.raises(Unavailable):
            await ask(finished.handle)
    store.broken = False
    assert await world.core.session(finished.handle) is not None


class CannotEnd(MemorySessionStore):
    """Ends no session."""

    async def end_session(self, id_: str) -> bool:
        raise Unavailable(Finding.STORE_UNAVAILABLE)


async def test_a_new_login_stands_although_the_old_session_could_not_be_ended() -> None:
    world = World(store=CannotEnd())
    old = await world.sign_in()
    back = world.provider.authorize(await world.start())
    new = await world.core.finish(pairs_of(back), world.cookies, previous=old.handle)
    assert await world.core.session(new.handle) is not None


async def test_a_thousand_dead_logins_are_purged_at_once(world: World) -> None:
    for _ in range(1001):
        await world.core.start("/")
    world.clock.turn(600)
    assert await world.core.purge() == 1001
    assert await world.core.purge() == 0


async def test_the_store_can_be_asked_whether_it_is_there(world: World) -> None:
    await world.core.ping()
    await world.core.aclose()


async def test_what_is_over_is_purged(world: World) -> None:
    await world.start()
    await world.sign_in()
    world.clock.turn(43200)
    assert await world.core.purge() == 2
    assert world.session_count() == 0


@pytest.mark.parametrize(
    "secret",
    ["s3cr3t!", "a" * 40, "changeme-changeme-changeme-changeme"],
    ids=["short", "repeated", "placeholder"],
)
def test_a_weak_client_secret_is_refused(secret: str) -> None:
    config = config_for(client_secret=Secret(secret))
    with pytest.raises(ConfigurationError) as refused:
        LoginCore(config, MemorySessionStore(), ScriptedProvider())
    assert refused.value.finding is Finding.SECRET_WEAK
    assert secret not in str(refused.value)


@pytest.mark.spec("V10-10.1.1")
async def test_no_secret_is_written_to_the_log(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    finished = await world.sign_in()
    world.clock.turn(890)
    await world.core.access_token(finished.handle)
    world.provider.faults.authorization_response = {"code": None, "error": "access_denied"}
    with pytest.raises(LoginFailed):
        await world.sign_in()
    await world.core.log_out(finished.handle)
    session = finished.session
    secrets = [
        finished.handle.reveal(),
        CLIENT_SECRET.reveal(),
        session.tokens.access_token.reveal(),
        (session.tokens.refresh_token or Secret("-")).reveal(),
        (session.tokens.id_token or Secret("-")).reveal(),
        *(form[name][0] for form in world.provider.token_requests() for name in form if name.startswith("code")),
        *(cookie.reveal() for cookie in world.cookies.values()),
    ]
    assert "login.signed_in" in caplog.text
    assert [secret for secret in secrets if secret in caplog.text or secret in repr(finished)] == []
