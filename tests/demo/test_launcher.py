"""The launcher with small parts: what it says, and how everything ends together."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.demo import small_demo
from tests.demo.process_kit import Terminal, children, is_alive, terminal, wait_for

SMALL = [sys.executable, str(Path(small_demo.__file__))]


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Without a terminal, to its end."""
    return subprocess.run(
        [*SMALL, str(folder), *words],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env={"PATH": "/bin"},
    )


def parts_of(shown: Terminal, count: int = 3) -> list[int]:
    assert wait_for(lambda: len(children(shown.process.pid)) == count)
    return children(shown.process.pid)


def all_gone(pids: list[int]) -> bool:
    return wait_for(lambda: not any(is_alive(pid) for pid in pids), 5)


@pytest.mark.spec("providers §3(b)")
def test_the_panel_says_where_everything_is_and_who_may_sign_in(tmp_path: Path) -> None:
    with terminal([*SMALL, str(tmp_path)]) as shown:
        shown.read_until("to quit.")
        panel = [" ".join(line.split()) for line in shown.seen.splitlines() if line.startswith("  ")]
        shown.press("q")
        assert shown.wait() == 0
    assert panel == [
        "Identity provider http://localhost:9000 users: ann (admin) · bob"
        " — password shown once: brave-otter-river-41",
        "API http://127.0.0.1:8000/docs",
        "Streamlit http://127.0.0.1:8501 try: sign in as bob → the report is refused (403)",
        "Everything is local. Press t for a token, c to move the clock, q to quit.",
    ]
    assert shown.seen.count("brave-otter") == 1


@pytest.mark.parametrize("how", ["q", "Ctrl-C", "SIGTERM", "the window is closed"])
def test_everything_ends_together(tmp_path: Path, how: str) -> None:
    with terminal([*SMALL, str(tmp_path)]) as shown:
        shown.read_until("to quit.")
        parts = parts_of(shown)
        if how == "SIGTERM":
            shown.process.send_signal(signal.SIGTERM)
        elif how == "the window is closed":
            shown.hang_up()
        else:
            shown.press({"Ctrl-C": "\x03"}.get(how, how))
        assert shown.wait() == 0
    assert all_gone(parts)
    assert "error" not in shown.seen


def test_ctrl_c_ends_a_start_too(tmp_path: Path) -> None:
    with terminal([*SMALL, str(tmp_path), "streamlit=hangs"]) as shown:
        shown.read_until("starting the api")
        parts = parts_of(shown)
        shown.press("\x03")
        assert shown.wait() == 0
    assert all_gone(parts)
    assert "error" not in shown.seen
    assert "Identity provider" not in shown.seen


def test_the_terminal_is_left_as_it_was(tmp_path: Path) -> None:
    script = f"stty -a > {tmp_path}/before; {' '.join(SMALL)} {tmp_path}; stty -a > {tmp_path}/after"
    with terminal(["sh", "-c", script]) as shown:
        shown.read_until("to quit.")
        shown.press("q")
        assert shown.wait() == 0
    assert (tmp_path / "before").read_text() == (tmp_path / "after").read_text() != ""


def test_a_key_that_was_pressed_early_counts(tmp_path: Path) -> None:
    with terminal([*SMALL, str(tmp_path)]) as shown:
        shown.press("cq")
        assert shown.wait() == 0
    assert (tmp_path / "clock").read_text() == "1200\n"


def test_each_c_moves_the_clock_by_another_20_minutes(tmp_path: Path) -> None:
    (tmp_path / "clock").write_text("60\n")
    with terminal([*SMALL, str(tmp_path)]) as shown:
        shown.read_until("to quit.")
        shown.press("xcC?")
        shown.read_until("41 minutes ahead")
        assert "21 minutes ahead" in shown.seen
        assert (tmp_path / "clock").read_text() == "2460\n"
        shown.press("q")
        assert shown.wait() == 0


def test_without_a_terminal_no_keys_are_promised(tmp_path: Path) -> None:
    command = [*SMALL, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as demo:
        assert demo.stdout is not None
        panel = ""
        while "Everything is local" not in panel:
            line = demo.stdout.readline()
            assert line, panel
            panel += line
        demo.send_signal(signal.SIGINT)
        assert demo.wait(20) == 0
    assert "Everything is local. Ctrl-C ends it." in panel
    assert "Press" not in panel


# --- parts that fail ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["server", "streamlit"])
def test_a_part_that_dies_ends_everything_and_shows_the_end_of_its_log(tmp_path: Path, role: str) -> None:
    with terminal([*SMALL, str(tmp_path), f"{role}=dies"]) as shown:
        assert shown.wait() == 1
    shown_log = [line for line in shown.seen.splitlines() if line.startswith("  line ")]
    assert f"error: the {role} part ended by itself (status 3)" in shown.seen
    assert shown_log == [f"  line {number} of [the log]" for number in range(25, 40)]


def test_a_part_that_was_killed_is_told_of_too(tmp_path: Path) -> None:
    with terminal([*SMALL, str(tmp_path)]) as shown:
        shown.read_until("to quit.")
        parts = parts_of(shown)
        subprocess.run(["kill", "-9", str(parts[1])], check=True)
        assert shown.wait() == 1
    assert "part ended by itself (status -9)" in shown.seen
    assert all_gone(parts)


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [("refuses", "error: the api part: [server] no (CFG-02)"), ("crashes", "SystemError: a bug")],
)
def test_a_part_that_does_not_start_is_told_of_in_its_own_words(
    tmp_path: Path, behaviour: str, words: str
) -> None:
    ran = run(tmp_path, f"api={behaviour}")
    assert ran.returncode == 2
    assert words in ran.stderr
    assert "  starting up" in ran.stderr
    assert "brave-otter" not in ran.stdout + ran.stderr


@pytest.mark.spec("interfaces: demo")
def test_programs_get_the_refusal_as_one_json_line(tmp_path: Path) -> None:
    ran = run(tmp_path, "--ready-json", "api=refuses")
    lines = [json.loads(line) for line in ran.stdout.splitlines()]
    assert ran.returncode == 2
    assert lines == [{"event": "error", "finding": "CFG-02", "message": "[server] no"}]


@pytest.mark.spec("interfaces: demo")
def test_programs_see_a_part_that_dies_by_the_exit_status(tmp_path: Path) -> None:
    ran = run(tmp_path, "--ready-json", "streamlit=dies")
    assert ran.returncode == 1
    assert [json.loads(line)["role"] for line in ran.stdout.splitlines()] == ["server", "api", "streamlit", "demo"]
    assert "the streamlit part ended by itself" in ran.stderr
    assert "line 39 of [the log]" in ran.stderr


def test_a_port_that_somebody_took_meanwhile_is_replaced(tmp_path: Path) -> None:
    ran = run(tmp_path, "--ready-json", "api=taken_once", "streamlit=dies")
    assert [json.loads(line)["role"] for line in ran.stdout.splitlines()] == ["server", "api", "streamlit", "demo"]
    assert (tmp_path / "was_taken").exists()
    assert json.loads(ran.stdout.splitlines()[-1])["api"] == "http://127.0.0.1:0"  # any free one


def test_it_gives_up_when_ports_are_taken_again_and_again(tmp_path: Path) -> None:
    ran = run(tmp_path, "api=taken")
    assert ran.returncode == 2
    assert ran.stderr.count("starting the api") == 3
    assert ran.stderr.count("(CFG-05)") == 1
