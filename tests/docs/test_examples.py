"""The examples are programs that work."""

import re
import shlex
import shutil
import signal
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from streamlit.testing.v1 import AppTest

from proofkey.runtime.entropy import system_entropy
from proofkey.testing.issuer import LocalIssuer
from proofkey.testing.server import free_port, serving
from proofkey.testing.session import LoginAs
from proofkey.testing.streamlit_apptest import as_user
from proofkey.testing.tokens_for import TokensFor, bearer
from tests.docs.blocks import ROOT
from tests.docs.test_readme import first_answer

API_URL = "https://api.example.com"


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy, so that stores are not made in the repository."""
    copy = tmp_path_factory.mktemp("copy") / "examples"
    shutil.copytree(ROOT / "examples", copy, ignore=shutil.ignore_patterns("*.db*", "__pycache__"))
    return copy


def load(file: Path) -> Any:
    spec = spec_from_file_location(f"example_{file.stem}", file)
    assert spec is not None
    assert spec.loader is not None
    made = module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def test_every_example_is_listed_and_tested_here(examples: Path) -> None:
    files = {str(file.relative_to(examples)) for file in examples.rglob("*.py")}
    pages = {"streamlit/app.py", "streamlit/page.py"}
    embedding = {f"embedding/{name}.py" for name in ("claims", "consent", "people", "pages")}
    alone = {"api.py", "flask_api.py", "mcp_server.py", "web.py", "own_provider.py"}
    assert files - pages == alone | embedding
    listed = (examples / "README.md").read_text()
    assert all(f"`{name}`" in listed for name in (*(files - pages), "streamlit/"))


@pytest.mark.parametrize(
    "name",
    [
        *("api.py", "web.py", "own_provider.py", "streamlit/app.py"),
        *(f"embedding/{name}.py" for name in ("claims", "consent", "people", "pages")),
    ],
)
def test_the_line_in_its_docstring_starts_it(examples: Path, name: str) -> None:
    line = re.match(r'""".*: `uvicorn (\w+):app( --port \d+)?`\."""\n', (examples / name).read_text())
    assert line
    assert line[1] == Path(name).stem


def test_the_api(examples: Path, issuer: LocalIssuer, token_for: TokensFor) -> None:
    made = load(examples / "api.py")
    client = TestClient(made.app)
    with issuer.stand_in_for(made.api):
        headers = token_for(scope="orders:read", sub="ann", roles=["admin"])
        assert client.get("/orders", headers=headers).json() == ["an order of ann"]
        assert client.get("/report", headers=headers).json() == {"orders": 1}
        assert client.get("/report", headers=token_for(roles=["clerk"])).status_code == 403
        assert client.get("/orders", headers=token_for()).status_code == 403
        assert client.get("/orders").status_code == 401


def test_the_api_on_flask(examples: Path, issuer: LocalIssuer, token_for: TokensFor) -> None:
    made = load(examples / "flask_api.py")
    client = made.app.test_client()
    with issuer.stand_in_for(made):
        answer = client.get("/orders", headers=token_for(scope="orders:read", sub="ann"))
        assert (answer.status_code, answer.json) == (200, ["an order of ann"])
        bad: list[dict[str, str]] = [{}, bearer("x"), bearer("a, Bearer b"), token_for()]
        refused = [client.get("/orders", headers=headers) for headers in bad]
        assert [answer.status_code for answer in refused] == [401, 401, 400, 403]
        challenges = [answer.headers["WWW-Authenticate"] for answer in refused]
        assert challenges[0] == "Bearer"
        assert 'error="invalid_token"' in challenges[1]
        assert 'error="insufficient_scope"' in challenges[3]
        assert 'scope="orders:read"' in challenges[3]
    issuer.transport.down.add(issuer.url)
    with issuer.stand_in_for(made):
        down = client.get("/orders", headers=token_for(scope="orders:read"))
        assert (down.status_code, down.headers["Retry-After"]) == (503, "2")


def test_the_web_app_calls_the_api_for_whoever_is_signed_in(
    examples: Path, issuer: LocalIssuer, login_as: LoginAs
) -> None:
    api = load(examples / "api.py")
    with issuer.stand_in_for(api.api), serving(api.app) as url:
        file = examples / "web_here.py"
        text = (examples / "web.py").read_text()
        assert f'login.api(session, "{API_URL}")' in text
        file.write_text(text.replace(f'session, "{API_URL}"', f'session, "{url}"'))
        web = load(file)
        file.unlink()
        with TestClient(web.app, base_url=web.login.public_url, follow_redirects=False) as browser:
            assert browser.get("/orders").status_code == 401
            browser.cookies.update(login_as(web.login, sub="ann", scopes=["orders:read"], claims={"name": "Ann"}))
            assert browser.get("/me").json() == {"name": "Ann"}
            assert browser.get("/orders").json() == ["an order of ann"]
        assert "orders:read" in web.login.config.scope


def test_the_provider_in_an_app_of_one_s_own(examples: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROOFKEY_SERVER_MASTER_KEY", system_entropy())
    made = load(examples / "own_provider.py")
    with TestClient(made.app, base_url="http://localhost:9000") as client:
        discovery = client.get("/").json()["provider"]
        metadata = client.get(discovery).json()
        assert metadata["issuer"] == "http://localhost:9000/idp"
        assert client.get(metadata["jwks_uri"].removeprefix("http://localhost:9000")).json()["keys"]
    assert (examples / "own_provider.db").is_file()


def test_the_streamlit_app_asks_for_a_login(examples: Path, tmp_path: Path) -> None:
    port = free_port()
    line = (examples / "streamlit" / "app.py").read_text().split("`")[1].replace("8501", str(port))
    command = [sys.executable, "-m", *shlex.split(line)]
    log = tmp_path / "log"
    with (
        log.open("w") as out,
        subprocess.Popen(command, cwd=examples / "streamlit", stdout=out, stderr=out) as server,
    ):
        try:
            answer = first_answer(f"http://127.0.0.1:{port}/", log)
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(20)
    assert answer.status_code == 303
    assert "/auth/login?next=/" in answer.headers["location"]


def test_the_page_shows_the_orders(examples: Path, issuer: LocalIssuer, tmp_path: Path) -> None:
    api = load(examples / "api.py")
    with issuer.stand_in_for(api.api), serving(api.app) as url:
        page = tmp_path / "page.py"
        page.write_text((examples / "streamlit" / "page.py").read_text().replace(API_URL, url))
        at = AppTest.from_file(str(page), default_timeout=20)
        as_user(at, name="Ann", scopes=["orders:read"], token=issuer.token_for(scope="orders:read", sub="ann"))
        at.run()
    assert not at.exception
    assert at.title[0].value == "Hello Ann"
    assert at.dataframe[0].value.to_numpy().tolist() == [["an order of ann"]]
