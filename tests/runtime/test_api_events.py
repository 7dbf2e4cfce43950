"""One structured event per refusal, and per admission where asked for."""

import io
import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from proofkey.errors import InsufficientScope, InvalidToken, ProofkeyError, Unavailable
from proofkey.findings import Finding
from proofkey.protocol.access_token import AccessToken, Confirmation
from proofkey.protocol.text import ClientId, Instant, Issuer, Subject
from proofkey.runtime import api_events
from proofkey.runtime.events import configure_logging

TOKEN: AccessToken = AccessToken(
    iss=Issuer("https://op.test"),
    sub=Subject("u1"),
    aud=("https://api.test",),
    client_id=ClientId("app"),
    exp=Instant(900),
    iat=Instant(0),
    jti="j1",
    scope=("orders:read", "orders:write"),
)
SCOPE: dict[str, Any] = {
    "type": "http",
    "method": "GET",
    "path": "/orders",
    "query_string": b"access_token=canary-query",
    "headers": [(b"authorization", b"Bearer canary-header"), (b"dpop", b"canary-proof")],
    "client": ("203.0.113.7", 4711),
}
HOSTILE = ["a\nb", "a\r\nb", "a\x00b", "a\x1b[31mb", "a\u2028b", "a\x85b", "a\u202eb", 'a" event="api.admitted']


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    root, own = logging.getLogger(), logging.getLogger("proofkey")
    before = (root.level, list(root.handlers), own.level)
    yield
    root.setLevel(before[0])
    root.handlers[:] = before[1]
    own.setLevel(before[2])


@pytest.fixture
def log() -> io.StringIO:
    stream = io.StringIO()
    configure_logging("debug", json=True, stream=stream)
    return stream


def the_record(log: io.StringIO) -> dict[str, Any]:
    (line,) = log.getvalue().splitlines()
    record: dict[str, Any] = json.loads(line)
    moment = datetime.fromisoformat(record.pop("time"))
    assert moment.tzinfo == UTC
    return record


@pytest.mark.spec("V16-16.3.1")
def test_a_refusal_has_name_time_caller_and_finding(log: io.StringIO) -> None:
    api_events.refused(SCOPE, InvalidToken(Finding.TOKEN_AUDIENCE, found="https://x.test"))
    assert the_record(log) == {
        "level": "info",
        "event": "api.refused",
        "finding": "AUD-03",
        "reason": Finding.TOKEN_AUDIENCE.sentence,
        "found": "https://x.test",
        "method": "GET",
        "path": "/orders",
        "peer": "203.0.113.7",
    }


@pytest.mark.spec("V16-16.3.1")
def test_a_refusal_after_the_proof_names_client_issuer_and_person(log: io.StringIO) -> None:
    api_events.refused(SCOPE, InsufficientScope(Finding.SCOPE_INSUFFICIENT, missing="admin"), TOKEN)
    record = the_record(log)
    assert (record["client_id"], record["issuer"], record["sub"]) == ("app", "https://op.test", "u1")
    assert record["missing"] == "admin"


def test_what_cannot_be_had_is_a_warning(log: io.StringIO) -> None:
    api_events.refused(SCOPE, Unavailable(Finding.BUSY))
    assert the_record(log)["level"] == "warning"


@pytest.mark.spec("V16-16.3.1")
def test_an_admission_says_who_did_what(log: io.StringIO) -> None:
    api_events.admitted(SCOPE, TOKEN, logged=True)
    assert the_record(log) == {
        "level": "info",
        "event": "api.admitted",
        "method": "GET",
        "path": "/orders",
        "peer": "203.0.113.7",
        "client_id": "app",
        "issuer": "https://op.test",
        "sub": "u1",
        "scope": "orders:read orders:write",
        "jti": "j1",
    }


def test_admissions_are_logged_where_asked_for(log: io.StringIO) -> None:
    api_events.admitted(SCOPE, TOKEN)
    assert log.getvalue() == ""


@pytest.mark.parametrize(
    ("cnf", "bound"), [(Confirmation(jkt="k"), "dpop"), (Confirmation(x5t_s256="c"), "mtls")], ids=["dpop", "mtls"]
)
def test_an_admission_says_what_binds_the_token(log: io.StringIO, cnf: Confirmation, bound: str) -> None:
    api_events.admitted(SCOPE, replace(TOKEN, cnf=cnf), logged=True)
    assert the_record(log)["bound"] == bound


def test_a_websocket_and_an_unknown_peer(log: io.StringIO) -> None:
    api_events.refused({"type": "websocket", "path": "/ws", "client": None}, InvalidToken(Finding.TOKEN_EXPIRED))
    record = the_record(log)
    assert record["method"] == "WEBSOCKET"
    assert "peer" not in record


@pytest.mark.spec("9700-4.9.3-a", "threats 2 row 24")
@pytest.mark.parametrize("as_json", [True, False], ids=["json", "console"])
def test_neither_headers_nor_query_are_ever_written(as_json: bool) -> None:
    stream = io.StringIO()
    configure_logging("debug", json=as_json, stream=stream)
    api_events.refused(SCOPE, InvalidToken(Finding.TOKEN_EXPIRED))
    api_events.admitted(SCOPE, TOKEN, logged=True)
    assert stream.getvalue().count("\n") == 2
    assert "canary" not in stream.getvalue()


def _in_the_path(text: str) -> tuple[dict[str, Any], ProofkeyError, AccessToken]:
    return {**SCOPE, "path": text}, InvalidToken(Finding.TOKEN_EXPIRED), TOKEN


def _in_the_method(text: str) -> tuple[dict[str, Any], ProofkeyError, AccessToken]:
    return {**SCOPE, "method": text}, InvalidToken(Finding.TOKEN_EXPIRED), TOKEN


def _in_a_fact(text: str) -> tuple[dict[str, Any], ProofkeyError, AccessToken]:
    return SCOPE, InvalidToken(Finding.TOKEN_KEY_UNKNOWN, kid=text), TOKEN


def _in_the_subject(text: str) -> tuple[dict[str, Any], ProofkeyError, AccessToken]:
    return SCOPE, InvalidToken(Finding.TOKEN_EXPIRED), replace(TOKEN, sub=Subject(text))


def _in_the_client(text: str) -> tuple[dict[str, Any], ProofkeyError, AccessToken]:
    return SCOPE, InvalidToken(Finding.TOKEN_EXPIRED), replace(TOKEN, client_id=ClientId(text), jti=text)


@pytest.mark.spec("V16-16.4.1", "threats 2 row 23")
@pytest.mark.parametrize("as_json", [True, False], ids=["json", "console"])
@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
@pytest.mark.parametrize(
    "where", [_in_the_path, _in_the_method, _in_a_fact, _in_the_subject, _in_the_client], ids=lambda f: f.__name__
)
def test_nothing_that_a_caller_sends_starts_another_record(where: Any, text: str, as_json: bool) -> None:
    stream = io.StringIO()
    configure_logging("info", json=as_json, stream=stream)
    scope, error, token = where(text)
    api_events.refused(scope, error, token)
    api_events.admitted(scope, token, logged=True)
    lines = stream.getvalue()
    assert len(lines.splitlines()) == lines.count("\n") == 2
    assert all(character.isprintable() for character in lines.replace("\n", ""))
    if as_json:
        assert [json.loads(line)["event"] for line in lines.splitlines()] == ["api.refused", "api.admitted"]
    else:
        assert [line.split()[2] for line in lines.splitlines()] == ["api.refused", "api.admitted"]


def test_what_is_long_is_cut(log: io.StringIO) -> None:
    scope = {**SCOPE, "path": "/" + "a" * 9000, "method": "M" * 9000, "client": ("h" * 9000, 1)}
    api_events.refused(scope, InvalidToken(Finding.TOKEN_KEY_UNKNOWN, kid="k" * 9000))
    assert len(log.getvalue()) < 2000
