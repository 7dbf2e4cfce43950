"""The pages in `docs/`: their code runs, their commands exist, their links lead somewhere."""

import re
import shlex
import tomllib
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from fastapi.testclient import TestClient
from typer.main import get_command

from proofkey.cli.app import COMMANDS
from proofkey.runtime.entropy import system_entropy
from proofkey.testing.issuer import LocalIssuer
from proofkey.testing.tokens_for import TokensFor
from tests.docs.blocks import ROOT
from tests.docs.pages import DOCS, PAGES, new_lines, page_blocks, read_page, run_page


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the reader works: the secrets that the blocks name are there."""
    for name in ("web.secret", "introspection.secret", "exchange.secret", "nonces.key"):
        (tmp_path / name).write_text(system_entropy() + "\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("name", [name for name in PAGES if page_blocks(name, "python")])
def test_the_code_of_a_page_runs_from_top_to_bottom(name: str) -> None:
    run_page(name)


@pytest.mark.parametrize("name", [name for name in PAGES if page_blocks(name, "toml")])
def test_configuration_is_toml(name: str) -> None:
    for _, text in page_blocks(name, "toml"):
        assert tomllib.loads(text)


def named_commands(name: str) -> list[list[str]]:
    lines = [
        line
        for _, code in page_blocks(name, "console")
        for line in code.replace("\\\n", " ").splitlines()
        if line.startswith("$")
    ]
    shown = [*(words for line in lines for words in re.findall(r"proofkey [^<>;)|&]+", line))]
    inline = re.findall(r"`(proofkey [^`]+)`", read_page(name).partition("## ")[2] or read_page(name))
    return [shlex.split(words) for words in (*shown, *inline)]


@pytest.mark.parametrize("name", PAGES)
def test_every_command_and_option_that_it_names_is_one(name: str) -> None:
    for _, command_name, *words in named_commands(name):
        assert command_name in COMMANDS, (name, command_name)
        command: Any = get_command(import_module(f"proofkey.cli.{command_name}").app)
        while hasattr(command, "commands") and words and words[0] in command.commands:
            command = command.commands[words.pop(0)]
        assert not hasattr(command, "commands") or not words or words[0].startswith("-"), (name, words)
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word.partition("=")[0] for word in words if word.startswith("--")} <= known, (name, words)


@pytest.mark.parametrize("name", PAGES)
def test_every_link_leads_somewhere(name: str) -> None:
    for target, anchor in re.findall(r"\]\(([^)#\s]*)(?:#([^)\s]+))?\)", read_page(name)):
        if "://" in target:
            continue
        file = (DOCS / target).resolve() if target else DOCS / name
        assert file.is_file(), target
        if anchor:
            assert anchor in anchors(file), (target, anchor)


def anchors(file: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^a-z0-9 _-]", "", heading.lower()).replace(" ", "-") for heading in headings}


# --- mcp.md ------------------------------------------------------------------------------------------------------


def test_the_mcp_page_shows_the_example() -> None:
    """That program is driven by the SDK's own client in tests/mcp."""
    ((_, shown),) = page_blocks("mcp.md", "python")
    example = (ROOT / "examples" / "mcp_server.py").read_text(encoding="utf-8").partition('"""\n\n')[2]
    here = shown.replace("https://id.example.com", "http://localhost:9000")
    assert here.replace("https://mcp.example.com/mcp", "http://localhost:8000/mcp") == example


# --- migrate-from-pyjwt.md ---------------------------------------------------------------------------------------


def test_the_migrated_program_works(issuer: LocalIssuer, token_for: TokensFor) -> None:
    ((_, diff),) = page_blocks("migrate-from-pyjwt.md", "diff")
    module = ModuleType("migrated")
    exec(compile(new_lines(diff), "docs/migrate-from-pyjwt.md", "exec"), module.__dict__)
    client = TestClient(module.app)
    with issuer.stand_in_for(module.api):
        headers = token_for(scope="orders:read", sub="ann")
        assert client.get("/orders", headers=headers).json() == ["an order of ann"]
        assert client.get("/orders").status_code == 401
