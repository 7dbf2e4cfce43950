from typing import Any

import pytest

from proofkey.errors import InvalidToken, Unavailable
from proofkey.findings import Finding
from proofkey.protocol.access_token import AccessToken
from proofkey.protocol.jose import generate_signing_key
from proofkey.protocol.jws import verify_compact
from proofkey.protocol.key_set import KeySet
from proofkey.protocol.signature import ALGORITHM_NAMES
from proofkey.resource_server.key_freshness import DEFAULT_LIFETIME, LONGEST_STALE
from proofkey.resource_server.protected_resource import read_token
from proofkey.runtime import verifier as verifier_module
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


def hashing(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tokens that were proven with a key, in order."""
    proven: list[str] = []

    def counted(token: str, *arguments: Any, **options: Any) -> AccessToken:
        proven.append(token)
        return read_token(token, *arguments, **options)

    monkeypatch.setattr(verifier_module, "read_token", counted)
    return proven


async def test_a_refresh_that_brings_the_same_key_changes_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    proven = hashing(monkeypatch)
    token = bench.issuer.token_for(expires_in=3600)
    first = await bench.verifier.verify(token)
    bench.issuer.rotate()
    bench.clock.turn(DEFAULT_LIFETIME)
    for _ in range(3):
        assert await bench.verifier.verify(token) is first
    assert proven == [token]


async def test_the_same_kid_with_another_key_takes_its_tokens_along(bench: Bench) -> None:
    token = bench.issuer.token_for(expires_in=3600)
    await bench.verifier.verify(token)
    bench.issuer.keys[:] = [generate_signing_key("ES256", bench.issuer.keys[0].kid)]
    bench.clock.turn(DEFAULT_LIFETIME)
    with pytest.raises(InvalidToken) as caught:
        await bench.verifier.verify(token)
    assert caught.value.finding is Finding.TOKEN_SIGNATURE


async def test_while_keys_are_gone_nothing_remembered_is_taken(bench: Bench) -> None:
    token = bench.issuer.token_for(expires_in=10**7)
    await bench.verifier.verify(token)
    bench.issuer.transport.down.add(ISSUER)
    bench.clock.turn(DEFAULT_LIFETIME + 3600)
    await bench.verifier.verify(token)
    bench.clock.turn(LONGEST_STALE)
    with pytest.raises(Unavailable):
        await bench.verifier.verify(token)


async def test_a_bound_token_is_remembered_for_callers_that_demand_the_proof_only(bench: Bench) -> None:
    token = bench.issuer.token_for(cnf={"jkt": "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"})
    first = await bench.verifier.verify(token, bound=True)
    assert await bench.verifier.verify(token, bound=True) is first
    with pytest.raises(InvalidToken) as caught:
        await bench.verifier.verify(token)
    assert caught.value.finding is Finding.TOKEN_BOUND


async def test_the_memory_is_bounded_and_keeps_what_is_used(bench: Bench) -> None:
    tokens = {name: bench.issuer.token_for(sub=name) for name in "abcd"}
    keys = KeySet([key.verification_key for key in bench.issuer.keys])
    now = bench.clock.now()
    memory: TokenMemory[str] = TokenMemory(3)
    for name in "abc":
        verify_compact(tokens[name], keys, ALGORITHM_NAMES)
        memory.keep(tokens[name], name, keys, await bench.verifier.verify(tokens[name]), now)
    assert memory.find(tokens["a"]) is not None
    memory.keep(tokens["d"], "d", keys, await bench.verifier.verify(tokens["d"]), now)
    assert len(memory) == 3
    assert memory.find(tokens["b"]) is None
    entry = memory.find(tokens["a"])
    assert entry is not None
    assert entry.owner == "a"
    assert memory.is_good(tokens["a"], entry, keys, now)
    assert not memory.is_good(tokens["a"], entry, KeySet([]), now)
    assert memory.find(tokens["a"]) is None
