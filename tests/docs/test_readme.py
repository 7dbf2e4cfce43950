"""README's code is code that works."""

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.request import urlopen

import httpx2
import pytest
from fastapi.testclient import TestClient
from streamlit.testing.v1 import AppTest
from typer.main import get_command

from proofkey.cli.app import COMMANDS
from proofkey.runtime.entropy import system_entropy
from proofkey.testing.issuer import LocalIssuer
from proofkey.testing.server import free_port, serving
from proofkey.testing.session import LoginAs
from proofkey.testing.streamlit_apptest import as_anonymous, as_user
from proofkey.testing.tokens_for import TokensFor
from tests.docs.blocks import README, ROOT, blocks, the_block

pytest_plugins = ["pytester"]

API = "Protect an API"
LOGIN = "Sign a browser in"
STREAMLIT = "Streamlit that calls the API"
OWN = "Your own identity provider"
TESTS = "Test your application"
API_URL = "https://api.example.com"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the reader works: the secrets that the blocks name are there."""
    for name in ("web.secret", "dashboard.secret"):
        (tmp_path / name).write_text(system_entropy() + "\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def shell() -> dict[str, str]:
    """The environment of a reader who has installed the package, and nothing else of ours."""
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("PROOFKEY_")},
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }


def module(code: str, name: str) -> ModuleType:
    """The block, run."""
    made = ModuleType(name)
    exec(compile(code, f"README.md ({name})", "exec"), made.__dict__)
    return made


# --- python ------------------------------------------------------------------------------------------------------


def test_every_section_has_its_block() -> None:
    assert [len(blocks("python", heading)) for heading in (API, LOGIN, STREAMLIT, TESTS)] == [1, 1, 2, 1]
    assert len(blocks("python")) == 5


@pytest.mark.parametrize("heading", [API, LOGIN, STREAMLIT])
def test_a_quick_start_is_short(heading: str) -> None:
    for code in blocks("python", heading):
        assert len([line for line in code.splitlines() if line and "import" not in line]) <= 13


def test_the_types_are_right(tmp_path: Path) -> None:
    for number, code in enumerate(blocks("python")[:4]):
        (tmp_path / f"block_{number}.py").write_text(code)
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file", str(ROOT / "pyproject.toml")]
    command += ["--cache-dir", str(ROOT / ".mypy_cache"), *map(str, sorted(tmp_path.glob("*.py")))]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.spec("6750-3-b")
def test_the_api_answers_as_the_text_says(issuer: LocalIssuer, token_for: TokensFor) -> None:
    made = module(the_block("python", API), "api")
    with issuer.stand_in_for(made.api):
        client = TestClient(made.app)
        assert client.get("/orders", headers=token_for(scope="orders:read")).json() == ["an order of u1"]
        anonymous = client.get("/orders")
        bad = client.get("/orders", headers=token_for(scope="orders:read", aud="https://other.example.com"))
        lacking = client.get("/orders", headers=token_for(scope="profile"))
    assert [answer.status_code for answer in (anonymous, bad, lacking)] == [401, 401, 403]
    assert "error" not in anonymous.headers["www-authenticate"]
    assert 'error="invalid_token"' in bad.headers["www-authenticate"]
    assert 'error="insufficient_scope"' in lacking.headers["www-authenticate"]


def test_the_log_line_that_the_text_quotes_is_the_finding() -> None:
    from proofkey.findings import find

    quoted = re.findall(r"`([A-Z]+-\d+) ([^`]+)`", README)
    assert quoted
    for id_, sentence in quoted:
        finding = find(id_)
        assert finding is not None
        assert finding.sentence == sentence


@pytest.mark.usefixtures("folder")
def test_the_web_app_knows_who_is_signed_in(login_as: LoginAs) -> None:
    made = module(the_block("python", LOGIN), "web")
    with TestClient(made.web, base_url=made.login.public_url, follow_redirects=False) as browser:
        assert browser.get("/me").status_code == 401
        assert browser.get("/me", headers={"accept": "text/html"}).headers["location"].startswith("/auth/login")
        browser.cookies.update(login_as(made.login, claims={"name": "Ann"}))
        assert browser.get("/me").json() == {"name": "Ann"}


def streamlit_run_spelling(code: str) -> str:
    """The block with the last line that the text gives for `streamlit run`."""
    spelling = re.search(r"`app = (st\.App\([^`]+)`", README)
    assert spelling
    changed = code.replace("import Login, protect", "import Login, protection")
    assert 'protect("page.py", login=login)' in changed
    return "import streamlit as st\n" + changed.replace('protect("page.py", login=login)', spelling[1])


@pytest.mark.parametrize(
    ("spell", "command"),
    [
        (str, "uvicorn app:app --port {port}"),
        (streamlit_run_spelling, "streamlit run app.py --server.port {port} --server.headless true"),
    ],
    ids=["uvicorn", "streamlit run"],
)
def test_the_streamlit_app_is_behind_the_login(
    folder: Path, shell: dict[str, str], spell: Callable[[str], str], command: str
) -> None:
    assert command.partition(" --")[0] in README
    (folder / "page.py").write_text(the_block("python", STREAMLIT, 1))
    (folder / "app.py").write_text(spell(the_block("python", STREAMLIT)))
    port = free_port()
    words = shlex.split(command.format(port=port))
    with (folder / "log").open("w") as log, subprocess.Popen(words, env=shell, stdout=log, stderr=log) as server:
        try:
            answer = first_answer(f"http://127.0.0.1:{port}/", (folder / "log"))
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(20)
    assert answer.status_code == 303
    assert answer.headers["location"].endswith("/auth/login?next=/")


def first_answer(url: str, log: Path) -> httpx2.Response:
    """What a browser without a session gets as soon as somebody answers."""
    for _ in range(200):
        try:
            return httpx2.get(url, headers={"accept": "text/html", "sec-fetch-mode": "navigate"}, trust_env=False)
        except httpx2.TransportError:
            time.sleep(0.1)
    raise AssertionError(log.read_text())


def test_the_page_shows_what_the_api_of_the_first_block_gives(issuer: LocalIssuer, folder: Path) -> None:
    made = module(the_block("python", API), "api")
    with issuer.stand_in_for(made.api), serving(made.app) as url:
        (folder / "page.py").write_text(the_block("python", STREAMLIT, 1).replace(API_URL, url))
        at = AppTest.from_file(str(folder / "page.py"), default_timeout=20)
        token = issuer.token_for(scope="orders:read", sub="ann")
        as_user(at, sub="ann", name="Ann", scopes=["orders:read"], token=token)
        at.run()
        assert not at.exception
        assert at.title[0].value == "Hello Ann"
        assert at.dataframe[0].value.to_numpy().tolist() == [["an order of ann"]]
        assert at.button[0].label == "Log out"
        fake = as_anonymous(at)
        at.run()
        assert (fake.redirect, list(at.title)) == ("/auth/login?next=/", [])


@pytest.mark.usefixtures("folder")
def test_the_tests_that_it_shows_pass(pytester: pytest.Pytester) -> None:
    main = the_block("python", API) + "\n\n" + the_block("python", LOGIN)
    for name in ("web.secret", "dashboard.secret"):
        (pytester.path / name).write_text(system_entropy())
    pytester.makepyfile(main=main, test_main=the_block("python", TESTS))
    pytester.runpytest_inprocess("-p", "no:randomly", "-p", "no:cacheprovider", "-W", "error").assert_outcomes(
        passed=2
    )


# --- the shell ---------------------------------------------------------------------------------------------------


def commands(heading: str) -> list[str]:
    """The commands of the section's console block, each with its continuation lines or its here-document."""
    found: list[str] = []
    for line in the_block("console", heading).splitlines():
        if line.startswith("$ "):
            found.append(line[2:])
        else:
            found[-1] += "\n" + line
    return found


@pytest.mark.spec("issue 2: quick starts")
def test_the_own_provider_is_set_up_by_the_lines_as_they_stand(tmp_path: Path, shell: dict[str, str]) -> None:
    port = str(free_port())
    *preparing, serve = [line.replace("9000", port) for line in commands(OWN)]
    said: list[str] = []
    for line in preparing:
        ran = subprocess.run(
            ["bash", "-ec", line], cwd=tmp_path, env=shell, capture_output=True, text=True, timeout=60, check=False
        )
        assert ran.returncode == 0, (line, ran.stderr)
        assert "warning" not in ran.stderr
        assert "secret_file_open" not in ran.stderr
        said.append(ran.stdout)
    assert said[2].startswith("password ")
    assert "client_secret = " in said[3]
    with subprocess.Popen(
        shlex.split(serve), cwd=tmp_path, env=shell, stderr=subprocess.PIPE, text=True
    ) as server:
        assert server.stderr is not None
        told = ""
        while "Ctrl-C" not in told:
            line = server.stderr.readline()
            assert line, told
            told += line
        with urlopen(f"http://localhost:{port}/.well-known/openid-configuration", timeout=10) as answer:
            assert f'"issuer":"http://localhost:{port}"' in answer.read().decode().replace(": ", ":")
        server.send_signal(signal.SIGINT)
        assert server.wait(20) == 0
    assert "No users yet" not in told
    assert "No clients yet" not in told


def named_commands() -> list[list[str]]:
    lines = [line for code in blocks("console") for line in code.replace("\\\n", " ").splitlines() if "$" in line]
    named = [words for line in lines for words in re.findall(r"proofkey [^<>;)]+", line)]
    return [shlex.split(words) for words in (*named, *re.findall(r"`(proofkey [^`]+)`", README))]


def test_every_command_and_every_option_that_it_names_is_one() -> None:
    assert len(named_commands()) >= 9
    for _, name, *words in named_commands():
        assert name in COMMANDS
        command: Any = get_command(import_module(f"proofkey.cli.{name}").app)
        if hasattr(command, "commands"):
            command = command.commands[words[0]]
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= known, (name, words)


def test_every_file_that_it_links_to_is_there() -> None:
    links = re.findall(r"\]\(([^)#]+)\)|src=\"([^\"]+)\"", README)
    targets = [one or other for one, other in links]
    assert len(targets) >= 6
    for target in targets:
        if "://" not in target:
            assert (ROOT / target).is_file(), target


def test_every_make_target_that_it_names_is_one() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"\bmake ([a-z]+)", "\n".join(blocks("console"))):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)
