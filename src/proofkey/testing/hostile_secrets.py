"""Tokens signed with a shared secret: with the public key, which everybody knows, or with the client's secret."""

import hmac
from base64 import b64encode
from collections.abc import Iterator, Mapping
from typing import Final

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from proofkey.findings import Finding
from proofkey.protocol.text import decode_base64url, encode_base64url
from proofkey.testing.token_case import HostileToken
from proofkey.testing.tokens import TokenMaker, compact_json, key_set_document

CLIENT_SECRET: Final = "the client's own secret, at least 32 bytes long"


def shared_secrets(make: TokenMaker) -> Iterator[HostileToken]:
    """RFC 8725 §2.1, §3.1: an API that verifies HS256 with its public key lets everybody in."""
    for name, secret in _secrets(make).items():
        token = sign_with_secret(make, secret)
        yield HostileToken(f"HS256 with {name}", token, Finding.TOKEN_SYMMETRIC)
    whole = sign_with_secret(make, CLIENT_SECRET.encode(), kid=None)
    yield HostileToken("HS256 with a client secret, no kid", whole, Finding.TOKEN_SYMMETRIC)
    refresh = sign_with_secret(make, CLIENT_SECRET.encode(), alg="HS512", typ="JWT", claims={"typ": "Refresh"})
    yield HostileToken("HS512 refresh token", refresh, Finding.TOKEN_IS_REFRESH_TOKEN, "8725b-3.1-b")


def sign_with_secret(
    make: TokenMaker,
    secret: bytes,
    *,
    alg: str = "HS256",
    kid: str | None = "",
    typ: str | None = "",
    claims: Mapping[str, object] | None = None,
) -> str:
    """An access token under HMAC (RFC 7518 §3.2): HS256, HS384 or HS512. kid and typ of "" are the usual ones."""
    named = {name: value for name, value in (("kid", kid), ("typ", typ)) if value != ""}
    header = make.header(alg=alg, **named)
    signed = f"{_part(header)}.{_part(make.claims(**(claims or {})))}"
    digest = hmac.digest(secret, signed.encode(), f"sha{alg[2:]}")
    return f"{signed}.{encode_base64url(digest)}"


def _part(value: Mapping[str, object]) -> str:
    return encode_base64url(compact_json(value))


def _secrets(make: TokenMaker) -> dict[str, bytes]:
    """The public key in every form in which somebody may have configured it."""
    public, jwk = make.key.verification_key.key, make.key.public_jwk
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    found = {
        "the public PEM": pem,
        "the public PEM, without its last line break": pem.rstrip(b"\n"),
        "the public PEM with DOS line breaks": pem.replace(b"\n", b"\r\n"),
        "the public DER": der,
        "the public DER in base64": b64encode(der),
        "the public JWK": compact_json(jwk),
        "the key set": key_set_document(make.key),
        "the kid": make.key.kid.encode(),
        "a client secret": CLIENT_SECRET.encode(),
        "an empty secret": b"",
        "a short secret": b"secret",
    }
    if isinstance(public, RSAPublicKey):
        found["the public PKCS#1 PEM"] = public.public_bytes(Encoding.PEM, PublicFormat.PKCS1)
        found["the modulus"] = decode_base64url(jwk["n"])
    else:
        found["the public point"] = decode_base64url(jwk["x"])
    found["the public key as SSH has it"] = public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return found
