"""What is loaded for what: lists of modules, not times."""

import json
import subprocess
import sys

from proofkey.protocol.text import decode_base64url

HEAVY = {
    "rich", "pydantic_settings", "cryptography", "joserfc", "httpx2", "anyio", "starlette", "fastapi",
    "streamlit", "uvicorn", "sqlalchemy", "jinja2", "argon2", "zxcvbn", "asyncio", "pytest",
}  # fmt: skip
"""Packages that small commands do without; pydantic is not among them, for Typer parses arguments with it."""

LIST_AFTER = """
import json, sys
before = set(sys.modules)
{code}
json.dump(sorted({{name.partition(".")[0] for name in set(sys.modules) - before}}), sys.stderr)
"""


def loaded_by(code: str) -> set[str]:
    """The top-level modules that a fresh interpreter loads for that code."""
    command = [sys.executable, "-c", LIST_AFTER.format(code=code)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(json.loads(ran.stderr))


def test_importing_the_package_loads_the_standard_library_only():
    loaded = loaded_by("import proofkey")
    assert loaded - {"proofkey"} <= sys.stdlib_module_names


def test_importing_findings_and_errors_loads_the_standard_library_only():
    loaded = loaded_by("import proofkey.errors, proofkey.findings, proofkey.protocol.text, proofkey.protocol.pkce")
    assert loaded - {"proofkey"} <= sys.stdlib_module_names


def test_a_bare_secret_loads_the_standard_library_only():
    loaded = loaded_by("from proofkey.cli import main\nsys.argv = ['proofkey', 'secret']\nmain()")
    assert loaded - {"proofkey"} <= sys.stdlib_module_names


def test_a_bare_secret_is_what_the_command_would_give():
    command = [sys.executable, "-m", "proofkey", "secret"]
    bare = subprocess.run(command, capture_output=True, text=True, check=True)
    parsed = subprocess.run([*command, "--bytes", "32"], capture_output=True, text=True, check=True)
    assert [len(decode_base64url(ran.stdout.removesuffix("\n"))) for ran in (bare, parsed)] == [32, 32]
    assert bare.stderr == parsed.stderr == ""


def test_the_secret_command_with_options_loads_the_argument_parser_and_little_else():
    loaded = loaded_by("from proofkey.cli.app import run\nassert run(['secret', '--json']) == 0")
    assert not loaded & HEAVY
    assert "typer" in loaded


def test_the_other_small_commands_do_without_frameworks_too():
    loaded = loaded_by("from proofkey.cli.app import run\nassert run(['pkce']) == 0\nassert run(['explain']) == 0")
    assert not loaded & HEAVY


def test_the_list_of_heavy_modules_would_notice():
    assert "rich" in loaded_by("import rich")
