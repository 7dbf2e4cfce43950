"""Opaque tokens and the configured revocation check, as the verifier uses them."""

from typing import Any

import pytest

from proofkey.errors import ConfigurationError, InvalidToken, Unavailable
from proofkey.findings import Finding
from proofkey.protocol.exchange import Answer, Ask
from proofkey.runtime.introspection import Introspection
from proofkey.runtime.trust import TrustedIssuer
from proofkey.runtime.verifier import Verifier
from proofkey.testing.clock import TurnedClock
from proofkey.testing.faults import FaultyTransport
from proofkey.testing.introspection_endpoint import CLIENT_ID, CLIENT_SECRET, IntrospectingIssuer
from proofkey.testing.issuer import AUDIENCE, ISSUER, LocalIssuer

OTHER = "https://other.test"


def asking(**options: Any) -> Introspection:
    return Introspection(client_id=CLIENT_ID, client_secret=CLIENT_SECRET, **options)


class Bench:
    """An issuer that is asked, and beside it one that is not."""

    def __init__(self, *, several: bool = False, remember_tokens: int = 0, **options: Any) -> None:
        self.clock = TurnedClock()
        self.issuer = IntrospectingIssuer(clock=self.clock)
        self.other = LocalIssuer(OTHER, clock=self.clock)
        self.wire = FaultyTransport(self)
        asked = TrustedIssuer(issuer=ISSUER, introspection=asking(**options))
        self.verifier = Verifier(
            issuers=[asked, TrustedIssuer(issuer=OTHER)] if several else [asked],
            audience=AUDIENCE,
            transport=self.wire,
            clock=self.clock,
            remember_tokens=remember_tokens,
        )

    async def send(self, ask: Ask) -> Answer:
        return await (self.other if ask.url.startswith(OTHER) else self.issuer).transport.send(ask)


@pytest.fixture(params=[False, True], ids=["one issuer", "several"])
def several(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.mark.spec("7662-rs")
async def test_an_opaque_token_is_asked_about_and_a_jwt_is_not(several: bool) -> None:
    bench = Bench(several=several)
    token = bench.issuer.opaque_token_for(sub="ann")
    assert bench.verifier.verify_now(token) is None
    assert (await bench.verifier.verify(token)).sub == "ann"
    known = bench.verifier.verify_now(token)
    assert known is not None
    assert known.sub == "ann"
    await bench.verifier.verify(bench.issuer.token_for())
    assert len(bench.issuer.questions) == 1
    assert bench.verifier.accepted[ISSUER] == 3


@pytest.mark.spec("8725b-3.8-a")
async def test_an_opaque_token_goes_to_the_issuer_with_introspection_alone() -> None:
    bench = Bench(several=True)
    with pytest.raises(InvalidToken):
        await bench.verifier.verify("not-one-of-ours")
    assert not any(url.startswith(OTHER) for url in bench.wire.asked)
    await bench.verifier.verify(bench.other.token_for())
    assert len(bench.issuer.questions) == 1


async def test_without_introspection_an_opaque_token_is_refused_without_a_question() -> None:
    bench = Bench()
    plain = Verifier(issuer=ISSUER, audience=AUDIENCE, transport=bench.wire, clock=bench.clock)
    await plain.verify(bench.issuer.token_for())
    with pytest.raises(InvalidToken) as caught:
        await plain.verify(bench.issuer.opaque_token_for())
    assert caught.value.finding is Finding.TOKEN_IS_OPAQUE
    assert bench.issuer.questions == []


@pytest.mark.parametrize("remembered", [0, 10], ids=["verified", "remembered"])
async def test_a_remembered_token_is_asked_about_like_any_other(several: bool, remembered: int) -> None:
    bench = Bench(several=several, remember_tokens=remembered, always=True, max_age=60)
    token = bench.issuer.token_for()
    await bench.verifier.verify(token)
    assert bench.verifier.verify_now(token) is not None
    assert len(bench.issuer.questions) == 1
    bench.issuer.revoked.add(token)
    bench.clock.turn(60)
    assert bench.verifier.verify_now(token) is None
    with pytest.raises(InvalidToken):
        await bench.verifier.verify(token)
    with pytest.raises(InvalidToken):
        bench.verifier.verify_now(token)


async def test_a_bad_jwt_never_reaches_the_issuer() -> None:
    bench = Bench(always=True)
    for token in (bench.issuer.token_for(aud="other"), bench.other.token_for(), "eyJ.x.y"):
        with pytest.raises(InvalidToken):
            await bench.verifier.verify(token)
    assert bench.issuer.questions == []
    assert bench.verifier.accepted == {ISSUER: 0}


@pytest.mark.parametrize("kind", ["opaque", "jwt"])
async def test_an_issuer_that_cannot_be_asked_is_503_and_never_open(kind: str) -> None:
    bench = Bench(always=True, remember_tokens=10)
    await bench.verifier.start()
    token = bench.issuer.token_for() if kind == "jwt" else bench.issuer.opaque_token_for()
    bench.wire.down = True
    with pytest.raises(Unavailable):
        await bench.verifier.verify(token)
    assert bench.verifier.accepted == {ISSUER: 0}
    await bench.verifier.aclose()


def test_synchronous_code_asks_too() -> None:
    bench = Bench()
    token = bench.issuer.opaque_token_for(sub="ann")
    assert bench.verifier.verify_sync(token).sub == "ann"
    assert bench.verifier.verify_sync(token).sub == "ann"
    assert len(bench.issuer.questions) == 1


@pytest.mark.parametrize(
    ("first", "second", "fits"),
    [(False, False, False), (True, True, True), (True, False, True), (False, True, True)],
)
def test_opaque_tokens_have_one_address(first: bool, second: bool, fits: bool) -> None:
    issuers = [
        TrustedIssuer(issuer=url, introspection=asking(always=always))
        for url, always in ((ISSUER, first), (OTHER, second))
    ]
    if fits:
        Verifier(issuers=issuers, audience=AUDIENCE)
    else:
        with pytest.raises(ConfigurationError, match="name no issuer"):
            Verifier(issuers=issuers, audience=AUDIENCE)


async def test_where_several_are_asked_about_jwts_alone_an_opaque_token_is_shown_to_nobody() -> None:
    bench = Bench()
    verifier = Verifier(
        issuers=[
            TrustedIssuer(issuer=ISSUER, introspection=asking(always=True)),
            TrustedIssuer(issuer=OTHER, introspection=asking(always=True)),
        ],
        audience=AUDIENCE,
        transport=bench.wire,
        clock=bench.clock,
    )
    with pytest.raises(InvalidToken):
        await verifier.verify(bench.issuer.opaque_token_for())
    assert bench.wire.asked == []
