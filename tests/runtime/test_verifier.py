import asyncio
import logging
import threading
from collections.abc import Sequence

import pytest

from proofkey.errors import ConfigurationError, InvalidToken, Unavailable
from proofkey.findings import Finding
from proofkey.protocol.jose import SigningAlgorithm
from proofkey.runtime.verifier import Verifier
from proofkey.testing.clock import TurnedClock
from proofkey.testing.faults import FaultyTransport
from proofkey.testing.issuer import AUDIENCE, ISSUER, LocalIssuer


class Bench:
    def __init__(self, algorithm: SigningAlgorithm = "ES256", **options: Sequence[str]) -> None:
        self.clock = TurnedClock()
        self.issuer = LocalIssuer(clock=self.clock, algorithm=algorithm)
        self.wire = FaultyTransport(self.issuer.transport)
        self.verifier = Verifier(
            issuer=ISSUER,
            audience=options.get("audience", AUDIENCE),
            algorithms=options.get("algorithms", ("RS256", "PS256", "ES256", "Ed25519")),
            transport=self.wire,
            clock=self.clock,
        )


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.mark.spec("RFC 9068 §4")
@pytest.mark.parametrize("algorithm", ["ES256", "Ed25519", "PS256"])
async def test_a_token_of_each_algorithm_is_verified(algorithm: SigningAlgorithm) -> None:
    bench = Bench(algorithm)
    token = await bench.verifier.verify(bench.issuer.token_for(scope="a b", sub="ann", roles=["admin"]))
    assert (token.sub, token.scope, token.roles, token.aud) == ("ann", ("a", "b"), ("admin",), (AUDIENCE,))


@pytest.mark.spec("8725b-3.1-b")
async def test_only_the_allowed_algorithms_pass() -> None:
    bench = Bench("ES256", algorithms=["PS256"])
    with pytest.raises(InvalidToken) as caught:
        await bench.verifier.verify(bench.issuer.token_for())
    assert caught.value.finding is Finding.TOKEN_ALGORITHM


@pytest.mark.spec("8725b-3.9-a")
async def test_any_one_of_several_audiences_is_enough() -> None:
    bench = Bench(audience=["https://old.test", "https://new.test"])
    for aud in ("https://old.test", "https://new.test"):
        assert (await bench.verifier.verify(bench.issuer.token_for(aud=aud))).aud == (aud,)
    with pytest.raises(InvalidToken) as caught:
        await bench.verifier.verify(bench.issuer.token_for(aud=AUDIENCE))
    assert caught.value.finding is Finding.TOKEN_AUDIENCE


async def test_a_rotated_key_is_found(bench: Bench) -> None:
    await bench.verifier.verify(bench.issuer.token_for())
    bench.clock.turn(6)
    bench.issuer.rotate()
    await bench.verifier.verify(bench.issuer.token_for())
    assert bench.wire.count() == 2


async def test_an_unknown_key_stays_unknown(bench: Bench) -> None:
    await bench.verifier.verify(bench.issuer.token_for())
    bench.clock.turn(6)
    stranger = LocalIssuer(clock=bench.clock)
    for _ in range(2):
        with pytest.raises(InvalidToken) as caught:
            await bench.verifier.verify(stranger.token_for())
        assert caught.value.finding is Finding.TOKEN_KEY_UNKNOWN
    assert bench.wire.count() == 2


@pytest.mark.spec("X-jwks-d")
async def test_without_keys_it_is_unavailable_and_never_open(bench: Bench) -> None:
    bench.wire.down = True
    with pytest.raises(Unavailable):
        await bench.verifier.verify(bench.issuer.token_for())
    assert not bench.verifier.ready


def test_synchronous_code_verifies_without_a_loop(bench: Bench) -> None:
    token = bench.issuer.token_for(sub="ann")
    assert bench.verifier.verify_sync(token).sub == "ann"
    bench.wire.down = True
    assert bench.verifier.verify_sync(token).sub == "ann"
    assert bench.wire.count() == 1


def test_synchronous_code_sees_the_same_refusals(bench: Bench) -> None:
    bench.verifier.verify_sync(bench.issuer.token_for())
    with pytest.raises(InvalidToken) as caught:
        bench.verifier.verify_sync(bench.issuer.token_for(aud="x"))
    assert caught.value.finding is Finding.TOKEN_AUDIENCE
    bench.clock.turn(6)
    bench.issuer.rotate()
    bench.verifier.verify_sync(bench.issuer.token_for())
    bench.wire.down = True
    bench.clock.turn(10**6)
    with pytest.raises(Unavailable):
        bench.verifier.verify_sync(bench.issuer.token_for())


async def test_the_io_free_path_works_on_the_event_loop_too(bench: Bench) -> None:
    token = bench.issuer.token_for()
    await bench.verifier.verify(token)
    assert bench.verifier.verify_sync(token).sub == "u1"


@pytest.mark.spec("X-jwks-a")
async def test_threads_and_coroutines_share_one_fetch(bench: Bench) -> None:
    token = bench.issuer.token_for()
    bench.wire.gate = asyncio.Event()
    threads = [asyncio.to_thread(bench.verifier.verify_sync, token) for _ in range(8)]
    work = asyncio.gather(*(bench.verifier.verify(token) for _ in range(8)), *threads)
    await asyncio.sleep(0.05)
    bench.wire.gate.set()
    assert len(await work) == 16
    assert bench.wire.count() == 1


def test_many_threads_at_once_get_their_own_tokens(bench: Bench) -> None:
    seen: dict[int, str] = {}

    def work(number: int) -> None:
        seen[number] = bench.verifier.verify_sync(bench.issuer.token_for(sub=f"u{number}")).sub

    threads = [threading.Thread(target=work, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {number: f"u{number}" for number in range(20)}
    assert bench.wire.count() == 1


@pytest.mark.spec("X-failclosed", "8725b-3.9-a")
def test_there_is_no_verifier_without_an_audience() -> None:
    with pytest.raises(ConfigurationError, match="audience="):
        Verifier(issuer=ISSUER)


@pytest.mark.spec("X-failclosed")
def test_plain_http_is_for_loopback() -> None:
    with pytest.raises(ConfigurationError, match="plain http"):
        Verifier(issuer="http://id.example", audience=AUDIENCE)
    Verifier(issuer="http://localhost:8000", audience=AUDIENCE)


@pytest.mark.spec("9700-4.9.3-a")
async def test_no_token_reaches_the_log(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    token = bench.issuer.token_for(aud="x")
    with pytest.raises(InvalidToken) as caught:
        await bench.verifier.verify(token)
    assert not any(part in caplog.text + str(caught.value) for part in token.split("."))
