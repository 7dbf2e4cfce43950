"""The JSON reader: one reading of every document, limits, and ValueError alone."""

import json
import sys
from time import process_time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofkey.protocol.json_strict import MAX_DEPTH, parse_array, parse_object

scalars = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**64) | st.floats(allow_nan=False, allow_infinity=False)
)
texts = st.text(st.characters(codec="utf-8"))
values: st.SearchStrategy[Any] = st.recursive(
    scalars | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


def depth_of(value: Any) -> int:
    if isinstance(value, dict):
        value = list(value.values())
    return 1 + max(map(depth_of, value), default=0) if isinstance(value, list) else 0


@given(st.dictionaries(texts, values, max_size=6), st.sampled_from([None, 2]), st.booleans())
def test_objects_are_read_as_they_were_written(value: dict[str, Any], indent: int | None, escaped: bool) -> None:
    data = json.dumps(value, indent=indent, ensure_ascii=escaped).encode()
    if depth_of(value) <= MAX_DEPTH:
        assert parse_object(data) == value
    else:
        with pytest.raises(ValueError, match="deep"):
            parse_object(data)


@given(st.binary(max_size=300) | st.text(alphabet='{}[]",:\\u0d8é1eE+-.ntfalsruNI ', max_size=80).map(str.encode))
def test_any_bytes_are_read_or_refused_by_value_error(data: bytes) -> None:
    try:
        value = parse_object(data)
    except ValueError:
        return
    assert isinstance(value, dict)
    assert json.loads(data) == value


@pytest.mark.spec("8725b-3.14-a")
@pytest.mark.parametrize(
    "data",
    [
        b"",
        b" ",
        b"null",
        b"[]",
        b'"a"',
        b"1",
        b"{",
        b"{}{}",
        b"{} x",
        b"{'a':1}",
        b'{"a":1,}',
        b'{"a"}',
        b"{a:1}",
        b'{"a":1,"a":1}',
        b'{"a":{"b":1,"b":2}}',
        b'{"a":[{"b":1,"b":2}]}',
        b'{"a":1,"\\u0061":2}',
        b'{"":1,"":2}',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":-Infinity}',
        b'{"a":1e999}',
        b'{"a":-1e999}',
        b'{"a":01}',
        b'{"a":+1}',
        b'{"a":.5}',
        b'{"a":1.}',
        b'{"a":0x1}',
        b'{"a":' + b"1" * 4301 + b"}",
        b'{"a":"\n"}',
        b'{"a":"\\x"}',
        b'{"a":"\\ud800"}',
        b'{"a":"\\udc00\\ud800"}',
        b'{"\\udfff":1}',
        b'{"a":["\\ud83d"]}',
        b'{"a":"\xff"}',
        b"\xef\xbb\xbf{}",
        '{"a":1}'.encode("utf-16"),
        '{"a":1}'.encode("utf-16-le"),
        '{"a":1}'.encode("utf-32"),
        b"\x0c{}",
        b"\xc2\xa0{}",
        b"{}\0",
        b'{"a":true1}',
        b'{"a":tru}',
        b"//\n{}",
        b"{} /* */",
    ],
    ids=lambda data: ascii(data[:24]),
)
def test_what_is_not_one_strict_object_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_object(data)


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b" \t\r\n{ } \n", {}),
        (b'{"a":1.5e3,"b":-0.0,"c":1E-2}', {"a": 1500.0, "b": 0.0, "c": 0.01}),
        (b'{"a":"\\ud83d\\ude00"}', {"a": "\U0001f600"}),
        ('{"é":"\U0001f600"}'.encode(), {"é": "\U0001f600"}),
        (b'{"a":"[[[[[[[[[[[[[[[[[[[[ {{ \\" [[ \\\\"}', {"a": '[[[[[[[[[[[[[[[[[[[[ {{ " [[ \\'}),
        (b'{"a":[[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[]]}', {"a": [[]] * 19}),
    ],
)
def test_unusual_but_strict_json_is_read(data: bytes, value: dict[str, Any]) -> None:
    assert parse_object(data) == value


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}"), (b'[{"a":', b"}]")])
def test_depth_is_limited(opening: bytes, closing: bytes) -> None:
    step = opening.count(b"[") + opening.count(b"{")
    fits = (MAX_DEPTH - 1) // step
    assert parse_object(b'{"x":' + opening * fits + b"1" + closing * fits + b"}")
    for more in (fits + 1, 500, 20_000):
        for end in (closing * more + b"}", b""):
            with pytest.raises(ValueError, match="deep"):
                parse_object(b'{"x":' + opening * more + b"1" + end)


def test_depth_limit_holds_near_the_end_of_the_stack() -> None:
    document = b'{"x":' + b"[" * 15 + b"]" * 15 + b"}"

    def descend(levels: int) -> dict[str, Any]:
        return parse_object(document) if levels == 0 else descend(levels - 1)

    assert descend(sys.getrecursionlimit() // 2) == {"x": json.loads("[" * 15 + "]" * 15)}


@pytest.mark.parametrize(
    "text",
    [
        '{"a":' + "[" * 17 + '"' + '\\"' * 6000,  # a string without an end, of escapes that look like quotes
        '{"a":' + "[" * 17 + '"\\' * 6000,
        '{"a":' + "[" * 17 + '"' * 12_001,
        '{"a":["' + "[" * 20 + '\\"' * 6000 + '"]',
    ],
    ids=["escapes", "backslashes", "quotes", "no end"],
)
def test_hostile_quotes_take_no_quadratic_time(text: str) -> None:
    began = process_time()
    with pytest.raises(ValueError, match=r"nested|Expecting|Unterminated|Invalid"):
        parse_object(text.encode())
    assert process_time() - began < 0.1  # seconds; 12 kB took 0.4 of them when each quote was tried anew


def test_an_object_is_no_array_and_an_array_no_object() -> None:
    assert parse_array(b"[1]") == [1]
    for reader, text in ((parse_array, b'{"a":1}'), (parse_array, b'"a"'), (parse_object, b"[1]")):
        with pytest.raises(ValueError, match="not one"):
            reader(text)


def test_what_is_nested_too_deep_is_refused_and_brackets_in_texts_are_no_depth() -> None:
    deep = '{"a":' + "[" * MAX_DEPTH + "]" * MAX_DEPTH + "}"
    with pytest.raises(ValueError, match="deep"):
        parse_object(deep.encode())
    assert parse_object(json.dumps({"a": "[" * 100}).encode()) == {"a": "[" * 100}
