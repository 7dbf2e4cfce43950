"""Base64url, secrets and parameters."""

import base64
import copy
import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofkey.errors import InvalidRequest
from proofkey.protocol.text import Secret, decode_base64url, digest_of, encode_base64url, single


@given(st.binary(max_size=200))
def test_base64url_round_trip(data: bytes) -> None:
    text = encode_base64url(data)
    assert text == base64.urlsafe_b64encode(data).rstrip(b"=").decode()
    assert decode_base64url(text) == data


@given(st.text(alphabet="ABab01-_+/= \n\u00e9\U0001f600\ud800", max_size=12) | st.text(max_size=12))
def test_each_value_has_one_spelling(text: str) -> None:
    try:
        data = decode_base64url(text)
    except ValueError:
        return
    assert encode_base64url(data) == text


@pytest.mark.spec("8725b-3.14-a")
@pytest.mark.parametrize(
    "text",
    [
        "A",
        "AAAAA",
        "AA==",
        "AA=",
        "AB",
        "AAB",
        "A+AA",
        "A/AA",
        " AAA",
        "AAA\n",
        "AA\0A",
        "éAAA",
        "\ud800AAA",
        "A.AA",
    ],
    ids=ascii,
)
def test_other_spellings_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode_base64url(text)


def test_secret_shows_itself_nowhere() -> None:
    secret = Secret("canary-7f3a")
    written = json.dumps([secret], default=str)
    shown = [str(secret), repr(secret), f"{secret}", f"{secret!r:>40}", f"{secret:>9}", f"{[secret]}", written]
    assert not [text for text in shown if "canary" in text]
    with pytest.raises(TypeError):
        pickle.dumps(secret)
    with pytest.raises(TypeError):
        copy.copy(secret)
    with pytest.raises(TypeError):
        vars(secret)


def test_secrets_are_compared_by_value() -> None:
    assert Secret("é").matches(Secret("é"))
    assert Secret("a") == Secret("a")
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2
    assert Secret("a") != "a"
    assert Secret("a").digest() == digest_of("a")


@pytest.mark.spec("6749-3.1-a")
def test_a_repeated_parameter_is_refused() -> None:
    with pytest.raises(InvalidRequest) as refusal:
        single((("a", "1"), ("b", "2"), ("a", "1")))
    assert refusal.value.facts == {"parameter": "a"}
    with pytest.raises(InvalidRequest):
        single((("a", ""), ("a", "1")))


@pytest.mark.spec("6749-3.1-a")
def test_empty_values_count_as_absent_and_some_may_repeat() -> None:
    pairs = (("a", ""), ("b", "2"), ("resource", "x"), ("resource", "y"))
    assert single(pairs, may_repeat=frozenset({"resource"})) == {"b": "2"}
