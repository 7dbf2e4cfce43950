"""The token request, and what is believed of the answer."""

import base64
import json
from typing import Any

import pytest

from proofkey.client.session import PendingLogin
from proofkey.client.tokens import (
    TokenRefusal,
    build_code_ask,
    read_code_answer,
    read_token_answer,
    tokens_of,
)
from proofkey.errors import LoginFailed, Unavailable
from proofkey.findings import Finding
from proofkey.protocol.exchange import Answer
from proofkey.protocol.messages import TokenResponse
from proofkey.protocol.text import Instant, Secret
from tests.client.login_kit import API, CLIENT_SECRET, config_for
from tests.client.test_authorization import METADATA, START

PENDING: PendingLogin = START.pending
CODE = Secret("the-code")
GOOD = {"access_token": "at", "token_type": "Bearer", "expires_in": 900, "id_token": "a.b.c"}


NOW: Any = {"now": Instant(1_800_000_000), "fresh_id": lambda: "jti-1"}


def answer(document: dict[str, Any], status: int = 200) -> Answer:
    return Answer(status, {}, json.dumps(document).encode())


@pytest.mark.spec("10017-6.1.3.1-a", "8707-cli")
def test_the_code_is_sent_with_verifier_redirect_uri_resource_and_basic_authentication() -> None:
    ask = build_code_ask(config_for(), METADATA, PENDING, CODE, **NOW)
    form = dict(ask.form or ())
    assert (ask.method, ask.url) == ("POST", METADATA.token_endpoint)
    assert form["grant_type"] == "authorization_code"
    assert form["code"] == "the-code"
    assert form["code_verifier"] == PENDING.code_verifier.reveal()
    assert form["redirect_uri"] == PENDING.redirect_uri
    assert form["resource"] == API
    assert "client_id" not in form
    sent = base64.b64decode(ask.headers["authorization"].removeprefix("Basic ")).decode()
    assert sent == f"web:{CLIENT_SECRET.reveal()}"


def test_a_public_client_sends_its_id_and_no_secret() -> None:
    ask = build_code_ask(config_for(client_secret=None), METADATA, PENDING, CODE, **NOW)
    assert dict(ask.form or ())["client_id"] == "web"
    assert "authorization" not in ask.headers


def test_post_authentication_puts_both_into_the_form() -> None:
    ask = build_code_ask(config_for(auth_method="client_secret_post"), METADATA, PENDING, CODE, **NOW)
    form = dict(ask.form or ())
    assert (form["client_id"], form["client_secret"]) == ("web", CLIENT_SECRET.reveal())
    assert "authorization" not in ask.headers


def test_neither_the_code_nor_the_secret_shows_in_the_asks_repr() -> None:
    ask = build_code_ask(config_for(auth_method="client_secret_post"), METADATA, PENDING, CODE, **NOW)
    assert CLIENT_SECRET.reveal() not in repr(ask)
    assert CODE.reveal() not in repr(ask)


@pytest.mark.spec("6749-5.1-c")
@pytest.mark.parametrize("token_type", ["Bearer", "bearer", "BEARER"])
def test_the_token_type_is_compared_without_case_and_unknown_members_are_ignored(token_type: str) -> None:
    response = read_code_answer(answer({**GOOD, "token_type": token_type, "x_new": {"deep": [1]}}))
    assert response.access_token.reveal() == "at"


@pytest.mark.spec("6749-5.1-c", "9449-5-c")
@pytest.mark.parametrize(
    ("changes", "finding"),
    [
        ({"token_type": "DPoP"}, Finding.LOGIN_TOKEN_TYPE),
        ({"token_type": None}, Finding.LOGIN_RESPONSE_MALFORMED),
        ({"access_token": None}, Finding.LOGIN_RESPONSE_MALFORMED),
        ({"access_token": 7}, Finding.LOGIN_RESPONSE_MALFORMED),
        ({"expires_in": "soon"}, Finding.LOGIN_RESPONSE_MALFORMED),
        ({"id_token": None}, Finding.LOGIN_RESPONSE_MALFORMED),
        ({"scope": ["openid"]}, Finding.LOGIN_RESPONSE_MALFORMED),
    ],
    ids=[
        "DPoP",
        "no type",
        "no token",
        "token is a number",
        "expires_in is text",
        "no id_token",
        "scope is a list",
    ],
)
def test_a_token_response_is_refused_with(changes: dict[str, Any], finding: Finding) -> None:
    with pytest.raises(LoginFailed) as refused:
        read_code_answer(answer({**GOOD, **changes}))
    assert refused.value.finding is finding


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"\xff\xfe{", b'{"access_token":"a","access_token":"b"}'])
def test_a_body_that_is_no_strict_json_object_is_refused(body: bytes) -> None:
    with pytest.raises(LoginFailed):
        read_code_answer(Answer(200, {}, body))


@pytest.mark.parametrize("status", [500, 502, 503, 429])
def test_a_provider_at_fault_is_unavailable(status: int) -> None:
    with pytest.raises(Unavailable):
        read_token_answer(Answer(status, {}, b"<html>"))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_never_followed(status: int) -> None:
    with pytest.raises(LoginFailed) as refused:
        read_token_answer(Answer(status, {"location": "https://evil.test/token"}, b""))
    assert refused.value.finding is Finding.OUTGOING_REDIRECT


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (400, b'{"error":"invalid_grant"}', "invalid_grant"),
        (401, b'{"error":"invalid_client"}', "invalid_client"),
        (400, b'{"error":"<script>"}', "unreadable"),
        (400, b"nothing", "unreadable"),
        (404, b'{"error":7}', "unreadable"),
    ],
)
def test_a_refusal_is_read_by_its_code(status: int, body: bytes, error: str) -> None:
    assert read_token_answer(Answer(status, {}, body)) == TokenRefusal(error, status)


@pytest.mark.spec("6749-5.1-c")
@pytest.mark.parametrize(
    ("returned", "kept"),
    [(None, ("openid", "orders:read")), (("openid",), ("openid",)), ((), ())],
    ids=["absent: as asked", "narrower: as returned", "empty: none"],
)
def test_the_scope_that_was_returned_counts(returned: tuple[str, ...] | None, kept: tuple[str, ...]) -> None:
    response = TokenResponse(access_token=Secret("a"), scope=returned, expires_in=60)
    tokens = tokens_of(response, asked=("openid", "orders:read"), now=Instant(1000))
    assert tokens.scope == kept
    assert tokens.access_expires_at == 1060


def test_a_token_without_expires_in_has_no_stated_end() -> None:
    tokens = tokens_of(TokenResponse(access_token=Secret("a")), asked=(), now=Instant(1000))
    assert tokens.access_expires_at is None
