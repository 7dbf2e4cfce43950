from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofkey.errors import InvalidDpopProof, InvalidToken, MalformedCredentials, NoCredentials
from proofkey.findings import Finding
from proofkey.resource_server.credentials import Credentials, read_credentials, scheme_of

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


def with_proofs(authorization: bytes, *proofs: bytes) -> list[tuple[bytes, bytes]]:
    return [*header(authorization), *((b"dpop", proof) for proof in proofs)]


@pytest.mark.spec("9449-7.1-a", "RFC 9449 §7.1")
@pytest.mark.parametrize("scheme", [b"DPoP", b"dpop", b"DPOP", b"dPoP  "])
def test_the_scheme_dpop_is_read_in_any_case_with_its_proof(scheme: bytes) -> None:
    found = read_credentials(with_proofs(scheme + b" " + TOKEN, b"p.r.f"), dpop=True)
    assert found == Credentials(TOKEN.decode(), "DPoP", "p.r.f")


@pytest.mark.spec("9449-7.1-a")
def test_a_proof_may_be_missing_until_it_is_checked() -> None:
    assert read_credentials(with_proofs(b"DPoP " + TOKEN), dpop=True).proof is None


@pytest.mark.spec("9449-7.1-b")
def test_where_dpop_is_off_it_is_a_foreign_scheme() -> None:
    with pytest.raises(NoCredentials):
        read_credentials(with_proofs(b"DPoP " + TOKEN, b"p.r.f"))


@pytest.mark.spec("9449-4.3-a", "RFC 9449 §4.3")
@pytest.mark.parametrize("proofs", [(b"p.r.f", b"p.r.f"), (b"", b"p.r.f"), (b"a", b"b", b"c")])
def test_a_second_proof_is_refused(proofs: tuple[bytes, ...]) -> None:
    with pytest.raises(InvalidDpopProof) as caught:
        read_credentials(with_proofs(b"DPoP " + TOKEN, *proofs), dpop=True)
    assert caught.value.finding is Finding.DPOP_PROOF_REPEATED


@pytest.mark.spec("9449-7.2-a")
@pytest.mark.parametrize("proofs", [(b"p.r.f",), (b"p.r.f", b"p.r.f"), (b"\xff",)])
def test_a_proof_beside_a_bearer_token_says_nothing(proofs: tuple[bytes, ...]) -> None:
    found = read_credentials(with_proofs(b"Bearer " + TOKEN, *proofs), dpop=True)
    assert found == Credentials(TOKEN.decode(), "Bearer", None)


@pytest.mark.spec("6750-2-b", "RFC 9449 §7.2")
@pytest.mark.parametrize(
    ("headers", "query"),
    [
        (header(b"DPoP " + TOKEN, b"Bearer " + TOKEN), b""),
        (header(b"Bearer " + TOKEN, b"DPoP " + TOKEN), b""),
        (header(b"DPoP " + TOKEN, b"DPoP " + TOKEN), b""),
        (header(b"DPoP " + TOKEN), b"access_token=x"),
    ],
    ids=["dpop, bearer", "bearer, dpop", "dpop twice", "dpop and query"],
)
def test_two_schemes_are_malformed(headers: list[tuple[bytes, bytes]], query: bytes) -> None:
    with pytest.raises(MalformedCredentials) as caught:
        read_credentials(headers, query, dpop=True)
    assert caught.value.finding is Finding.CREDENTIALS_REPEATED


@pytest.mark.spec("6750-3-a")
@pytest.mark.parametrize("value", [b"DPoP", b"DPoP ", b"DPoP a b", b"DPoP a,b", b"DPoP \xff", b"DPoP a, Bearer b"])
def test_a_dpop_header_of_another_form_is_malformed(value: bytes) -> None:
    with pytest.raises(MalformedCredentials):
        read_credentials(with_proofs(value, b"p.r.f"), dpop=True)


@pytest.mark.spec("9449-7.1-b")
@pytest.mark.parametrize(
    ("values", "scheme"),
    [
        ((), "Bearer"),
        ((b"Bearer x",), "Bearer"),
        ((b"DPoP x",), "DPoP"),
        ((b"dpop",), "DPoP"),
        ((b"DPoP x", b"DPoP y"), "DPoP"),
        ((b"DPoP x", b"Bearer y"), "Bearer"),
        ((b"Basic x",), "Bearer"),
    ],
)
def test_a_refusal_is_told_under_the_scheme_that_was_used(values: tuple[bytes, ...], scheme: str) -> None:
    assert scheme_of(header(*values)) == scheme


@pytest.mark.spec("9700-4.9.3-a")
def test_credentials_do_not_show_the_proof() -> None:
    assert "p.r.f" not in repr(read_credentials(with_proofs(b"DPoP " + TOKEN, b"p.r.f"), dpop=True))


@given(
    st.lists(
        st.tuples(st.sampled_from([b"authorization", b"dpop"]), st.binary(max_size=20).map(b"DPoP ".__add__))
    ),
    st.binary(max_size=20),
)
def test_nothing_but_a_refusal_ever_comes_out_of_dpop(headers: list[tuple[bytes, bytes]], query: bytes) -> None:
    with suppress(NoCredentials, MalformedCredentials, InvalidDpopProof):
        assert read_credentials(headers, query, dpop=True).token


@pytest.mark.spec("8725b-3.13")
@pytest.mark.parametrize("token", [b"A" * 1_000_000, b"." * 1_000_000, b"\xff" * 1_000_000, b"A" * 20_000])
@pytest.mark.parametrize("scheme", [b"Bearer", b"DPoP"])
def test_junk_is_refused_by_its_length(scheme: bytes, token: bytes) -> None:
    with pytest.raises(InvalidToken) as refusal:
        read_credentials([(b"authorization", scheme + b" " + token)], dpop=True)
    assert refusal.value.finding is Finding.TOKEN_TOO_LARGE
    assert scheme_of([(b"authorization", scheme + b" " + token)]) == scheme.decode()


@pytest.mark.parametrize(
    ("header", "error"),
    [
        (b"Basic " + b"A" * 20_000, NoCredentials),
        (b"A" * 20_000, NoCredentials),
        (b"\xff" * 20_000, MalformedCredentials),
    ],
    ids=["Basic", "no scheme that we know", "no scheme at all"],
)
def test_junk_of_another_scheme_is_no_credential(header: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        read_credentials([(b"authorization", header)])
