"""Input that is no text, output that has no room, and keys that are none: one line, no traceback."""

import subprocess
import sys
from pathlib import Path

import pytest

from proofkey.cli.app import COMMANDS
from tests.cli.conftest import RunCli

BINARY = b"\xff\xfe\x00canary-5d1e"


@pytest.fixture
def binary(tmp_path: Path) -> str:
    file = tmp_path / "binary"
    file.write_bytes(BINARY)
    return str(file)


def run_it(command: str) -> subprocess.CompletedProcess[str]:
    shell = f"set -o pipefail; PATH={Path(sys.executable).parent}:$PATH; {command}"
    return subprocess.run(["bash", "-c", shell], capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["--client-secret-file", "{}"], id="client secret"),
        pytest.param(["--headless", "--username", "ann", "--password-file", "{}"], id="password"),
    ],
)
def test_a_secret_that_is_no_text_is_said_in_one_line(cli: RunCli, binary: str, arguments: list[str]) -> None:
    filled = [argument.replace("{}", binary) for argument in arguments]
    ran = cli("flow", "https://op.test", "--client-id", "a", *filled)
    assert ran.status == 2
    assert ran.err.startswith("error: ")
    assert ran.err.count("\n") == 1
    assert "UTF-8" in ran.err
    assert "SRV-01" not in ran.err
    assert "canary" not in ran.out + ran.err


def test_a_key_file_that_is_none_is_the_files_fault_and_not_the_issuers(cli: RunCli, binary: str) -> None:
    ran = cli("jwt", "verify", "--issuer", "https://op.test", "--audience", "a", "--jwks", binary, stdin="a.b.c")
    assert ran.status == 2
    assert "no JWK Set" in ran.err
    assert "CFG-02" in ran.err


@pytest.mark.parametrize("command", ["proofkey secret > /dev/full", "proofkey secret --json > /dev/full"])
def test_a_secret_that_cannot_be_written_is_one_line(command: str) -> None:
    ran = run_it(command)
    assert ran.returncode == 2
    assert ran.stderr.startswith("error: No space left on device")
    assert ran.stderr.count("\n") == 1


def test_a_reader_that_goes_away_is_no_error() -> None:
    ran = run_it("proofkey explain --json | head -c 1")
    assert ran.stdout == "["
    assert ran.stderr == ""


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_without_colours(
    cli: RunCli, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    ran = cli(command, "--help")
    assert ran.status == 0
    assert "Usage: proofkey" in ran.out
    assert "\x1b" not in ran.out
    assert ran.err == ""
