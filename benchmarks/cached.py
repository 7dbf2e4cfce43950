"""What a remembered token costs, against one SHA-256 of it; and what trusting several issuers adds to a proof."""

import hashlib
from collections.abc import Callable

from benchmarks.ratio import Ratio
from benchmarks.rounds import best_times
from proofkey.runtime.portal import Portal
from proofkey.runtime.trust import TrustedIssuer
from proofkey.runtime.verifier import Verifier
from proofkey.testing.issuer import AUDIENCE, LocalIssuer

BAR = 4.0
SEVERAL_BAR = 1.6
TOKEN_SIZE = 1024


def run() -> list[Ratio]:
    """A token of 1 kB, remembered; the hash includes making bytes of the text, as any memory of tokens has to."""
    issuer = LocalIssuer()
    other = TrustedIssuer(issuer="https://other.test", audience=AUDIENCE)
    short = issuer.token_for(scope="orders:read")
    token = issuer.token_for(scope="orders:read", name="x" * ((TOKEN_SIZE - len(short)) * 3 // 4))
    plain = Verifier(issuer=issuer.url, audience=AUDIENCE, transport=issuer.transport)
    cached = Verifier(issuer=issuer.url, audience=AUDIENCE, transport=issuer.transport, remember_tokens=100)
    both = (TrustedIssuer(issuer=issuer.url, audience=AUDIENCE), other)
    several = Verifier(issuers=both, transport=issuer.transport)
    several_cached = Verifier(issuers=both, transport=issuer.transport, remember_tokens=100)
    best = best_times(
        {
            "hash": lambda: hashlib.sha256(token.encode()).digest(),
            "plain": _warm(plain, token),
            "cached": _warm(cached, token),
            "several": _warm(several, token),
            "several cached": _warm(several_cached, token),
        }
    )
    return [
        Ratio("remembered token / its SHA-256", best["cached"] / best["hash"], BAR, "low"),
        Ratio(
            "remembered token, several issuers / its SHA-256", best["several cached"] / best["hash"], BAR, "low"
        ),
        Ratio("verify, several issuers / one issuer", best["several"] / best["plain"], SEVERAL_BAR, "low"),
    ]


def _warm(verifier: Verifier, token: str) -> Callable[[], object]:
    Portal.own().call(verifier.verify, token)
    return lambda: verifier.verify_now(token)
