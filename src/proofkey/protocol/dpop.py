"""DPoP proofs: RFC 9449 §4."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, Protocol

from cryptography.exceptions import InvalidSignature

from proofkey.errors import InvalidDpopProof
from proofkey.findings import Finding
from proofkey.protocol.claims import ClaimError, read_instant
from proofkey.protocol.json_strict import parse_object
from proofkey.protocol.proof_key import ProofKey, read_proof_key
from proofkey.protocol.signature import ALGORITHM_NAMES
from proofkey.protocol.target_uri import normalize_target
from proofkey.protocol.text import Instant, decode_base64url, encode_base64url

HEADER_TYPE: Final = "dpop+jwt"
MAX_PROOF: Final = 8 * 1024
"""Characters of a proof; nothing longer is looked at."""
MAX_JTI: Final = 128
MAX_NONCE: Final = 256
WINDOW: Final = 60
LEEWAY: Final = 10
"""Seconds: how long a proof is good for after its iat, and how far the client's clock may be ahead."""
_PUBLIC_MEMBERS: Final = ("kty", "crv", "n", "e", "x", "y")
_MAX_HEADER_KEPT: Final = 2048


class DpopProof(NamedTuple):
    """A proof after every check of RFC 9449 §4.3 but the two that need a memory: the nonce and the replay."""

    jkt: str
    """The thumbprint of its key (RFC 7638)."""
    jti: str
    htu: str
    """In its normal form."""
    iat: Instant
    nonce: str | None = None


class ProofKeys:
    """Keys of recent proofs by the text of their header, so that a client that comes again costs no key parsing.

    Only headers of proofs that verified are remembered, at most `size`; then it starts anew.
    """

    __slots__ = ("_known", "_size")

    def __init__(self, size: int = 1000) -> None:
        self._known: dict[str, ProofKey] = {}
        self._size = size

    def find(self, header: str) -> ProofKey | None:
        return self._known.get(header)

    def keep(self, header: str, key: ProofKey) -> None:
        if len(header) > _MAX_HEADER_KEPT:
            return
        if len(self._known) >= self._size:
            self._known.clear()
        self._known[header] = key

    def __len__(self) -> int:
        return len(self._known)


def read_dpop_proof(
    proof: str,
    *,
    method: str,
    url: str,
    now: Instant,
    access_token: str | None = None,
    algorithms: frozenset[str] = ALGORITHM_NAMES,
    window: int | None = WINDOW,
    leeway: int = LEEWAY,
    keys: ProofKeys | None = None,
) -> DpopProof:
    """RFC 9449 §4.3: everything that the proof itself and the request can tell, the cheap checks first.

    `url` is the address of the request as `normalize_target` gives it. With `access_token` its hash must stand in
    `ath`. `window` and `leeway` are seconds; a window of None leaves the time to the nonce, which the caller
    checks then (no. 11). Unknown members are ignored.
    Raises: InvalidDpopProof, and nothing else.
    """
    header_text, payload_text, signature_text = _split(proof)
    known = keys.find(header_text) if keys is not None else None
    key = known or _read_header(header_text, algorithms)
    if key.algorithm not in algorithms:
        raise InvalidDpopProof(Finding.DPOP_PROOF_ALGORITHM, alg=key.algorithm)
    claims = _parse_part(payload_text)
    try:
        found = _read_claims(claims, key.jkt, method=method, url=url)
        _check_time(claims, found.iat, now, window, leeway)
        if access_token is not None:
            _check_token(claims, access_token)
    except ClaimError as error:
        raise InvalidDpopProof(error.finding, **error.facts) from error
    try:
        key.verify(decode_base64url(signature_text), proof[: -len(signature_text) - 1].encode())
    except InvalidSignature as error:
        raise InvalidDpopProof(Finding.DPOP_PROOF_SIGNATURE, alg=key.algorithm) from error
    except ValueError as error:
        raise InvalidDpopProof(Finding.DPOP_PROOF_MALFORMED, reason=str(error)) from error
    if known is None and keys is not None:
        keys.keep(header_text, key)
    return found


class ProofSigner(Protocol):
    """A private key: `proofkey.protocol.jose.SigningKey`."""

    @property
    def algorithm(self) -> str: ...
    @property
    def public_jwk(self) -> Mapping[str, Any]: ...
    def signature_of(self, signed: bytes) -> bytes: ...


def build_dpop_proof(
    key: ProofSigner,
    *,
    method: str,
    url: str,
    now: Instant,
    jti: str,
    access_token: str | None = None,
    nonce: str | None = None,
) -> str:
    """A proof for one request (RFC 9449 §4.2): `htu` is the URL without query and fragment, `ath` stands beside an
    access token.

    An RSA signature takes 0.2 to 0.7 ms of CPU: call it in a thread.
    """
    claims: dict[str, object] = {
        "jti": jti, "htm": method, "htu": url.partition("#")[0].partition("?")[0], "iat": int(now),
    }  # fmt: skip
    if access_token is not None:
        claims["ath"] = token_hash(access_token)
    if nonce is not None:
        claims["nonce"] = nonce
    jwk = {name: key.public_jwk[name] for name in _PUBLIC_MEMBERS if name in key.public_jwk}
    header = {"typ": HEADER_TYPE, "alg": key.algorithm, "jwk": jwk}
    signed = f"{_json_part(header)}.{_json_part(claims)}"
    return f"{signed}.{encode_base64url(key.signature_of(signed.encode()))}"


def token_hash(access_token: str) -> str:
    """The value of `ath`: SHA-256 over the token's characters, base64url (RFC 9449 §4.2)."""
    return encode_base64url(hashlib.sha256(access_token.encode()).digest())


def _split(proof: str) -> list[str]:
    parts = proof.split(".") if len(proof) <= MAX_PROOF else []
    if len(parts) != 3 or "" in parts or not proof.isascii():
        raise InvalidDpopProof(Finding.DPOP_PROOF_MALFORMED, length=str(len(proof)), dots=str(proof.count(".")))
    return parts


def _read_header(text: str, algorithms: frozenset[str]) -> ProofKey:
    """RFC 9449 §4.3 no. 4, 5, 7; RFC 7515 §4.1.11."""
    header = _parse_part(text)
    if header.get("typ") != HEADER_TYPE:
        raise InvalidDpopProof(Finding.DPOP_PROOF_TYPE, typ=str(header.get("typ"))[:64])
    if "crit" in header or "b64" in header:
        raise InvalidDpopProof(Finding.DPOP_PROOF_CRIT)
    algorithm: object = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in algorithms:
        raise InvalidDpopProof(Finding.DPOP_PROOF_ALGORITHM, alg=str(algorithm)[:32])
    try:
        return read_proof_key(header.get("jwk"), algorithm)
    except ValueError as error:
        raise InvalidDpopProof(Finding.DPOP_PROOF_KEY, alg=algorithm, reason=str(error)[:100]) from error


def _parse_part(text: str) -> dict[str, Any]:
    try:
        return parse_object(decode_base64url(text))
    except ValueError as error:
        raise InvalidDpopProof(Finding.DPOP_PROOF_MALFORMED, reason="not strict base64url or JSON") from error


def _read_claims(claims: dict[str, Any], jkt: str, *, method: str, url: str) -> DpopProof:
    """RFC 9449 §4.2, §4.3 no. 3, 8, 9."""
    jti: object = claims.get("jti")
    htm: object = claims.get("htm")
    htu: object = claims.get("htu")
    nonce: object = claims.get("nonce")
    if not (isinstance(jti, str) and 0 < len(jti) <= MAX_JTI):
        raise ClaimError(Finding.DPOP_PROOF_CLAIM, claim="jti")
    if not (isinstance(htm, str) and htm and isinstance(htu, str) and htu):
        raise ClaimError(Finding.DPOP_PROOF_CLAIM, claim="htm or htu")
    if nonce is None:
        given = None
    elif isinstance(nonce, str) and 0 < len(nonce) <= MAX_NONCE:
        given = nonce
    else:
        raise ClaimError(Finding.DPOP_PROOF_CLAIM, claim="nonce")
    if htm != method:
        raise ClaimError(Finding.DPOP_PROOF_METHOD, htm=htm[:32], method=method[:32])
    if htu != url and _normal(htu) != url:
        raise ClaimError(Finding.DPOP_PROOF_URL, htu=htu[:200], expected=url[:200])
    return DpopProof(jkt, jti, url, _read_time(claims, "iat"), given)


def _read_time(claims: dict[str, Any], name: str) -> Instant:
    try:
        return read_instant(claims, name)
    except ClaimError as error:
        raise ClaimError(Finding.DPOP_PROOF_CLAIM, **error.facts) from error


def _normal(htu: str) -> str | None:
    try:
        return normalize_target(htu)
    except ValueError:
        return None


def _check_time(claims: dict[str, Any], iat: Instant, now: Instant, window: int | None, leeway: int) -> None:
    """RFC 9449 §4.3 no. 11; exp and nbf where a client adds them (RFC 7519 §4.1.4, §4.1.5)."""
    if window is None:
        return
    starts, ends = int(iat), iat + window
    if "nbf" in claims:
        starts = max(starts, _read_time(claims, "nbf"))
    if "exp" in claims:
        ends = min(ends, _read_time(claims, "exp") + leeway)
    if not starts - leeway <= now <= ends:
        raise ClaimError(Finding.DPOP_PROOF_TIME, iat=str(iat), now=str(now), window=str(window))


def _check_token(claims: dict[str, Any], access_token: str) -> None:
    """RFC 9449 §4.3 no. 12."""
    ath: object = claims.get("ath")
    if not isinstance(ath, str):
        raise ClaimError(Finding.DPOP_PROOF_CLAIM, claim="ath")
    if ath != token_hash(access_token):  # no secret: who sends the one sends the other
        raise ClaimError(Finding.DPOP_PROOF_TOKEN)


def _json_part(value: Mapping[str, Any]) -> str:
    return encode_base64url(json.dumps(value, separators=(",", ":")).encode())
