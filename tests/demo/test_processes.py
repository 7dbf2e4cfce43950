"""Parts as child processes."""

import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from proofkey.demo import processes
from proofkey.demo.processes import Part, environment_of, start, stop, watch
from proofkey.demo.setting_up import Demo, set_up
from proofkey.errors import ConfigurationError
from proofkey.findings import Finding
from proofkey.runtime.clock import CLOCK_FILE
from proofkey.testing.entropy import CountingEntropy
from tests.demo.process_kit import is_alive, wait_for
from tests.demo.small_demo import BEHAVIOURS, READY


@pytest.fixture
def demo(tmp_path: Path) -> Demo:
    return set_up(tmp_path, CountingEntropy(), usual_ports={"server": 0, "api": 0, "streamlit": 0})


@contextmanager
def part(program: str, log: Path | None = None) -> Generator[Part]:
    one = Part("api", [sys.executable, "-I", "-c", READY % "api" + program], {}, log)
    try:
        yield one
    finally:
        one.process.kill()
        one.process.wait()


def test_a_part_is_ready_when_it_says_so(tmp_path: Path) -> None:
    with part(BEHAVIOURS["serves"], tmp_path / "log") as one:
        assert one.wait_until_ready(threading.Event()) == {"event": "ready", "role": "api", "pid": one.process.pid}
    assert one.last_lines() == ["starting up"]


@pytest.mark.parametrize(
    ("program", "finding", "message"),
    [
        pytest.param(BEHAVIOURS["taken"], Finding.PORT_IN_USE, "[server] no", id="it said why"),
        pytest.param("raise SystemError", Finding.PART_FAILED, "it ended before it was ready", id="it crashed"),
        pytest.param("print('hello')", Finding.PART_FAILED, "it ended before it was ready", id="no JSON"),
        pytest.param("print('[1]')", Finding.PART_FAILED, "it ended before it was ready", id="no object"),
    ],
)
def test_a_part_that_does_not_start_gives_its_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, finding: Finding, message: str
) -> None:
    monkeypatch.setattr(processes, "GRACE", 0.01)
    with part(program, tmp_path / "log") as one, pytest.raises(ConfigurationError) as failed:
        one.wait_until_ready(threading.Event())
    assert failed.value.finding is finding
    assert failed.value.facts == {"part": "api", "message": message}


def test_a_part_that_says_nothing_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "START_WITHIN", 0.3)
    with part(BEHAVIOURS["hangs"], tmp_path / "log") as one, pytest.raises(ConfigurationError) as failed:
        one.wait_until_ready(threading.Event())
    assert failed.value.facts["message"] == "it was not ready within 0 seconds"


def test_nobody_waits_for_a_part_when_all_is_to_end() -> None:
    ended = threading.Event()
    ended.set()
    with part(BEHAVIOURS["hangs"]) as one:
        assert one.wait_until_ready(ended) is None


def test_a_part_that_ends_together_with_everything_is_no_failure(tmp_path: Path) -> None:
    ended = threading.Event()
    threading.Timer(0.2, ended.set).start()
    with part("", tmp_path / "log") as one:
        one.process.wait()
        assert one.wait_until_ready(ended) is None


def test_a_part_never_waits_for_somebody_who_reads_what_it_says(tmp_path: Path) -> None:
    with part("ready()\nprint('x' * 300_000)\n", tmp_path / "log") as one:
        one.wait_until_ready(threading.Event())
        assert one.process.wait(10) == 0


def test_only_the_end_of_a_long_log_is_shown(tmp_path: Path) -> None:
    with part(BEHAVIOURS["dies"], tmp_path / "log") as one:
        one.process.wait(10)
    assert len(one.last_lines()) == processes.LOG_LINES
    assert one.last_lines(2) == ["line 38 of [the log]", "line 39 of [the log]"]


def test_a_part_that_does_not_end_is_killed(tmp_path: Path) -> None:
    with (
        part(BEHAVIOURS["clings"], tmp_path / "log") as one,
        part(BEHAVIOURS["serves"], tmp_path / "other") as two,
    ):
        for each in (one, two):
            each.wait_until_ready(threading.Event())
        stop([one, two], within=0.3)
        assert (one.process.returncode, two.process.returncode) == (-9, 0)
    assert not is_alive(one.process.pid)


def test_whoever_watches_is_told_of_an_end_that_nobody_asked_for(tmp_path: Path) -> None:
    told: list[Part] = []
    with part("ready()\n", tmp_path / "log") as one:
        watch([one], threading.Event(), told.append)
        assert wait_for(lambda: told)
    assert told == [one]


def test_nobody_is_told_of_an_end_that_was_asked_for(tmp_path: Path) -> None:
    told: list[Part] = []
    ended = threading.Event()
    ended.set()
    with part("ready()\n", tmp_path / "log") as one:
        watch([one], ended, told.append)
        one.process.wait()
    assert not wait_for(lambda: told, 0.3)


def test_variables_of_the_caller_do_not_change_the_demonstration(demo: Demo) -> None:
    given = {
        "PATH": "/bin",
        "PROOFKEY_SERVER_ISSUER": "https://op.test",
        "PROOFKEY_LOGIN_SCOPE": "openid",
        "PROOFKEY_LOG_LEVEL": "debug",
        CLOCK_FILE: "another",
    }
    assert environment_of(demo, given) == {
        "PATH": "/bin",
        "PROOFKEY_LOG_LEVEL": "debug",
        CLOCK_FILE: str(demo.clock_file),
    }


def test_a_real_part_says_why_it_does_not_start(demo: Demo, tmp_path: Path) -> None:
    demo.config.write_text(demo.config.read_text().replace("[api]", "[api]\naudiense = 1"))
    one = start(demo, "api", tmp_path / "api.log")
    with pytest.raises(ConfigurationError) as failed:
        one.wait_until_ready(threading.Event())
    assert failed.value.finding is Finding.CONFIG_UNKNOWN_KEY
    assert "did you mean api.audience?" in failed.value.facts["message"]
    assert one.process.wait(10) == 2
