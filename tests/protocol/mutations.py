"""Strategies that alter genuine tokens on every level, and sign them anew where a signature still can be."""

import hmac
import json
from collections.abc import Callable, Mapping
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import strategies as st

from proofkey.protocol.text import encode_base64url
from proofkey.testing.tokens import compact_json, key_for_tests, sign_exactly
from tests.protocol.differential_kit import MAKE

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_STRANGER = key_for_tests("ES256", MAKE.key.kid + "-2")
_PEM = MAKE.key.verification_key.key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(["", " ", "a  b", "orders:read ", MAKE.issuer, MAKE.audience, "at+jwt", "1e3", "0"])
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
TIMES = (
    st.integers(MAKE.now - 13, MAKE.now + 13)
    | st.floats(MAKE.now - 13, MAKE.now + 13)
    | st.sampled_from([0, 1, 2**31, 2**53 - 1, 2**53, -1, 1e15, 1e16, 0.5, -0.0])
)
CLAIMS = st.dictionaries(
    st.sampled_from(
        [
            "iss",
            "sub",
            "aud",
            "exp",
            "iat",
            "nbf",
            "jti",
            "client_id",
            "scope",
            "roles",
            "cnf",
            "acr",
            "amr",
            "auth_time",
            "permissions",
            "azp",
            "nonce",
            "x",
        ]
    ),
    VALUES | TIMES,
    min_size=1,
    max_size=2,
)
HEADERS = st.dictionaries(
    st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jku", "jwk", "x5c", "x5u", "cty", "zip", "enc", "x"]),
    VALUES | st.sampled_from(["ES256", "es256", "RS256", "none", "HS256", "JWT", "AT+JWT", "application/at+jwt"]),
    min_size=1,
    max_size=2,
)


@st.composite
def with_other_claims(draw: Callable[..., Any]) -> str:
    """Values of any type; also claims that are absent."""
    claims = MAKE.claims() | draw(CLAIMS)
    for name in draw(st.lists(st.sampled_from(sorted(claims)), max_size=1)):
        del claims[name]
    return MAKE.sign(claims)


@st.composite
def with_other_times(draw: Callable[..., Any]) -> str:
    """Around the edges of the leeway."""
    return MAKE.sign(
        MAKE.claims() | draw(st.dictionaries(st.sampled_from(["exp", "iat", "nbf"]), TIMES, min_size=1))
    )


@st.composite
def with_other_header(draw: Callable[..., Any]) -> str:
    return sign_exactly(MAKE.key, _json(MAKE.header() | draw(HEADERS)), compact_json(MAKE.claims()))


@st.composite
def with_other_json(draw: Callable[..., Any]) -> str:
    """Octets of one document inserted, replaced or taken out; and its spelling changed."""
    header, claims = compact_json(MAKE.header()), compact_json(MAKE.claims())
    if draw(st.booleans()):
        return sign_exactly(MAKE.key, draw(altered_document(header)), claims)
    return sign_exactly(MAKE.key, header, draw(altered_document(claims)))


@st.composite
def altered_document(draw: Callable[..., Any], document: bytes) -> bytes:
    kind = draw(st.sampled_from(["octets", "pieces", "encoding", "spaces", "wrapped"]))
    if kind == "encoding":
        encoding = draw(st.sampled_from(["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig", "latin-1"]))
        return document.decode().encode(encoding)
    if kind == "spaces":
        return json.dumps(json.loads(document), indent=draw(st.integers(0, 3))).encode()
    if kind == "wrapped":
        before, after = draw(
            st.sampled_from([(b"[", b"]"), (b" ", b"\n"), (b"", b"{}"), (b"\0", b""), (b'"', b'"')])
        )
        return bytes(before + document + after)
    at = draw(st.integers(0, len(document)))
    end = min(len(document), at + draw(st.integers(0, 3)))
    piece = draw(st.binary(max_size=4) if kind == "octets" else st.sampled_from(_PIECES))
    if kind == "pieces":
        at = end = document.rindex(b"}")
    return document[:at] + bytes(piece) + document[end:]


_PIECES = [
    b',"x":1,"x":2', b',"exp":1', b',"aud":"x"', b',"x":NaN', b',"x":-Infinity', b',"x":1e400',
    b',"x":' + b"9" * 4400, b',"x":"\\ud83d"', b',"x":"\\ud83d\\ude00"', b',"x":"\\u0000"', b',"x":01', b',"x":1.',
    b',"x":.5', b',"x":+1', b',"x":' + b"[" * 15 + b"]" * 15, b',"x":' + b"[" * 20 + b"]" * 20,
    b',"x":' + b'{"a":' * 16 + b"1" + b"}" * 16, b',"x":"[[[[[[[[[[[[[[[[[[[[["', b',', b',"x"', b',"x":',
    b',"x":\'a\'', b',"x":"\t"', b',"":1', b',"x":"\xed\xa0\x80"', b',"x":"' + b"y" * 600 + b'"', b',"cnf":null',
    b',"scope":null', b',"iss":null', b',"x":1e308', b',"x":1E+2',
]  # fmt: skip


@st.composite
def with_other_segments(draw: Callable[..., Any]) -> str:
    """Segments exchanged, repeated, emptied, taken out, put in."""
    parts = MAKE.access_token().split(".")
    parts += draw(st.lists(st.sampled_from([*parts, "", "e30", "AAAA", "="]), max_size=2))
    order = draw(st.lists(st.integers(0, len(parts) - 1), max_size=5))
    return ".".join(parts[index] for index in order)


@st.composite
def with_other_base64(draw: Callable[..., Any]) -> str:
    """Characters of a segment changed, and signed as it then stands."""
    header, payload, _ = MAKE.access_token(x=draw(st.sampled_from(["", "a", "aa"]))).split(".")
    which = draw(st.booleans())
    text = header if which else payload
    at = draw(st.integers(0, len(text)))
    end = min(len(text), at + draw(st.integers(0, 2)))
    inserted = draw(
        st.text(ALPHABET, max_size=2) | st.sampled_from(["=", "==", "+", "/", " ", "\n", "%2E", "é", "\0"])
    )
    text = text[:at] + inserted + text[end:]
    signed = f"{text}.{payload}" if which else f"{header}.{text}"
    return f"{signed}.{encode_base64url(MAKE.key.signature_of(signed.encode()))}"


@st.composite
def with_other_signature(draw: Callable[..., Any]) -> str:
    """Another algorithm, another key, a secret that is none."""
    alg = draw(st.sampled_from(["none", "HS256", "HS384", "ES256", "ES384", "RS256", "EdDSA", "ES256K"]))
    header, claims = compact_json(MAKE.header() | {"alg": alg}), compact_json(MAKE.claims())
    signed = f"{encode_base64url(header)}.{encode_base64url(claims)}"
    secret = draw(st.sampled_from([b"", b"secret", _PEM, _PEM.strip(), compact_json(MAKE.key.public_jwk)]))
    signature = draw(
        st.sampled_from(
            [
                b"",
                hmac.digest(secret, signed.encode(), "sha384" if alg == "HS384" else "sha256"),
                _STRANGER.signature_of(signed.encode()),
                bytes(64),
            ]
        )
        | st.binary(max_size=80)
    )
    return f"{signed}.{encode_base64url(signature)}"


@st.composite
def altered_afterwards(draw: Callable[..., Any]) -> str:
    """A genuine token with a few characters changed: nobody may take it, but for other spellings."""
    token = MAKE.access_token()
    at = draw(st.integers(0, len(token)))
    end = draw(st.integers(at, min(len(token), at + 3)))
    inserted = draw(st.text(ALPHABET + "+/=. \n\té", max_size=3))
    return f"{token[:at]}{inserted}{token[end:]}"


MUTATIONS: Mapping[str, st.SearchStrategy[str]] = {
    "claims": with_other_claims(),
    "times": with_other_times(),
    "header": with_other_header(),
    "JSON": with_other_json(),
    "segments": with_other_segments(),
    "base64": with_other_base64(),
    "signature": with_other_signature(),
    "characters": altered_afterwards(),
}


def _json(value: Mapping[str, Any]) -> bytes:
    return compact_json(value)
