"""Derived keys, and the door to randomness."""

import hmac

import pytest

from proofkey.protocol.text import Secret, decode_base64url
from proofkey.runtime.entropy import system_bytes, system_entropy
from proofkey.runtime.master_key import MasterKey

KEY = "q8Jr2b0Nn1uYxw3dZ5v7AaKkLmPpQqRrSsTtUuVvWwX"


def test_a_label_always_gives_the_same_key_and_another_label_another():
    key = MasterKey(Secret(KEY))
    assert key.derive("refresh") == MasterKey(Secret(KEY)).derive("refresh")
    assert len({key.derive("refresh"), key.derive("seal"), MasterKey(Secret(KEY[:-1])).derive("refresh")}) == 3
    assert len(key.derive("long", 64)) == 64


@pytest.mark.spec("RFC 5869 §2")
def test_derivation_is_hkdf_so_that_it_can_be_repeated_anywhere():
    extracted = hmac.digest(bytes(32), KEY.encode(), "sha256")
    expanded = hmac.digest(extracted, b"proofkey refresh\x01", "sha256")
    assert MasterKey(Secret(KEY)).derive("refresh") == expanded


@pytest.mark.spec("threats 2 row 24")
def test_a_master_key_does_not_show_itself():
    assert KEY not in repr(MasterKey(Secret(KEY)))
    assert not hasattr(MasterKey(Secret(KEY)), "__dict__")


def test_entropy_is_256_bits_and_never_the_same():
    given = {system_entropy() for _ in range(100)}
    assert len(given) == 100
    assert {len(decode_base64url(one)) for one in given} == {32}
    assert len(system_bytes(48)) == 48
