"""A real HTTP issuer that fails in every way that it can: nobody gets in, nobody valid is kept out, it heals."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager

import pytest

from proofkey.errors import InvalidToken, Unavailable
from proofkey.findings import Finding
from proofkey.protocol.jose import generate_signing_key
from proofkey.resource_server.challenge import build_refusal
from proofkey.resource_server.key_freshness import COOL_DOWN, DEFAULT_LIFETIME, LONGEST_STALE
from proofkey.runtime import key_source
from proofkey.runtime.trust import TrustedIssuer
from proofkey.runtime.verifier import Verifier
from proofkey.testing.clock import TurnedClock
from proofkey.testing.faulty_issuer import FAULTS, HUGE, Fault, FaultyIssuer, faulty_issuer
from proofkey.testing.issuer import AUDIENCE, LocalIssuer

HOUR = 3600.0
LONG = 20_000
SLOW: tuple[Fault, ...] = ("hangs", "drips")


@pytest.fixture
def clock() -> TurnedClock:
    return TurnedClock()


@pytest.fixture
async def wire(clock: TurnedClock) -> AsyncGenerator[FaultyIssuer]:
    async with faulty_issuer(clock) as made:
        yield made


@pytest.fixture
def verifier(wire: FaultyIssuer, clock: TurnedClock) -> Verifier:
    return Verifier(issuer=wire.issuer.url, audience=AUDIENCE, clock=clock)


@pytest.fixture(autouse=True)
def no_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow machine fails none of these tests: what works may take its time."""
    for name in ("DEADLINE", "PATIENCE", "WARM_UP"):
        monkeypatch.setattr(key_source, name, 30.0)


@contextmanager
def soon_over(seconds: float = 0.2) -> Iterator[None]:
    """Inside, the deadline over a whole fetch is short, and so is what a request waits."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("DEADLINE", "PATIENCE", "WARM_UP"):
            patch.setattr(key_source, name, seconds)
        yield


async def fetch_ended(verifier: Verifier) -> None:
    await verifier.source._flight.wait(30)


@pytest.mark.spec("X-jwks-a")
async def test_control_a_sound_issuer_is_asked_once(verifier: Verifier, wire: FaultyIssuer) -> None:
    for _ in range(100):
        await verifier.verify(wire.issuer.token_for())
    assert dict(wire.asked) == {"openid-configuration": 1, "jwks": 1}


@pytest.mark.spec("X-jwks-c", "X-jwks-d", "threats §2 row 4", "threats §2 row 5")
@pytest.mark.parametrize("fault", FAULTS)
async def test_with_keys_here_the_issuers_fault_is_not_noticed_and_heals(
    verifier: Verifier, wire: FaultyIssuer, clock: TurnedClock, fault: Fault
) -> None:
    await verifier.verify(wire.issuer.token_for())
    clock.turn(DEFAULT_LIFETIME)
    wire.fault = fault
    with soon_over():
        for _ in range(5):
            assert (await verifier.verify(wire.issuer.token_for())).sub == "u1"
            with pytest.raises(InvalidToken):
                await verifier.verify(
                    wire.issuer.token_for(key=generate_signing_key("ES256", wire.issuer.keys[0].kid))
                )
        await fetch_ended(verifier)
    assert verifier.source.fresh() is None, "the control: it did fail"
    assert verifier.verify_now(wire.issuer.token_for()) is not None, "and nobody waits for the next attempt"
    wire.fault = None
    wire.release.set()
    clock.turn(COOL_DOWN)
    await verifier.verify(wire.issuer.token_for())
    await fetch_ended(verifier)
    assert verifier.source.fresh() is not None
    assert wire.elsewhere == 0


@pytest.mark.spec("X-jwks-c", "threats §2 row 1", "threats §2 row 4")
@pytest.mark.parametrize("where", ["fault", "metadata_fault"])
@pytest.mark.parametrize("fault", FAULTS)
async def test_without_keys_the_answer_is_503_and_it_heals_by_itself(
    verifier: Verifier, wire: FaultyIssuer, clock: TurnedClock, fault: Fault, where: str
) -> None:
    setattr(wire, where, fault)
    with soon_over(), pytest.raises(Unavailable) as caught:
        await verifier.verify(wire.issuer.token_for())
    refusal = build_refusal(caught.value)
    assert (refusal.status, refusal.headers["retry-after"]) == (503, "2")
    assert not verifier.ready
    await fetch_ended(verifier)
    setattr(wire, where, None)
    wire.release.set()
    clock.turn(2)
    await verifier.verify(wire.issuer.token_for())
    assert verifier.ready


@pytest.mark.spec("X-jwks-c", "threats §2 row 5")
@pytest.mark.parametrize("fault", ["huge", "endless"])
async def test_ten_megabytes_are_not_read(verifier: Verifier, wire: FaultyIssuer, fault: Fault) -> None:
    wire.fault = fault
    with pytest.raises(Unavailable):
        await verifier.verify(wire.issuer.token_for())
    await fetch_ended(verifier)
    assert wire.sent < HUGE


@pytest.mark.spec("X-jwks-c", "threats §2 row 5")
async def test_a_redirect_is_not_followed(verifier: Verifier, wire: FaultyIssuer) -> None:
    wire.fault = "redirect"
    with pytest.raises(Unavailable):
        await verifier.verify(wire.issuer.token_for())
    assert wire.elsewhere == 0
    assert wire.asked["jwks"] == 1


@pytest.mark.spec("X-jwks-c", "threats §2 row 4")
@pytest.mark.parametrize("fault", SLOW)
async def test_one_deadline_is_over_metadata_and_keys_together(
    verifier: Verifier, wire: FaultyIssuer, fault: Fault
) -> None:
    """A drip feed makes progress for ever; the fetch ends all the same."""
    wire.fault = fault
    with soon_over(1.0):
        with pytest.raises(Unavailable):
            await verifier.verify(wire.issuer.token_for())
        await fetch_ended(verifier)
    assert not verifier.source._flight.running
    assert wire.asked["jwks"] == 1


@pytest.mark.spec("X-jwks-b", "threats §2 row 6")
async def test_a_hundred_concurrent_unknown_kids_cost_one_fetch_and_delay_no_good_token(
    verifier: Verifier, wire: FaultyIssuer, clock: TurnedClock
) -> None:
    await verifier.verify(wire.issuer.token_for())
    clock.turn(10)
    wire.fault = "hangs"
    strangers = [
        asyncio.create_task(
            verifier.verify(wire.issuer.token_for(key=generate_signing_key("ES256", f"stranger {number}")))
        )
        for number in range(100)
    ]
    await wire.hung.wait()
    for _ in range(50):
        assert verifier.verify_now(wire.issuer.token_for()) is not None, "without waiting"
        await verifier.verify(wire.issuer.token_for())
    assert not any(task.done() for task in strangers), "all that while the strangers waited"
    wire.release.set()
    outcomes = await asyncio.gather(*strangers, return_exceptions=True)
    assert {getattr(outcome, "finding", None) for outcome in outcomes} == {Finding.TOKEN_KEY_UNKNOWN}
    assert wire.asked["jwks"] == 2
    wire.fault = None
    for number in range(200):  # and once more, one by one
        with pytest.raises(InvalidToken):
            await verifier.verify(wire.issuer.token_for(key=generate_signing_key("ES256", f"later {number}")))
    assert wire.asked["jwks"] == 2
    await verifier.verify(wire.issuer.token_for())


@pytest.mark.spec("threats §2 row 3")
async def test_a_rotation_refuses_no_token_in_flight(
    verifier: Verifier, wire: FaultyIssuer, clock: TurnedClock
) -> None:
    await verifier.verify(wire.issuer.token_for())
    before = [wire.issuer.token_for(sub=f"old {number}") for number in range(20)]
    clock.turn(6)
    wire.issuer.rotate()
    after = [wire.issuer.token_for(sub=f"new {number}") for number in range(20)]
    tokens = [token for pair in zip(before, after, strict=True) for token in pair]
    seen = await asyncio.gather(*(verifier.verify(token) for token in tokens))
    assert len({token.sub for token in seen}) == 40
    assert wire.asked["jwks"] == 2


@pytest.mark.spec("threats §2 row 3")
@pytest.mark.parametrize("remembered", [0, 10])
async def test_a_withdrawn_key_is_of_no_use_after_the_next_refresh(
    wire: FaultyIssuer, clock: TurnedClock, remembered: int
) -> None:
    verifier = Verifier(issuer=wire.issuer.url, audience=AUDIENCE, clock=clock, remember_tokens=remembered)
    token = wire.issuer.token_for(expires_in=LONG)
    await verifier.verify(token)
    old = wire.issuer.keys[0]
    wire.issuer.rotate()
    wire.issuer.withdraw(old)
    clock.turn(DEFAULT_LIFETIME - 1)
    await verifier.verify(token)
    clock.turn(1)
    with pytest.raises(InvalidToken) as caught:
        await verifier.verify(token)
    assert caught.value.finding is Finding.TOKEN_KEY_UNKNOWN
    await verifier.verify(wire.issuer.token_for())


@pytest.mark.spec("threats §2 row 1")
async def test_an_issuer_that_is_down_at_the_start_is_found_when_it_comes(
    clock: TurnedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_source, "_LOOK", 0.0)
    async with faulty_issuer(clock) as wire:
        wire.fault = wire.metadata_fault = "refuses"
        verifier = Verifier(issuer=wire.issuer.url, audience=AUDIENCE, clock=clock)
        await verifier.start()
        assert not verifier.ready
        with pytest.raises(Unavailable):
            await verifier.verify(wire.issuer.token_for())
        wire.fault = wire.metadata_fault = None
        clock.turn(2)
        while not verifier.ready:  # without any request
            await asyncio.sleep(0)
        await verifier.verify(wire.issuer.token_for())
        await verifier.aclose()


@pytest.mark.spec("X-jwks-d", "threats §2 row 4")
async def test_an_issuer_that_is_down_for_an_hour_is_missed_by_nobody(
    verifier: Verifier, wire: FaultyIssuer, clock: TurnedClock
) -> None:
    token = wire.issuer.token_for(expires_in=10 * LONG)
    await verifier.verify(token)
    wire.fault = wire.metadata_fault = "refuses"
    for _ in range(60):
        clock.turn(60)
        await verifier.verify(token)
        await fetch_ended(verifier)
        assert verifier.verify_now(token) is not None
        assert verifier.ready
    clock.turn(LONGEST_STALE)
    assert not verifier.ready
    with pytest.raises(Unavailable):
        await verifier.verify(token)
    await fetch_ended(verifier)
    wire.fault = wire.metadata_fault = None
    clock.turn(2)
    await verifier.verify(token)


@pytest.mark.spec("F2-5.3.2.1-13-rs", "threats §2 row 7", "providers §2 row 19")
@pytest.mark.parametrize(
    ("ahead", "finding"),
    [
        (0, None),
        (9, None),
        (-9, None),
        (30, None),
        (300, None),
        (-11, Finding.TOKEN_NOT_YET_VALID),
        (-30, Finding.TOKEN_NOT_YET_VALID),
        (-300, Finding.TOKEN_NOT_YET_VALID),
        (-86_400, Finding.TOKEN_NOT_YET_VALID),
        (909, None),
        (910, Finding.TOKEN_EXPIRED),
        (86_400, Finding.TOKEN_EXPIRED),
    ],
)
async def test_a_clock_that_is_wrong_is_told_with_both_clocks(
    verifier: Verifier, wire: FaultyIssuer, clock: TurnedClock, ahead: int, finding: Finding | None
) -> None:
    await verifier.verify(wire.issuer.token_for())
    token = wire.issuer.token_for(expires_in=900)
    clock.turn_wall(ahead)
    if finding is None:
        await verifier.verify(token)
        return
    with pytest.raises(InvalidToken) as caught:
        await verifier.verify(token)
    assert caught.value.finding is finding
    assert caught.value.facts["now"] == str(clock.now())
    assert {"exp", "starts"} & set(caught.value.facts)
    assert wire.asked["jwks"] == 1


@pytest.mark.spec("threats §2 row 8")
async def test_a_clock_that_jumps_disturbs_no_key(
    verifier: Verifier, wire: FaultyIssuer, clock: TurnedClock
) -> None:
    for jump in (86_400, -2 * 86_400, 86_400):
        await verifier.verify(wire.issuer.token_for())
        clock.turn_wall(jump)
    assert wire.asked["jwks"] == 1


@pytest.mark.spec("threats §2 row 4")
@pytest.mark.parametrize("fault", ["hangs", "drips", "refuses"])
async def test_of_two_issuers_one_that_fails_delays_no_token_of_the_other(
    clock: TurnedClock, fault: Fault
) -> None:
    async with faulty_issuer(clock) as sound, faulty_issuer(clock) as broken:
        broken.fault = fault
        verifier = Verifier(
            issuers=[TrustedIssuer(issuer=sound.issuer.url), TrustedIssuer(issuer=broken.issuer.url)],
            audience=AUDIENCE,
            clock=clock,
        )
        await verifier.verify(sound.issuer.token_for())
        with soon_over():
            waiting = asyncio.create_task(verifier.verify(broken.issuer.token_for()))
            await asyncio.sleep(0)
            for _ in range(20):
                assert verifier.verify_now(sound.issuer.token_for()) is not None
            assert not waiting.done()
            with pytest.raises(Unavailable):
                await waiting
        assert verifier.readiness == {sound.issuer.url: True, broken.issuer.url: False}


async def test_a_stranger_at_the_same_port_is_no_issuer(
    verifier: Verifier, wire: FaultyIssuer, clock: TurnedClock
) -> None:
    wire.issuer = LocalIssuer("https://another.test", clock=clock)
    with pytest.raises(Unavailable):
        await verifier.verify(wire.issuer.token_for(iss=verifier.policy.issuer))
    assert wire.asked["jwks"] == 0
