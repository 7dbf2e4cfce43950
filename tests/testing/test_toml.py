"""TOML that a test or a demonstration writes."""

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofkey.testing.toml import toml_document, toml_value

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
PLAIN = st.one_of(TEXT, st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False))
VALUES = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4), max_leaves=12
)


@given(st.dictionaries(TEXT, st.dictionaries(TEXT, VALUES, max_size=4), max_size=3))
def test_what_is_written_is_what_is_read(document: dict[str, dict[str, Any]]) -> None:
    assert tomllib.loads(toml_document(document)) == document


def test_a_document_is_one_that_a_person_can_read() -> None:
    document: dict[str, dict[str, object]] = {
        "server": {"issuer": "https://op.test", "workers": 2, "flag": True, "lifetimes": {"code": 60}},
        "login": {"scope": "openid", "odd key": ("a", "é")},
    }
    assert toml_document(document) == (
        '[server]\nissuer = "https://op.test"\nworkers = 2\nflag = true\nlifetimes = { code = 60 }\n'
        '\n[login]\nscope = "openid"\n"odd key" = ["a", "é"]\n'
    )


@pytest.mark.parametrize("value", [None, b"x", {1}, object(), {"a": [None]}])
def test_what_has_no_place_in_toml_is_an_error(value: object) -> None:
    with pytest.raises(TypeError, match="TOML has no place"):
        toml_value(value)
