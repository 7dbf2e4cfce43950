import pytest

from proofkey.errors import InvalidToken
from proofkey.protocol.access_token import AccessToken
from proofkey.protocol.key_set import KeySet
from proofkey.protocol.text import Instant
from proofkey.resource_server.key_freshness import DEFAULT_LIFETIME
from proofkey.runtime.token_memory import TokenMemory
from proofkey.runtime.verifier import Verifier
from proofkey.testing.clock import TurnedClock
from proofkey.testing.faults import FaultyTransport
from proofkey.testing.issuer import AUDIENCE, ISSUER, LocalIssuer


class Bench:
    def __init__(self) -> None:
        self.clock = TurnedClock()
        self.issuer = LocalIssuer(clock=self.clock)
        self.verifier = Verifier(
            issuer=ISSUER,
            audience=AUDIENCE,
            transport=FaultyTransport(self.issuer.transport),
            clock=self.clock,
            remember_tokens=10,
        )


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_a_token_is_verified_once(bench: Bench) -> None:
    token = bench.issuer.token_for()
    first = await bench.verifier.verify(token)
    assert await bench.verifier.verify(token) is first
    assert bench.verifier.verify_sync(token) is first


async def test_without_a_size_nothing_is_remembered(bench: Bench) -> None:
    plain = Verifier(issuer=ISSUER, audience=AUDIENCE, transport=bench.issuer.transport, clock=bench.clock)
    token = bench.issuer.token_for()
    assert await plain.verify(token) is not await plain.verify(token)


async def test_a_remembered_token_still_expires(bench: Bench) -> None:
    token = bench.issuer.token_for(expires_in=100)
    await bench.verifier.verify(token)
    bench.clock.turn(109)
    await bench.verifier.verify(token)
    bench.clock.turn(1)
    with pytest.raises(InvalidToken):
        await bench.verifier.verify(token)


async def test_a_clock_that_goes_back_does_not_help_a_token(bench: Bench) -> None:
    token = bench.issuer.token_for()
    await bench.verifier.verify(token)
    bench.clock.turn_wall(-61)
    with pytest.raises(InvalidToken):
        await bench.verifier.verify(token)


async def test_a_withdrawn_key_takes_its_tokens_along(bench: Bench) -> None:
    token = bench.issuer.token_for(expires_in=3600)
    await bench.verifier.verify(token)
    old = bench.issuer.keys[0]
    bench.issuer.rotate()
    bench.issuer.withdraw(old)
    bench.clock.turn(DEFAULT_LIFETIME)
    with pytest.raises(InvalidToken):
        await bench.verifier.verify(token)


async def test_a_refusal_is_never_remembered(bench: Bench) -> None:
    token = bench.issuer.token_for(nbf=int(bench.clock.now()) + 60)
    with pytest.raises(InvalidToken):
        await bench.verifier.verify(token)
    bench.clock.turn(60)
    await bench.verifier.verify(token)


async def test_another_spelling_is_another_token(bench: Bench) -> None:
    token = bench.issuer.token_for()
    await bench.verifier.verify(token)
    with pytest.raises(InvalidToken):
        await bench.verifier.verify(token + "=")


async def test_the_memory_is_bounded_and_keeps_what_is_used(bench: Bench) -> None:
    keys = KeySet([key.verification_key for key in bench.issuer.keys])
    memory = TokenMemory(3)
    proven: AccessToken = await bench.verifier.verify(bench.issuer.token_for())
    now = Instant(int(bench.clock.now()))
    for name in ("a", "b", "c"):
        memory.keep(name, keys, proven)
    assert memory.find("a", keys, now) is proven
    memory.keep("d", keys, proven)
    assert len(memory) == 3
    assert memory.find("b", keys, now) is None
    assert memory.find("a", keys, now) is proven
    assert memory.find("a", KeySet([]), now) is None
