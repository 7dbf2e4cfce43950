"""Scopes: RFC 6749 §3.3 and nothing wider."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofkey.errors import InvalidScope
from proofkey.protocol.scope import format_scope, parse_scope

TOKEN_CHARACTERS = "".join(map(chr, [0x21, *range(0x23, 0x5C), *range(0x5D, 0x7F)]))


@pytest.mark.spec("6749-3.3-a")
@pytest.mark.parametrize(
    ("text", "scopes"),
    [
        ("", ()),
        ("openid", ("openid",)),
        ("openid orders:read", ("openid", "orders:read")),
        ("b a b", ("b", "a")),
        ("api://x/.default !#$%&'()*+,-./[]^_`{|}~", ("api://x/.default", "!#$%&'()*+,-./[]^_`{|}~")),
    ],
)
def test_scope_is_read_in_order_and_each_once(text: str, scopes: tuple[str, ...]) -> None:
    assert parse_scope(text) == scopes


@pytest.mark.spec("6749-3.3-a")
@pytest.mark.parametrize(
    "text",
    [
        " ",
        "  ",
        " a",
        "a ",
        "a  b",
        "a\tb",
        "a\nb",
        "a\n",
        'a"',
        "a\\b",
        "é",
        "a\u00a0b",
        "a\0",
        "\x7f",
        "a,\u2003b",
    ],
    ids=ascii,
)
def test_scope_with_another_character_or_separator_is_refused(text: str) -> None:
    with pytest.raises(InvalidScope) as refusal:
        parse_scope(text)
    assert refusal.value.error == "invalid_scope"


@given(st.lists(st.text(alphabet=TOKEN_CHARACTERS, min_size=1)))
def test_format_and_parse_are_inverse(scopes: list[str]) -> None:
    assert parse_scope(format_scope(scopes)) == tuple(dict.fromkeys(scopes))


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        scopes = parse_scope(text)
    except InvalidScope:
        return
    assert format_scope(scopes).split(" ") == (list(scopes) or [""])


@pytest.mark.parametrize("scopes", [["a", ""], ["é"], ['"'], ["a\n"], [" "]], ids=ascii)
def test_format_refuses_what_is_no_scope_token(scopes: list[str]) -> None:
    with pytest.raises(InvalidScope):
        format_scope(scopes)
