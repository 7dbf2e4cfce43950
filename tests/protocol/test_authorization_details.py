"""authorization_details (RFC 9396 §2): read strictly, compared by value, and read from access tokens."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofkey.errors import InvalidAuthorizationDetails, InvalidToken
from proofkey.findings import Finding
from proofkey.protocol.access_token import AccessToken, verify_access_token
from proofkey.protocol.authorization_details import (
    MAX_LENGTH,
    is_part_of,
    parse_authorization_details,
    write_authorization_details,
    write_detail,
)
from proofkey.protocol.messages import (
    ClientCredentialsRequest,
    build_authorization_request_url,
    parse_authorization_request,
    parse_token_request,
)
from proofkey.testing.tokens import NOW, TokenMaker, key_for_tests, key_set_of

MAKE = TokenMaker(key_for_tests("ES256"))
PAY: dict[str, Any] = {"type": "payment", "amount": "100.00", "actions": ["start", "look"]}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
REQUEST = (("client_id", "web"), ("redirect_uri", "https://rp.test/cb"), ("response_type", "code"))


@given(JSON | st.lists(st.fixed_dictionaries({"type": st.text()}, optional={"a": JSON})))
def test_anything_is_read_or_refused_and_reads_the_same_again(value: Any) -> None:
    try:
        details = parse_authorization_details(json.dumps(value))
    except InvalidAuthorizationDetails:
        return
    assert details
    assert parse_authorization_details(write_authorization_details(details)) == details
    assert all(is_part_of(one, one) for one in details)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(InvalidAuthorizationDetails):
        assert all(one["type"] for one in parse_authorization_details(text))


@pytest.mark.spec("9396-2")
def test_the_same_value_counts_once_whatever_its_order() -> None:
    same = {name: PAY[name] for name in reversed(PAY)}
    assert parse_authorization_details(json.dumps([PAY, same])) == (PAY,)
    assert write_detail(PAY) == write_detail(same)
    assert len(parse_authorization_details(json.dumps([PAY, PAY | {"amount": "100.0"}]))) == 2


def test_the_length_has_a_limit() -> None:
    short = '[{"type":"a","b":""}]'
    fits = short.replace('""', f'"{"x" * (MAX_LENGTH - len(short))}"')
    assert len(fits) == MAX_LENGTH
    assert parse_authorization_details(fits)
    with pytest.raises(InvalidAuthorizationDetails):
        parse_authorization_details(fits.replace('"x', '"xx'))


@pytest.mark.spec("9396-3")
def test_an_authorization_request_carries_them_there_and_back() -> None:
    sent = (*REQUEST, ("authorization_details", json.dumps([PAY])))
    request = parse_authorization_request(sent)
    assert request.authorization_details is not None
    assert parse_authorization_details(request.authorization_details) == (PAY,)
    assert "authorization_details=%5B%7B" in build_authorization_request_url("https://op.test/a", request)
    with pytest.raises(InvalidAuthorizationDetails):
        parse_authorization_request((*REQUEST, ("authorization_details", "payment")))


@pytest.mark.spec("9396-6")
def test_a_token_request_carries_them() -> None:
    pairs = (("grant_type", "client_credentials"), ("authorization_details", json.dumps([PAY])))
    assert parse_token_request(pairs) == ClientCredentialsRequest(details=(PAY,))


# --- in access tokens -----------------------------------------------------------------------------------------


def verify(**claims: Any) -> AccessToken:
    return verify_access_token(
        MAKE.access_token(**claims),
        key_set_of(MAKE.key),
        issuer=MAKE.issuer,
        audience=frozenset({MAKE.audience}),
        now=NOW,
    )


@pytest.mark.spec("9396-9.1", "V10-10.3.2")
def test_an_api_reads_what_was_granted() -> None:
    assert verify(authorization_details=[PAY]).authorization_details == (PAY,)
    assert verify().authorization_details == ()


@pytest.mark.spec("9396-9.1")
@pytest.mark.parametrize("value", [PAY, "payment", ["payment"], [{}], [{"type": 1}], [PAY, None], None, 1])
def test_a_claim_of_another_form_is_refused(value: Any) -> None:
    with pytest.raises(InvalidToken) as refused:
        verify_access_token(
            MAKE.sign(MAKE.claims() | {"authorization_details": value}),
            key_set_of(MAKE.key),
            issuer=MAKE.issuer,
            audience=frozenset({MAKE.audience}),
            now=NOW,
        )
    assert refused.value.finding is Finding.TOKEN_CLAIM_TYPE
    assert refused.value.facts["claim"] == "authorization_details"
