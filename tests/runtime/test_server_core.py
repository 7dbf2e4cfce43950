"""The server at work: starting, starting again, starting twice at once, keys that appear while it runs, upkeep."""

import asyncio
import json
import logging
from dataclasses import replace

import pytest

from proofkey.authorization_server.policy import Lifetimes
from proofkey.authorization_server.records import AuditEvent
from proofkey.errors import ConfigurationError, Unavailable
from proofkey.findings import Finding
from proofkey.protocol.text import ClientId, Secret, Subject
from proofkey.runtime.master_key import MasterKey
from proofkey.runtime.server_core import ServerCore, server_sealer
from proofkey.runtime.server_upkeep import announce_key, ensure_keys, keep
from proofkey.store.memory import MemoryServerStore
from proofkey.testing.clock import TurnedClock
from proofkey.testing.entropy import CountingEntropy
from tests.authorization_server.driver import (
    CLIENTS,
    MASTER_KEY,
    POLICY,
    Desk,
    QuickPasswords,
    Visitor,
    client,
    header_of,
    open_desk,
)

DAY = 86400


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


def _core(store: MemoryServerStore, master_key: MasterKey = MASTER_KEY) -> ServerCore:
    return ServerCore(
        replace(POLICY, clients=(), users=()),
        store,
        clock=TurnedClock(),
        entropy=CountingEntropy(),
        master_key=master_key,
        passwords=QuickPasswords(),
    )


# --- starting -------------------------------------------------------------------------------------


async def test_several_workers_that_start_at_once_have_the_same_keys() -> None:
    store = MemoryServerStore()
    cores = [_core(store) for _ in range(2)]
    await asyncio.gather(*(core.start() for core in cores))
    assert cores[0].jwks() == cores[1].jwks()
    assert len(cores[0].jwks()["keys"]) == 2
    assert [event.name for event in store.events] == ["keys.made"]


@pytest.mark.spec("OC-15.1-a")
async def test_a_key_that_a_client_brought_before_the_first_start_is_not_the_only_one() -> None:
    store = MemoryServerStore()
    core = _core(store)
    await ensure_keys(store, server_sealer(MASTER_KEY), ("Ed25519",), TurnedClock().now())
    await core.start()
    assert {key["alg"] for key in core.jwks()["keys"]} == {"ES256", "RS256", "Ed25519"}


@pytest.mark.spec("OC-10.1.1-a", "F2-5.4.2")
async def test_of_several_workers_one_makes_a_key_on_demand() -> None:
    store = MemoryServerStore()
    cores = [_core(store) for _ in range(2)]
    await cores[0].start()
    await cores[1].start()
    roles = [await core._ready() for core in cores]
    made = await asyncio.gather(*(role.signing_key("Ed25519") for role in roles))
    assert len({key.kid for key in made}) == 1
    assert [key["alg"] for key in cores[0].jwks()["keys"]].count("Ed25519") == 1


async def test_another_master_key_is_refused_at_start() -> None:
    store = MemoryServerStore()
    await _core(store).start()
    with pytest.raises(ConfigurationError) as refused:
        await _core(store, MasterKey(Secret("another master key, also long enough"))).start()
    assert refused.value.finding is Finding.MASTER_KEY_WRONG


@pytest.fixture
async def desk() -> Desk:
    return await open_desk()


async def test_the_same_documents_are_given_until_they_change(desk: Desk) -> None:
    assert desk.core.metadata() is desk.core.metadata()
    before = desk.core.jwks()
    desk.clock.turn(5)
    await desk.core.refresh_keys()
    assert desk.core.jwks() is before


async def test_clients_are_put_by_id_and_a_disabled_one_stays_disabled(desk: Desk) -> None:
    event = AuditEvent(at=desk.clock.now(), name="client.disabled")
    await desk.store.disable_client(ClientId("web"), desk.clock.now(), event)
    await desk.store.put_client(client("added by command"), desk.clock.now())
    changed = client("web", client_name="Another name")
    again = await open_desk(replace(POLICY, clients=(changed, *CLIENTS[1:])), store=desk.store, clock=desk.clock)
    found = await again.store.find_client(ClientId("web"))
    assert found == replace(changed, disabled=True)
    assert await again.store.find_client(ClientId("added by command"))


async def test_a_client_that_is_not_good_ends_the_start(desk: Desk) -> None:
    for bad in (client("web", redirect_uris=frozenset({"http://rp.test/cb"})), client("u1")):
        with pytest.raises(ConfigurationError):
            await open_desk(replace(POLICY, clients=(bad,)), store=desk.store, clock=desk.clock)
    with pytest.raises(ConfigurationError):
        await open_desk(replace(POLICY, users=(), clients=(client("u2"),)), store=desk.store, clock=desk.clock)
    assert await desk.store.find_user(Subject("u2"))


# --- keys -----------------------------------------------------------------------------------------


@pytest.mark.spec("OC-10.1.1-a", "F2-5.4.2")
async def test_a_key_that_a_command_made_is_seen_within_a_second(desk: Desk) -> None:
    now = desk.clock.now()
    record = await announce_key(desk.store, server_sealer(MASTER_KEY), "ES256", now, now)
    await desk.core.refresh_keys()
    assert record.kid not in {key["kid"] for key in desk.core.jwks()["keys"]}
    desk.clock.turn(1)
    tokens = await Visitor(desk.core).tokens(desk)
    assert record.kid in {key["kid"] for key in desk.core.jwks()["keys"]}
    assert header_of(tokens["access_token"])["kid"] in {key["kid"] for key in desk.core.jwks()["keys"]}


@pytest.mark.spec("OC-10.1.1-a", "F2-5.4.2")
async def test_a_year_of_rotations_refuses_no_token_in_flight() -> None:
    """Announce, use, retire, remove: day by day, with a token of the day before each time."""
    lifetimes = Lifetimes(access_token=DAY + 100)
    desk = await open_desk(replace(POLICY, lifetimes=lifetimes))
    published: dict[str, int] = {}
    signed: dict[str, int] = {}
    token = (await desk.token("robot", grant_type="client_credentials"))["access_token"]
    for day in range(300):
        desk.clock.turn(DAY)
        await desk.core.upkeep()
        kids = [key["kid"] for key in desk.core.jwks()["keys"]]
        assert len(kids) == len(set(kids))
        assert header_of(token)["kid"] in kids
        token = (await desk.token("robot", grant_type="client_credentials"))["access_token"]
        for kid in kids:
            published.setdefault(kid, day)
        signed.setdefault(header_of(token)["kid"], day)
    assert len(signed) == 4
    assert all(signed[kid] - published[kid] >= 14 for kid in signed if published[kid] > 0)
    assert len(desk.core.jwks()["keys"]) <= 4


async def test_the_old_keys_stand_while_the_store_cannot_be_had(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(store: object) -> None:
        raise Unavailable(Finding.STORE_UNAVAILABLE)

    monkeypatch.setattr(type(desk.store), "list_signing_keys", fail)
    desk.clock.turn(10)
    with caplog.at_level(logging.INFO, "proofkey"):
        assert await desk.token("robot", grant_type="client_credentials")
    assert "keys.not_read" in caplog.text
    assert Finding.STORE_UNAVAILABLE.id in caplog.text


# --- upkeep ---------------------------------------------------------------------------------------


async def test_upkeep_forgets_what_is_over(desk: Desk) -> None:
    visitor = Visitor(desk.core)
    await visitor.page()
    await visitor.walk(scope="openid")
    desk.clock.turn(2 * DAY)
    await desk.core.upkeep()
    assert await desk.store.purge(desk.clock.now()) == 0
    held = vars(desk.store)
    assert not held["_interactions"]
    assert not held["_authorizations"]


async def test_keeping_goes_on_after_faults(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from proofkey.runtime import server_upkeep

    calls: list[str] = []

    class Core:
        async def refresh_keys(self) -> None:
            calls.append("keys")
            if len(calls) == 1:
                raise Unavailable(Finding.STORE_UNAVAILABLE)

        async def upkeep(self) -> None:
            calls.append("upkeep")
            raise RuntimeError("a secret text")

        async def deliver_logouts(self) -> None:
            """Nothing to do."""

    monkeypatch.setattr(server_upkeep, "ROUND", 0.0)
    monkeypatch.setattr(server_upkeep, "UPKEEP_ROUNDS", 10)
    with caplog.at_level(logging.INFO, "proofkey"):
        task = asyncio.ensure_future(keep(Core(), CountingEntropy()))
        while calls.count("upkeep") < 2:
            await asyncio.sleep(0)
        task.cancel()
    assert calls[:10] == ["keys"] * 10
    assert "keys.not_read" in caplog.text
    assert "upkeep.failed" in caplog.text
    assert "a secret text" not in caplog.text


async def test_nothing_that_is_told_to_the_log_holds_a_secret(desk: Desk) -> None:
    visitor = Visitor(desk.core)
    back = await visitor.walk()
    tokens = await desk.redeem(back["code"])
    tokens = await desk.refresh(tokens["refresh_token"])
    assert visitor.sign_in is not None
    said = json.dumps([[event.name, event.sub, event.client_id, dict(event.detail)] for event in desk.events])
    secrets = (back["code"], tokens["refresh_token"], tokens["access_token"], visitor.sign_in.reveal())
    assert not [secret for secret in secrets if secret in said]
