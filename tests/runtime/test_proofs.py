"""RFC 9449 §4.3, §9, §11.1 and RFC 8705 §3 at a resource server: `ProofChecker`."""

from collections.abc import Callable
from typing import Any

import anyio
import pytest

from proofkey.errors import (
    ConfigurationError,
    InvalidDpopProof,
    InvalidToken,
    OAuthError,
    Unavailable,
    UseDpopNonce,
)
from proofkey.findings import Finding
from proofkey.protocol.access_token import AccessToken, Confirmation
from proofkey.protocol.replay import ReplayMemory
from proofkey.protocol.text import ClientId, Instant, Issuer, Secret, Subject
from proofkey.resource_server.credentials import Credentials
from proofkey.resource_server.sender_constraint import build_sender_policy
from proofkey.runtime.dpop_nonce import DpopNonces
from proofkey.runtime.proofs import ProofChecker, ProofRequest
from proofkey.store.memory.replay import MemoryReplay
from proofkey.testing.clock import TurnedClock
from proofkey.testing.dpop import DpopKey
from proofkey.testing.hostile_proofs import hostile_proofs
from proofkey.testing.proof_case import ProofCase
from proofkey.testing.tokens import NOW, key_for_tests

URL = "https://api.test/orders"
TOKEN = "to.ke.n"
REQUEST = ProofRequest(method="GET", url=URL)


class Setup:
    """A client, its bound token, and as many nodes as a test wants."""

    def __init__(self) -> None:
        self.clock = TurnedClock(NOW)
        self.key = DpopKey(key=key_for_tests("ES256", "dpop"), clock=self.clock)
        self.memory: ReplayMemory = MemoryReplay()
        self.nonces = DpopNonces(Secret("n" * 43))

    def node(self, *, clock: TurnedClock | None = None, nonces: bool = False, **policy: Any) -> ProofChecker:
        return ProofChecker(
            build_sender_policy(**({"dpop": "optional", "public_url": "https://api.test"} | policy)),
            clock=clock or self.clock,
            memory=self.memory,
            nonces=DpopNonces(Secret("n" * 43)) if nonces else None,
        )

    def token(self, cnf: Confirmation | None) -> AccessToken:
        return AccessToken(
            iss=Issuer("https://issuer.test"), sub=Subject("u1"), aud=("https://api.test",),
            exp=Instant(NOW + 900), client_id=ClientId("app"), iat=NOW, jti="t1", cnf=cnf,
        )  # fmt: skip

    @property
    def bound(self) -> AccessToken:
        return self.token(Confirmation(jkt=self.key.jkt))

    def credentials(self, method: str = "GET", url: str = URL, **changes: Any) -> Credentials:
        return Credentials(TOKEN, "DPoP", self.key.proof(method, url, token=TOKEN, **changes))


@pytest.fixture
def setup() -> Setup:
    return Setup()


async def refused(checker: ProofChecker, token: AccessToken, credentials: Credentials) -> OAuthError:
    with pytest.raises(OAuthError) as caught:
        await checker.check(token, credentials, REQUEST)
    return caught.value


def test_an_unbound_bearer_token_needs_nothing_more(setup: Setup) -> None:
    assert setup.node().check_now(setup.token(None), Credentials(TOKEN))
    assert setup.node(dpop="off").check_now(setup.token(None), Credentials(TOKEN))


@pytest.mark.spec("V10-10.3.5", "9700-2.2.1-b")
def test_where_a_bound_token_is_required_an_unbound_one_is_refused(setup: Setup) -> None:
    with pytest.raises(InvalidToken) as caught:
        setup.node(dpop="required").check_now(setup.token(None), Credentials(TOKEN))
    assert caught.value.finding is Finding.DPOP_TOKEN_REQUIRED


@pytest.mark.spec("9449-7.2-a")
async def test_a_bound_token_as_a_bearer_token_is_refused_by_both_steps(setup: Setup) -> None:
    for dpop in ("off", "optional", "required"):
        checker = setup.node(dpop=dpop)
        with pytest.raises(InvalidToken) as caught:
            checker.check_now(setup.bound, Credentials(TOKEN))
        assert caught.value.finding is Finding.TOKEN_BOUND
        assert (await refused(checker, setup.bound, Credentials(TOKEN))).finding is Finding.TOKEN_BOUND


@pytest.mark.spec("9449-7.1-a")
async def test_a_bound_token_with_its_proof_is_taken(setup: Setup) -> None:
    checker, credentials = setup.node(), setup.credentials()
    assert checker.check_now(setup.bound, credentials) is False
    assert await checker.check(setup.bound, credentials, REQUEST) is None


@pytest.mark.spec("9449-7.1-a")
async def test_a_proof_of_another_key_is_a_bad_token_binding(setup: Setup) -> None:
    error = await refused(setup.node(), setup.token(Confirmation(jkt="k" * 43)), setup.credentials())
    assert (error.finding, error.error) == (Finding.DPOP_KEY_OTHER, "invalid_token")


@pytest.mark.spec("9449-7.1-a")
async def test_a_missing_proof_is_refused_by_both_steps(setup: Setup) -> None:
    checker, bare = setup.node(), Credentials(TOKEN, "DPoP")
    with pytest.raises(InvalidDpopProof):
        checker.check_now(setup.bound, bare)
    assert (await refused(checker, setup.bound, bare)).finding is Finding.DPOP_PROOF_MISSING


@pytest.mark.spec("X-jti", "9449-11.1-a", "threats-3-6")
async def test_a_proof_is_good_once_on_all_nodes(setup: Setup) -> None:
    one, other = setup.node(), setup.node()
    credentials = setup.credentials()
    await one.check(setup.bound, credentials, REQUEST)
    for node in (one, other):
        error = await refused(node, setup.bound, credentials)
        assert (error.finding, error.error) == (Finding.DPOP_PROOF_REPLAYED, "invalid_dpop_proof")
    await other.check(setup.bound, setup.credentials(), REQUEST)


@pytest.mark.spec("X-jti", "threats-2-35")
async def test_of_many_at_once_one_is_taken(setup: Setup) -> None:
    nodes = [setup.node() for _ in range(4)]
    credentials, answers = setup.credentials(), list[Finding | None]()

    async def send(node: ProofChecker) -> None:
        try:
            await node.check(setup.bound, credentials, REQUEST)
            answers.append(None)
        except InvalidDpopProof as error:
            answers.append(error.finding)

    async with anyio.create_task_group() as group:
        for number in range(40):
            group.start_soon(send, nodes[number % 4])
    assert answers.count(None) == 1
    assert answers.count(Finding.DPOP_PROOF_REPLAYED) == 39


@pytest.mark.spec("X-jti", "X-htu")
async def test_another_spelling_of_the_address_is_the_same_proof_memory(setup: Setup) -> None:
    checker = setup.node()
    await checker.check(setup.bound, setup.credentials(jti="j1"), REQUEST)
    again = setup.credentials(url="HTTPS://API.test:443/%6frders", jti="j1")
    assert (await refused(checker, setup.bound, again)).finding is Finding.DPOP_PROOF_REPLAYED


@pytest.mark.spec("X-jti")
async def test_the_same_jti_of_another_key_or_for_another_address_is_another_proof(setup: Setup) -> None:
    checker = setup.node()
    await checker.check(setup.bound, setup.credentials(jti="j1"), REQUEST)
    await checker.check(setup.bound, setup.credentials(url=f"{URL}/1", jti="j1"), REQUEST._replace(url=f"{URL}/1"))
    other = DpopKey(key=key_for_tests("ES256", "stranger"), clock=setup.clock)
    proof = other.proof("GET", URL, token=TOKEN, jti="j1")
    await checker.check(setup.token(Confirmation(jkt=other.jkt)), Credentials(TOKEN, "DPoP", proof), REQUEST)


@pytest.mark.spec("X-jti", "9449-11.1-a")
@pytest.mark.parametrize("ahead", [0, 10])
@pytest.mark.parametrize("behind", [0, 60])
async def test_a_proof_is_remembered_as_long_as_any_node_could_take_it(
    setup: Setup, ahead: int, behind: int
) -> None:
    slow = TurnedClock(NOW - behind)
    one, other = setup.node(), setup.node(clock=slow, leeway=60)
    credentials = setup.credentials(now=Instant(NOW + ahead))
    await one.check(setup.bound, credentials, REQUEST)
    reasons: list[Finding] = []
    for _ in range(200):
        reasons.append((await refused(other, setup.bound, credentials)).finding)
        await setup.memory.purge(setup.clock.now())
        setup.clock.turn(1)
        slow.turn(1)
    assert set(reasons) == {Finding.DPOP_PROOF_REPLAYED, Finding.DPOP_PROOF_TIME}
    assert reasons[-1] is Finding.DPOP_PROOF_TIME


@pytest.mark.spec("X-jti")
async def test_nothing_that_is_refused_takes_room(setup: Setup) -> None:
    asked: list[str] = []

    class Watched(MemoryReplay):
        async def add(self, key: str, *, now: Instant, until: Instant, made: Instant | None = None) -> bool:
            asked.append(key)
            return await super().add(key, now=now, until=until, made=made)

    setup.memory = Watched()
    case = ProofCase(key=setup.key, token=TOKEN, url=URL)
    checker, with_nonces = setup.node(), setup.node(nonces=True)
    for hostile in hostile_proofs(case):
        error = await refused(checker, setup.bound, Credentials(TOKEN, "DPoP", hostile.proof))
        assert (error.finding, error.error) == (hostile.finding, hostile.error)
    with pytest.raises(UseDpopNonce):
        await with_nonces.check(setup.bound, setup.credentials(), REQUEST)
    assert asked == []
    await checker.check(setup.bound, setup.credentials(), REQUEST)
    assert len(asked) == 1


class Broken:
    """A replay memory that cannot be reached."""

    async def add(self, key: str, *, now: Instant, until: Instant, made: Instant | None = None) -> bool:
        raise Unavailable(Finding.STORE_UNAVAILABLE)

    async def purge(self, now: Instant) -> int:
        raise Unavailable(Finding.STORE_UNAVAILABLE)

    async def aclose(self) -> None:
        return None


@pytest.mark.spec("X-jti", "X-failclosed")
async def test_a_memory_that_cannot_tell_means_no(setup: Setup) -> None:
    setup.memory = Broken()
    with pytest.raises(Unavailable):
        await setup.node().check(setup.bound, setup.credentials(), REQUEST)


@pytest.mark.spec("X-failclosed")
def test_without_a_memory_dpop_does_not_start(setup: Setup) -> None:
    policy = build_sender_policy(dpop="optional", public_url="https://api.test")
    with pytest.raises(ConfigurationError, match="replay_store"):
        ProofChecker(policy, clock=setup.clock)
    assert ProofChecker(build_sender_policy(mtls=True), clock=setup.clock).policy.takes_bound


@pytest.mark.spec("X-failclosed")
async def test_a_checker_that_has_lost_its_memory_refuses(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    checker = setup.node()
    monkeypatch.setattr(checker, "_memory", None)
    with pytest.raises(Unavailable):
        await checker.check(setup.bound, setup.credentials(), REQUEST)


@pytest.mark.spec("9449-9-a")
async def test_a_nonce_is_asked_for_and_then_taken(setup: Setup) -> None:
    checker = setup.node(nonces=True)
    told = ""
    for nonce in (None, "of-somebody-else"):
        with pytest.raises(UseDpopNonce) as caught:
            await checker.check(setup.bound, setup.credentials(nonce=nonce), REQUEST)
        assert caught.value.error == "use_dpop_nonce"
        told = caught.value.nonce
    assert await setup.node(nonces=True).check(setup.bound, setup.credentials(nonce=told), REQUEST) is None


@pytest.mark.spec("9449-9-a", "RFC 9449 §8.2")
async def test_the_next_nonce_comes_with_the_answer_before_the_old_one_is_over(setup: Setup) -> None:
    checker = setup.node(nonces=True)
    first = setup.nonces.current(setup.clock.now())
    setup.clock.turn(150)
    following = await checker.check(setup.bound, setup.credentials(nonce=first), REQUEST)
    assert following == setup.nonces.current(setup.clock.now()) != first
    setup.clock.turn(150)
    with pytest.raises(UseDpopNonce) as caught:
        await checker.check(setup.bound, setup.credentials(nonce=first), REQUEST)
    assert caught.value.nonce not in (first, following)


@pytest.mark.spec("9449-9-a", "threats-2-7", "RFC 9449 §4.3")
@pytest.mark.parametrize("off_by", [-86_400, -300, 300, 86_400])
async def test_with_nonces_a_clients_clock_may_be_wrong(setup: Setup, off_by: int) -> None:
    checker, wrong = setup.node(nonces=True), Instant(NOW + off_by)
    with pytest.raises(UseDpopNonce) as caught:
        await checker.check(setup.bound, setup.credentials(now=wrong), REQUEST)
    again = setup.credentials(now=wrong, nonce=caught.value.nonce)
    await checker.check(setup.bound, again, REQUEST)
    reasons: list[Finding] = []
    for _ in range(40):
        reasons.append((await refused(checker, setup.bound, again)).finding)
        await setup.memory.purge(setup.clock.now())
        setup.clock.turn(10)
    assert set(reasons) == {Finding.DPOP_PROOF_REPLAYED, Finding.DPOP_NONCE}
    assert reasons[-1] is Finding.DPOP_NONCE


@pytest.mark.spec("9449-9-a")
async def test_a_proof_that_is_bad_otherwise_is_not_sent_for_a_nonce(setup: Setup) -> None:
    error = await refused(setup.node(nonces=True), setup.bound, setup.credentials(method="POST"))
    assert error.finding is Finding.DPOP_PROOF_METHOD


@pytest.mark.spec("8705-3-b")
@pytest.mark.parametrize(
    ("certificate", "finding"),
    [("c" * 43, None), ("d" * 43, Finding.CERTIFICATE_OTHER), (None, Finding.CERTIFICATE_MISSING)],
)
async def test_a_certificate_bound_token_needs_its_certificate(
    setup: Setup, certificate: str | None, finding: Finding | None
) -> None:
    checker = setup.node(dpop="off", mtls=True)
    token, request = setup.token(Confirmation(x5t_s256="c" * 43)), REQUEST._replace(certificate=certificate)
    assert checker.check_now(token, Credentials(TOKEN)) is False
    if finding is None:
        await checker.check(token, Credentials(TOKEN), request)
        return
    with pytest.raises(InvalidToken) as caught:
        await checker.check(token, Credentials(TOKEN), request)
    assert caught.value.finding is finding


@pytest.mark.spec("8705-3-b", "9449-7.1-a")
async def test_a_token_that_is_bound_twice_needs_both(setup: Setup) -> None:
    checker = setup.node(mtls=True)
    token = setup.token(Confirmation(jkt=setup.key.jkt, x5t_s256="c" * 43))
    good = REQUEST._replace(certificate="c" * 43)
    await checker.check(token, setup.credentials(), good)
    cases: list[tuple[Callable[[], Credentials], ProofRequest, Finding]] = [
        (setup.credentials, REQUEST, Finding.CERTIFICATE_MISSING),
        (lambda: Credentials(TOKEN), good, Finding.TOKEN_BOUND),
        (lambda: Credentials(TOKEN, "DPoP"), good, Finding.DPOP_PROOF_MISSING),
        (lambda: setup.credentials(method="POST"), good, Finding.DPOP_PROOF_METHOD),
    ]
    for make, request, finding in cases:
        with pytest.raises(OAuthError) as caught:
            await checker.check(token, make(), request)
        assert caught.value.finding is finding


@pytest.mark.spec("9449-4.3-a")
async def test_algorithms_are_those_of_the_policy(setup: Setup) -> None:
    error = await refused(setup.node(algorithms=("PS256",)), setup.bound, setup.credentials())
    assert error.finding is Finding.DPOP_PROOF_ALGORITHM


async def test_the_window_is_the_one_of_the_policy(setup: Setup) -> None:
    old = setup.credentials(now=Instant(NOW - 5))
    error = await refused(setup.node(window=4), setup.bound, old)
    assert error.finding is Finding.DPOP_PROOF_TIME
    await setup.node(window=5).check(setup.bound, old, REQUEST)
