"""What the memories do with hostile tokens, and what they must not hold on to."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from proofkey.errors import InvalidToken, Unavailable
from proofkey.findings import Finding
from proofkey.runtime.introspection import Introspection, Introspector
from proofkey.runtime.token_memory import TokenMemory
from proofkey.runtime.trust import TrustedIssuer
from proofkey.runtime.verifier import Verifier
from proofkey.testing.clock import TurnedClock
from proofkey.testing.faults import FaultyTransport
from proofkey.testing.introspection_endpoint import CLIENT_ID, CLIENT_SECRET, IntrospectingIssuer
from proofkey.testing.issuer import AUDIENCE, ISSUER, LocalIssuer
from proofkey.testing.transport import AsgiTransport

TENANTS = ("11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222")
SHARED = "https://login.microsoftonline.com/organizations/v2.0"


@pytest.mark.parametrize(
    "token", ["\ud800", "a.\ud800.b", "é", "e" * 20_000], ids=["surrogate", "in", "é", "long"]
)
async def test_a_memory_lets_nothing_escape_but_a_refusal(token: str) -> None:
    issuer = LocalIssuer()
    verifier = Verifier(
        issuer=issuer.url, audience=issuer.audience, transport=issuer.transport, remember_tokens=10
    )
    await verifier.verify(issuer.token_for())
    with pytest.raises(InvalidToken):
        verifier.verify_now(token)
    with pytest.raises(InvalidToken):
        await verifier.verify(token)


def test_junk_is_not_digested(monkeypatch: pytest.MonkeyPatch) -> None:
    def digest(token: str) -> bytes:
        raise AssertionError("digested")

    monkeypatch.setattr("proofkey.runtime.token_memory._digest", digest)
    memory: TokenMemory[Any] = TokenMemory(10)
    assert memory.find("x" * 1_000_000) is None


def introspecting(clock: TurnedClock) -> tuple[FaultyTransport, Verifier, Introspector]:
    wire = FaultyTransport(IntrospectingIssuer(clock=clock).transport)
    config = Introspection(client_id=CLIENT_ID, client_secret=CLIENT_SECRET)
    verifier = Verifier(issuer=ISSUER, audience=AUDIENCE, introspection=config, transport=wire, clock=clock)
    introspector = verifier.trusts[0].introspector
    assert introspector is not None
    return wire, verifier, introspector


async def test_a_remembered_refusal_holds_no_frames_with_the_token_in_them() -> None:
    _, verifier, introspector = introspecting(TurnedClock())
    with pytest.raises(InvalidToken):
        await verifier.verify("stolen")
    kept = [refusal for _, refusal in introspector._tokens._refusals._kept.values()]
    assert [refusal.finding for refusal in kept] == [Finding.INTROSPECTION_INACTIVE]
    assert all(refusal.__traceback__ is None and refusal.__context__ is None for refusal in kept)


async def test_a_remembered_failure_holds_no_frames_with_the_credentials_in_them() -> None:
    wire, verifier, introspector = introspecting(TurnedClock())
    await verifier.source.current()
    wire.down = True
    with pytest.raises(Unavailable):
        await verifier.verify("opaque")
    failure = introspector._circuit._failure
    assert failure is not None
    assert failure.__traceback__ is None
    assert failure.__context__ is None


async def test_a_deadline_that_passes_while_the_issuer_is_asked_counts() -> None:
    clock = TurnedClock()
    old, new = LocalIssuer("https://old.test", clock=clock), LocalIssuer("https://new.test", clock=clock)
    wire = FaultyTransport(AsgiTransport({old.url: old, new.url: new}))
    until = datetime.fromtimestamp(clock.now() + 60, UTC)
    entries = [TrustedIssuer(issuer=old.url, until=until), TrustedIssuer(issuer=new.url)]
    verifier = Verifier(issuers=entries, audience=old.audience, transport=wire, clock=clock)
    wire.gate = asyncio.Event()
    waiting = asyncio.create_task(verifier.verify(old.token_for()))
    await asyncio.sleep(0.01)
    clock.turn(60)
    wire.gate.set()
    with pytest.raises(InvalidToken) as refused:
        await waiting
    assert refused.value.finding is Finding.ISSUER_RETIRED
    assert verifier.accepted == {old.url: 0, new.url: 0}


async def test_one_issuer_in_two_entries_counts_once_and_is_ready_when_both_are() -> None:
    provider = LocalIssuer(SHARED, dialect="entra", audience="api")
    wire = AsgiTransport({"https://login.microsoftonline.com": provider})
    entries = [TrustedIssuer(issuer=SHARED, tenants=(tenant,)) for tenant in TENANTS]
    verifier = Verifier(issuers=entries, audience="api", transport=wire)
    for tenant in TENANTS:
        iss = f"https://login.microsoftonline.com/{tenant}/v2.0"
        await verifier.verify(provider.token_for(scope="a", iss=iss, tid=tenant))
        assert verifier.ready is (tenant == TENANTS[1])
    assert verifier.accepted == {SHARED: 2}
    assert verifier.issuers == (SHARED,)
