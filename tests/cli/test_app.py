"""The root command: lazy, and never a traceback."""

import subprocess
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

import pytest
import typer

from proofkey import __version__
from proofkey.cli import app as root
from proofkey.cli.output import new_app
from proofkey.errors import ConfigurationError
from proofkey.findings import Finding
from tests.cli.conftest import RunCli

CANARY = "canary-91"


def plant(monkeypatch: pytest.MonkeyPatch, error: BaseException | None = None, result: object = None) -> None:
    """Puts a command `probe` in, which raises or returns that."""
    app = new_app()

    @app.command()
    def probe() -> object:
        if error is not None:
            raise error
        return result

    module = ModuleType("proofkey.cli.secret")
    module.__spec__ = ModuleSpec("proofkey.cli.secret", None)
    module.app = app  # type: ignore[attr-defined]  # a module made for the test
    monkeypatch.setitem(sys.modules, "proofkey.cli.secret", module)


def test_the_version_goes_to_stdout(cli: RunCli):
    ran = cli("--version")
    assert (ran.status, ran.out, ran.err) == (0, f"proofkey {__version__}\n", "")


def test_help_names_every_command_that_is_there(cli: RunCli):
    ran = cli("--help")
    assert ran.status == 0
    for name in ("secret", "pkce", "jwt", "explain"):
        assert f" {name} " in ran.out
        assert root.COMMANDS[name].help in ran.out


def test_nothing_asked_shows_the_help_and_is_a_usage_error(cli: RunCli):
    ran = cli()
    assert ran.status == 2
    assert "Usage: proofkey" in ran.out + ran.err


def test_a_command_whose_module_is_missing_breaks_no_other(cli: RunCli, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(root.COMMANDS, "not_there", root.Entry("Nothing."))
    assert "not_there" not in cli("--help").out
    assert cli("not_there").status == 2
    assert cli("secret").status == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["secre"], "Did you mean 'secret'"),
        (["secret", "--nope"], "No such option"),
        (["secret", "--bytes", "x"], "--bytes"),
        (["secret", "too", "many"], "unexpected extra argument"),
        (["jwt", "nope"], "No such command"),
    ],
)
def test_a_usage_error_is_one_line_on_stderr_and_status_2(cli: RunCli, arguments: list[str], says: str):
    ran = cli(*arguments)
    assert ran.status == 2
    assert ran.out == ""
    assert ran.err.count("\n") == 1
    assert ran.err.startswith("error: ")
    assert says in ran.err
    assert "fix: proofkey" in ran.err


def test_a_refusal_is_one_line_with_its_id_facts_and_fix(cli: RunCli, monkeypatch: pytest.MonkeyPatch):
    plant(monkeypatch, ConfigurationError(Finding.CONFIG_UNKNOWN_KEY, key="a\nb\x1b[31m", did_you_mean="ab"))
    ran = cli("secret")
    assert ran.status == 2
    assert ran.err == (
        "error: The configuration has a setting that is not known: key=a\\nb\\x1b[31m, did you mean ab? (CFG-01)"
        " fix: Correct the name.\n"
    )


def test_a_missing_package_is_one_line_that_names_the_extra(cli: RunCli, monkeypatch: pytest.MonkeyPatch):
    plant(monkeypatch, ModuleNotFoundError("No module named 'uvicorn'", name="uvicorn.config"))
    ran = cli("secret")
    assert ran.status == 2
    assert ran.err.count("\n") == 1
    assert 'package=uvicorn, install=pip install "proofkey[server]" (CFG-06)' in ran.err


def test_a_command_that_cannot_be_imported_names_its_extra(cli: RunCli, monkeypatch: pytest.MonkeyPatch):
    def fail(name: str) -> ModuleType:
        raise ModuleNotFoundError(name=f"somebody.{name}")

    monkeypatch.setitem(root.COMMANDS, "secret", root.Entry("x", "demo"))
    monkeypatch.setattr("proofkey.cli.app.importlib.import_module", fail)
    ran = cli("secret")
    assert ran.status == 2
    assert 'pip install "proofkey[demo]"' in ran.err


@pytest.mark.spec("threats 2 row 24")
@pytest.mark.parametrize("error", [ValueError(CANARY), KeyError(CANARY), RecursionError(CANARY)], ids=repr)
def test_whatever_breaks_nobody_sees_a_traceback_or_the_text(
    cli: RunCli, monkeypatch: pytest.MonkeyPatch, error: Exception
):
    plant(monkeypatch, error)
    ran = cli("secret")
    assert ran.status == 2
    assert "Traceback" not in ran.err
    assert CANARY not in ran.out + ran.err
    assert "(SRV-01)" in ran.err


def test_a_file_that_cannot_be_opened_is_one_line(cli: RunCli, monkeypatch: pytest.MonkeyPatch):
    plant(monkeypatch, PermissionError(13, "Permission denied", "/etc/key"))
    ran = cli("secret")
    assert (ran.status, ran.err) == (
        2,
        "error: Permission denied: /etc/key. fix: check the path and its permissions.\n",
    )


def test_ctrl_c_ends_quietly(cli: RunCli, monkeypatch: pytest.MonkeyPatch):
    plant(monkeypatch, KeyboardInterrupt())
    ran = cli("secret")
    assert (ran.status, ran.out, ran.err) == (130, "", "")


@pytest.mark.parametrize("status", [0, 1, 2])
def test_a_commands_own_status_is_kept(cli: RunCli, monkeypatch: pytest.MonkeyPatch, status: int):
    plant(monkeypatch, typer.Exit(status))
    assert cli("secret").status == status


def test_a_reader_that_goes_away_is_no_error():
    ran = subprocess.run(
        [f"{sys.executable} -m proofkey explain | true; exit ${{PIPESTATUS[0]}}"],
        shell=True,
        executable="/bin/bash",
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in ran.stderr
    assert ran.stderr == ""


def test_python_m_proofkey_is_the_same_command():
    command = [sys.executable, "-m", "proofkey", "explain", "nope"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    assert ran.stderr.startswith("error: ")
