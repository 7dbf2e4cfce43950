"""Opaque tokens at a verifier: the issuer is asked, once, believed for a while, and never when it is broken."""

import asyncio
import json
import logging
import threading
from pathlib import Path
from typing import Any

import pytest

from proofkey.errors import ConfigurationError, InvalidToken, ProofkeyError, Unavailable
from proofkey.findings import Finding
from proofkey.protocol.exchange import Answer
from proofkey.protocol.text import Secret
from proofkey.runtime import circuit, questions
from proofkey.runtime.introspection import Introspection, Introspector
from proofkey.runtime.portal import Portal
from proofkey.runtime.verifier import Verifier
from proofkey.testing.clock import TurnedClock
from proofkey.testing.faults import FaultyTransport
from proofkey.testing.introspection_endpoint import CLIENT_ID, CLIENT_SECRET, IntrospectingIssuer
from proofkey.testing.issuer import AUDIENCE, ISSUER
from proofkey.testing.tokens import key_for_tests

ENDPOINT = "/introspect"
THUMBPRINT = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"


class Bench:
    """An issuer of opaque tokens, its transport with faults, a clock to turn, and the verifier under test."""

    def __init__(self, **options: Any) -> None:
        self.clock = TurnedClock()
        self.issuer = IntrospectingIssuer(clock=self.clock)
        self.wire = FaultyTransport(self.issuer.transport)
        if not options.keys() & {"private_key_file", "client_secret"}:
            options["client_secret"] = CLIENT_SECRET
        self.verifier = Verifier(
            issuer=ISSUER,
            audience=AUDIENCE,
            introspection=Introspection(client_id=CLIENT_ID, **options),
            transport=self.wire,
            clock=self.clock,
        )

    @property
    def introspector(self) -> Introspector:
        found = self.verifier.trusts[0].introspector
        assert found is not None
        return found

    @property
    def asked(self) -> int:
        return self.wire.count(ENDPOINT)

    async def refusal(self, token: str) -> ProofkeyError:
        with pytest.raises(ProofkeyError) as refused:
            await self.verifier.verify(token)
        return refused.value


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def bench() -> Bench:
    return Bench()


# --- asking --------------------------------------------------------------------------------------------------
@pytest.mark.spec("7662-rs", "7662-2.1-a")
async def test_an_opaque_token_is_what_the_issuer_says_it_is(bench: Bench) -> None:
    opaque = bench.issuer.opaque_token_for(scope="orders:read", sub="ann", roles=["admin"])
    token = await bench.verifier.verify(opaque)
    assert (token.sub, token.scope, token.roles, token.aud) == ("ann", ("orders:read",), ("admin",), (AUDIENCE,))
    assert bench.issuer.questions == [{"token": opaque, "token_type_hint": "access_token"}]
    assert bench.issuer.desk.methods == ["client_secret_basic"]


@pytest.mark.spec("7662-rs")
async def test_a_jwt_is_verified_here_and_asked_about_nowhere(bench: Bench) -> None:
    assert (await bench.verifier.verify(bench.issuer.token_for())).sub == "u1"
    await bench.refusal(bench.issuer.token_for(aud="https://other.test"))
    await bench.refusal(bench.issuer.token_for(typ="JWT"))
    assert bench.asked == 0


@pytest.mark.parametrize("token", ["opaque", "a.b", "a.b.c", "a.b.c.d.e", ".", "..", "x" * 16384])
async def test_whatever_is_no_jwt_is_for_the_issuer_to_know(bench: Bench, token: str) -> None:
    assert (await bench.refusal(token)).finding is Finding.INTROSPECTION_INACTIVE
    assert bench.asked == 1


@pytest.mark.parametrize("token", ["", "a b\n", "tök", "x" * 16385])
async def test_what_can_be_no_token_never_leaves_the_house(bench: Bench, token: str) -> None:
    assert isinstance(await bench.refusal(token), InvalidToken)
    assert bench.asked == 0


@pytest.mark.spec("7523b-cli", "9700-2.5-a / V10-10.4.16")
@pytest.mark.parametrize("algorithm", ["ES256", "RS256"])
async def test_this_api_proves_itself_by_an_assertion(tmp_path: Path, algorithm: Any) -> None:
    key = key_for_tests(algorithm, "api-key")
    file = tmp_path / "key.json"
    file.write_text(json.dumps(key.private_jwk))
    bench = Bench(private_key_file=file)
    bench.issuer.desk.keys[CLIENT_ID] = key.verification_key
    for _ in range(2):
        await bench.verifier.verify(bench.issuer.opaque_token_for())
    assert bench.issuer.desk.methods == ["private_key_jwt"] * 2
    first, second = bench.issuer.desk.assertions
    assert first["aud"] == second["aud"] == ISSUER
    assert first["jti"] != second["jti"]


async def test_a_configured_endpoint_is_asked_without_discovery() -> None:
    bench = Bench(endpoint=f"{ISSUER}{ENDPOINT}")
    await bench.verifier.verify(bench.issuer.opaque_token_for())
    assert bench.wire.asked == [f"{ISSUER}{ENDPOINT}"]


async def test_an_issuer_without_the_endpoint_is_told_apart_from_a_bad_token() -> None:
    bench = Bench()
    discovery = {k: v for k, v in bench.issuer.metadata.items() if not k.startswith("introspection")}
    bench.wire.answers["/openid-configuration"] = Answer(200, {}, json.dumps(discovery).encode())
    refused = await bench.refusal("opaque")
    assert isinstance(refused, Unavailable)
    assert refused.finding is Finding.INTROSPECTION_NO_ENDPOINT


async def test_keys_that_cannot_be_had_are_no_obstacle_to_plain_answers(bench: Bench) -> None:
    bench.wire.answers["/jwks"] = Answer(500)
    assert (await bench.verifier.verify(bench.issuer.opaque_token_for(sub="ann"))).sub == "ann"


# --- remembering ---------------------------------------------------------------------------------------------
@pytest.mark.spec("7662-rs")
@pytest.mark.parametrize(
    ("max_age", "expires_in", "believed"), [(60, 900, 60), (60, 20, 20), (0, 900, 0), (300, 900, 300)]
)
async def test_an_answer_is_believed_until_the_first_of_two_ends(
    max_age: int, expires_in: int, believed: int
) -> None:
    bench = Bench(max_age=max_age)
    opaque = bench.issuer.opaque_token_for(expires_in=expires_in)
    await bench.verifier.verify(opaque)
    if believed:
        bench.clock.turn(believed - 1)
        await bench.verifier.verify(opaque)
        assert bench.asked == 1
        assert bench.verifier.verify_now(opaque) is not None
        bench.clock.turn(1)
    assert bench.verifier.verify_now(opaque) is None
    if expires_in > believed:
        await bench.verifier.verify(opaque)
        assert bench.asked == 2


@pytest.mark.spec("7662-rs")
async def test_a_revoked_token_is_refused_when_the_answer_is_no_longer_believed(bench: Bench) -> None:
    opaque = bench.issuer.opaque_token_for()
    await bench.verifier.verify(opaque)
    bench.issuer.revoked.add(opaque)
    bench.clock.turn(60)
    assert (await bench.refusal(opaque)).finding is Finding.INTROSPECTION_INACTIVE


async def test_a_clock_that_is_set_forward_ends_what_was_remembered(bench: Bench) -> None:
    opaque = bench.issuer.opaque_token_for(expires_in=900)
    await bench.verifier.verify(opaque)
    bench.clock.turn_wall(901)
    assert bench.introspector.known(opaque) is None


@pytest.mark.spec("7662-rs")
async def test_a_refusal_is_remembered_briefly(bench: Bench) -> None:
    await bench.refusal("stolen")
    for _ in range(20):
        assert (await bench.refusal("stolen")).finding is Finding.INTROSPECTION_INACTIVE
    with pytest.raises(InvalidToken):
        bench.verifier.verify_now("stolen")
    assert bench.asked == 1
    bench.clock.turn(questions.NEGATIVE_AGE)
    await bench.refusal("stolen")
    assert bench.asked == 2


async def test_a_token_of_the_near_future_is_asked_about_again(bench: Bench) -> None:
    opaque = bench.issuer.opaque_token_for(nbf=bench.clock.now() + 12)
    assert (await bench.refusal(opaque)).finding is Finding.TOKEN_NOT_YET_VALID
    bench.clock.turn(3)
    assert (await bench.verifier.verify(opaque)).sub == "u1"


async def test_a_thousand_invented_tokens_push_no_good_one_out() -> None:
    bench = Bench(size=10)
    opaque = bench.issuer.opaque_token_for()
    await bench.verifier.verify(opaque)
    for number in range(50):
        await bench.refusal(f"invented-{number}")
    assert bench.verifier.verify_now(opaque) is not None
    assert len(bench.introspector._tokens) == 11


async def test_the_memory_has_its_size() -> None:
    bench = Bench(size=3)
    tokens = [bench.issuer.opaque_token_for() for _ in range(5)]
    for token in tokens:
        await bench.verifier.verify(token)
    assert [bench.introspector.known(token) is not None for token in tokens] == [False, False, True, True, True]


@pytest.mark.spec("9449-6.2", "9449-7.1-a")
async def test_a_bound_token_is_refused_unless_its_proof_is_demanded(bench: Bench) -> None:
    opaque = bench.issuer.opaque_token_for(token_type="DPoP", cnf={"jkt": THUMBPRINT})
    for _ in range(2):  # asked, and remembered
        assert (await bench.refusal(opaque)).finding is Finding.TOKEN_BOUND
        token = await bench.verifier.verify(opaque, bound=True)
        assert token.cnf is not None
        assert token.cnf.jkt == THUMBPRINT
    assert bench.asked == 1


# --- one question at a time ----------------------------------------------------------------------------------
@pytest.mark.spec("7662-rs")
async def test_fifty_requests_with_one_token_ask_once(bench: Bench) -> None:
    opaque = bench.issuer.opaque_token_for()
    found = await asyncio.gather(*(bench.verifier.verify(opaque) for _ in range(50)))
    assert {token.jti for token in found} == {found[0].jti}
    assert bench.asked == 1


async def test_a_caller_that_gives_up_takes_nobody_along(bench: Bench) -> None:
    opaque = bench.issuer.opaque_token_for()
    await bench.verifier.source.current()
    bench.wire.gate = asyncio.Event()
    first, second = (asyncio.create_task(bench.verifier.verify(opaque)) for _ in range(2))
    while not bench.asked:
        await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    bench.wire.gate.set()
    assert (await second).sub == "u1"
    assert first.cancelled()
    assert bench.asked == 1


async def test_a_flood_of_invented_tokens_ends_here(bench: Bench) -> None:
    await bench.verifier.source.current()
    bench.wire.gate = asyncio.Event()
    waiting = [asyncio.create_task(bench.verifier.verify(f"invented-{n}")) for n in range(questions.MOST)]
    while bench.asked < questions.MOST:
        await asyncio.sleep(0)
    refused = await bench.refusal("one more")
    assert isinstance(refused, Unavailable)
    assert refused.finding is Finding.BUSY
    bench.wire.gate.set()
    assert all(isinstance(it, InvalidToken) for it in await asyncio.gather(*waiting, return_exceptions=True))
    assert bench.asked == questions.MOST


def test_synchronous_callers_in_many_threads_ask_once(bench: Bench) -> None:
    opaque = bench.issuer.opaque_token_for(sub="ann")
    found: list[str] = []
    threads = [
        threading.Thread(target=lambda: found.append(bench.verifier.verify_sync(opaque).sub)) for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert found == ["ann"] * 20
    assert bench.asked == 1
    with pytest.raises(InvalidToken):
        bench.verifier.verify_sync("invented")


async def test_a_loop_shares_the_answer_that_another_loop_waits_for(bench: Bench) -> None:
    opaque = bench.issuer.opaque_token_for()
    await bench.verifier.source.current()
    bench.wire.gate = asyncio.Event()
    here = asyncio.create_task(bench.verifier.verify(opaque))
    while not bench.asked:
        await asyncio.sleep(0)
    there = asyncio.create_task(asyncio.to_thread(lambda: Portal.own().call(bench.verifier.verify, opaque)))
    await asyncio.sleep(0.05)
    bench.wire.gate.set()
    assert (await here).jti == (await there).jti
    assert bench.asked == 1


# --- when the issuer is broken -------------------------------------------------------------------------------
WRONG = [
    pytest.param(Answer(500, {}, b"<html>"), Finding.OUTGOING_STATUS, id="500"),
    pytest.param(Answer(429), Finding.OUTGOING_STATUS, id="429"),
    pytest.param(Answer(302, {"location": "https://evil.test"}), Finding.OUTGOING_REDIRECT, id="a redirect"),
    pytest.param(Answer(200, {}, b"<html>"), Finding.INTROSPECTION_ANSWER, id="a page"),
    pytest.param(Answer(200, {}, b'{"active":true,"active":true}'), Finding.INTROSPECTION_ANSWER, id="twice"),
    pytest.param(Answer(200, {}, b'{"active":true,"x":"' + b"y" * 70_000), Finding.OUTGOING_TOO_LARGE, id="huge"),
    pytest.param(Answer(401), Finding.INTROSPECTION_CREDENTIALS, id="401"),
]


@pytest.mark.spec("7662-rs", "X-failclosed")
@pytest.mark.parametrize(("answer", "finding"), WRONG)
async def test_an_issuer_at_fault_is_unavailable_and_recovers(
    bench: Bench, answer: Answer, finding: Finding
) -> None:
    opaque = bench.issuer.opaque_token_for()
    bench.wire.answers[ENDPOINT] = answer
    refused = await bench.refusal(opaque)
    assert isinstance(refused, Unavailable)
    assert refused.finding is finding
    bench.wire.answers.clear()
    assert (await bench.verifier.verify(opaque)).sub == "u1"


@pytest.mark.spec("7662-rs")
@pytest.mark.parametrize("body", [b'{"active":"true"}', b'{"active":1}', b'{"active":true}', b"{}"])
async def test_an_answer_that_says_too_little_opens_nothing(bench: Bench, body: bytes) -> None:
    bench.wire.answers[ENDPOINT] = Answer(200, {"content-type": "application/json"}, body)
    assert isinstance(await bench.refusal("opaque"), InvalidToken)


@pytest.mark.spec("7662-2.1-a")
async def test_wrong_credentials_of_our_own_are_named_as_ours(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(client_secret=Secret("Wrong-7Zr0bX1mGd2Vt8Ky3Lw5Hs9Nc4Jf6PaEuRi"))
    with caplog.at_level(logging.WARNING, "proofkey"):
        refused = await bench.refusal(bench.issuer.opaque_token_for())
    assert isinstance(refused, Unavailable)
    assert refused.finding is Finding.INTROSPECTION_CREDENTIALS
    assert [record.message.split()[0] for record in caplog.records] == ["introspection.failed"]
    assert "INT-03" in caplog.text
    assert "Wrong-7Zr" not in caplog.text


async def test_an_endpoint_that_hangs_is_unavailable_in_time(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.verifier.source.current()
    monkeypatch.setattr(bench.introspector._tokens._flights, "_deadline", 0.05)
    bench.wire.gate = asyncio.Event()
    refused = await bench.refusal("opaque")
    assert isinstance(refused, Unavailable)
    assert refused.facts["reason"] == "Timeout"
    assert len(bench.introspector._tokens._flights) == 0


async def test_a_transport_that_breaks_makes_no_other_error(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: Any) -> Answer:
        raise ZeroDivisionError

    await bench.verifier.source.current()
    monkeypatch.setattr(bench.wire, "send", broken)
    refused = await bench.refusal("opaque")
    assert isinstance(refused, Unavailable)
    assert refused.finding is Finding.INTERNAL


@pytest.mark.spec("X-failclosed", "threats §2")
async def test_a_dead_endpoint_is_left_alone_for_a_while_and_asked_again(bench: Bench) -> None:
    good = bench.issuer.opaque_token_for()
    await bench.verifier.verify(good)
    bench.wire.answers[ENDPOINT] = Answer(503)
    refusals = [await bench.refusal(f"token-{number}") for number in range(20)]
    assert {type(refused) for refused in refusals} == {Unavailable}
    assert bench.asked == 1 + circuit.ROW
    assert [refused.retry_after for refused in refusals[-1:] if isinstance(refused, Unavailable)] == [2]
    assert (await bench.verifier.verify(good)).sub == "u1"  # what is remembered serves
    bench.clock.turn(2)
    await bench.refusal("probe")
    await bench.refusal("not yet")
    assert bench.asked == 2 + circuit.ROW
    bench.clock.turn(4)
    bench.wire.answers.clear()
    assert (await bench.verifier.verify(bench.issuer.opaque_token_for())).sub == "u1"
    assert (await bench.verifier.verify(bench.issuer.opaque_token_for())).sub == "u1"


async def test_a_token_that_the_server_chokes_on_closes_the_way_for_nobody_else(bench: Bench) -> None:
    bench.wire.answers[ENDPOINT] = Answer(400, {}, b'{"error":"unsupported_token_type"}')
    for number in range(10):
        await bench.refusal(f"token-{number}")
    assert bench.asked == 10
    bench.wire.answers.clear()
    assert (await bench.verifier.verify(bench.issuer.opaque_token_for())).sub == "u1"


# --- signed answers ------------------------------------------------------------------------------------------
@pytest.fixture
def signed() -> Bench:
    return Bench(signed=True)


@pytest.mark.spec("9701 † / F2M-5.5")
async def test_a_signed_answer_is_verified_with_the_issuers_keys(signed: Bench) -> None:
    assert (await signed.verifier.verify(signed.issuer.opaque_token_for(sub="ann"))).sub == "ann"
    assert (await signed.refusal("invented")).finding is Finding.INTROSPECTION_INACTIVE
    signed.clock.turn(6)
    signed.issuer.rotate()
    assert (await signed.verifier.verify(signed.issuer.opaque_token_for(sub="bob"))).sub == "bob"


@pytest.mark.spec("9701 † / F2M-5.5")
@pytest.mark.parametrize(
    ("header", "claims"),
    [
        ({"typ": "at+jwt"}, {}),
        ({"kid": "unknown"}, {}),
        ({}, {"aud": "another-api"}),
        ({}, {"iss": "https://evil.test"}),
        ({}, {"iat": 1}),
        ({}, {"token_introspection": None}),
    ],
    ids=["typ", "kid", "aud", "iss", "iat", "nothing"],
)
async def test_a_spoilt_signed_answer_opens_nothing(
    signed: Bench, header: dict[str, Any], claims: dict[str, Any]
) -> None:
    opaque = signed.issuer.opaque_token_for()
    signed.issuer.jwt_header, signed.issuer.jwt_claims = header, claims
    refused = await signed.refusal(opaque)
    assert isinstance(refused, Unavailable)
    assert refused.finding is Finding.INTROSPECTION_ANSWER


async def test_a_plain_answer_in_place_of_a_signed_one_opens_nothing(signed: Bench) -> None:
    body = b'{"active":true,"aud":"https://api.test","sub":"ann","client_id":"app"}'
    signed.wire.answers[ENDPOINT] = Answer(200, {"content-type": "application/json"}, body)
    refused = await signed.refusal("opaque")
    assert isinstance(refused, Unavailable)
    assert refused.finding is Finding.INTROSPECTION_FORM


# --- JWTs too ------------------------------------------------------------------------------------------------
@pytest.mark.spec("7662-4-a", "V7-7.4.1")
async def test_with_always_a_revoked_jwt_is_refused_within_max_age() -> None:
    bench = Bench(always=True, max_age=30)
    token = bench.issuer.token_for(sub="ann")
    for _ in range(3):
        assert (await bench.verifier.verify(token)).sub == "ann"
    assert bench.asked == 1
    assert bench.verifier.verify_now(token) is not None
    bench.issuer.revoked.add(token)
    bench.clock.turn(30)
    assert bench.verifier.verify_now(token) is None
    assert (await bench.refusal(token)).finding is Finding.INTROSPECTION_INACTIVE
    with pytest.raises(InvalidToken):
        bench.verifier.verify_now(token)


async def test_with_always_a_jwt_must_pass_here_before_anybody_is_asked() -> None:
    bench = Bench(always=True)
    await bench.refusal(bench.issuer.token_for(aud="https://other.test"))
    await bench.refusal(bench.issuer.token_for(typ="JWT"))
    assert bench.asked == 0


async def test_with_always_an_issuer_that_is_down_is_no_reason_to_let_a_jwt_in() -> None:
    bench = Bench(always=True)
    bench.wire.answers[ENDPOINT] = Answer(503)
    assert isinstance(await bench.refusal(bench.issuer.token_for()), Unavailable)


def test_with_always_synchronous_callers_are_served_too() -> None:
    bench = Bench(always=True)
    token = bench.issuer.token_for()
    assert bench.verifier.verify_sync(token).sub == "u1"
    bench.issuer.revoked.add(token)
    bench.clock.turn(60)
    with pytest.raises(InvalidToken):
        bench.verifier.verify_sync(token)


# --- configuration, secrets ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "options",
    [
        {"client_secret": None},
        {"size": 0},
        {"max_age": 5000},
        {"endpoint": "http://x.test/i"},
        {"client_secret": "a"},
    ],
    ids=["no credentials", "size", "max_age", "endpoint", "weak"],
)
def test_a_configuration_that_cannot_be_ends_the_start(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        Bench(**options)


@pytest.mark.spec("9700-4.9.3-a")
async def test_no_token_and_no_secret_is_shown_or_logged(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    config = Introspection(client_id="api", client_secret="plain-text-9Zt4Rb8Wn5Hd3Mc6Ys1Gf0Ja")
    assert "plain-text" not in repr(config)
    opaque = bench.issuer.opaque_token_for()
    with caplog.at_level(logging.DEBUG, "proofkey"):
        token = await bench.verifier.verify(opaque)
        bench.wire.answers[ENDPOINT] = Answer(500, {}, opaque.encode())
        refused = await bench.refusal("another-token")
    for shown in (repr(token), str(refused), caplog.text):
        assert opaque not in shown
        assert "another-token" not in shown
        assert CLIENT_SECRET.reveal() not in shown
    assert all(opaque.encode() not in key for key in bench.introspector._tokens._answers._kept)
