"""Compact JWS verification: vectors of the RFCs, the memo, and any text at all."""

import hmac
import json
from contextlib import suppress
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from proofkey.errors import InvalidToken
from proofkey.findings import Finding
from proofkey.protocol import jws as jws_module
from proofkey.protocol.jose import SIGNING_ALGORITHMS, SigningAlgorithm
from proofkey.protocol.jws import read_unverified_header, read_unverified_payload, verify_compact
from proofkey.protocol.key_set import KeySet
from proofkey.protocol.signature import ALGORITHM_NAMES, der_signature
from proofkey.protocol.text import decode_base64url, encode_base64url
from proofkey.testing.tokens import TokenMaker, compact_json, key_for_tests, key_set_of, sign_exactly
from tests.protocol.vectors import (
    EC_JWK,
    ED25519_JWK,
    EDDSA_TOKEN,
    ES256_TOKEN,
    PAYLOAD,
    RS256_TOKEN,
    RSA_JWK,
)

ALL_KEYS = KeySet.from_document(json.dumps({"keys": [RSA_JWK, EC_JWK, ED25519_JWK]}).encode())
MAKE = TokenMaker()
KEYS = key_set_of(MAKE.key)


@pytest.mark.spec("7515-A.2", "7515-A.3", "8037-A.4")
@pytest.mark.parametrize(
    ("token", "alg", "payload"),
    [
        (RS256_TOKEN, "RS256", PAYLOAD),
        (ES256_TOKEN, "ES256", PAYLOAD),
        (EDDSA_TOKEN, "EdDSA", b"Example of Ed25519 signing"),
    ],
    ids=["RS256", "ES256", "EdDSA"],
)
def test_vectors_verify_under_their_own_algorithm_only(token: str, alg: str, payload: bytes) -> None:
    verified = verify_compact(token, ALL_KEYS, frozenset({alg}))
    assert verified.payload == payload
    assert verified.header == {"alg": alg}
    with pytest.raises(InvalidToken) as refusal:
        verify_compact(token, ALL_KEYS, ALGORITHM_NAMES - {alg})
    assert refusal.value.finding is Finding.TOKEN_ALGORITHM
    flipped = "B" if token[-20] == "A" else "A"
    with pytest.raises(InvalidToken) as refusal:
        verify_compact(token[:-20] + flipped + token[-19:], ALL_KEYS, frozenset({alg}))
    assert refusal.value.finding is Finding.TOKEN_SIGNATURE


@pytest.mark.spec("8725b-3.1-b")
def test_no_allowed_algorithm_allows_none() -> None:
    with pytest.raises(InvalidToken):
        verify_compact(ES256_TOKEN, ALL_KEYS, frozenset())
    assert not {name for name in ALGORITHM_NAMES if name.startswith("HS") or name.lower() == "none"}


@pytest.mark.spec("8725b-3.1-b")
@pytest.mark.parametrize("key_form", ["n", "pem", "der", "jwk", "empty"])
@pytest.mark.parametrize("alg", ["HS256", "HS384", "HS512"])
def test_public_key_is_no_hmac_secret(alg: str, key_form: str) -> None:
    key = key_for_tests("RS256")
    public = key.verification_key.key
    secret = {
        "n": decode_base64url(key.public_jwk["n"]),
        "pem": public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "der": public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        "jwk": compact_json(key.public_jwk),
        "empty": b"",
    }[key_form]
    signed = f"{encode_base64url(compact_json({'alg': alg, 'kid': key.kid}))}.{encode_base64url(PAYLOAD)}"
    digest = hmac.new(
        secret, signed.encode(), {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}[alg]
    ).digest()
    with pytest.raises(InvalidToken) as refusal:
        verify_compact(f"{signed}.{encode_base64url(digest)}", key_set_of(key), ALGORITHM_NAMES | {alg})
    assert refusal.value.finding is Finding.TOKEN_ALGORITHM


@pytest.mark.spec("8725b-3.1-a")
@pytest.mark.parametrize("algorithm", SIGNING_ALGORITHMS)
def test_each_algorithm_signs_and_verifies(algorithm: SigningAlgorithm) -> None:
    key = key_for_tests(algorithm)
    verified = verify_compact(key.sign("at+jwt", {"a": 1}), key_set_of(key), frozenset({algorithm}))
    assert json.loads(verified.payload) == {"a": 1}
    assert verified.header == {"alg": algorithm, "kid": key.kid, "typ": "at+jwt"}


@pytest.mark.spec("OC-10.1-a")
def test_without_kid_the_one_fitting_key_is_taken() -> None:
    rsa, ec, other_ec = key_for_tests("RS256", "r"), key_for_tests("ES256", "e1"), key_for_tests("ES256", "e2")
    token = sign_exactly(ec, b'{"alg":"ES256"}', b"{}")
    assert verify_compact(token, key_set_of(rsa, ec), ALGORITHM_NAMES).payload == b"{}"
    with pytest.raises(InvalidToken) as refusal:
        verify_compact(token, key_set_of(rsa, ec, other_ec), ALGORITHM_NAMES)
    assert refusal.value.finding is Finding.TOKEN_KID
    with pytest.raises(InvalidToken):
        verify_compact(token, key_set_of(rsa), ALGORITHM_NAMES)


@pytest.mark.spec("8725b-3.10-a")
def test_kid_names_the_key_and_nothing_else_does() -> None:
    first, second = key_for_tests("ES256", "e1"), key_for_tests("ES256", "e2")
    both = key_set_of(first, second)
    header = {"alg": "ES256", "kid": "e1", "jwk": second.public_jwk, "x5c": ["AAAA"], "jku": "https://evil.test"}
    assert verify_compact(sign_exactly(first, compact_json(header), b"{}"), both, ALGORITHM_NAMES)
    with pytest.raises(InvalidToken) as refusal:
        verify_compact(sign_exactly(second, compact_json(header), b"{}"), both, ALGORITHM_NAMES)
    assert refusal.value.finding is Finding.TOKEN_SIGNATURE


def test_only_signed_headers_are_remembered_and_the_memo_is_bounded() -> None:
    keys = key_set_of(MAKE.key)
    head, payload, signature = MAKE.access_token().split(".")
    for _ in range(2):
        with pytest.raises(InvalidToken):
            verify_compact(f"{head}.{payload}.{'A' * 86}", keys, ALGORITHM_NAMES)
    assert not keys.headers
    for number in range(3 * jws_module._MAX_MEMO):
        verify_compact(MAKE.access_token({"x": number}), keys, ALGORITHM_NAMES)
        assert len(keys.headers) <= jws_module._MAX_MEMO
    assert signature


def test_a_remembered_header_is_checked_against_the_callers_algorithms() -> None:
    keys, token = key_set_of(MAKE.key), MAKE.access_token()
    verify_compact(token, keys, frozenset({"ES256"}))
    with pytest.raises(InvalidToken) as refusal:
        verify_compact(token, keys, frozenset({"RS256"}))
    assert refusal.value.finding is Finding.TOKEN_ALGORITHM


def test_a_shared_header_cannot_be_changed() -> None:
    header: Any = verify_compact(MAKE.access_token(), KEYS, ALGORITHM_NAMES).header
    with pytest.raises(TypeError):
        header["alg"] = "none"


@given(
    st.binary(min_size=32, max_size=66).filter(lambda half: len(half) in (32, 48, 66)) | st.just(bytes(32)),
    st.data(),
)
def test_der_signature_is_what_the_library_writes(r: bytes, data: st.DataObject) -> None:
    s = data.draw(st.binary(min_size=len(r), max_size=len(r)))
    assert der_signature(r, s) == encode_dss_signature(int.from_bytes(r), int.from_bytes(s))


@pytest.mark.spec("V16-16.5.1")
@given(
    st.text(max_size=80)
    | st.lists(st.text(alphabet="eyJhbGciOiJFUzI1NiJ9-_A", max_size=40), max_size=6).map(".".join)
)
def test_any_text_is_refused_by_our_error_alone(text: str) -> None:
    with pytest.raises(InvalidToken):
        verify_compact(text, KEYS, ALGORITHM_NAMES)
    with suppress(InvalidToken):
        read_unverified_payload(text)


@pytest.mark.spec("8725b-3.14-a")
@settings(max_examples=300)
@given(st.data())
def test_one_changed_character_is_never_accepted(data: st.DataObject) -> None:
    token = MAKE.access_token()
    position = data.draw(st.integers(0, len(token) - 1))
    character = data.draw(st.characters())
    changed = token[:position] + character + token[position + 1 :]
    if changed == token:
        return
    with pytest.raises(InvalidToken):
        verify_compact(changed, key_set_of(MAKE.key), ALGORITHM_NAMES)


@given(
    st.dictionaries(
        st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jwk"]),
        st.none()
        | st.booleans()
        | st.integers()
        | st.text(max_size=8)
        | st.lists(st.text(max_size=3), max_size=2),
    )
)
def test_any_signed_header_is_read_or_refused(header: dict[str, Any]) -> None:
    token = sign_exactly(MAKE.key, json.dumps(header, ensure_ascii=False).encode("utf-8", "replace"), b"{}")
    try:
        verified = verify_compact(token, KEYS, ALGORITHM_NAMES)
    except InvalidToken:
        return
    assert verified.header["alg"] == "ES256"
    assert "crit" not in verified.header
    assert "b64" not in verified.header


def test_unverified_reading_has_the_same_limits() -> None:
    assert read_unverified_header(ES256_TOKEN) == {"alg": "ES256"}
    assert read_unverified_payload(ES256_TOKEN)["iss"] == "joe"
    for read in (read_unverified_header, read_unverified_payload):
        with pytest.raises(InvalidToken) as refusal:
            read("A" * 16385)
        assert refusal.value.finding is Finding.TOKEN_TOO_LARGE
