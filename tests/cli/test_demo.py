"""`proofkey demo`: what it refuses, in one line."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from proofkey.demo.setting_up import set_up
from proofkey.runtime.clock import CLOCK_FILE
from proofkey.testing.entropy import CountingEntropy
from tests.cli.conftest import RunCli

pytestmark = pytest.mark.usefixtures("plain_logging")


@pytest.fixture
def plain_logging() -> Iterator[None]:
    """The logging of this process as it was."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def edited(tmp_path: Path, old: str = "", new: str = "") -> Path:
    demo = set_up(tmp_path, CountingEntropy(), usual_ports={"server": 0, "api": 0, "streamlit": 0})
    text = demo.config.read_text()
    assert old in text
    demo.config.write_text(text.replace(old, new))
    return demo.config


@pytest.mark.spec("interfaces: demo")
@pytest.mark.parametrize(
    ("role", "old", "new", "finding", "words"),
    [
        ("web", "[login]", "[login]\nclientid = 1", "CFG-01", "did you mean login.client_id?"),
        ("web", "api_url", "# api_url", "CFG-03", "login.api_url"),
        ("web", "[login]", "[log]\nlevel = 'info'\n[logi]", "CFG-01", "logi"),
        ("web", "streamlit.secret", "none.secret", "CFG-07", "none.secret"),
        ("streamlit", "api_url", "# api_url", "CFG-03", "login.api_url"),
        ("api", 'audience = "http://127', 'audience_ = "http://127', "CFG-01", "audience"),
        ("api", 'issuer = "http://localhost', 'issuer = "http://op.test', "TLS-01", "https"),
    ],
)
def test_a_wrong_configuration_is_refused_in_one_line(
    cli: RunCli, tmp_path: Path, role: str, old: str, new: str, finding: str, words: str
) -> None:
    config = edited(tmp_path, old, new)
    ran = cli("demo", "--only", role, "--config", str(config), "--port", "0", "--ready-json")
    said = json.loads(ran.out)
    assert ran.status == 2
    assert (said["event"], said["finding"]) == ("error", finding)
    assert words in said["message"]
    assert "Traceback" not in ran.err


def test_a_person_gets_the_refusal_as_one_line(cli: RunCli, tmp_path: Path) -> None:
    ran = cli("demo", "--only", "web", "--config", str(edited(tmp_path, "api_url", "# api_url")))
    assert (ran.status, ran.out, len(ran.err.splitlines())) == (2, "", 1)


@pytest.mark.parametrize("options", [["--config", "proofkey.toml"], ["--port", "0"]])
def test_options_of_a_part_are_refused_for_the_whole(cli: RunCli, options: list[str]) -> None:
    ran = cli("demo", *options)
    assert (ran.status, ran.out) == (2, "")
    assert "--only" in ran.err


def test_a_turned_clock_is_for_loopback_only(cli: RunCli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CLOCK_FILE, str(tmp_path / "clock"))
    options = ["--host", "0.0.0.0", "--port", "0", "--ready-json"]
    ran = cli("demo", "--only", "api", "--config", str(edited(tmp_path)), *options)
    assert ran.status == 2
    assert json.loads(ran.out)["finding"] == "CFG-02"
