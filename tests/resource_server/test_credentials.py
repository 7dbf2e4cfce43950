from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofkey.errors import MalformedCredentials, NoCredentials
from proofkey.findings import Finding
from proofkey.resource_server.credentials import read_credentials

TOKEN = b"aaa.bbb.ccc"


def header(*values: bytes) -> list[tuple[bytes, bytes]]:
    return [(b"host", b"api.test"), *((b"authorization", value) for value in values), (b"accept", b"*/*")]


@pytest.mark.spec("6750-2.1-a", "O21-5.1")
@pytest.mark.parametrize(
    "value",
    [b"Bearer " + TOKEN, b"bearer " + TOKEN, b"BEARER " + TOKEN, b"bEaReR   " + TOKEN],
    ids=["as registered", "lower case", "upper case", "several spaces"],
)
def test_a_bearer_token_is_read_with_the_scheme_in_any_case(value: bytes) -> None:
    assert read_credentials(header(value)).token == TOKEN.decode()


@pytest.mark.spec("6750-2.1-a", "RFC 6750 §2.1")
@pytest.mark.parametrize("token", [b"a", b"a=", b"a==", b"-._~+/", b"A9" * 4000])
def test_every_b64token_is_read(token: bytes) -> None:
    assert read_credentials(header(b"Bearer " + token)).token == token.decode()


@pytest.mark.spec("6750-3-a")
@pytest.mark.parametrize(
    ("headers", "query"),
    [
        (header(), b""),
        (header(b"Basic dXNlcjpwYXNz"), b""),
        (header(b"DPoP " + TOKEN), b""),
        (header(b"Bearertoken"), b""),
        (header(TOKEN), b""),
        (header(), b"access_token=" + TOKEN),
        (header(), b"access%5Ftoken=" + TOKEN),
        (header(), b"a=1&access_token="),
    ],
    ids=[
        "nothing", "basic", "dpop", "no space", "no scheme", "in the query", "query, encoded", "query, empty",
    ],
)  # fmt: skip
def test_a_request_has_no_credentials_with(headers: list[tuple[bytes, bytes]], query: bytes) -> None:
    with pytest.raises(NoCredentials) as caught:
        read_credentials(headers, query)
    assert caught.value.finding is Finding.CREDENTIALS_NONE


@pytest.mark.spec("6750-2-b")
@pytest.mark.parametrize(
    ("headers", "query"),
    [
        (header(b"Bearer " + TOKEN, b"Bearer " + TOKEN), b""),
        (header(b"Bearer " + TOKEN, b"Basic dXNlcjpwYXNz"), b""),
        (header(b"Basic dXNlcjpwYXNz", b"Bearer " + TOKEN), b""),
        (header(b"", b""), b""),
        (header(b"Bearer " + TOKEN), b"access_token=" + TOKEN),
        (header(b"Bearer " + TOKEN), b"%61ccess_token=x"),
    ],
    ids=[
        "the same twice",
        "bearer, basic",
        "basic, bearer",
        "two empty ones",
        "header and query",
        "query encoded",
    ],
)
def test_two_credentials_are_malformed(headers: list[tuple[bytes, bytes]], query: bytes) -> None:
    with pytest.raises(MalformedCredentials) as caught:
        read_credentials(headers, query)
    assert caught.value.finding is Finding.CREDENTIALS_REPEATED


@pytest.mark.spec("6750-3-a")
@pytest.mark.parametrize(
    "value",
    [
        b"", b" ", b"Bearer", b"Bearer ", b"Bearer    ", b"Bearer =", b"Bearer a b", b"Bearer a,b", b'Bearer "a"',
        b"Bearer a\tb", b"Bearer \ta", b"Bearer a=b", b"Bearer \xff\xfe", b"Bearer a\x00", "Bearer café".encode(),
        b"Bearer a, Bearer b",
    ],
)  # fmt: skip
def test_a_header_of_another_form_is_malformed(value: bytes) -> None:
    with pytest.raises(MalformedCredentials) as caught:
        read_credentials(header(value))
    assert caught.value.finding is Finding.CREDENTIALS_MALFORMED


def test_other_query_parameters_do_no_harm() -> None:
    headers = header(b"Bearer " + TOKEN)
    assert read_credentials(headers, b"q=access_token&my_access_token=1&%zz&x=%00").token == TOKEN.decode()


@given(st.lists(st.tuples(st.sampled_from([b"authorization", b"host"]), st.binary(max_size=60))), st.binary())
def test_nothing_but_a_refusal_ever_comes_out(headers: list[tuple[bytes, bytes]], query: bytes) -> None:
    with suppress(NoCredentials, MalformedCredentials):
        assert read_credentials(headers, query).token


@pytest.mark.spec("9700-4.9.3-a")
def test_credentials_do_not_show_the_token() -> None:
    assert "aaa" not in repr(read_credentials(header(b"Bearer " + TOKEN)))
