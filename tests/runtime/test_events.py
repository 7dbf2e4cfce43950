"""One line per event, and never a secret."""

import io
import json
import logging
from collections.abc import Iterator

import pytest

from proofkey.errors import InvalidGrant, ProofkeyError, Unavailable
from proofkey.findings import Finding
from proofkey.protocol.text import Secret
from proofkey.runtime.events import (
    UVICORN,
    configure_logging,
    correlated,
    emit,
    internal_error,
    refused,
)

CANARY = "canary-4c1f9a"


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """What a test configures is gone after it."""
    root, own = logging.getLogger(), logging.getLogger("proofkey")
    before = (root.level, list(root.handlers), own.level)
    yield
    root.setLevel(before[0])
    root.handlers[:] = before[1]
    own.setLevel(before[2])


@pytest.fixture
def log() -> io.StringIO:
    """Everything that any logger writes, as JSON lines at the most talkative level."""
    stream = io.StringIO()
    configure_logging("debug", json=True, stream=stream)
    return stream


def records(log: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in log.getvalue().splitlines()]


def test_an_event_is_one_json_object_with_time_level_name_finding_and_facts(log: io.StringIO):
    emit("token.issued", finding=Finding.CODE_USED, client_id="web", seconds=3, absent=None)
    (record,) = records(log)
    assert str(record.pop("time")).endswith("Z")
    assert record == {
        "level": "info", "event": "token.issued", "finding": "CODE-01", "client_id": "web", "seconds": 3,
    }  # fmt: skip


@pytest.mark.spec("V16-16.2.5", "threats 2 row 23")
@pytest.mark.parametrize("as_json", [True, False], ids=["json", "console"])
@pytest.mark.parametrize(
    "text",
    ["a\nb", "a\r\nb", "a\x00b", "a\x1b[31mb", "a\u2028b", "a\x85b", "a\u202eb", 'a" forged="1', "a\x0bb\x0cc"],
    ids=ascii,
)
def test_control_characters_never_start_another_record(as_json: bool, text: str):
    stream = io.StringIO()
    configure_logging("info", json=as_json, stream=stream)
    emit("sign_in.failed", username=text)
    emit(f"forged {text}")
    lines = stream.getvalue()
    assert lines.count("\n") == 2
    assert len(lines.splitlines()) == 2
    assert all(character.isprintable() for character in lines.replace("\n", ""))


def test_a_quote_does_not_end_a_fact_on_the_console():
    stream = io.StringIO()
    configure_logging("info", json=False, stream=stream)
    emit("sign_in.failed", username='ann" admin="yes')
    assert r'username="ann\" admin=\"yes"' in stream.getvalue()


@pytest.mark.spec("threats 2 row 24")
def test_a_secret_as_a_fact_is_a_mistake_of_the_programmer(log: io.StringIO):
    with pytest.raises(TypeError, match="code is a Secret"):
        emit("code.used", code=Secret(CANARY))  # type: ignore[arg-type]  # the mistake under test
    with pytest.raises(TypeError):
        emit("x", error=ValueError(CANARY))  # type: ignore[arg-type]  # the mistake under test
    assert CANARY not in log.getvalue()


def test_a_secret_is_refused_even_when_the_level_is_off():
    configure_logging("error", json=True, stream=io.StringIO())
    with pytest.raises(TypeError):
        emit("x", level="debug", code=Secret(CANARY))  # type: ignore[arg-type]  # the mistake under test


@pytest.mark.parametrize(
    ("error", "level"),
    [
        (InvalidGrant(Finding.CODE_EXPIRED, client_id="web"), "info"),
        (Unavailable(Finding.BUSY, pool="passwords"), "warning"),
    ],
)
def test_a_refusal_is_logged_with_its_finding_and_facts(log: io.StringIO, error: ProofkeyError, level: str):
    refused("token.refused", error, peer="127.0.0.1")
    (record,) = records(log)
    assert record["level"] == level
    assert record["finding"] == error.finding.id
    assert record["reason"] == error.finding.sentence
    assert record["peer"] == "127.0.0.1"
    assert error.facts.items() <= record.items()


@pytest.mark.spec("threats 2 row 24")
def test_an_internal_error_shows_types_and_places_but_no_text(log: io.StringIO):
    def broken() -> None:
        try:
            raise KeyError(CANARY)
        except KeyError as error:
            raise ValueError(f"password {CANARY}") from error

    with pytest.raises(ValueError, match="password") as caught:
        broken()
    correlation = internal_error("request.failed", caught.value, lambda: "abcdefghijklmnopq", path="/token")
    (record,) = records(log)
    assert correlation == "abcdefghijkl" == record["correlation"]
    assert record["error"] == "ValueError < KeyError"
    assert "test_events.py" in str(record["where"])
    assert record["level"] == "error"
    assert CANARY not in log.getvalue()


def test_the_lines_of_one_request_carry_its_id(log: io.StringIO):
    with correlated("r1"):
        emit("one")
        assert internal_error("two", ValueError()) == "r1"
    emit("three")
    assert [record.get("correlation") for record in records(log)] == ["r1", "r1", None]


@pytest.mark.spec("threats 2 row 24")
@pytest.mark.parametrize(
    "name", ["uvicorn.access", "httpx", "httpx2", "httpcore.connection", "httpcore2.http11", "sqlalchemy.engine"]
)
def test_loggers_that_write_urls_headers_or_statements_are_silent(log: io.StringIO, name: str):
    logging.getLogger(name).info("GET /auth/callback?code=%s", CANARY)
    logging.getLogger(name).debug("set-cookie: %s", CANARY)
    assert not log.getvalue()


@pytest.mark.spec("threats 2 row 24")
def test_a_foreign_traceback_loses_its_text(log: io.StringIO):
    try:
        raise RuntimeError(CANARY)
    except RuntimeError:
        logging.getLogger("uvicorn.error").exception("Exception in ASGI application\n")
    (record,) = records(log)
    assert record["event"] == "uvicorn.error"
    assert record["error"] == "RuntimeError"
    assert CANARY not in log.getvalue()


def test_a_foreign_warning_is_one_line(log: io.StringIO):
    logging.getLogger("somebody.else").warning("two\nlines")
    (record,) = records(log)
    assert record["message"] == "two\nlines"


def test_facts_cannot_replace_what_every_line_has(log: io.StringIO):
    emit("real", time="x", event="forged")
    (record,) = records(log)
    assert (record["event"], record["event_"], record["time_"]) == ("real", "forged", "x")


def test_a_long_fact_is_cut(log: io.StringIO):
    emit("x", text="y" * 10_000)
    assert len(str(records(log)[0]["text"])) == 501


def test_the_level_decides_what_is_written():
    stream = io.StringIO()
    configure_logging("warning", json=True, stream=stream)
    emit("quiet")
    emit("loud", level="warning")
    assert [record["event"] for record in records(stream)] == ["loud"]


def test_configuring_again_writes_each_line_once(log: io.StringIO):
    configure_logging("info", json=True, stream=log)
    emit("x")
    assert len(records(log)) == 1


@pytest.mark.spec("threats 2 row 16")
def test_a_log_that_cannot_be_written_breaks_nothing():
    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(28, "No space left on device")

    configure_logging("info", json=True, stream=Full())
    emit("x")


def test_without_configuration_the_message_itself_holds_the_facts(caplog: pytest.LogCaptureFixture):
    with caplog.at_level("INFO", logger="proofkey"):
        emit("token.issued", finding=Finding.CODE_USED, username="a\nb")
    assert "token.issued finding=CODE-01 username=a\\nb" in caplog.text


def test_uvicorn_is_told_to_leave_the_log_alone():
    import uvicorn

    stream = io.StringIO()
    configure_logging("info", json=True, stream=stream)
    uvicorn.Config(app="x:y", **UVICORN).configure_logging()
    logging.getLogger("uvicorn.access").info("GET /?code=%s", CANARY)
    logging.getLogger("uvicorn.error").info("Started")
    assert [record["message"] for record in records(stream)] == ["Started"]
