"""Several issuers in one verifier: what belongs to one never counts for another."""

import asyncio
from typing import Any

import pytest

from proofkey.errors import ConfigurationError, InvalidToken, Unavailable
from proofkey.findings import Finding
from proofkey.protocol.exchange import Answer, Ask
from proofkey.protocol.jose import generate_signing_key
from proofkey.runtime.trust import TrustedIssuer
from proofkey.runtime.verifier import Verifier
from proofkey.testing.clock import TurnedClock
from proofkey.testing.faults import FaultyTransport
from proofkey.testing.issuer import AUDIENCE, LocalIssuer
from proofkey.testing.transport import AsgiTransport

A, B = "https://a.test", "https://b.test"


class Routes:
    """Each origin has its own issuer and its own faults."""

    def __init__(self, wires: dict[str, FaultyTransport]) -> None:
        self.wires = wires

    async def send(self, ask: Ask) -> Answer:
        return await next(wire for origin, wire in self.wires.items() if ask.url.startswith(origin)).send(ask)


class Bench:
    def __init__(self, **options: Any) -> None:
        self.clock = TurnedClock()
        self.a = LocalIssuer(A, clock=self.clock)
        self.b = LocalIssuer(B, clock=self.clock)
        self.wires = {A: FaultyTransport(self.a.transport), B: FaultyTransport(self.b.transport)}
        self.verifier = Verifier(
            issuers=[TrustedIssuer(issuer=A), TrustedIssuer(issuer=B)],
            audience=AUDIENCE,
            transport=Routes(self.wires),
            clock=self.clock,
            **options,
        )

    def fetches(self) -> dict[str, int]:
        return {origin: wire.count() for origin, wire in self.wires.items()}


@pytest.fixture(params=[0, 100], ids=["verified", "remembered"])
def bench(request: pytest.FixtureRequest) -> Bench:
    return Bench(remember_tokens=request.param)


async def test_tokens_of_each_are_taken(bench: Bench) -> None:
    for _ in range(2):
        assert (await bench.verifier.verify(bench.a.token_for(sub="ann"))).user_key == (A, "ann")
        assert (await bench.verifier.verify(bench.b.token_for(sub="ann"))).user_key == (B, "ann")
    assert bench.verifier.accepted == {A: 2, B: 2}
    assert bench.verifier.issuers == (A, B)


@pytest.mark.spec("8725b-3.8-a")
async def test_a_token_of_one_signed_by_the_others_key_is_refused(bench: Bench) -> None:
    await bench.verifier.verify(bench.a.token_for())
    await bench.verifier.verify(bench.b.token_for())
    with pytest.raises(InvalidToken) as caught:
        await bench.verifier.verify(bench.a.token_for(key=bench.b.keys[0]))
    assert caught.value.finding is Finding.TOKEN_KEY_UNKNOWN


@pytest.mark.spec("8725b-3.8-a")
async def test_a_token_of_one_signed_by_the_others_key_under_its_own_kid_is_refused(bench: Bench) -> None:
    bench.b.keys[:] = [generate_signing_key("ES256", bench.a.keys[0].kid)]
    await bench.verifier.verify(bench.b.token_for())
    with pytest.raises(InvalidToken) as caught:
        await bench.verifier.verify(bench.a.token_for(key=bench.b.keys[0]))
    assert caught.value.finding is Finding.TOKEN_SIGNATURE
    await bench.verifier.verify(bench.a.token_for())


@pytest.mark.spec("8725b-3.8-a")
@pytest.mark.parametrize(
    "iss", [A + "/", A + "/tenant", A[:-1], A.upper(), "https://c.test", "", None, 5, [A], {"iss": A}], ids=str
)
async def test_another_iss_is_refused(bench: Bench, iss: object) -> None:
    await bench.verifier.verify(bench.a.token_for())
    await bench.verifier.verify(bench.b.token_for())
    before = bench.fetches()
    with pytest.raises(InvalidToken) as caught:
        await bench.verifier.verify(bench.a.token_for(iss=iss))
    assert caught.value.finding is Finding.TOKEN_ISSUER
    assert bench.fetches() == before


@pytest.mark.spec("8725b-3.8-a", "X-jwks-b")
async def test_a_key_of_one_causes_no_fetch_at_the_other(bench: Bench) -> None:
    await bench.verifier.verify(bench.a.token_for())
    await bench.verifier.verify(bench.b.token_for())
    bench.clock.turn(60)
    before = bench.fetches()
    with pytest.raises(InvalidToken):
        await bench.verifier.verify(bench.a.token_for(key=bench.b.keys[0]))
    assert bench.fetches() == before
    stranger = LocalIssuer(A, clock=bench.clock)
    with pytest.raises(InvalidToken):  # the control: a kid of nobody's may cause one, at the issuer it claims
        await bench.verifier.verify(stranger.token_for())
    assert bench.fetches() == before | {A: before[A] + 1}


async def test_a_new_key_that_happens_to_have_the_others_kid_is_found(bench: Bench) -> None:
    await bench.verifier.verify(bench.a.token_for())
    await bench.verifier.verify(bench.b.token_for())
    bench.a.keys.append(generate_signing_key("ES256", bench.b.keys[0].kid))
    bench.clock.turn(60)
    await bench.verifier.verify(bench.a.token_for())


@pytest.mark.spec("X-jwks-d", "threats §2 row 4")
@pytest.mark.parametrize("fault", ["down", "hangs"])
async def test_one_that_is_down_delays_no_token_of_the_other(bench: Bench, fault: str) -> None:
    wire = bench.wires[A]
    wire.down = fault == "down"
    wire.gate = asyncio.Event() if fault == "hangs" else None
    waiting = asyncio.create_task(bench.verifier.verify(bench.a.token_for()))
    for _ in range(3):
        await bench.verifier.verify(bench.b.token_for())
        assert bench.verifier.verify_now(bench.b.token_for()) is not None
    if fault == "hangs":
        assert not waiting.done()
        assert wire.gate is not None
        wire.gate.set()
        await waiting
    else:
        with pytest.raises(Unavailable) as caught:
            await waiting
        assert caught.value.facts["issuer"] == A


async def test_readiness_is_of_all_and_of_each(bench: Bench) -> None:
    bench.wires[A].down = True
    await bench.verifier.start()
    assert bench.verifier.readiness == {A: False, B: True}
    assert not bench.verifier.ready
    bench.wires[A].down = False
    bench.clock.turn(2)
    await bench.verifier.verify(bench.a.token_for())
    assert bench.verifier.ready
    await bench.verifier.aclose()


async def test_each_may_know_the_api_by_another_name_and_have_its_own_rules() -> None:
    clock = TurnedClock()
    a, b = LocalIssuer(A, clock=clock, audience="api://one"), LocalIssuer(B, clock=clock, audience="api://two")
    verifier = Verifier(
        issuers=[TrustedIssuer(issuer=A, audience="api://one"), TrustedIssuer(issuer=B, algorithms=["PS256"])],
        audience="api://two",
        transport=Routes({A: FaultyTransport(a.transport), B: FaultyTransport(b.transport)}),
        clock=clock,
    )
    await verifier.verify(a.token_for())
    for token, finding in (
        (a.token_for(aud="api://two"), Finding.TOKEN_AUDIENCE),
        (b.token_for(), Finding.TOKEN_ALGORITHM),
    ):
        with pytest.raises(InvalidToken) as caught:
            await verifier.verify(token)
        assert caught.value.finding is finding


@pytest.mark.spec("X-failclosed")
@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "key='issuer'"),
        ({"issuer": A, "issuers": [TrustedIssuer(issuer=B)]}, "key='issuer'"),
        ({"issuers": [TrustedIssuer(issuer=A), TrustedIssuer(issuer=A)]}, "claimed by"),
        ({"issuers": [TrustedIssuer(issuer=A)], "tenants": ["t"]}, "key='tenants'"),
        ({"issuers": [TrustedIssuer(issuer=A)], "internal_base_url": "https://x.test"}, "internal_base_url"),
        ({"issuer": A, "tenants": ["t"]}, "key='tenants'"),
        ({"issuer": A, "dialect": "no such"}, "key='dialect'"),
        ({"issuers": [TrustedIssuer(issuer="http://a.test")]}, "plain http"),
        ({"issuers": [TrustedIssuer(issuer=A), TrustedIssuer(issuer=B, audience=" ")]}, "audience"),
        ({"issuers": [TrustedIssuer(issuer=A, leeway=61)]}, "leeway"),
    ],
)
def test_a_configuration_that_cannot_be_meant_is_refused(options: Any, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        Verifier(audience=AUDIENCE, **options)


@pytest.mark.parametrize("token", ["", "opaque", "a.b", "a.b.c", "..", "a.b.c.d.e", "x" * 20_000, "é.é.é"])
async def test_what_is_no_jwt_is_refused_and_nothing_else(bench: Bench, token: str) -> None:
    await bench.verifier.verify(bench.a.token_for())
    with pytest.raises(InvalidToken):
        await bench.verifier.verify(token)
    with pytest.raises(InvalidToken):
        bench.verifier.verify_now(token)


@pytest.mark.parametrize("strict_first", [True, False], ids=["strict first", "Entra first"])
async def test_a_refusal_before_any_issuer_is_chosen_is_told_by_its_cause(strict_first: bool) -> None:
    entra, plain = LocalIssuer(dialect="entra"), LocalIssuer("https://op.test")
    trusted = [TrustedIssuer(issuer=entra.url), TrustedIssuer(issuer=plain.url)]
    verifier = Verifier(
        issuers=trusted[::-1] if strict_first else trusted,
        audience="https://api.test",
        transport=AsgiTransport({entra.url: entra, plain.url: plain}),
    )
    other_tenant = "https://sts.windows.net/11111111-2222-4333-8444-555555555555/"
    for token, finding in (
        ("gho_16C7e42F292c6912E7710c838347Ae178B4a", Finding.TOKEN_IS_GITHUB),
        (entra.token_for(scope="x", iss=other_tenant), Finding.TOKEN_TENANT),
        (plain.token_for(iss="https://other.test"), Finding.TOKEN_ISSUER),
    ):
        with pytest.raises(InvalidToken) as caught:
            await verifier.verify(token)
        assert caught.value.finding is finding
