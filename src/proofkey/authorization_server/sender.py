"""Who sends: DPoP proofs at the server's own endpoints, and what they bind (RFC 9449 §5, §8, §10)."""

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Final, NamedTuple

from proofkey.authorization_server.records import NOBODY, Authorization, Sender
from proofkey.authorization_server.role import AuthorizationServer
from proofkey.errors import InvalidDpopProof, InvalidGrant, InvalidRequest, UseDpopNonce
from proofkey.findings import Finding
from proofkey.protocol.certificate import ClientCertificate
from proofkey.protocol.dpop import WINDOW, DpopProof, read_dpop_proof
from proofkey.protocol.messages import AuthorizationRequest
from proofkey.protocol.registration import ClientRegistration
from proofkey.protocol.target_uri import normalize_target
from proofkey.protocol.text import Instant

SKEW: Final = 60
"""Seconds by which the clocks of two nodes that share a replay memory may differ."""


class Presented(NamedTuple):
    """What a request brings beside its parameters to prove its sender; nothing of it is proven."""

    proofs: tuple[str, ...] = ()
    """The values of its DPoP headers."""
    certificate: ClientCertificate | None = None
    """That of its TLS connection."""


NOTHING: Final = Presented()


def read_proof(
    server: AuthorizationServer,
    presented: Presented,
    path: str,
    now: Instant,
    *,
    method: str = "POST",
    access_token: str | None = None,
) -> DpopProof | None:
    """RFC 9449 §4.3: the request's proof, after every check but the replay; None when it brings none.

    `path` is the endpoint's below the issuer, whose address `htu` must name, or its alias for clients with
    certificates (RFC 8705 §5), whatever Host the request has.
    Raises: InvalidDpopProof, UseDpopNonce.
    """
    if not presented.proofs:
        return None
    sent, *more = presented.proofs
    if more:
        raise InvalidDpopProof(Finding.DPOP_PROOF_REPEATED)
    proof = _read_for(server, sent, server.policy.addresses(path), method, now, access_token)
    if server.nonces is not None and (proof.nonce is None or server.nonces.began(proof.nonce, now) is None):
        reason = "absent" if proof.nonce is None else "not current"
        raise UseDpopNonce(Finding.DPOP_NONCE, nonce=server.nonces.current(now), reason=reason)
    return proof


def _read_for(
    server: AuthorizationServer,
    sent: str,
    addresses: tuple[str, ...],
    method: str,
    now: Instant,
    access_token: str | None,
) -> DpopProof:
    """For the first of those addresses that the proof is for. Raises: InvalidDpopProof."""
    address, *others = addresses
    try:
        return read_dpop_proof(
            sent,
            method=method,
            url=_target(address),
            now=now,
            access_token=access_token,
            algorithms=frozenset(server.policy.signing_algorithms),
            keys=server.proof_keys,
        )
    except InvalidDpopProof as error:
        if not others or error.finding is not Finding.DPOP_PROOF_URL:
            raise
    return _read_for(server, sent, tuple(others), method, now, access_token)


async def use_proof(server: AuthorizationServer, proof: DpopProof, now: Instant) -> Sender:
    """RFC 9449 §11.1: once per key, address and jti, on all workers; last of all checks, so that nothing that is
    refused takes room.

    Raises: InvalidDpopProof; Unavailable when the memory cannot tell.
    """
    key = f"dpop {proof.jkt} {proof.htu} {proof.jti}"  # the memory holds its digest
    until = Instant(max(now, proof.iat) + WINDOW + SKEW)
    if not await server.replays.add(key, now=now, until=until, made=proof.iat):
        raise InvalidDpopProof(Finding.DPOP_PROOF_REPLAYED, jkt=proof.jkt)
    return Sender(jkt=proof.jkt)


async def prove_sender(
    server: AuthorizationServer,
    client: ClientRegistration,
    proof: DpopProof | None,
    now: Instant,
    certificate: ClientCertificate | None = None,
) -> Sender:
    """What the tokens of a client that has proven itself are bound to.

    Raises: InvalidDpopProof when there is no proof and the client is registered for bound tokens alone (§5.2), or
    all tokens are bound (FAPI 2.0 §5.3.2.1 no. 4), or when it was used before; InvalidRequest when they are to be
    bound to a certificate and there is none (RFC 8705 §3).
    """
    if proof is None and client.dpop_bound_access_tokens:
        raise InvalidDpopProof(Finding.DPOP_PROOF_NEEDED, client_id=client.client_id)
    bound = client.tls_client_certificate_bound_access_tokens
    if bound and (certificate is None or server.policy.client_certificates is None):
        raise InvalidRequest(Finding.CLIENT_CERTIFICATE_MISSING, client_id=client.client_id)
    if proof is None and not bound and server.policy.is_fapi:
        raise InvalidDpopProof(Finding.DPOP_PROOF_NEEDED, client_id=client.client_id, profile="fapi2")
    sender = NOBODY if proof is None else await use_proof(server, proof, now)
    return replace(sender, x5t_s256=certificate.thumbprint) if bound and certificate is not None else sender


def check_bound(
    authorization: Authorization, client: ClientRegistration, sender: Sender, *, is_code: bool = False
) -> None:
    """RFC 9449 §5, §10; RFC 8705 §4: whoever uses a bound grant has its key. The refresh token of a confidential
    client is bound by its authentication, so that it may change the key, but not go without one.

    Raises: InvalidDpopProof when there is no proof, InvalidGrant for another key or certificate.
    """
    if authorization.x5t_s256 is not None and (
        sender.x5t_s256 is None or (client.is_public and sender.x5t_s256 != authorization.x5t_s256)
    ):
        raise InvalidGrant(Finding.CLIENT_CERTIFICATE_OTHER, client_id=client.client_id)
    if authorization.dpop_jkt is None:
        return
    if sender.jkt is None:
        raise InvalidDpopProof(Finding.DPOP_PROOF_NEEDED, client_id=client.client_id)
    if (client.is_public or is_code) and sender.jkt != authorization.dpop_jkt:
        raise InvalidGrant(Finding.DPOP_GRANT_KEY_OTHER, client_id=client.client_id)


def bind_request(request: AuthorizationRequest, proof: DpopProof | None) -> AuthorizationRequest:
    """RFC 9449 §10.1: a pushed request with a proof binds its code to the proof's key; `dpop_jkt` names no other.

    Raises: InvalidDpopProof.
    """
    if proof is None:
        return request
    if request.dpop_jkt is not None and request.dpop_jkt != proof.jkt:
        raise InvalidDpopProof(Finding.DPOP_GRANT_KEY_OTHER, client_id=request.client_id)
    return replace(request, dpop_jkt=proof.jkt)


def nonce_header(server: AuthorizationServer, proof: DpopProof | None, now: Instant) -> Mapping[str, str]:
    """RFC 9449 §8.2: a new nonce for a client whose own gets old."""
    if server.nonces is None or proof is None or proof.nonce is None:
        return {}
    successor = server.nonces.successor(proof.nonce, now)
    return {} if successor is None else {"DPoP-Nonce": successor}


@lru_cache(maxsize=16)
def _target(url: str) -> str:
    return normalize_target(url)
