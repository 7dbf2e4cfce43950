"""Signing keys: kinds, what is published, what is not."""

import copy
import json
import pickle

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from joserfc.jwk import ECKey

from proofkey.errors import ConfigurationError
from proofkey.protocol.jose import (
    SIGNING_ALGORITHMS,
    SigningAlgorithm,
    generate_signing_key,
    signing_key_from_jwk,
    thumbprint,
)
from proofkey.protocol.jws import verify_compact
from proofkey.testing.tokens import key_for_tests, key_set_of
from tests.protocol.vectors import ED25519_JWK, ED25519_THUMBPRINT

PRIVATE = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}


@pytest.mark.spec("OD-3-a", "8725b-3.1-a")
@pytest.mark.parametrize("algorithm", SIGNING_ALGORITHMS)
def test_public_jwk_has_use_alg_kid_and_nothing_private(algorithm: SigningAlgorithm) -> None:
    key = key_for_tests(algorithm, "k1")
    assert key.public_jwk | {"use": "sig", "alg": algorithm, "kid": "k1"} == key.public_jwk
    assert not PRIVATE & set(key.public_jwk)
    assert "d" in key.private_jwk
    secret = key.private_jwk["d"]
    assert secret not in repr(key) + str(key) + repr(vars(type(key))) + json.dumps(key.public_jwk)


@pytest.mark.parametrize("algorithm", SIGNING_ALGORITHMS)
def test_private_jwk_brings_the_key_back(algorithm: SigningAlgorithm) -> None:
    key = key_for_tests(algorithm, "k1")
    again = signing_key_from_jwk(json.loads(json.dumps(key.private_jwk)))
    assert again.public_jwk == key.public_jwk
    assert verify_compact(again.sign("JWT", {}), key_set_of(key), frozenset({algorithm})).payload == b"{}"


@pytest.mark.spec("V11-11.2.3")
def test_our_own_rsa_keys_have_3072_bits() -> None:
    public = generate_signing_key("RS256").verification_key.key
    assert isinstance(public, RSAPublicKey)
    assert public.key_size == 3072


def test_without_a_kid_it_is_the_thumbprint() -> None:
    key = generate_signing_key("ES256")
    assert key.kid == thumbprint(key.public_jwk)
    assert generate_signing_key("ES256").kid != key.kid


@pytest.mark.spec("8037-A.3")
def test_thumbprint_of_the_rfc() -> None:
    assert thumbprint(ED25519_JWK) == ED25519_THUMBPRINT
    assert thumbprint(ED25519_JWK | {"kid": "x", "use": "sig"}) == ED25519_THUMBPRINT


@pytest.mark.parametrize("jwk", [{}, {"kty": "EC"}, {"kty": "x"}, {"kty": "EC", "crv": "P-256", "x": 1, "y": 2}])
def test_thumbprint_of_no_key_is_a_value_error(jwk: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="JWK"):
        thumbprint(jwk)


def test_a_signing_key_is_neither_pickled_nor_copied() -> None:
    key = key_for_tests("ES256")
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            attempt(key)


def test_claims_that_are_no_json_are_not_signed() -> None:
    for value in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match=r"."):
            key_for_tests("ES256").sign("JWT", {"exp": value})


@pytest.mark.parametrize(
    "change",
    [
        {"alg": "HS256"},
        {"alg": "none"},
        {"alg": None},
        {"alg": "RS256"},
        {"kid": None},
        {"kid": ""},
        {"kid": 7},
        {"d": None},
        {"d": "AAAA"},
        {"d": 7},
        {"x": "AAAA"},
        {"crv": "P-384"},
        {"kty": "oct"},
        {"kty": None},
    ],
    ids=str,
)
def test_damaged_private_key_is_a_configuration_error(change: dict[str, object]) -> None:
    jwk = {
        name: value
        for name, value in {**key_for_tests("ES256").private_jwk, **change}.items()
        if value is not None
    }
    with pytest.raises(ConfigurationError):
        signing_key_from_jwk(jwk)


@pytest.mark.spec("8725b-3.1-a", "V11-11.2.3")
@pytest.mark.parametrize("algorithm", ["ES256", "RS256", "Ed25519"])
def test_a_private_key_of_another_kind_than_its_algorithm_is_refused(algorithm: SigningAlgorithm) -> None:
    for made in (ECKey.generate_key("P-384"), ECKey.generate_key("secp256k1")):
        members = made.as_dict(private=True) | {"alg": algorithm, "kid": "k"}
        with pytest.raises(ConfigurationError, match="kty or crv"):
            signing_key_from_jwk(members)
