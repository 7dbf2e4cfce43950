"""`proofkey demo` as a whole: once in front of a person, once in front of a program."""

import json
import re
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from proofkey.runtime.clock import CLOCK_FILE
from proofkey.testing.demo_process import running_demo
from proofkey.testing.server import ServerFailed
from tests.demo.process_kit import children, is_alive, terminal, wait_for

pytestmark = [pytest.mark.xdist_group("whole demo"), pytest.mark.timeout(180)]

DEMO = [sys.executable, "-m", "proofkey", "demo"]
CURL = re.compile(r"curl -H '(Authorization): (Bearer [\w.-]+)' (http://127\.0\.0\.1:[0-9]+/orders)")


@dataclass(frozen=True)
class Seen:
    """What a person saw and pressed."""

    panel: str
    first_token: str
    after_the_clock: str
    second_token: str
    orders: list[list[dict[str, Any]]]
    clock: str
    status: int
    parts: list[int]
    folders: tuple[set[Path], set[Path]]


def folders() -> set[Path]:
    return set(Path(tempfile.gettempdir()).glob("proofkey-demo-*"))


def call(shown: str) -> list[dict[str, Any]]:
    """Runs the curl line that is shown."""
    found = CURL.search(shown)
    assert found, shown
    with urlopen(Request(found[3], headers={found[1]: found[2]}), timeout=10) as answer:
        orders: list[dict[str, Any]] = json.load(answer)
    return orders


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """One demonstration from its start to q."""
    clock = tmp_path_factory.mktemp("person") / "clock"
    clock.write_text("0")
    before = folders()
    with terminal([*DEMO, "--no-browser"], **{CLOCK_FILE: str(clock)}) as shown:
        panel = shown.read_until("to quit.", 90)
        parts = children(shown.process.pid)
        during = folders()
        shown.press("t")
        first = shown.read_until("/orders")
        orders = [call(first)]
        shown.press("c")
        moved = shown.read_until("by itself.")
        shown.press("t")
        second = shown.read_until("/orders")
        orders.append(call(second))
        shown.press("q")
        status = shown.wait()
        return Seen(
            panel, first, moved, second, orders, clock.read_text(), status, parts, (during - before, folders())
        )


@pytest.mark.spec("providers §3(b)")
def test_a_person_sees_the_panel(seen: Seen) -> None:
    assert re.search(
        r"  Identity provider   http://localhost:\d+     users: ann \(admin\) · bob"
        r" — password shown once: ([a-z]+-){4}\d\d\n"
        r"  API                 http://127\.0\.0\.1:\d+/docs\n"
        r"  Streamlit           http://127\.0\.0\.1:\d+     try: sign in as bob → the report is refused \(403\)\n"
        r"  Everything is local\. Press t for a token, c to move the clock, q to quit\.",
        seen.panel,
    )


@pytest.mark.spec("9068-4-a")
def test_t_gives_a_line_that_the_api_answers_with_orders_even_when_the_clock_was_moved(seen: Seen) -> None:
    assert "good for 15 minutes" in seen.first_token
    assert [len(orders) for orders in seen.orders] == [4, 4]
    assert seen.orders[0][0]["item"] == "Field notebook, dotted"
    assert CURL.findall(seen.first_token) != CURL.findall(seen.second_token)


def test_c_moves_the_clock_of_every_part_by_20_minutes(seen: Seen) -> None:
    assert seen.clock == "1200\n"
    assert "20 minutes ahead" in seen.after_the_clock


def test_q_ends_everything_and_leaves_nothing(seen: Seen) -> None:
    made, left = seen.folders
    assert seen.status == 0
    assert len(seen.parts) == 3
    assert wait_for(lambda: not any(is_alive(part) for part in seen.parts), 5)
    assert len(made) >= 1
    assert not made & left


@pytest.mark.spec("interfaces: demo")
def test_a_program_gets_the_lines_of_the_interface_and_ends_it_with_sigterm(tmp_path: Path) -> None:
    command = [*DEMO, "--no-browser", "--ready-json"]
    log = tmp_path / "log"
    with log.open("w") as talk, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=talk, text=True) as demo:
        assert demo.stdout is not None
        lines = [json.loads(demo.stdout.readline()) for _ in range(4)]
        parts = children(demo.pid)
        demo.send_signal(signal.SIGTERM)
        rest = demo.stdout.read()
        status = demo.wait(25)
    last = lines.pop()
    assert (status, rest) == (0, "")
    assert [list(line) for line in lines] == [["event", "role", "pid", "url", "public_url"]] * 3
    assert [(line["event"], line["role"]) for line in lines] == [
        ("ready", "server"),
        ("ready", "api"),
        ("ready", "streamlit"),
    ]
    assert sorted(line["pid"] for line in lines) == parts
    assert list(last) == ["event", "role", "issuer", "api", "streamlit", "users"]
    assert (last["event"], last["role"]) == ("ready", "demo")
    assert [last["issuer"], last["api"], last["streamlit"]] == [line["public_url"] for line in lines]
    assert [user["username"] for user in last["users"]] == ["ann", "bob"]
    assert len({user["password"] for user in last["users"]}) == 1
    said = log.read_text()
    assert last["users"][0]["password"] not in said
    for noise in ("Uvicorn running", "Application startup", "HTTP/1.1", "GET /", "Shutting down"):
        assert noise not in said
    assert all(line.startswith("{") for line in said.splitlines())


def test_the_helper_for_tests_says_why_there_is_no_demonstration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", "/bin/false")
    with pytest.raises(ServerFailed, match=r"demo\.log"), running_demo(tmp_path / "demo.log"):
        pass
