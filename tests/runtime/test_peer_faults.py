"""The faults that were seen in other packages' key sets, each as a test of ours (one function, one fault)."""

import asyncio
import json
from typing import Any

import pytest

from proofkey.errors import InvalidToken, Unavailable
from proofkey.protocol import key_set
from proofkey.protocol.exchange import Answer
from proofkey.protocol.jose import generate_signing_key
from proofkey.resource_server.challenge import build_refusal
from proofkey.resource_server.key_freshness import DEFAULT_LIFETIME, LONGEST_LIFETIME, LONGEST_STALE
from proofkey.runtime import key_source
from proofkey.runtime.verifier import Verifier
from proofkey.testing.clock import TurnedClock
from proofkey.testing.faults import FaultyTransport
from proofkey.testing.issuer import AUDIENCE, ISSUER, LocalIssuer

HOUR = 3600.0
LONG = 10**6


class Bench:
    def __init__(self) -> None:
        self.clock = TurnedClock()
        self.issuer = LocalIssuer(clock=self.clock)
        self.wire = FaultyTransport(self.issuer.transport)
        self.verifier = Verifier(issuer=ISSUER, audience=AUDIENCE, transport=self.wire, clock=self.clock)

    def publish(self, *foreign: dict[str, Any]) -> None:
        keys = [*foreign, *(key.public_jwk for key in self.issuer.keys)]
        self.wire.answers["/jwks"] = Answer(200, {}, json.dumps({"keys": keys}).encode())

    async def settle(self) -> None:
        for _ in range(200):
            await asyncio.sleep(0)


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_a_rotated_key_is_not_an_outage_until_the_ttl_ends(bench: Bench) -> None:
    bench.issuer.cache_control = "max-age=86400"
    await bench.verifier.verify(bench.issuer.token_for())
    bench.clock.turn(5.1)
    bench.issuer.rotate()
    await bench.verifier.verify(bench.issuer.token_for())


async def test_a_rotation_puts_no_request_to_sleep(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    await bench.verifier.verify(bench.issuer.token_for())
    bench.clock.turn(5.1)
    bench.issuer.rotate()
    token = bench.issuer.token_for()
    pauses: list[float] = []
    sleep = asyncio.sleep

    async def counted(seconds: float, *rest: Any) -> Any:
        pauses.append(seconds)
        return await sleep(seconds, *rest)

    monkeypatch.setattr(asyncio, "sleep", counted)
    await bench.verifier.verify(token)
    assert [seconds for seconds in pauses if seconds] == []


async def test_fifty_concurrent_bad_tokens_cause_one_fetch_not_fifty(bench: Bench) -> None:
    await bench.verifier.verify(bench.issuer.token_for())
    bench.clock.turn(10)
    bad = [bench.issuer.token_for(key=generate_signing_key("ES256", f"bad {number}")) for number in range(50)]
    outcomes = await asyncio.gather(*(bench.verifier.verify(token) for token in bad), return_exceptions=True)
    assert all(isinstance(outcome, InvalidToken) for outcome in outcomes)
    assert bench.wire.count() == 2


async def test_a_legitimate_request_does_not_wait_for_a_strangers_kid(bench: Bench) -> None:
    await bench.verifier.verify(bench.issuer.token_for())
    bench.clock.turn(10)
    bench.wire.gate = asyncio.Event()
    bad = bench.issuer.token_for(key=generate_signing_key("ES256", "bad"))
    stranger = asyncio.create_task(bench.verifier.verify(bad))
    await bench.settle()
    assert bench.verifier.verify_now(bench.issuer.token_for()) is not None
    assert not stranger.done()
    bench.wire.gate.set()
    with pytest.raises(InvalidToken):
        await stranger


@pytest.mark.parametrize("cache_control", [None, "max-age=60", "max-age=999999999"])
async def test_a_withdrawn_key_is_dropped_after_an_hour_or_a_day_as_the_issuer_says(
    bench: Bench, cache_control: str | None
) -> None:
    bench.issuer.cache_control = cache_control
    token = bench.issuer.token_for(expires_in=LONG)
    await bench.verifier.verify(token)
    old = bench.issuer.keys[0]
    bench.issuer.rotate()
    bench.issuer.withdraw(old)
    bench.clock.turn(HOUR if cache_control != "max-age=999999999" else LONGEST_LIFETIME)
    with pytest.raises(InvalidToken):
        await bench.verifier.verify(token)


async def test_after_an_hour_without_the_issuer_valid_tokens_still_pass(bench: Bench) -> None:
    token = bench.issuer.token_for(expires_in=LONG)
    await bench.verifier.verify(token)
    bench.wire.down = True
    bench.clock.turn(HOUR)
    await bench.verifier.verify(token)


async def test_an_issuer_that_is_down_costs_no_request_seven_seconds(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_source, "_LOOK", 0.0)
    token = bench.issuer.token_for(expires_in=LONG)
    await bench.verifier.start()
    bench.wire.gate = asyncio.Event()  # it hangs: no answer, no refusal
    bench.clock.turn(DEFAULT_LIFETIME - 1)
    await bench.settle()
    for _ in range(10):
        assert bench.verifier.verify_now(token) is not None, "from the first moment, without waiting"
    bench.wire.down = True
    bench.wire.gate.set()
    await bench.settle()
    bench.clock.turn(2)
    assert bench.verifier.source.fresh() is None
    assert bench.verifier.verify_now(token) is not None
    await bench.verifier.aclose()


async def test_stale_keys_are_bounded_and_then_it_is_503_not_401(bench: Bench) -> None:
    token = bench.issuer.token_for(expires_in=LONG)
    await bench.verifier.verify(token)
    bench.wire.down = True
    bench.clock.turn(DEFAULT_LIFETIME + LONGEST_STALE + 1)
    with pytest.raises(Unavailable) as caught:
        await bench.verifier.verify(token)
    assert build_refusal(caught.value).status == 503
    assert "retry-after" in build_refusal(caught.value).headers


@pytest.mark.parametrize(
    "foreign",
    [
        {"kty": "EC", "crv": "P-521", "kid": "ec", "x": "AA", "y": "AA"},
        generate_signing_key("Ed25519", "okp").public_jwk,
        {"kty": "RSA", "kid": "broken", "n": "not base64!", "e": "AQAB"},
        {"kty": "RSA", "kid": "weak", "n": "wQ", "e": "AQAB"},
        {"kty": "AKP", "alg": "ML-DSA-44", "kid": "pq", "pub": "AA"},
        {"kty": "oct", "kid": "hmac", "k": "c2VjcmV0"},
        {},
    ],
    ids=["EC", "OKP", "broken RSA", "weak RSA", "post-quantum", "symmetric", "nothing"],
)
async def test_a_foreign_key_in_the_set_breaks_nothing_and_causes_no_further_fetch(
    bench: Bench, foreign: dict[str, Any]
) -> None:
    bench.publish(foreign)
    for _ in range(11):
        await bench.verifier.verify(bench.issuer.token_for())
    assert len(bench.wire.asked) == 2


@pytest.mark.spec("F2-5.4.3")
async def test_one_kid_for_two_keys_of_different_kinds_serves_both(bench: Bench) -> None:
    ec, okp = generate_signing_key("ES256", "same"), generate_signing_key("Ed25519", "same")
    bench.issuer.keys[:] = [ec, okp]
    for key in (ec, okp):
        await bench.verifier.verify(bench.issuer.token_for(key=key))
    with pytest.raises(InvalidToken):
        await bench.verifier.verify(bench.issuer.token_for(key=generate_signing_key("ES256", "same")))


@pytest.mark.spec("X-jwks-a")
async def test_keys_are_made_once_per_refresh_not_per_request(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[object] = []
    parse = key_set.parse_public_jwk

    def counted(jwk: object) -> Any:
        made.append(jwk)
        return parse(jwk)

    monkeypatch.setattr(key_set, "parse_public_jwk", counted)
    for _ in range(20):
        await bench.verifier.verify(bench.issuer.token_for())
    assert len(made) == 1
