"""What a request with a DPoP-bound token costs, against the two signature checks that it cannot do without.

Token and proof are read and checked in full (RFC 9068 §4, RFC 9449 §4.3), up to a replay memory that answers at
once; no token is remembered. For a known client the key of the proof is remembered, as it is from the second
request on. For a new one nothing is, and the bare check of the proof makes the key from its numbers too.
"""

from benchmarks.ratio import Ratio
from benchmarks.rounds import best_times
from benchmarks.verify import bare_verify
from proofkey.protocol.access_token import AccessToken, verify_access_token
from proofkey.protocol.jose import SigningAlgorithm
from proofkey.protocol.replay import key_digest
from proofkey.protocol.signature import ALGORITHM_NAMES
from proofkey.protocol.text import Instant
from proofkey.resource_server.credentials import Credentials, read_credentials
from proofkey.resource_server.sender_constraint import build_sender_policy
from proofkey.runtime.proofs import ProofChecker, ProofRequest
from proofkey.testing.clock import TurnedClock
from proofkey.testing.dpop import DpopKey
from proofkey.testing.tokens import AUDIENCE, ISSUER, NOW, TokenMaker, key_for_tests, key_set_of
from proofkey.web.request_url import request_url

BARS: tuple[tuple[SigningAlgorithm, SigningAlgorithm, float, float], ...] = (
    ("ES256", "ES256", 1.6, 1.5),
    ("RS256", "ES256", 2.0, 1.5),
    ("ES256", "Ed25519", 1.5, 1.5),
)
"""(token, proof, bar of a new client, bar of a known one). 1.5 is the bar that was set; those of a new client
guard against getting slower."""
URL = f"{AUDIENCE}/orders"
SCOPE = {"type": "http", "method": "GET", "path": "/orders", "raw_path": b"/orders", "root_path": ""}


class _Everything:
    """A replay memory that has never seen anything, so that one proof can be measured again and again."""

    async def add(self, key: str, *, now: Instant, until: Instant, made: Instant | None = None) -> bool:
        return bool(key_digest(key))

    async def purge(self, now: Instant) -> int:
        return 0

    async def aclose(self) -> None:
        return None


def run() -> list[Ratio]:
    """Two ratios for each pair of algorithms."""
    return [ratio for bars in BARS for ratio in _measure(*bars)]


def _measure(
    token_by: SigningAlgorithm, proof_by: SigningAlgorithm, new_bar: float, known_bar: float
) -> list[Ratio]:
    clock = TurnedClock(NOW)
    key = DpopKey(key=key_for_tests(proof_by, "dpop"), clock=clock)
    issuer = key_for_tests(token_by)
    token = TokenMaker(issuer).access_token(cnf=key.cnf)
    headers = [(b"host", b"api.test"), (b"accept", b"*/*")]
    headers += [
        (name.lower().encode(), value.encode()) for name, value in key.dpop_headers(token, "GET", URL).items()
    ]
    proof = read_credentials(headers, dpop=True).proof or ""
    keys = key_set_of(issuer)
    checker = ProofChecker(
        build_sender_policy(dpop="optional", public_url=AUDIENCE), clock=clock, memory=_Everything()
    )

    def request(*, new: bool) -> AccessToken:
        if new:
            checker._keys._known.clear()
        credentials = read_credentials(headers, dpop=True)
        read = verify_access_token(
            credentials.token, keys, issuer=ISSUER, audience=frozenset({AUDIENCE}), now=NOW, bound=True,
            algorithms=ALGORITHM_NAMES,
        )  # fmt: skip
        if not checker.check_now(read, credentials):
            _run(checker, read, credentials)
        return read

    bare_token = bare_verify(issuer, token)
    bare_proof, bare_new = bare_verify(key.key, proof), bare_verify(key.key, proof, new_key=True)
    best = best_times(
        {
            "bare": lambda: (bare_token(), bare_proof()),
            "bare new": lambda: (bare_token(), bare_new()),
            "new": lambda: request(new=True),
            "known": lambda: request(new=False),
        }
    )
    name = f"DPoP request, {token_by} token and {proof_by} proof"
    return [
        Ratio(f"{name}, cached nothing / two bare verifies", best["new"] / best["bare new"], new_bar, "low"),
        Ratio(f"{name}, known client / two bare verifies", best["known"] / best["bare"], known_bar, "low"),
    ]


def _run(checker: ProofChecker, token: AccessToken, credentials: Credentials) -> None:
    """Runs the coroutine to its end: with this memory it never waits."""
    request = ProofRequest(method="GET", url=request_url(AUDIENCE, SCOPE))
    coroutine = checker.check(token, credentials, request)
    try:
        coroutine.send(None)
    except StopIteration:
        return
    raise RuntimeError("the check has waited")
