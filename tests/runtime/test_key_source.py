import asyncio
import json

import pytest

from proofkey.errors import Unavailable
from proofkey.findings import Finding
from proofkey.protocol.exchange import Answer
from proofkey.protocol.jose import generate_signing_key
from proofkey.protocol.text import Issuer
from proofkey.resource_server.key_freshness import COOL_DOWN, DEFAULT_LIFETIME, LONGEST_STALE
from proofkey.runtime import key_source
from proofkey.runtime.key_source import KeySource
from proofkey.runtime.portal import Portal
from proofkey.testing.clock import TurnedClock
from proofkey.testing.faults import FaultyTransport
from proofkey.testing.issuer import ISSUER, LocalIssuer

HOUR = 3600.0


class Bench:
    """An issuer, its transport with faults, a clock to turn, and the source under test."""

    def __init__(self, url: str = ISSUER) -> None:
        self.clock = TurnedClock()
        self.issuer = LocalIssuer(url, clock=self.clock)
        self.wire = FaultyTransport(self.issuer.transport)
        self.source = KeySource(Issuer(url), self.wire, self.clock)

    @property
    def kid(self) -> str:
        return self.issuer.keys[-1].kid

    async def settle(self) -> None:
        """Lets what runs in the background end."""
        for _ in range(200):
            await asyncio.sleep(0)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def short_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DEADLINE", "PATIENCE", "WARM_UP"):
        monkeypatch.setattr(key_source, name, 0.02)


@pytest.mark.spec("X-jwks-a")
async def test_a_hundred_askers_cause_one_fetch(bench: Bench) -> None:
    await asyncio.gather(*(bench.source.current() for _ in range(50)))
    for _ in range(50):
        await bench.source.keys_for(bench.kid)
    assert bench.wire.count() == 1
    assert bench.wire.count("/openid-configuration") == 1


@pytest.mark.spec("X-jwks-a")
@pytest.mark.parametrize(
    ("cache_control", "lifetime"), [(None, DEFAULT_LIFETIME), ("max-age=600", 600), ("max-age=1", 60)]
)
async def test_keys_are_asked_for_again_after_their_lifetime(
    bench: Bench, cache_control: str | None, lifetime: float
) -> None:
    bench.issuer.cache_control = cache_control
    await bench.source.current()
    bench.clock.turn(lifetime - 1)
    assert bench.source.fresh() is not None
    await bench.source.current()
    assert bench.wire.count() == 1
    bench.clock.turn(1)
    assert bench.source.fresh() is None
    await bench.source.current()
    assert bench.wire.count() == 2


@pytest.mark.spec("threats §2 row 3")
async def test_a_withdrawn_key_is_gone_after_the_lifetime(bench: Bench) -> None:
    old = bench.issuer.keys[0]
    assert old.kid in (await bench.source.current()).kids
    bench.issuer.rotate()
    bench.issuer.withdraw(old)
    bench.clock.turn(DEFAULT_LIFETIME)
    assert (await bench.source.current()).kids == {bench.kid}


@pytest.mark.spec("threats §2 row 3")
async def test_the_same_kid_with_another_key_is_noticed_after_the_lifetime(bench: Bench) -> None:
    kid = bench.kid
    before = (await bench.source.current()).find(kid, "ES256")
    bench.issuer.keys[:] = [generate_signing_key("ES256", kid)]
    bench.clock.turn(DEFAULT_LIFETIME)
    after = (await bench.source.current()).find(kid, "ES256")
    assert before is not None
    assert after is not None
    assert before.key != after.key


@pytest.mark.spec("X-jwks-b", "threats §2 row 3")
async def test_a_new_kid_is_fetched_at_once_when_the_last_fetch_is_older_than_five_seconds(bench: Bench) -> None:
    await bench.source.current()
    bench.clock.turn(5.5)
    bench.issuer.rotate()
    assert bench.kid in (await bench.source.keys_for(bench.kid)).kids
    assert bench.wire.count() == 2


@pytest.mark.spec("X-jwks-b")
async def test_right_after_a_fetch_a_new_kid_waits(bench: Bench) -> None:
    await bench.source.current()
    bench.clock.turn(5)
    bench.issuer.rotate()
    assert bench.kid not in (await bench.source.keys_for(bench.kid)).kids
    assert bench.wire.count() == 1


@pytest.mark.spec("X-jwks-b")
async def test_the_cool_down_is_counted_by_time_alone(bench: Bench) -> None:
    await bench.source.current()
    bench.clock.turn(10)
    await bench.source.keys_for("stranger")
    assert bench.wire.count() == 2
    bench.issuer.rotate()
    for _ in range(int(COOL_DOWN) - 1):
        bench.clock.turn(1)
        assert bench.kid not in (await bench.source.keys_for(bench.kid)).kids
    assert bench.wire.count() == 2
    bench.clock.turn(1)
    assert bench.kid in (await bench.source.keys_for(bench.kid)).kids
    assert bench.wire.count() == 3


@pytest.mark.spec("X-jwks-b", "threats §2 row 6")
async def test_a_storm_of_unknown_kids_costs_one_fetch_and_no_good_key(bench: Bench) -> None:
    good = bench.kid
    await bench.source.current()
    bench.clock.turn(10)
    await asyncio.gather(*(bench.source.keys_for(f"concurrent {number}") for number in range(500)))
    for number in range(2000):
        await bench.source.keys_for(f"sequential {number}")
    assert bench.wire.count() == 2
    assert good in (await bench.source.keys_for(good)).kids


@pytest.mark.spec("X-jwks-b", "threats §2 row 6")
async def test_a_long_storm_costs_one_fetch_per_cool_down(bench: Bench) -> None:
    await bench.source.current()
    for number in range(600):
        bench.clock.turn(1)
        await bench.source.keys_for(f"kid {number}")
    assert 600 / COOL_DOWN - 3 <= bench.wire.count() <= 600 / COOL_DOWN + 2


@pytest.mark.spec("X-jwks-b")
async def test_a_dead_token_sent_for_ever_does_not_use_up_every_fetch(bench: Bench) -> None:
    bench.issuer.cache_control = "max-age=86400"
    await bench.source.current()
    for _ in range(600):
        bench.clock.turn(1)
        await bench.source.keys_for("withdrawn long ago")
    assert bench.wire.count() <= 1 + 5  # at 6, 36, 96, 216, 456 s


@pytest.mark.spec("X-jwks-b")
async def test_only_strangers_wait_for_a_strangers_fetch(bench: Bench) -> None:
    await bench.source.current()
    bench.clock.turn(10)
    bench.wire.gate = asyncio.Event()
    stranger = asyncio.create_task(bench.source.keys_for("stranger"))
    await bench.settle()
    assert bench.wire.count() == 2
    assert bench.source.fresh() is not None
    async with asyncio.timeout(0.5):
        await bench.source.current()
        await bench.source.keys_for(bench.kid)
    assert not stranger.done()
    bench.wire.gate.set()
    await stranger


@pytest.mark.spec("X-jwks-d", "threats §2 row 4")
async def test_while_the_issuer_is_down_the_last_keys_serve_for_a_day_and_no_longer(bench: Bench) -> None:
    await bench.source.current()
    bench.wire.down = True
    bench.clock.turn(DEFAULT_LIFETIME)
    for _ in range(23):
        bench.clock.turn(HOUR)
        assert bench.kid in (await bench.source.current()).kids
    bench.clock.turn(LONGEST_STALE - 23 * HOUR)
    assert bench.kid in (await bench.source.current()).kids
    assert bench.source.ready
    bench.clock.turn(1)
    assert not bench.source.ready
    with pytest.raises(Unavailable) as caught:
        await bench.source.current()
    assert caught.value.finding is Finding.KEYS_UNAVAILABLE
    assert caught.value.retry_after == 2


@pytest.mark.spec("X-jwks-d")
async def test_while_the_issuer_is_down_it_is_asked_once_per_cool_down(bench: Bench) -> None:
    await bench.source.current()
    bench.wire.down = True
    bench.clock.turn(DEFAULT_LIFETIME)
    before = len(bench.wire.asked)
    for _ in range(300):
        await bench.source.current()
        await bench.settle()
        bench.clock.turn(1)
    attempts = bench.wire.count() + bench.wire.count("/oauth-authorization-server") - 1
    assert attempts <= 300 / COOL_DOWN + 1
    assert len(bench.wire.asked) > before


@pytest.mark.spec("X-jwks-d")
async def test_an_issuer_that_hangs_delays_nobody_beyond_a_moment(bench: Bench, short_deadline: None) -> None:
    await bench.source.current()
    bench.wire.gate = asyncio.Event()
    bench.clock.turn(DEFAULT_LIFETIME)
    loop = asyncio.get_running_loop()
    started = loop.time()
    for _ in range(200):
        assert bench.kid in (await bench.source.current()).kids
    assert loop.time() - started < 2
    assert bench.wire.count() == 2


@pytest.mark.spec("X-jwks-d")
async def test_after_one_failed_attempt_nobody_waits_at_all(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    await bench.source.current()
    bench.wire.down = True
    bench.clock.turn(DEFAULT_LIFETIME)
    await bench.source.current()
    bench.wire.gate = asyncio.Event()
    monkeypatch.setattr(key_source, "PATIENCE", 60)
    bench.clock.turn(COOL_DOWN)
    async with asyncio.timeout(1):
        assert bench.kid in (await bench.source.current()).kids
    await bench.settle()
    assert len(bench.wire.asked) == 4, "the second attempt is on its way all the same"


@pytest.mark.spec("X-jwks-c", "X-jwks-d", "threats §2 row 4", "threats §2 row 5")
@pytest.mark.parametrize(
    "answer",
    [
        Answer(500), Answer(503, {"retry-after": "1"}), Answer(404), Answer(204), Answer(200),
        Answer(200, {}, b"garbage"),
        Answer(200, {}, b'{"keys": []}'), Answer(200, {}, b'{"keys": {}}'), Answer(200, {}, b"[]"),
        Answer(200, {}, b"null"),
        Answer(200, {}, b'{"keys": [{"kty": "RSA", "n": "AA", "e": "AQAB"}]}'),
        Answer(200, {}, b'{"keys": [], "keys": []}'), Answer(200, {}, b"\xff\xfe{}"),
        Answer(200, {}, b"[" * 100_000),
        Answer(200, {}, b"x" * 2_000_000),
        Answer(302, {"location": "http://169.254.169.254/latest/meta-data/"}),
        Answer(301, {"location": "https://elsewhere.test/jwks"}),
    ],
)  # fmt: skip
async def test_a_bad_answer_leaves_the_last_good_keys(bench: Bench, answer: Answer) -> None:
    await bench.source.current()
    bench.wire.answers["/jwks"] = answer
    bench.clock.turn(DEFAULT_LIFETIME)
    assert bench.kid in (await bench.source.current()).kids
    assert not any("elsewhere" in url or "169.254" in url for url in bench.wire.asked)
    del bench.wire.answers["/jwks"]
    bench.clock.turn(COOL_DOWN)
    await bench.source.current()
    await bench.settle()
    assert bench.source.fresh() is not None


@pytest.mark.spec("X-jwks-c", "threats §2 row 4")
async def test_without_keys_a_bad_answer_is_unavailable_and_repairs_itself(bench: Bench) -> None:
    bench.wire.answers["/jwks"] = Answer(200, {}, b"garbage")
    with pytest.raises(Unavailable):
        await bench.source.current()
    assert not bench.source.ready
    bench.wire.answers.clear()
    bench.clock.turn(2)
    assert bench.kid in (await bench.source.current()).kids
    assert bench.source.ready


@pytest.mark.spec("X-jwks-c")
async def test_without_keys_the_issuer_is_asked_every_two_seconds_at_most(bench: Bench) -> None:
    bench.wire.down = True
    for _ in range(100):
        with pytest.raises(Unavailable):
            await bench.source.current()
    assert len(bench.wire.asked) == 1


@pytest.mark.spec("F2-5.4.3", "OC-10.1-a", "threats §1.2")
async def test_foreign_and_broken_keys_are_skipped(bench: Bench) -> None:
    rsa = generate_signing_key("RS256", "shared")
    ec = generate_signing_key("ES256", "shared")
    foreign = [
        {"kty": "oct", "k": "c2VjcmV0", "kid": "hmac"},
        {"kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA", "kid": "k"},
        {"kty": "RSA", "kid": "broken", "n": "!", "e": "AQAB"}, {"kty": "??"}, 5, None, "x", [], {"use": "enc"},
        {"kty": "EC", "crv": "P-256", "x": "AAAA", "y": "AAAA", "kid": "off the curve"},
    ]  # fmt: skip
    document = {"keys": [*foreign, rsa.public_jwk, ec.public_jwk]}
    bench.wire.answers["/jwks"] = Answer(200, {}, json.dumps(document).encode())
    keys = await bench.source.current()
    assert keys.find("shared", "RS256") is not None
    assert keys.find("shared", "ES256") is not None
    assert keys.kids == {"shared"}


@pytest.mark.spec("X-jwks-c")
async def test_at_most_fifty_keys_are_kept(bench: Bench) -> None:
    jwk = bench.issuer.keys[0].public_jwk
    document = {"keys": [jwk | {"kid": f"k{number}"} for number in range(200)]}
    bench.wire.answers["/jwks"] = Answer(200, {}, json.dumps(document).encode())
    assert len(await bench.source.current()) == 50


@pytest.mark.spec("RFC 8414 §3.3", "threats §1.2")
@pytest.mark.parametrize("issuer", ["https://evil.test", ISSUER + "/", None])
async def test_metadata_of_another_issuer_are_not_believed(bench: Bench, issuer: str | None) -> None:
    document = bench.issuer.metadata | {"issuer": issuer}
    bench.wire.answers["/openid-configuration"] = Answer(200, {}, json.dumps(document).encode())
    with pytest.raises(Unavailable):
        await bench.source.current()
    assert bench.wire.count() == 0


@pytest.mark.spec("X-jwks-c")
@pytest.mark.parametrize(
    "uri", ["http://issuer.test/jwks", "file:///etc/passwd", "ftp://issuer.test/jwks", 5, None]
)
async def test_the_key_sets_address_must_be_https(bench: Bench, uri: object) -> None:
    document = bench.issuer.metadata | {"jwks_uri": uri}
    bench.wire.answers["/openid-configuration"] = Answer(200, {}, json.dumps(document).encode())
    with pytest.raises(Unavailable):
        await bench.source.current()
    assert all(url.endswith("/openid-configuration") for url in bench.wire.asked)


@pytest.mark.spec("OIDC Discovery §4", "RFC 8414 §3.1")
async def test_metadata_are_found_at_the_inserted_place_too() -> None:
    bench = Bench("https://issuer.test/tenant")
    bench.wire.answers["/tenant/.well-known/openid-configuration"] = Answer(404)
    assert bench.kid in (await bench.source.current()).kids
    assert bench.source.metadata is not None
    assert bench.wire.asked[1] == "https://issuer.test/.well-known/oauth-authorization-server/tenant"


async def test_metadata_are_read_once_an_hour_and_again_after_a_failure(bench: Bench) -> None:
    bench.issuer.cache_control = "max-age=600"
    for _ in range(7):
        await bench.source.current()
        bench.clock.turn(600)
    assert bench.wire.count("/openid-configuration") == 2
    bench.wire.answers["/jwks"] = Answer(404)
    await bench.source.current()
    del bench.wire.answers["/jwks"]
    bench.clock.turn(COOL_DOWN)
    await bench.source.current()
    await bench.settle()
    assert bench.wire.count("/openid-configuration") == 3


async def test_metadata_that_cannot_be_read_again_serve_on(bench: Bench) -> None:
    await bench.source.current()
    bench.wire.answers["/openid-configuration"] = Answer(500)
    bench.issuer.rotate()
    bench.clock.turn(HOUR)
    assert bench.kid in (await bench.source.current()).kids


@pytest.mark.spec("threats §2 row 1")
async def test_an_issuer_that_is_down_at_the_start_does_not_stop_it(bench: Bench) -> None:
    bench.wire.down = True
    await bench.source.start()
    assert not bench.source.ready
    bench.wire.down = False
    bench.clock.turn(2)
    assert bench.kid in (await bench.source.current()).kids
    await bench.source.aclose()


@pytest.mark.spec("threats §2 row 1", "X-jwks-d")
async def test_an_issuer_that_hangs_at_the_start_does_not_stop_it(bench: Bench, short_deadline: None) -> None:
    bench.wire.gate = asyncio.Event()
    async with asyncio.timeout(1):
        await bench.source.start()
        with pytest.raises(Unavailable):
            await bench.source.current()
    await bench.source.aclose()


@pytest.mark.spec("X-jwks-a", "X-jwks-d")
async def test_the_background_refreshes_before_the_lifetime_ends(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_source, "_LOOK", 0.0)
    await bench.source.start()
    assert bench.wire.count() == 1
    bench.clock.turn(DEFAULT_LIFETIME - key_source.EARLY - 1)
    await bench.settle()
    assert bench.wire.count() == 1
    bench.clock.turn(1)
    await bench.settle()
    assert bench.wire.count() == 2
    assert bench.source.fresh() is not None
    await bench.source.aclose()
    bench.clock.turn(DEFAULT_LIFETIME)
    await bench.settle()
    assert bench.wire.count() == 2


@pytest.mark.spec("threats §2 row 1")
async def test_the_background_brings_the_keys_when_the_issuer_comes_up(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_source, "_LOOK", 0.0)
    bench.wire.down = True
    await bench.source.start()
    bench.wire.down = False
    bench.clock.turn(2)
    await bench.settle()
    assert bench.source.ready
    await bench.source.aclose()


@pytest.mark.spec("X-jwks-a")
async def test_callers_on_other_loops_share_the_fetch(bench: Bench) -> None:
    bench.wire.gate = asyncio.Event()
    here = [asyncio.create_task(bench.source.current()) for _ in range(5)]
    await bench.settle()
    elsewhere = [asyncio.to_thread(Portal.own().call, bench.source.current) for _ in range(5)]
    waiting = asyncio.gather(*here, *elsewhere)
    await asyncio.sleep(0.05)
    bench.wire.gate.set()
    assert {tuple(keys.kids) for keys in await waiting} == {(bench.kid,)}
    assert bench.wire.count() == 1


def test_a_loop_that_ends_in_the_middle_of_a_fetch_blocks_nothing(bench: Bench) -> None:
    async def leave() -> None:
        bench.wire.gate = asyncio.Event()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(bench.source.current(), 0.01)

    asyncio.run(leave())
    bench.wire.gate = None
    keys = asyncio.run(bench.source.current())
    assert bench.kid in keys.kids


async def test_a_waiter_that_gives_up_does_not_end_the_fetch_for_others(bench: Bench) -> None:
    bench.wire.gate = asyncio.Event()
    impatient = asyncio.create_task(bench.source.current())
    patient = asyncio.create_task(bench.source.current())
    await bench.settle()
    impatient.cancel()
    await bench.settle()
    bench.wire.gate.set()
    assert bench.kid in (await patient).kids
    assert bench.wire.count() == 1


async def test_a_transport_that_breaks_is_no_more_than_an_outage(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        async def send(self, ask: object) -> Answer:
            raise ZeroDivisionError

    source = KeySource(Issuer(ISSUER), Broken(), bench.clock)
    with pytest.raises(Unavailable):
        await source.current()


@pytest.mark.spec("threats §2 row 8")
async def test_the_wall_clock_may_jump(bench: Bench) -> None:
    await bench.source.current()
    bench.clock.turn_wall(-86400 * 365)
    assert bench.source.fresh() is not None
    bench.clock.turn_wall(86400 * 730)
    assert bench.source.fresh() is not None
    assert bench.wire.count() == 1
