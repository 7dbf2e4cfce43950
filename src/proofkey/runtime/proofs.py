"""Proves that whoever sends a bound token may: DPoP proofs and client certificates, with a replay memory."""

from typing import Final, NamedTuple

from proofkey.errors import ConfigurationError, InvalidDpopProof, Unavailable, UseDpopNonce
from proofkey.findings import Finding
from proofkey.protocol.access_token import AccessToken, Confirmation
from proofkey.protocol.dpop import DpopProof, ProofKeys, read_dpop_proof
from proofkey.protocol.replay import ReplayMemory
from proofkey.protocol.text import Instant
from proofkey.resource_server.credentials import Credentials
from proofkey.resource_server.sender_constraint import (
    SenderPolicy,
    check_certificate,
    check_key,
    read_presentation,
)
from proofkey.runtime.clock import Clock
from proofkey.runtime.dpop_nonce import DpopNonces

SKEW: Final = 60
"""Seconds by which the clocks of two nodes that share a replay memory may differ."""


class ProofRequest(NamedTuple):
    """The request that a token came with, as far as proofs speak of it."""

    method: str
    """As it was sent; GET for a websocket."""
    url: str
    """Public address without query, as `proofkey.web.request_url` makes it."""
    certificate: str | None = None
    """SHA-256 thumbprint of the client's certificate, base64url."""


class ProofChecker:
    """Checks the proofs of one API."""

    __slots__ = ("_algorithms", "_keys", "_memory", "_nonces", "_unbound", "clock", "policy")

    def __init__(
        self,
        policy: SenderPolicy,
        *,
        clock: Clock,
        memory: ReplayMemory | None = None,
        nonces: DpopNonces | None = None,
    ) -> None:
        """With `nonces` each DPoP proof must carry one, and its time counts instead of the client's.

        Raises: ConfigurationError when DPoP is on and there is no replay memory.
        """
        if policy.offers_dpop and memory is None:
            fix = "memory:, sqlite:///…, postgresql://… or redis://…"
            raise ConfigurationError(Finding.CONFIG_MISSING, key="replay_store", fix=fix)
        self.policy = policy
        self._unbound = policy.dpop != "required"
        self._algorithms = frozenset(policy.algorithms)
        self.clock = clock
        self._memory = memory
        self._nonces = nonces
        self._keys = ProofKeys()

    def check_now(self, token: AccessToken, credentials: Credentials) -> bool:
        """True when there is nothing to prove: an unbound bearer token where those are taken. False: `check` it.

        Raises: InvalidToken when the scheme or the policy does not fit the token, InvalidDpopProof when the scheme
        is DPoP and the proof is missing.
        """
        if token.cnf is None and self._unbound and credentials.scheme == "Bearer":
            return True
        read_presentation(token.cnf, credentials, self.policy)
        return False

    async def check(self, token: AccessToken, credentials: Credentials, request: ProofRequest) -> str | None:
        """Every proof that the token's binding demands (RFC 9449 §4.3, RFC 8705 §3). The replay memory comes last,
        so that nothing refused ever takes room.

        Gives the nonce that the answer may bring in DPoP-Nonce because the client's own gets old (RFC 9449 §8.2),
        or None.
        Raises: InvalidToken, InvalidDpopProof, UseDpopNonce; Unavailable when the replay memory cannot tell.
        """
        presented = read_presentation(token.cnf, credentials, self.policy)
        bound = token.cnf or Confirmation()
        check_certificate(bound, request.certificate)
        if presented is None:
            return None
        now = self.clock.now()
        proof = read_dpop_proof(
            presented,
            method=request.method,
            url=request.url,
            now=now,
            access_token=credentials.token,
            algorithms=self._algorithms,
            window=self.policy.window if self._nonces is None else None,
            leeway=self.policy.leeway,
            keys=self._keys,
        )
        check_key(bound, proof.jkt)
        if self._nonces is None:
            until = max(now, proof.iat) + self.policy.window
            await self._check_replay(proof, now, until, made=proof.iat)
            return None
        began, successor = _check_nonce(self._nonces, proof, now)
        made = max(began, proof.iat) if proof.iat <= now + self.policy.leeway else began
        await self._check_replay(proof, now, now + self._nonces.lifetime, made=made)
        return successor

    async def _check_replay(self, proof: DpopProof, now: Instant, until: int, *, made: int) -> None:
        """RFC 9449 §11.1: once per key, address and jti, for as long as the proof could pass on any node."""
        if self._memory is None:
            raise Unavailable(Finding.STORE_UNAVAILABLE, reason="no replay memory")
        key = f"dpop {proof.jkt} {proof.htu} {proof.jti}"  # the memory holds its digest
        kept_until = Instant(until + SKEW)
        if not await self._memory.add(key, now=now, until=kept_until, made=Instant(max(made, 0))):
            raise InvalidDpopProof(Finding.DPOP_PROOF_REPLAYED, jkt=proof.jkt)


def _check_nonce(nonces: DpopNonces, proof: DpopProof, now: Instant) -> tuple[Instant, str | None]:
    """RFC 9449 §9: since when the proof's nonce could be known, and the one to go on with."""
    began = None if proof.nonce is None else nonces.began(proof.nonce, now)
    if proof.nonce is None or began is None:
        reason = "absent" if proof.nonce is None else "not current"
        raise UseDpopNonce(Finding.DPOP_NONCE, nonce=nonces.current(now), reason=reason)
    return began, nonces.successor(proof.nonce, now)
