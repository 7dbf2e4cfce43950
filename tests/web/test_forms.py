"""Strict forms: what comes in is a sequence of pairs, or a refusal."""

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.types import Message

from proofkey.errors import InvalidRequest
from proofkey.findings import Finding
from proofkey.web.forms import FORM_TYPE, MAX_BODY, read_body, read_form, read_query
from proofkey.web.forms import parse_pairs as parse

FORM = FORM_TYPE.encode()


def request_with(body: bytes, *headers: tuple[bytes, bytes], query: bytes = b"") -> Request:
    chunks = [body[start : start + 1000] for start in range(0, len(body), 1000)] or [b""]

    async def receive() -> Message:
        chunk = chunks.pop(0)
        return {"type": "http.request", "body": chunk, "more_body": bool(chunks)}

    scope = {"type": "http", "method": "POST", "path": "/", "headers": list(headers), "query_string": query}
    return Request(scope, receive)


@pytest.mark.spec("6749-3.2-a")
async def test_a_form_is_read_as_pairs_in_order_and_the_query_is_not_looked_at() -> None:
    body = b"a=1&b=x+y&a=%C3%A9&empty=&lonely&c=1=2;d=3"
    pairs = await read_form(request_with(body, (b"content-type", FORM), query=b"client_secret=s"))
    assert pairs == (("a", "1"), ("b", "x y"), ("a", "é"), ("empty", ""), ("lonely", ""), ("c", "1=2;d=3"))


@pytest.mark.spec("6749-3.2-a", "threats §1.7")
@pytest.mark.parametrize(
    "types",
    [
        pytest.param([], id="none"),
        pytest.param([b"application/json"], id="JSON"),
        pytest.param([b"multipart/form-data; boundary=x"], id="multipart"),
        pytest.param([b"text/plain"], id="text"),
        pytest.param([FORM, FORM], id="twice"),
        pytest.param([FORM + b"; charset=utf-16"], id="another charset"),
        pytest.param([FORM + b"x"], id="longer name"),
        pytest.param([b"\xff\xfe"], id="binary"),
    ],
)
async def test_a_body_is_refused_when_its_content_type_is(types: list[bytes]) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await read_form(request_with(b"a=1", *((b"content-type", value) for value in types)))
    assert refused.value.finding is Finding.CONTENT_TYPE_WRONG


@pytest.mark.parametrize(
    "value", [FORM, FORM + b"; charset=UTF-8", b'APPLICATION/x-www-form-urlencoded;charset="utf-8"']
)
async def test_a_form_is_read_when_its_content_type_is(value: bytes) -> None:
    assert await read_form(request_with(b"a=1", (b"content-type", value))) == (("a", "1"),)


@pytest.mark.spec("X-body", "requirements §8")
@pytest.mark.parametrize(
    ("data", "finding"),
    [
        pytest.param(b"a" * (MAX_BODY + 1), Finding.BODY_TOO_LARGE, id="more than 64 kB"),
        pytest.param(b"&".join([b"a=1"] * 51), Finding.BODY_TOO_LARGE, id="51 parameters"),
        pytest.param(b"a=%", Finding.PARAMETER_MALFORMED, id="percent alone"),
        pytest.param(b"a=%4", Finding.PARAMETER_MALFORMED, id="one digit"),
        pytest.param(b"a=%zz", Finding.PARAMETER_MALFORMED, id="no digits"),
        pytest.param(b"a=%+1", Finding.PARAMETER_MALFORMED, id="signed digits"),
        pytest.param(b"a=%ff", Finding.PARAMETER_MALFORMED, id="no UTF-8"),
        pytest.param(b"a=\xc3", Finding.PARAMETER_MALFORMED, id="half a character"),
        pytest.param(b"%ed%a0%80=1", Finding.PARAMETER_MALFORMED, id="surrogate"),
        pytest.param(b"a=%00", Finding.PARAMETER_MALFORMED, id="NUL"),
    ],
)
def test_parameters_are_refused_when(data: bytes, finding: Finding) -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse(data)
    assert refused.value.finding is finding


def test_fifty_parameters_and_64_kB_are_read() -> None:  # noqa: N802 - the unit
    assert len(parse(b"&".join([b"a=1"] * 50))) == 50
    assert parse(b"a=" + b"x" * (MAX_BODY - 2))[0][1] == "x" * (MAX_BODY - 2)


@pytest.mark.parametrize("declared", [b"65537", b"-1", b"1e3", b"9" * 30, b"\xb2"])
async def test_a_body_is_refused_by_its_declared_length_before_it_is_read(declared: bytes) -> None:
    request = request_with(b"a=1", (b"content-type", FORM), (b"content-length", declared))
    with pytest.raises(InvalidRequest) as refused:
        await read_form(request)
    assert refused.value.finding is Finding.BODY_TOO_LARGE


async def test_a_body_that_is_longer_than_declared_is_refused_while_it_arrives() -> None:
    request = request_with(b"a" * (MAX_BODY + 1), (b"content-type", FORM), (b"content-length", b"3"))
    with pytest.raises(InvalidRequest) as refused:
        await read_form(request)
    assert refused.value.finding is Finding.BODY_TOO_LARGE


@pytest.mark.spec("threats §2.19")
async def test_a_body_that_never_ends_is_refused_after_its_time() -> None:
    async def receive() -> Message:
        await anyio.sleep_forever()
        raise AssertionError

    request = Request({"type": "http", "method": "POST", "path": "/", "headers": []}, receive)
    with pytest.raises(InvalidRequest) as refused:
        await read_body(request, seconds=0.01)
    assert refused.value.finding is Finding.BODY_TOO_SLOW


async def test_a_connection_that_breaks_off_is_a_refusal() -> None:
    async def receive() -> Message:
        return {"type": "http.disconnect"}

    request = Request({"type": "http", "method": "POST", "path": "/", "headers": []}, receive)
    with pytest.raises(InvalidRequest):
        await read_body(request)


def test_a_query_is_read_like_a_form() -> None:
    assert read_query(request_with(b"", query=b"a=1&a=2")) == (("a", "1"), ("a", "2"))


@given(st.binary(max_size=300))
def test_any_bytes_are_pairs_or_a_refusal(data: bytes) -> None:
    try:
        pairs = parse(data)
    except InvalidRequest:
        return
    assert all("\0" not in name + value for name, value in pairs)
    assert len(pairs) <= data.count(b"&") + 1
