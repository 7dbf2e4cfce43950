"""When tokens are refreshed, and what replaces what."""

import json
from typing import Any

import pytest

from proofkey.client.refresh import (
    build_refresh_ask,
    check_refreshed_id_token,
    is_live,
    merge_tokens,
    needs_refresh,
    read_refresh_answer,
)
from proofkey.client.session import Session, SessionTokens
from proofkey.errors import RefreshFailed, Unavailable
from proofkey.protocol.exchange import Answer
from proofkey.protocol.id_token import IdToken
from proofkey.protocol.messages import TokenResponse
from proofkey.protocol.text import Instant, Issuer, Secret, Subject
from tests.client.login_kit import API, ISSUER, config_for
from tests.client.test_authorization import METADATA

NOW = Instant(1000)
OLD = SessionTokens(
    access_token=Secret("old-at"),
    access_expires_at=Instant(1020),
    scope=("openid", "orders:read"),
    refresh_token=Secret("old-rt"),
    id_token=Secret("old-id"),
)


def response(**members: Any) -> TokenResponse:
    return TokenResponse(**{"access_token": Secret("new-at"), "expires_in": 900, **members})


@pytest.mark.parametrize(
    ("expires_at", "min_ttl", "needed"),
    [(1031, 30, False), (1030, 30, False), (1029, 30, True), (999, 0, True), (1000, 0, False), (None, 30, False)],
)
def test_a_refresh_is_needed_below_the_wanted_life(expires_at: int | None, min_ttl: int, needed: bool) -> None:
    end = None if expires_at is None else Instant(expires_at)
    tokens = SessionTokens(access_token=Secret("a"), access_expires_at=end, scope=())
    assert needs_refresh(tokens, NOW, min_ttl) is needed


@pytest.mark.parametrize(("expires_at", "live"), [(1001, True), (1000, False), (None, True)])
def test_a_token_lives_until_its_end(expires_at: int | None, live: bool) -> None:
    end = None if expires_at is None else Instant(expires_at)
    assert is_live(SessionTokens(access_token=Secret("a"), access_expires_at=end, scope=()), NOW) is live


@pytest.mark.spec("8707-cli")
def test_the_request_names_the_resource_and_keeps_the_scope() -> None:
    ask = build_refresh_ask(config_for(), METADATA, Secret("rt"), (API,), now=NOW, fresh_id=lambda: "jti-1")
    assert dict(ask.form or ()) == {"grant_type": "refresh_token", "refresh_token": "rt", "resource": API}


@pytest.mark.spec("6749-6-b")
def test_a_new_refresh_token_replaces_the_old_one() -> None:
    tokens = merge_tokens(OLD, response(refresh_token=Secret("new-rt"), id_token=Secret("new-id")), NOW)
    assert tokens.refresh_token == Secret("new-rt")
    assert tokens.id_token == Secret("new-id")
    assert (tokens.access_token, tokens.access_expires_at) == (Secret("new-at"), 1900)


@pytest.mark.spec("6749-6-b")
def test_the_old_refresh_token_stays_when_none_comes() -> None:
    tokens = merge_tokens(OLD, response(), NOW)
    assert (tokens.refresh_token, tokens.id_token) == (OLD.refresh_token, OLD.id_token)
    assert tokens.scope == OLD.scope


@pytest.mark.parametrize(
    ("status", "error", "final"),
    [(400, "invalid_grant", True), (400, "invalid_request", False), (401, "invalid_client", False)],
)
def test_only_invalid_grant_ends_the_grant(status: int, error: str, final: bool) -> None:
    with pytest.raises(RefreshFailed) as refused:
        read_refresh_answer(Answer(status, {}, json.dumps({"error": error}).encode()))
    assert refused.value.final is final


@pytest.mark.parametrize(
    "body", [b"<html>", b'{"token_type":"Bearer"}', b'{"access_token":"a","token_type":"mac"}']
)
def test_an_answer_that_makes_no_sense_ends_nothing(body: bytes) -> None:
    with pytest.raises(RefreshFailed) as refused:
        read_refresh_answer(Answer(200, {}, body))
    assert not refused.value.final


def test_a_provider_at_fault_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        read_refresh_answer(Answer(503, {}, b""))


@pytest.mark.spec("OC-12.2-b")
@pytest.mark.parametrize(
    ("iss", "sub", "taken"),
    [(ISSUER, "u1", True), (ISSUER, "u2", False), ("https://evil.test", "u1", False)],
    ids=["equal", "another subject", "another issuer"],
)
def test_a_refreshed_id_token_is_of_the_same_person(iss: str, sub: str, taken: bool) -> None:
    session = Session(
        id="s",
        issuer=Issuer(ISSUER),
        sub=Subject("u1"),
        claims={},
        created_at=NOW,
        seen_at=NOW,
        absolute_expires_at=Instant(2000),
        tokens=OLD,
    )
    id_token = IdToken(iss=Issuer(iss), sub=Subject(sub), aud=("web",), exp=Instant(1300), iat=NOW)
    if taken:
        check_refreshed_id_token(id_token, session, config_for())
        return
    with pytest.raises(RefreshFailed) as refused:
        check_refreshed_id_token(id_token, session, config_for())
    assert refused.value.final
