"""Strategies that alter genuine DPoP proofs, and sign them anew where a signature still can be."""

from collections.abc import Callable, Mapping
from typing import Any

from hypothesis import strategies as st

from proofkey.protocol.text import encode_base64url
from proofkey.testing.tokens import compact_json, key_for_tests
from tests.protocol.mutations import ALPHABET, VALUES, altered_document
from tests.protocol.proof_differences import CASE, RSA

_STRANGER = key_for_tests("ES256", "stranger")
_TIMES = (
    st.integers(CASE.now - 63, CASE.now + 13)
    | st.floats(CASE.now - 63, CASE.now + 13)
    | st.sampled_from([0, -1, 2**53, 1e20, True])
)
_PLACES = {
    "https": ["HTTPS", "http", "ftp"],
    "api.test": [
        "API.TEST",
        "api.test:443",
        "api.test:0443",
        "api.test:",
        "api.test:80",
        "u@api.test",
        "api.test.",
    ],
    "orders": ["%6Frders", "%6frder%73", "Orders", "./orders", "/orders", "x/../orders", "orders/", "orders%00"],
}
_URLS = st.sampled_from(
    [CASE.url.replace(place, other) for place, others in _PLACES.items() for other in others]
    + [
        CASE.url.upper(),
        f"{CASE.url}?a=1",
        f"{CASE.url}#a",
        f"{CASE.url}/../orders",
        f" {CASE.url}",
        "",
        "https://",
        "*",
    ]
)
_CLAIMS = st.dictionaries(
    st.sampled_from(["jti", "htm", "ath", "nonce", "x", "exp", "nbf", "iat"]), VALUES | _TIMES, max_size=2
)


@st.composite
def with_other_claims(draw: Callable[..., Any]) -> str:
    claims = CASE.claims() | draw(_CLAIMS)
    if draw(st.booleans()):
        claims["htu"] = draw(_URLS | st.text(max_size=5).map(lambda text: CASE.url + text) | VALUES)
    for name in draw(st.lists(st.sampled_from(sorted(claims)), max_size=1)):
        del claims[name]
    return str(CASE.key.sign(claims))


@st.composite
def with_other_header(draw: Callable[..., Any]) -> str:
    names = st.sampled_from(["typ", "alg", "kid", "crit", "b64", "x5c", "jku", "cty", "x"])
    values = VALUES | st.sampled_from(["dpop+jwt", "ES256", "ES384", "none", "HS256", "EdDSA", "DPOP+JWT"])
    return CASE.key.sign(CASE.claims(), CASE.header() | draw(st.dictionaries(names, values, max_size=2)))


@st.composite
def with_other_key(draw: Callable[..., Any]) -> str:
    """Members of the key replaced, taken out, put in; the RSA key as well."""
    signer = draw(st.sampled_from([CASE.key, RSA]))
    names = st.sampled_from(
        ["kty", "crv", "x", "y", "n", "e", "d", "k", "use", "key_ops", "alg", "kid", "x5c", "oth"]
    )
    texts = st.text(ALPHABET, max_size=44) | st.sampled_from(["EC", "RSA", "OKP", "oct", "P-384", "sig", "enc"])
    others = st.sampled_from([["verify"], ["sign"], "verify", "ES256", "RS256", "PS256", "", "AQAB", "AQ"])
    jwk = signer.jwk | draw(st.dictionaries(names, texts | others | VALUES, max_size=2))
    for name in draw(st.lists(st.sampled_from(sorted(jwk)), max_size=1)):
        del jwk[name]
    return str(signer.sign(CASE.claims(), signer.header() | {"jwk": jwk}))


@st.composite
def with_other_json(draw: Callable[..., Any]) -> str:
    header, claims = compact_json(CASE.header()), compact_json(CASE.claims())
    if draw(st.booleans()):
        return CASE.key.sign(claims, draw(altered_document(header)))
    return CASE.key.sign(draw(altered_document(claims)), header)


@st.composite
def with_other_signature(draw: Callable[..., Any]) -> str:
    signed, _, _ = CASE.claiming().rpartition(".")
    signature = draw(
        st.sampled_from([bytes(64), _STRANGER.signature_of(signed.encode())]) | st.binary(max_size=80)
    )
    return f"{signed}.{encode_base64url(signature)}"


@st.composite
def altered_afterwards(draw: Callable[..., Any]) -> str:
    proof = CASE.claiming()
    at = draw(st.integers(0, len(proof)))
    end = draw(st.integers(at, min(len(proof), at + 3)))
    inserted = draw(st.text(ALPHABET + "+/=. \n\té", max_size=3))
    return f"{proof[:at]}{inserted}{proof[end:]}"


MUTATIONS: Mapping[str, st.SearchStrategy[str]] = {
    "claims": with_other_claims(),
    "header": with_other_header(),
    "key": with_other_key(),
    "JSON": with_other_json(),
    "signature": with_other_signature(),
    "characters": altered_afterwards(),
}
