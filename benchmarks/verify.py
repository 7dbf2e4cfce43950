"""What the strict verification of an access token costs, against the bare signature check and against PyJWT."""

import string
import time
from collections.abc import Callable
from typing import Any

import jwt
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from benchmarks.ratio import Ratio
from benchmarks.rounds import best_times
from proofkey.errors import InvalidToken, MalformedCredentials
from proofkey.protocol.access_token import verify_access_token
from proofkey.protocol.jose import SigningAlgorithm, SigningKey
from proofkey.protocol.text import Instant, decode_base64url, encode_base64url
from proofkey.resource_server.credentials import read_credentials
from proofkey.testing.tokens import TokenMaker, key_for_tests, key_set_of

Call = Callable[[], object]

BARS: tuple[tuple[SigningAlgorithm, str, float, float], ...] = (
    ("RS256", "RS256", 1.8, 0.5),
    ("ES256", "ES256", 1.3, 0.75),
    ("Ed25519", "EdDSA", 1.2, 0.85),
)
"""Algorithm, PyJWT's name of it, the bar against the bare check, the bar against PyJWT; RSA of 2048 bits."""
TOKEN_SIZE = 1024
JUNK_SIZE = 1_000_000


def run() -> list[Ratio]:
    """Two ratios for each algorithm. All three candidates verify the same token."""
    ratios: list[Ratio] = []
    for algorithm, pyjwt_name, bare_bar, pyjwt_bar in BARS:
        make = TokenMaker(key_for_tests(algorithm), now=Instant(int(time.time())))
        token = _token(make, pyjwt_name)
        best = best_times(
            {
                "bare": bare_verify(make.key, token),
                "proofkey": _proofkey(make, token),
                "pyjwt": _pyjwt(make, token, pyjwt_name),
            }
        )
        ratios.append(
            Ratio(f"verify {algorithm} / bare signature check", best["proofkey"] / best["bare"], bare_bar, "low")
        )
        ratios.append(Ratio(f"verify {algorithm} / PyJWT", best["proofkey"] / best["pyjwt"], pyjwt_bar, "low"))
    return ratios + junk_ratios()


def junk_ratios() -> list[Ratio]:
    """A megabyte of junk as a bearer token, from the header to the refusal, against one RS256 verification."""
    make = TokenMaker(key_for_tests("RS256"), now=Instant(int(time.time())))
    verify = _proofkey(make, _token(make, "RS256"))
    refusals = {name: _refusal(make, token) for name, token in junk().items()}
    best = best_times({"verify": verify, **refusals}, rounds=40)
    return [
        Ratio(f"1 MB of junk, {name} / verify RS256", best[name] / best["verify"], 1.0, "low") for name in refusals
    ]


def junk() -> dict[str, str]:
    """What a stranger may send; each is a bearer token in form, but for the last."""
    third = "A" * (JUNK_SIZE // 3)
    deep = encode_base64url(b'{"a":' * (JUNK_SIZE * 3 // 4 // 5))
    return {
        "one segment": "A" * JUNK_SIZE,
        "three segments": f"{third}.{third}.{third}",
        "five segments": f"e30.AAAA.AAAA.{'A' * JUNK_SIZE}.AAAA",
        "dots only": "." * JUNK_SIZE,
        "deep JSON": f"{deep}.{deep[:8]}.AAAA",
        "a JWT's start": f"eyJhbGciOiJub25lIn0.{'A' * JUNK_SIZE}.AAAA",
        "no token's characters": "\xff" * JUNK_SIZE,
    }


def _refusal(make: TokenMaker, token: str) -> Call:
    """Credentials, then the verifier's rules, as an API calls them."""
    keys, audience = key_set_of(make.key), frozenset({make.audience})
    headers = [(b"host", b"api.test"), (b"authorization", b"Bearer " + token.encode("latin-1"))]

    def call() -> None:
        try:
            given = read_credentials(headers).token
        except (InvalidToken, MalformedCredentials):
            given = token  # and again by the rules alone, for who calls them without our reading of headers
        try:
            verify_access_token(given, keys, issuer=make.issuer, audience=audience, now=make.now)
        except InvalidToken:
            return
        raise AssertionError("junk was accepted")

    return call


def _token(make: TokenMaker, alg: str) -> str:
    """An access token with 13 claims, filled up to 1 kB."""
    claims: dict[str, Any] = {
        "auth_time": make.now - 5,
        "sid": "Zr0Ck4b3y3rXzYb5vUJ2Hw",
        "acr": "urn:example:loa:2",
        "roles": ["admin", "orders"],
        "name": "",
    }
    short = make.access_token({"alg": alg}, **claims)
    missing = (TOKEN_SIZE - len(short)) * 3 // 4
    claims["name"] = (string.ascii_letters * 20)[: max(0, missing)]
    return make.access_token({"alg": alg}, **claims)


def _proofkey(make: TokenMaker, token: str) -> Call:
    keys, audience = key_set_of(make.key), frozenset({make.audience})
    return lambda: verify_access_token(token, keys, issuer=make.issuer, audience=audience, now=make.now)


def _pyjwt(make: TokenMaker, token: str, name: str) -> Call:
    public = make.key.verification_key.key
    options: Any = {"require": ["exp", "iat", "iss", "sub", "aud", "jti"]}
    return lambda: jwt.decode(
        token, public, algorithms=[name], audience=make.audience, issuer=make.issuer, options=options
    )


def bare_verify(key: SigningKey, token: str, *, new_key: bool = False) -> Call:
    """The floor: key, message and signature are ready; with `new_key` the key (EC, OKP) is made each time."""
    public = key.verification_key.key
    signed, _, text = token.rpartition(".")
    message, signature = signed.encode(), decode_base64url(text)
    if isinstance(public, RSAPublicKey):
        scheme, digest = padding.PKCS1v15(), hashes.SHA256()
        return lambda: public.verify(signature, message, scheme, digest)
    if isinstance(public, Ed25519PublicKey):
        octets = public.public_bytes_raw()
        if new_key:
            return lambda: Ed25519PublicKey.from_public_bytes(octets).verify(signature, message)
        return lambda: public.verify(signature, message)
    der = encode_dss_signature(int.from_bytes(signature[:32]), int.from_bytes(signature[32:]))
    ecdsa, curve = ec.ECDSA(hashes.SHA256()), public.curve
    point = public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    if new_key:
        return lambda: ec.EllipticCurvePublicKey.from_encoded_point(curve, point).verify(der, message, ecdsa)
    return lambda: public.verify(der, message, ecdsa)
