"""`protect` itself: what it refuses, what it warns of, and what `streamlit run` makes of it."""

import json
import logging
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
import streamlit as st
from starlette.types import Receive, Scope, Send
from streamlit import config
from streamlit.web.server.app_discovery import discover_asgi_app

from proofkey.errors import ConfigurationError, ProofkeyError
from proofkey.findings import Finding
from proofkey.streamlit import Login, protect, protection
from proofkey.streamlit.allowed import AllowedApis
from proofkey.streamlit.gate import Gate
from proofkey.streamlit.guard import Guard
from proofkey.streamlit.quiet import WithoutQuery
from proofkey.streamlit.streamlit_config import check_streamlit_config
from proofkey.testing.clock import TurnedClock

PAGE = Path(__file__).parent / "pages" / "page.py"
ROOT = Path(__file__).parents[2]


def login() -> Login:
    return Login(
        issuer="https://op.test",
        client_id="web",
        client_secret="0123456789abcdefghijklmnopqrstuv",
        public_url="http://127.0.0.1:8501",
        audience="https://api.test",
    )


@pytest.fixture
def options() -> Iterator[dict[str, object]]:
    """Options of Streamlit that a test may change."""
    names = (
        "server.enableCORS",
        "server.enableXsrfProtection",
        "server.trustedUserHeaders",
        "server.baseUrlPath",
    )
    before = {name: config.get_option(name) for name in names}
    yield before
    for name, value in before.items():
        config.set_option(name, value, "<streamlit>")


def test_protect_makes_an_app_whose_login_needs_no_provider() -> None:
    app = protect(PAGE, login=login())
    assert isinstance(app, st.App)
    arguments = protection(login=login(), secrets={"database": {"host": "h"}})
    assert arguments["secrets"]["database"] == {"host": "h"}
    section = arguments["secrets"]["auth"]
    assert section["redirect_uri"] == "http://127.0.0.1:8501/oauth2callback"
    assert len(section["cookie_secret"]) == 43
    assert "0123456789" not in json.dumps(section)
    other = protection(login=login())["secrets"]["auth"]
    assert other["cookie_secret"] != section["cookie_secret"]


@pytest.mark.spec("ST-12")
@pytest.mark.parametrize(
    ("name", "value", "finding"),
    [
        ("server.enableCORS", False, Finding.STREAMLIT_PROTECTION_OFF),
        ("server.enableXsrfProtection", False, Finding.STREAMLIT_PROTECTION_OFF),
        ("server.trustedUserHeaders", {"X-User": "email"}, Finding.STREAMLIT_TWO_IDENTITIES),
    ],
)
@pytest.mark.usefixtures("options")
def test_the_start_is_refused_when(name: str, value: object, finding: Finding) -> None:
    config.set_option(name, value)
    with pytest.raises(ConfigurationError) as caught:
        check_streamlit_config()
    assert caught.value.finding is finding
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("options")
def test_a_plain_configuration_is_fine(caplog: pytest.LogCaptureFixture) -> None:
    check_streamlit_config()
    assert caplog.records == []


@pytest.mark.usefixtures("options")
def test_a_base_path_below_a_mount_is_warned_of_once(caplog: pytest.LogCaptureFixture) -> None:
    config.set_option("server.baseUrlPath", "dash")
    door = Gate(login(), AllowedApis([]), TurnedClock())
    with caplog.at_level(logging.WARNING, "proofkey"):
        assert door.base_path("") == "dash"
        assert caplog.text == ""
        door.base_path("/dash")
        door.base_path("/dash")
    assert caplog.text.count("STL-04") == 1


@pytest.mark.parametrize(
    ("base", "allowed"),
    [
        ("https://api.test", True),
        ("https://API.test:443/", True),
        ("https://api.test/orders", True),
        ("https://api.test.evil.test", False),
        ("https://api.test@evil.test", False),
        ("http://api.test", False),
        ("https://other.test/v1", True),
        ("https://other.test/v1/", True),
        ("https://other.test/v1/x", True),
        ("https://other.test/v10", False),
        ("https://other.test", False),
        ("/v1", False),
        ("", False),
    ],
)
def test_the_token_may_go_to(base: str, allowed: bool) -> None:
    apis = AllowedApis(["https://api.test", "https://other.test/v1"])
    if allowed:
        apis.check(base)
        return
    with pytest.raises(ProofkeyError) as caught:
        apis.check(base)
    assert caught.value.finding is Finding.API_NOT_ALLOWED


def test_an_api_that_is_no_web_address_is_refused_at_the_start() -> None:
    with pytest.raises(ConfigurationError):
        protection(login=login(), api_urls=["http://api.test"])


def test_request_lines_lose_their_query() -> None:
    arguments = ("127.0.0.1:1", "GET", "/auth/callback?code=secret&state=x", "1.1", 303)
    record = logging.LogRecord("uvicorn.access", logging.INFO, "", 1, '%s - "%s %s HTTP/%s" %d', arguments, None)
    assert WithoutQuery().filter(record)
    assert record.getMessage() == '127.0.0.1:1 - "GET /auth/callback HTTP/1.1" 303'


# --- streamlit run -----------------------------------------------------------------------------------------------
_APP = """
import streamlit as st
from starlette.types import Receive, Scope, Send
from proofkey.streamlit import Login, protect, protection
login = Login(issuer="https://op.test", client_id="web", client_secret="0123456789abcdefghijklmnopqrstuv",
              public_url="http://127.0.0.1:8501")
"""


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ('app = st.App("page.py", **protection(login=login))', True),
        ('app = protect("page.py", login=login)', False),
    ],
)
def test_streamlit_run_knows_an_app_by_its_spelling(tmp_path: Path, line: str, found: bool) -> None:
    (tmp_path / "app.py").write_text(_APP + line)
    assert discover_asgi_app(tmp_path / "app.py").is_asgi_app is found


def test_a_file_that_streamlit_takes_for_a_page_says_what_to_write(tmp_path: Path) -> None:
    from streamlit.testing.v1 import AppTest

    (tmp_path / "app.py").write_text(f'{_APP}app = protect("page.py", login=login)')
    at = AppTest.from_file(str(tmp_path / "app.py"), default_timeout=20).run()
    assert at.exception[0].value.startswith("STL-05")
    assert "st.App(" in at.exception[0].value


@pytest.mark.parametrize(
    ("line", "command"),
    [
        (
            'app = st.App("page.py", **protection(login=login))',
            "-m streamlit run app.py --server.port {port} --server.headless true --server.address 127.0.0.1",
        ),
        (
            'app = protect("page.py", login=login)\nif __name__ == "__main__":\n'
            '    app.run(config={"server.port": PORT, "server.headless": True, "server.address": "127.0.0.1"})',
            "app.py",
        ),
        ('app = protect("page.py", login=login)', "-m uvicorn app:app --port {port}"),
    ],
    ids=["streamlit run", "python", "uvicorn"],
)
def test_the_guard_stands_under(tmp_path: Path, line: str, command: str) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (tmp_path / "page.py").write_text("import streamlit as st\nst.write('secret')\n")
    (tmp_path / "app.py").write_text(f"PORT = {port}\n{_APP}{line}")
    url = f"http://127.0.0.1:{port}"
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, *command.format(port=port).split()],
            cwd=tmp_path,
            stdout=log,
            stderr=log,
            env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "STREAMLIT_BROWSER_GATHER_USAGE_STATS": "false"},
        )
    try:
        for _ in range(300):
            try:
                answer = httpx2.get(f"{url}/", headers={"accept": "text/html"}, trust_env=False)
                break
            except httpx2.TransportError:
                time.sleep(0.1)
        else:
            raise AssertionError((tmp_path / "log").read_text())
        assert answer.status_code == 303
        assert answer.headers["location"] == "http://127.0.0.1:8501/auth/login?next=/"
        assert httpx2.get(f"{url}/_stcore/health", trust_env=False).status_code == 200
        assert httpx2.get(f"{url}/media/x", trust_env=False).status_code == 401
    finally:
        process.terminate()
        process.wait(20)


@pytest.mark.usefixtures("options")
def test_the_agent_interface_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    try:
        before = config.get_option("server.enableAgentApi")
    except RuntimeError:  # Streamlit before 1.67 has none
        check_streamlit_config()
        return
    config.set_option("server.enableAgentApi", True)
    try:
        with caplog.at_level(logging.WARNING, "proofkey"):
            check_streamlit_config()
    finally:
        config.set_option("server.enableAgentApi", before)
    assert "STL-03" in caplog.text


@pytest.mark.usefixtures("options")
async def test_a_bad_configuration_refuses_every_request_where_no_lifespan_runs() -> None:
    config.set_option("server.enableCORS", False)
    guard = Guard(_never, Gate(login(), AllowedApis([]), TurnedClock()))
    transport = httpx2.ASGITransport(guard)
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8501") as client:
        with pytest.raises(ConfigurationError):
            await client.get("/_stcore/health")


async def _never(scope: Scope, receive: Receive, send: Send) -> None:
    raise AssertionError("the app must not be reached")
