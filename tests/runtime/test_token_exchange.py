"""Calls downstream: with a token made for them, once per caller and target, and never with the received one."""

import asyncio
import json
import logging
from pathlib import Path
from typing import Any

import httpx2
import pytest

from proofkey.client.token_exchange import JWT_BEARER
from proofkey.errors import ConfigurationError, ExchangeFailed, ProofkeyError, Unavailable
from proofkey.findings import Finding
from proofkey.protocol.exchange import Answer
from proofkey.protocol.jws import read_unverified_payload
from proofkey.protocol.text import Secret
from proofkey.runtime.token_exchange import EARLY, LONGEST, TokenExchange
from proofkey.testing.clock import TurnedClock
from proofkey.testing.exchange_endpoint import ExchangingIssuer
from proofkey.testing.faults import FaultyTransport
from proofkey.testing.introspection_endpoint import CLIENT_ID, CLIENT_SECRET
from proofkey.testing.issuer import ISSUER
from proofkey.testing.tokens import key_for_tests

STOCK = "https://stock.test"


class Bench:
    def __init__(self, url: str = ISSUER, **options: Any) -> None:
        self.clock = TurnedClock()
        self.issuer = ExchangingIssuer(url, clock=self.clock)
        self.wire = FaultyTransport(self.issuer.transport)
        values: dict[str, Any] = {"client_secret": CLIENT_SECRET, "audience": STOCK, **options}
        self.exchange = TokenExchange(
            issuer=url, client_id=CLIENT_ID, transport=self.wire, clock=self.clock, **values
        )
        self.received = self.issuer.token_for(sub="ann")

    @property
    def asked(self) -> int:
        return self.wire.count("/token")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.mark.spec("8693-2-a †", "MCP25-pass")
async def test_the_new_token_is_for_the_api_downstream_and_for_the_same_person(bench: Bench) -> None:
    token = await bench.exchange.exchange(bench.received)
    claims = read_unverified_payload(token.reveal())
    assert (claims["sub"], claims["aud"], claims["client_id"]) == ("ann", STOCK, CLIENT_ID)
    assert token.reveal() != bench.received
    assert token.expires_at == bench.clock.now() + 300
    assert bench.issuer.desk.methods == ["client_secret_basic"]


@pytest.mark.spec("7523b-cli")
async def test_this_api_proves_itself_by_an_assertion(tmp_path: Path) -> None:
    key = key_for_tests("RS256", "api-key")
    file = tmp_path / "key.json"
    file.write_text(json.dumps(key.private_jwk))
    bench = Bench(client_secret=None, private_key_file=file, assertion_audience=f"{ISSUER}/token")
    bench.issuer.desk.keys[CLIENT_ID] = key.verification_key
    bench.issuer.desk.audience = f"{ISSUER}/token"
    await bench.exchange.exchange(Secret(bench.received))
    assert bench.issuer.desk.methods == ["private_key_jwt"]


async def test_entra_is_asked_on_behalf_of() -> None:
    tenant = "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0"
    bench = Bench(tenant, audience=(), scope="api://stock/.default")
    token = await bench.exchange.exchange(bench.received)
    (form,) = bench.issuer.forms
    assert (form["grant_type"], form["requested_token_use"]) == (JWT_BEARER, "on_behalf_of")
    assert form["assertion"] == bench.received
    assert "subject_token" not in form
    assert read_unverified_payload(token.reveal())["aud"] == "api://stock"


async def test_elsewhere_on_behalf_of_is_asked_for_by_its_name() -> None:
    bench = Bench(audience=(), kind="on_behalf_of", scope="api://stock/.default")
    await bench.exchange.exchange(bench.received)
    assert bench.issuer.forms[0]["grant_type"] == JWT_BEARER


async def test_a_configured_endpoint_is_asked_without_discovery() -> None:
    bench = Bench(token_endpoint=f"{ISSUER}/token")
    await bench.exchange.exchange(bench.received)
    assert bench.wire.asked == [f"{ISSUER}/token"]


# --- remembering ---------------------------------------------------------------------------------------------
async def test_one_exchange_serves_until_shortly_before_its_end(bench: Bench) -> None:
    first = await bench.exchange.exchange(bench.received)
    bench.clock.turn(300 - EARLY - 1)
    assert await bench.exchange.exchange(bench.received) is first
    bench.clock.turn(1)
    again = await bench.exchange.exchange(bench.received)
    assert again.reveal() != first.reveal()
    assert bench.asked == 2


async def test_a_long_life_is_not_believed_for_longer_than_an_hour(bench: Bench) -> None:
    bench.issuer.expires_in = 86400
    await bench.exchange.exchange(bench.received)
    bench.clock.turn(LONGEST)
    bench.received = bench.issuer.token_for(sub="ann")
    await bench.exchange.exchange(bench.received)
    assert bench.asked == 2


@pytest.mark.parametrize("expires_in", [None, 20])
async def test_a_token_without_an_end_or_with_a_near_one_is_used_once(
    bench: Bench, expires_in: int | None
) -> None:
    bench.issuer.members = {"expires_in": expires_in}
    for _ in range(2):
        await bench.exchange.exchange(bench.received)
    assert bench.asked == 2


async def test_fifty_requests_of_one_caller_exchange_once(bench: Bench) -> None:
    tokens = await asyncio.gather(*(bench.exchange.exchange(bench.received) for _ in range(50)))
    assert len({token.reveal() for token in tokens}) == 1
    assert bench.asked == 1


@pytest.mark.spec("threats §1.4")
async def test_nobody_gets_the_token_of_another_caller_target_or_actor(bench: Bench) -> None:
    bob = bench.issuer.token_for(sub="bob")
    asks: list[tuple[str, dict[str, Any]]] = [
        (bench.received, {}),
        (bob, {}),
        (bench.received, {"audience": "https://bill.test"}),
        (bench.received, {"audience": (), "resource": "https://bill.test"}),
        (bench.received, {"scope": "stock:read"}),
        (bench.received, {"actor_token": "robot"}),
    ]
    tokens = [await bench.exchange.exchange(token, **target) for token, target in asks]
    assert len({token.reveal() for token in tokens}) == len(asks)
    claims = [read_unverified_payload(token.reveal()) for token in tokens]
    assert [it["sub"] for it in claims] == ["ann", "bob", "ann", "ann", "ann", "ann"]
    again = [await bench.exchange.exchange(token, **target) for token, target in asks]
    assert [token.reveal() for token in again] == [token.reveal() for token in tokens]
    assert bench.asked == len(asks)


async def test_the_memory_has_its_size() -> None:
    bench = Bench(size=2)
    for number in range(5):
        await bench.exchange.exchange(bench.issuer.token_for(sub=f"u{number}"))
    assert len(bench.exchange._tokens) == 2


# --- refusals ------------------------------------------------------------------------------------------------
async def test_a_refusal_is_the_servers_and_is_not_remembered(bench: Bench) -> None:
    bench.issuer.refusal = (400, {"error": "invalid_target"})
    for _ in range(5):
        with pytest.raises(ExchangeFailed) as refused:
            await bench.exchange.exchange(bench.received)
        assert refused.value.error == "invalid_target"
    bench.issuer.refusal = None
    await bench.exchange.exchange(bench.received)
    assert bench.asked == 6


async def test_a_token_that_is_over_or_foreign_is_not_exchanged(bench: Bench) -> None:
    for token in (bench.issuer.token_for(aud="https://other.test"), "opaque"):
        with pytest.raises(ExchangeFailed):
            await bench.exchange.exchange(token)


async def test_wrong_credentials_of_our_own_are_named_as_ours(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(client_secret="Wrong-7Zr0bX1mGd2Vt8Ky3Lw5Hs9Nc4Jf6PaEuRi")
    with caplog.at_level(logging.WARNING, "proofkey"), pytest.raises(Unavailable) as refused:
        await bench.exchange.exchange(bench.received)
    assert refused.value.finding is Finding.EXCHANGE_CREDENTIALS
    assert "EXC-02" in caplog.text
    assert "Wrong-7Zr" not in caplog.text
    assert bench.received not in caplog.text


async def test_a_server_that_is_down_is_left_alone_and_asked_again(bench: Bench) -> None:
    await bench.exchange.exchange(bench.received)
    bench.wire.answers["/token"] = Answer(503)
    bench.received = bench.issuer.token_for(sub="ann")
    for _ in range(10):
        with pytest.raises(Unavailable):
            await bench.exchange.exchange(bench.received)
    assert bench.asked == 4
    bench.wire.answers.clear()
    bench.clock.turn(2)
    assert (await bench.exchange.exchange(bench.received)).reveal()


@pytest.mark.parametrize(
    "options",
    [
        {"client_secret": None},
        {"client_secret": "short"},
        {"audience": " "},
        {"scope": 'a"b'},
        {"resource": "no uri"},
        {"token_endpoint": "http://op.test/token"},
        {"kind": "on_behalf_of"},
    ],
    ids=["no credentials", "weak", "empty", "scope", "resource", "plain http", "on behalf of, with an audience"],
)
def test_a_configuration_that_cannot_be_ends_the_start(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        Bench(**options)


async def test_without_any_target_each_call_names_one() -> None:
    bench = Bench(audience=())
    with pytest.raises(ConfigurationError):
        await bench.exchange.exchange(bench.received)
    with pytest.raises(ConfigurationError):
        bench.exchange.downstream(STOCK, bench.received)
    assert (await bench.exchange.exchange(bench.received, audience=STOCK)).reveal()


# --- downstream ----------------------------------------------------------------------------------------------
class Upstream:
    """An API downstream that keeps what it was sent; `/away` redirects to another host."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []
        self.transport = httpx2.MockTransport(self.answer)

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        self.seen.append((str(request.url), request.headers.get("authorization", "")))
        if request.url.path == "/away":
            return httpx2.Response(302, headers={"location": "https://evil.test/"})
        return httpx2.Response(200, json={})


@pytest.mark.spec("MCP25-pass", "9700-4.9.3-a")
async def test_the_api_downstream_sees_another_token_and_a_fresh_one_each_time(bench: Bench) -> None:
    upstream = Upstream()
    async with bench.exchange.downstream(STOCK, bench.received, transport=upstream.transport) as stock:
        await stock.get("/items")
        await stock.get("/items")
        bench.clock.turn(290)
        await stock.get("/items")
    first, second, third = (header.removeprefix("Bearer ") for _, header in upstream.seen)
    assert first == second != third
    assert bench.received not in (first, third)
    assert read_unverified_payload(first)["aud"] == STOCK


@pytest.mark.spec("MCP25-pass")
async def test_no_other_host_gets_any_token(bench: Bench) -> None:
    upstream = Upstream()
    async with bench.exchange.downstream(STOCK, bench.received, transport=upstream.transport) as stock:
        assert (await stock.get("/away")).status_code == 302
        with pytest.raises(ProofkeyError) as refused:
            await stock.get("https://evil.test/items")
        assert (await stock.get("/away", follow_redirects=True)).status_code == 200
    assert refused.value.finding is Finding.OUTGOING_FOREIGN
    assert [header for url, header in upstream.seen if url.startswith("https://evil.test")] == [""]


async def test_a_refused_exchange_sends_nothing_downstream(bench: Bench) -> None:
    upstream = Upstream()
    bench.issuer.refusal = (400, {"error": "invalid_grant"})
    async with bench.exchange.downstream(STOCK, bench.received, transport=upstream.transport) as stock:
        with pytest.raises(ExchangeFailed):
            await stock.get("/items")
    assert upstream.seen == []


async def test_a_plain_http_api_downstream_is_refused(bench: Bench) -> None:
    with pytest.raises(Unavailable):
        bench.exchange.downstream("http://stock.test", bench.received)
