"""The corpus as requests: credentials, and the answer that RFC 6750 and RFC 9449 want for them.

```python
cases = corpus_of(maker_of(issuer, scope="orders:read"))
proofs = proof_corpus_of(issuer, "https://api.example.com/orders", scope="orders:read")
```
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from proofkey.findings import Finding
from proofkey.protocol.jose import SigningAlgorithm
from proofkey.testing.clock import TurnedClock
from proofkey.testing.dpop import DpopKey
from proofkey.testing.hostile_proofs import harmless_proofs, hostile_proofs
from proofkey.testing.hostile_tokens import harmless_tokens, hostile_tokens
from proofkey.testing.issuer import LocalIssuer
from proofkey.testing.proof_case import ProofCase
from proofkey.testing.tokens import TokenMaker, key_for_tests

SLACK: Final = 60
"""Seconds that the corpus may take, where the clock goes on."""
_B64TOKEN: Final = re.compile(r"[A-Za-z0-9\-._~+/]+=*")
_OTHER_ALGORITHMS: Final[tuple[SigningAlgorithm, ...]] = ("RS256", "PS256", "Ed25519")

Header = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusCase:
    """The credentials of one request, and the verdict on them."""

    name: str
    headers: tuple[Header, ...] = field(repr=False)
    """As they go over the wire, names in lower case."""
    status: int
    """200: it must be accepted."""
    error: str = ""
    """The error code of the challenge; "" where there is none."""
    scheme: str = "Bearer"
    """What the challenge with the error code begins with."""
    requirement: str
    finding: Finding | None = None
    """What Proofkey's log says of it."""
    full: bool = True
    """False: it has fewer rights than an ordinary token, so that 403 is right too."""

    @property
    def hostile(self) -> bool:
        """True when it must be refused."""
        return self.status != 200

    @property
    def sendable(self) -> bool:
        """Whether an HTTP client can send it: visible ASCII, and no more than servers take."""
        return all(
            len(value) < 30_000 and value == value.strip() and value.isascii() and value.decode().isprintable()
            for _, value in self.headers
        )


def maker_of(
    issuer: LocalIssuer,
    *,
    scope: str | Sequence[str] = ("openid", "orders:read"),
    roles: Sequence[str] = (),
    claims: Mapping[str, object] | None = None,
) -> TokenMaker:
    """Makes tokens as that issuer does, for its audience; the honest ones have scope, roles and claims."""
    return TokenMaker(
        key=issuer.keys[-1],
        issuer=issuer.url,
        audience=issuer.audience,
        now=issuer.clock.now(),
        persona=issuer.persona,
        scope=tuple(scope.split() if isinstance(scope, str) else scope),
        roles=tuple(roles),
        further=dict(claims or {}),
        slack=0 if isinstance(issuer.clock, TurnedClock) else SLACK,
    )


def corpus_of(make: TokenMaker) -> tuple[CorpusCase, ...]:
    """Every token as a bearer token (RFC 6750 §2.1); the first is an ordinary one."""
    return (*_harmless(make), *_hostile(make))


def _harmless(make: TokenMaker) -> Iterator[CorpusCase]:
    for token in harmless_tokens(make):
        yield CorpusCase(
            name=token.name,
            headers=_bearer(token.token),
            status=200,
            requirement=token.requirement,
            full=token.full,
        )


def _hostile(make: TokenMaker) -> Iterator[CorpusCase]:
    """What is not in a bearer token's characters is a malformed request (RFC 6750 §2.1, §3.1)."""
    for token in hostile_tokens(make):
        if token.token.startswith(" "):
            continue  # is the token itself, behind one space more (RFC 9110 §11.4)
        formed = _B64TOKEN.fullmatch(token.token)
        yield CorpusCase(
            name=token.name,
            headers=_bearer(token.token),
            status=401 if formed else 400,
            error="invalid_token" if formed else "invalid_request",
            requirement=token.requirement,
            finding=token.finding if formed else Finding.CREDENTIALS_MALFORMED,
        )


def proof_corpus_of(make: TokenMaker, url: str, *, method: str = "GET") -> tuple[CorpusCase, ...]:
    """DPoP proofs for requests to `url`, the public address of the operation, without port and query (RFC 9449).

    The first is an ordinary one. The cases are in order: one repeats the proof of the case before it.
    """
    clock = TurnedClock(make.now)
    key = DpopKey(key=key_for_tests("ES256", "dpop"), clock=clock)
    case = ProofCase(key=key, token=make.access_token(cnf=key.cnf), method=method, url=url)
    return (*_harmless_proofs(case), *_other_keys(make, case), *_hostile_proofs(make, case), *_schemes(make, case))


def _harmless_proofs(case: ProofCase) -> Iterator[CorpusCase]:
    for proof in harmless_proofs(case):
        if proof.jkt == case.key.jkt:
            yield _accepted(f"DPoP: {proof.name}", _dpop(case.token, proof.proof))


def _other_keys(make: TokenMaker, case: ProofCase) -> Iterator[CorpusCase]:
    for algorithm in _OTHER_ALGORITHMS:
        key = DpopKey(key=key_for_tests(algorithm, "dpop"), clock=case.key.clock)
        token = make.access_token(cnf=key.cnf)
        proof = key.proof(case.method, case.url, token=token)
        yield _accepted(f"DPoP: by {algorithm}", _dpop(token, proof))


def _hostile_proofs(make: TokenMaker, case: ProofCase) -> Iterator[CorpusCase]:
    for proof in hostile_proofs(case):
        yield CorpusCase(
            name=f"DPoP: {proof.name}",
            headers=_dpop(case.token, proof.proof),
            status=401,
            error=proof.error,
            scheme="DPoP",
            requirement=proof.requirement,
            finding=proof.finding,
        )


def _schemes(make: TokenMaker, case: ProofCase) -> Iterator[CorpusCase]:
    """RFC 9449 §4.3 no. 1, §7.1, §7.2, §11.1."""
    proof = case.key.proof(case.method, case.url, token=case.token)
    yield _accepted("DPoP: a proof that will come again", _dpop(case.token, proof))
    again = _dpop(case.token, proof)
    unbound = make.access_token(jti="unbound")
    own = case.key.proof(case.method, case.url, token=unbound)
    twice = (*_dpop(case.token, case.claiming()), (b"dpop", case.claiming().encode()))
    alone = ((b"authorization", f"DPoP {case.token}".encode()),)
    as_bearer = (_bearer(case.token)[0], (b"dpop", case.claiming().encode()))
    bad, none = "invalid_dpop_proof", "invalid_token"
    yield _refused("DPoP: the same proof again", again, bad, "X-jti", Finding.DPOP_PROOF_REPLAYED)
    yield _refused("DPoP: two DPoP headers", twice, bad, "9449-4.3-a", Finding.DPOP_PROOF_REPEATED)
    yield _refused("DPoP: no proof", alone, bad, "9449-7.1-a", Finding.DPOP_PROOF_MISSING)
    yield _refused(
        "DPoP: a token that is not bound", _dpop(unbound, own), none, "9449-7.1-a", Finding.DPOP_TOKEN_UNBOUND
    )
    yield CorpusCase(
        name="DPoP: a bound token as Bearer, with its proof",
        headers=as_bearer,
        status=401,
        error=none,
        requirement="9449-7.2-a",
        finding=Finding.TOKEN_BOUND,
    )


def _accepted(name: str, headers: tuple[Header, ...]) -> CorpusCase:
    return CorpusCase(name=name, headers=headers, status=200, scheme="DPoP", requirement="9449-7.1-a")


def _refused(name: str, headers: tuple[Header, ...], error: str, requirement: str, finding: Finding) -> CorpusCase:
    return CorpusCase(
        name=name,
        headers=headers,
        status=401,
        error=error,
        scheme="DPoP",
        requirement=requirement,
        finding=finding,
    )


def _bearer(token: str) -> tuple[Header, ...]:
    return ((b"authorization", b"Bearer " + _octets(token)),)


def _dpop(token: str, proof: str) -> tuple[Header, ...]:
    return ((b"authorization", f"DPoP {token}".encode()), (b"dpop", _octets(proof)))


def _octets(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
