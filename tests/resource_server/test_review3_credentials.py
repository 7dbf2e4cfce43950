"""A token in the query, however it is spelled, and whatever stands around it."""

from time import process_time
from urllib.parse import parse_qsl

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from proofkey.errors import MalformedCredentials
from proofkey.resource_server.credentials import read_credentials

HEADERS = [(b"authorization", b"Bearer abc")]
NAME = st.tuples(*[st.sampled_from([c, f"%{ord(c):02x}", f"%{ord(c):02X}"]) for c in "access_token"]).map("".join)
PIECE = NAME | st.sampled_from(["&", "=", "%", "+", "x", "A", ";", "%26", "%3d", "access_token", "access%5ftoken"])


def has_token(query: str) -> bool:
    try:
        read_credentials(HEADERS, query.encode())
    except MalformedCredentials:
        return True
    return False


@pytest.mark.spec("6750-2", "9700-4.3.2")
@given(st.lists(PIECE, max_size=6).map("".join))
@example("access_token")
@example("a=1&%61ccess_toke%6E=")
@example("ACCESS_TOKEN=1")
@example("%41ccess_token=1")
def test_a_token_in_the_query_is_found_as_a_parser_finds_it(query: str) -> None:
    names = [name for name, _ in parse_qsl(query, keep_blank_values=True, errors="replace")]
    assert has_token(query) is ("access_token" in names)


@pytest.mark.parametrize("query", ["%41&" * 16_000, "%" * 64_000, "&" * 64_000 + "%", "%61ccess_toke&" * 4500])
def test_a_hostile_query_costs_little(query: str) -> None:
    began = process_time()
    assert not has_token(query)
    assert process_time() - began < 0.02  # seconds
