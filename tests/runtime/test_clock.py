"""The door to the time."""

from pathlib import Path

import pytest

from proofkey.errors import ConfigurationError
from proofkey.runtime.clock import CLOCK_FILE, ShiftedClock, SystemClock, check_clock_file, system_clock


@pytest.fixture
def frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's clocks stand at 1000 and 50."""
    monkeypatch.setattr("proofkey.runtime.clock.time.time", lambda: 1000.9)
    monkeypatch.setattr("proofkey.runtime.clock.time.monotonic", lambda: 50.0)


@pytest.mark.usefixtures("frozen")
def test_the_system_clock_gives_whole_seconds():
    assert SystemClock().now() == 1000
    assert SystemClock().monotonic() == 50.0


@pytest.mark.usefixtures("frozen")
def test_the_file_moves_both_clocks_and_is_read_again_when_it_changes(tmp_path: Path):
    file = tmp_path / "shift"
    file.write_text("1200\n")
    shifted = ShiftedClock(file)
    assert (shifted.now(), shifted.monotonic()) == (2200, 1250.0)
    file.write_text("32400")
    assert (shifted.now(), shifted.monotonic()) == (33400, 32450.0)


@pytest.mark.spec("threats 2 row 8")
@pytest.mark.usefixtures("frozen")
def test_the_monotonic_clock_does_not_follow_the_file_back(tmp_path: Path):
    file = tmp_path / "shift"
    file.write_text("1200")
    shifted = ShiftedClock(file)
    assert shifted.monotonic() == 1250.0
    file.write_text("-300.5")
    assert shifted.now() == 700
    assert shifted.monotonic() == 1250.0


@pytest.mark.usefixtures("frozen")
def test_a_file_that_is_being_written_leaves_the_last_value(tmp_path: Path):
    file = tmp_path / "shift"
    shifted = ShiftedClock(file)
    assert shifted.now() == 1000
    file.write_text("60")
    assert shifted.now() == 1060
    file.write_text("6x")
    assert shifted.now() == 1060
    file.unlink()
    assert shifted.now() == 1060


def test_the_process_clock_is_shifted_only_when_the_variable_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    monkeypatch.delenv(CLOCK_FILE, raising=False)
    assert isinstance(system_clock(), SystemClock)
    assert not caplog.text
    monkeypatch.setenv(CLOCK_FILE, str(tmp_path / "shift"))
    assert isinstance(system_clock(), ShiftedClock)
    assert "clock.shifted" in caplog.text


@pytest.mark.parametrize("hosts", [["127.0.0.1"], ["::1"], ["[::1]", "localhost"], []])
def test_the_clock_file_is_taken_while_everything_is_bound_to_loopback(hosts: list[str]):
    check_clock_file(hosts, {CLOCK_FILE: "shift"})


@pytest.mark.parametrize("hosts", [["0.0.0.0"], ["::"], ["127.0.0.1", "10.0.0.1"], ["op.test"], [""]])
def test_the_clock_file_is_refused_when_anything_else_is_bound(hosts: list[str]):
    with pytest.raises(ConfigurationError) as caught:
        check_clock_file(hosts, {CLOCK_FILE: "shift"})
    assert caught.value.facts["key"] == CLOCK_FILE
    check_clock_file(hosts, {})
    check_clock_file(hosts, {CLOCK_FILE: ""})
