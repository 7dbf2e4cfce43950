"""The claims parameter (OIDC Core §5.5): what it may say, and what is refused."""

import json
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from proofkey.errors import InvalidRequest
from proofkey.findings import Finding
from proofkey.protocol.claims_request import MAX_LENGTH, ClaimRequest, ClaimsRequest, parse_claims_request
from proofkey.protocol.messages import (
    AuthorizationRequest,
    build_authorization_request_url,
    parse_authorization_request,
)
from proofkey.protocol.text import ClientId

pytestmark = pytest.mark.spec("OC-5.5")


def test_every_way_to_ask() -> None:
    text = json.dumps(
        {
            "id_token": {
                "auth_time": {"essential": True},
                "acr": {"values": ["gold", "silver"]},
                "sub": {"value": "u1", "values": ["u2"], "other": 1},
            },
            "userinfo": {"email": None, "picture": {}},
            "elsewhere": {"x": 1},
        }
    )
    assert parse_claims_request(text) == ClaimsRequest(
        id_token={
            "auth_time": ClaimRequest(essential=True),
            "acr": ClaimRequest(values=("gold", "silver")),
            "sub": ClaimRequest(values=("u1", "u2")),
        },
        userinfo={"email": ClaimRequest(), "picture": ClaimRequest()},
    )


@pytest.mark.parametrize("text", ["{}", '{"id_token": null}', '{"x": 1}'])
def test_nothing_asked(text: str) -> None:
    assert parse_claims_request(text) == ClaimsRequest()


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "x",
            "[]",
            '"x"',
            '{"a": 1, "a": 2}',
            '{"id_token": 1}',
            '{"userinfo": []}',
            '{"id_token": {"a": 1}}',
        ),
        *('{"id_token": {"a": {"essential": "true"}}}', '{"id_token": {"a": {"values": "x"}}}'),
        '{"id_token": {"a": {"values": ' + json.dumps(list(range(21))) + "}}}",
        json.dumps({"id_token": {f"c{n}": None for n in range(101)}}),
        json.dumps({"x": "y" * MAX_LENGTH}),
    ],
)
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse_claims_request(text)
    assert refused.value.finding is Finding.PARAMETER_MALFORMED
    assert refused.value.facts["parameter"] == "claims"


def test_the_parameter_goes_out_and_comes_in_as_it_is() -> None:
    text = '{"userinfo": {"email": null}}'
    request = AuthorizationRequest(client_id=ClientId("web"), redirect_uri="https://rp.test/cb", claims=text)
    url = build_authorization_request_url("https://op.test/authorize", request)
    pairs: Any = tuple(parse_qsl(urlsplit(url).query))
    assert parse_authorization_request(pairs).claims == text
