"""Key sets: what is used, what is left out, and that one bad key never spoils the rest."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from proofkey.errors import Unavailable
from proofkey.protocol.key_set import MAX_KEYS, MAX_LISTED, KeySet, parse_public_jwk
from proofkey.testing.tokens import key_for_tests

GOOD = key_for_tests("ES256", "good").public_jwk
RSA = key_for_tests("RS256", "rsa").public_jwk


def load(*keys: object) -> KeySet:
    return KeySet.from_document(json.dumps({"keys": keys}).encode())


def public(key: Any) -> dict[str, Any]:
    return dict(key.as_dict(private=False))


def unsafe_rsa(bits: int) -> dict[str, Any]:
    from cryptography.hazmat.primitives.asymmetric import rsa

    from proofkey.protocol.text import encode_base64url

    if bits <= 1024:
        numbers = rsa.generate_private_key(65537, 1024).public_key().public_numbers()
        modulus = numbers.n
    else:
        modulus = (1 << (bits - 1)) + 1
    return {"kty": "RSA", "n": encode_base64url(modulus.to_bytes((bits + 7) // 8)), "e": "AQAB"}


LEFT_OUT: dict[str, object] = {
    "no object": 7,
    "null": None,
    "empty": {},
    "unknown kty": {"kty": "AKP", "alg": "ML-DSA-44", "pub": "AA"},
    "symmetric": OctKey.generate_key(256).as_dict(private=True),
    "private EC": ECKey.generate_key("P-256").as_dict(private=True),
    "private RSA": {**RSA, "d": "AQAB"},
    "encryption": {**GOOD, "use": "enc"},
    "use of another type": {**GOOD, "use": ["sig"]},
    "key_ops without verify": {**GOOD, "key_ops": ["sign"]},
    "key_ops a string": {**GOOD, "key_ops": "verify"},
    "kid a number": {**GOOD, "kid": 1},
    "alg of another kind": {**GOOD, "alg": "RS256"},
    "alg of another curve": {**GOOD, "alg": "ES384"},
    "alg symmetric": {**GOOD, "alg": "HS256"},
    "alg none": {**GOOD, "alg": "none"},
    "alg for encryption": {**RSA, "alg": "RSA-OAEP"},
    "alg a list": {**GOOD, "alg": ["ES256"]},
    "curve unknown": {**GOOD, "crv": "P-192"},
    "curve a list": {**GOOD, "crv": ["P-256"]},
    "secp256k1": {**GOOD, "crv": "secp256k1"},
    "point not on the curve": {**GOOD, "x": GOOD["y"]},
    "coordinate missing": {name: value for name, value in GOOD.items() if name != "y"},
    "coordinate padded": {**GOOD, "x": GOOD["x"] + "="},
    "coordinate a number": {**GOOD, "x": 7},
    "coordinate empty": {**GOOD, "x": ""},
    "coordinate too long": {**GOOD, "x": "AAAA" * 300},
    "RSA of 1024 bits": unsafe_rsa(1024),
    "RSA of 2047 bits": unsafe_rsa(2047),
    "RSA of 4097 bits": unsafe_rsa(4097),
    "RSA exponent even": {**RSA, "e": "AQAC"},
    "RSA exponent one": {**RSA, "e": "AQ"},
    "Ed25519 too short": {"kty": "OKP", "crv": "Ed25519", "x": "AAAA"},
    "X25519": public(OKPKey.generate_key("X25519")),
    "Ed448": public(OKPKey.generate_key("Ed448")),
}


@pytest.mark.spec("8725b-3.1-c", "X-jwks-b")
@pytest.mark.parametrize("foreign", LEFT_OUT.values(), ids=LEFT_OUT.keys())
def test_foreign_or_broken_key_is_left_out_and_the_rest_is_used(foreign: object) -> None:
    keys = load(foreign, GOOD, foreign)
    assert len(keys) == 1
    assert keys.kids == {"good"}
    assert keys.find("good", "ES256")


@pytest.mark.parametrize(
    ("jwk", "algorithm"),
    [
        (GOOD, "ES256"),
        (public(ECKey.generate_key("P-256")), "ES256"),
        (public(ECKey.generate_key("P-384")), "ES384"),
        (public(ECKey.generate_key("P-521")), "ES512"),
        (public(RSAKey.generate_key(2048)), "RS256"),
        ({**RSA, "alg": "PS512"}, "PS512"),
        ({**RSA, "key_ops": ["verify"]}, "RS256"),
        ({**RSA, "x5c": ["ignored"], "unknown": {}}, "RS256"),
        (public(OKPKey.generate_key("Ed25519")), "Ed25519"),
        ({**public(OKPKey.generate_key("Ed25519")), "alg": "EdDSA"}, "Ed25519"),
    ],
    ids=["own", "P-256", "P-384", "P-521", "RSA", "PS512", "key_ops", "certificate", "Ed25519", "EdDSA"],
)
def test_public_key_has_one_algorithm(jwk: dict[str, Any], algorithm: str) -> None:
    assert parse_public_jwk(jwk).algorithm == algorithm


@pytest.mark.spec("8725b-3.1-a")
def test_a_key_is_found_for_its_own_algorithm_only() -> None:
    keys = load(RSA, GOOD)
    found = keys.find("rsa", "RS256")
    assert found
    assert found.kid == "rsa"
    for kid, alg in (
        ("rsa", "PS256"),
        ("rsa", "RS384"),
        ("rsa", "ES256"),
        ("good", "RS256"),
        ("RSA", "RS256"),
        ("", "ES256"),
        ("rsa", "HS256"),
        ("rsa", "none"),
        ("rsa", "rs256"),
    ):
        assert keys.find(kid, alg) is None, (kid, alg)


@pytest.mark.spec("F2-5.4.3")
def test_one_kid_may_name_keys_of_different_algorithms() -> None:
    keys = load({**RSA, "kid": "k"}, {**GOOD, "kid": "k"})
    rsa, ec = keys.find("k", "RS256"), keys.find("k", "ES256")
    assert rsa
    assert ec
    assert (rsa.algorithm, ec.algorithm) == ("RS256", "ES256")


@pytest.mark.spec("OC-10.1-a")
def test_without_kid_one_fitting_key_or_none() -> None:
    nameless = {name: value for name, value in GOOD.items() if name != "kid"}
    assert load(nameless, RSA).find(None, "ES256")
    assert load(nameless, GOOD).find(None, "ES256") is None
    assert load(RSA).find(None, "ES256") is None
    assert load(nameless).find("good", "ES256") is None


def test_at_most_fifty_keys_are_kept() -> None:
    assert len(load(*({**GOOD, "kid": str(number)} for number in range(MAX_KEYS + 20)))) == MAX_KEYS
    assert load(*({"kty": "noise"} for _ in range(900)), GOOD).find("good", "ES256")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b'{"keys":{}}',
        b'{"keys":null}',
        b'{"keys":[],"keys":[]}',
        b"\xff",
        b"[" * 9999,
    ],
    ids=lambda body: ascii(body[:12]),
)
def test_what_is_no_key_set_is_unavailable(body: bytes) -> None:
    with pytest.raises(Unavailable):
        KeySet.from_document(body)


def test_empty_key_set_is_one() -> None:
    assert len(load()) == 0


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(0, 9) | st.text(max_size=6), lambda inner: st.lists(inner, max_size=3)
)


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from([*GOOD, "n", "e", "d", "key_ops"]),
            json_values | st.sampled_from(["EC", "RSA", "OKP", "P-256", "sig", GOOD["x"]]),
        )
    )
)
def test_any_keys_are_loaded_or_left_out(keys: list[Any]) -> None:
    assert load(*keys, GOOD).find("good", "ES256")


@given(st.binary(max_size=100))
def test_any_document_is_loaded_or_unavailable(body: bytes) -> None:
    try:
        KeySet.from_document(body)
    except Unavailable:
        return


@pytest.mark.parametrize(
    ("after", "held"),
    [
        ([GOOD], True),
        ([RSA, GOOD], True),
        ([], False),
        ([RSA], False),
        ([key_for_tests("ES256", "other").public_jwk], False),
        ([GOOD | {"kid": "renamed"}], False),
        ([RSA | {"kid": "good"}], False),
        ([key_for_tests("ES256", "other").public_jwk | {"kid": "good"}], False),
        ([key_for_tests("ES256", "other").public_jwk | {"kid": "good"}, GOOD], False),
    ],
    ids=["same", "with more", "empty", "others", "another", "renamed", "other kind", "changed", "hidden"],
)
def test_a_set_holds_a_key_when_it_would_prove_the_same_tokens(after: list[dict[str, Any]], held: bool) -> None:
    key = load(GOOD).find("good", "ES256")
    assert key is not None
    assert load(*after).holds(key) is held


def test_only_so_many_members_are_looked_at() -> None:
    assert len(load(*[5] * (MAX_LISTED - 1), GOOD)) == 1
    assert len(load(*[5] * MAX_LISTED, GOOD)) == 0


@pytest.mark.spec("8725b-3.8-a")
@pytest.mark.parametrize(
    ("named", "issuers", "kept"),
    [
        ("https://one.test", frozenset[str](), True),
        ("https://one.test", frozenset({"https://one.test"}), True),
        ("https://one.test/", frozenset({"https://one.test"}), False),
        ("https://{tenantid}.test", frozenset({"https://one.test"}), True),
        (5, frozenset({"https://one.test"}), False),
    ],
)
def test_a_key_of_a_tenant_that_is_not_trusted_is_left_out(
    named: object, issuers: frozenset[str], kept: bool
) -> None:
    body = json.dumps({"keys": [GOOD | {"issuer": named}]}).encode()
    assert len(KeySet.from_document(body, issuers)) == int(kept)
