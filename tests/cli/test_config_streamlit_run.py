"""The files of `proofkey config streamlit` in a real Streamlit: st.login at our server, the token at an API."""

import os
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx2
import pytest

from proofkey.protocol.text import Secret
from proofkey.runtime.verifier import Verifier
from proofkey.testing.headless import HeadlessBrowser
from proofkey.testing.server import free_port, running_server, write_server_config
from proofkey.testing.streamlit_session import StreamlitSession
from tests.cli.conftest import RunCli

API = "https://api.test"
SECRET = "Hq7vXc2Lr9Zt4Mw8Np1Sk6Fb3GyTaEuIoRiVhWnDsQj"
PASSWORD = "brave otter, quiet river"
PAGE = """
import streamlit as st

if not st.user.is_logged_in:
    st.login("proofkey")
else:
    st.write("token", st.user.tokens["access"])
"""
START_SECONDS = 60


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@contextmanager
def running_streamlit(project: Path, url: str) -> Generator[None]:
    """`streamlit run page.py` in the project's folder, until the end of the block."""
    command = [sys.executable, "-m", "streamlit", "run", "page.py", "--server.headless", "true"]
    with (project / "streamlit.log").open("w") as log:
        process = subprocess.Popen(command, cwd=project, stdout=log, stderr=log, env={**os.environ})
    with process:
        try:
            began = time.monotonic()
            while not _healthy(url):
                assert process.poll() is None, (project / "streamlit.log").read_text()
                assert time.monotonic() - began < START_SECONDS
                time.sleep(0.2)
            yield
        finally:
            process.terminate()


def _healthy(url: str) -> bool:
    try:
        return httpx2.get(f"{url}/_stcore/health", trust_env=False).status_code == 200
    except httpx2.TransportError:
        return False


@pytest.mark.spec("ST-1", "ST-2", "ST-3", "ST-4", "ST-13", "8707-cli")
async def test_st_login_at_our_server_gives_a_token_for_the_api(
    cli: RunCli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    op_port, app_port = free_port(), free_port()
    issuer, app = f"http://127.0.0.1:{op_port}", f"http://localhost:{app_port}"
    client = {
        "client_id": "dash",
        "client_secret": SECRET,
        "redirect_uris": [f"{app}/oauth2callback"],
        "post_logout_redirect_uris": [f"{app}/oauth2callback"],
        "scope": "openid profile email orders:read",
        "skip_consent": True,
    }
    server = {
        "issuer": issuer,
        "resources": [{"identifier": API, "scopes": ["orders:read"]}],
        "clients": [client],
        "users": [{"username": "ann", "password": PASSWORD, "sub": "u1"}],
    }
    operator, project = tmp_path / "op", tmp_path / "app"
    operator.mkdir()
    project.mkdir()
    (project / "page.py").write_text(PAGE)
    monkeypatch.chdir(project)
    words = ("--issuer", issuer, "--client-id", "dash", "--public-url", app, "--audience", API)
    assert cli("config", "streamlit", "proofkey", *words, "--scope", "orders:read", stdin=SECRET).status == 0

    with (
        running_server(write_server_config(operator, server), port=op_port),
        running_streamlit(project, app),
        httpx2.Client(timeout=20, follow_redirects=False, trust_env=False) as http,
    ):
        async with StreamlitSession(app) as tab:
            await tab.run()
            assert tab.auth_redirect
        away = http.get(urljoin(app, tab.auth_redirect)).headers["location"]
        query = parse_qs(urlsplit(away).query)
        assert (query["code_challenge_method"], query["resource"]) == (["S256"], [API])
        assert query["prompt"] == ["select_account"]
        back = HeadlessBrowser(http).authorize(
            away, redirect_uri=f"{app}/oauth2callback", username="ann", password=Secret(PASSWORD)
        )
        assert http.get(back).status_code == 302
        cookies = {cookie.name: str(cookie.value) for cookie in http.cookies.jar if "streamlit" in cookie.name}
        async with StreamlitSession(app, cookies=cookies) as tab:
            await tab.run()
            token = next(word for text in tab.texts for word in text.split() if word.count(".") == 2)
        proven = await Verifier(issuer=issuer, audience=API).verify(token)
        assert (proven.sub, proven.client_id) == ("u1", "dash")
        assert "orders:read" in proven.scope
        check_logout(app, issuer, http)


def check_logout(app: str, issuer: str, browser: httpx2.Client) -> None:
    """`st.logout` ends the sign-in here and comes back to the application, by its callback."""
    away = browser.get(f"{app}/auth/logout").headers["location"]
    assert away.startswith(f"{issuer}/end-session")
    told = parse_qs(urlsplit(away).query)
    assert told["post_logout_redirect_uri"] == [f"{app}/oauth2callback"]
    back = browser.get(away)
    assert (back.status_code, back.headers["location"].partition("?")[0]) == (303, f"{app}/oauth2callback")
    home = browser.get(back.headers["location"])
    assert (home.status_code, urljoin(app, home.headers["location"])) == (302, f"{app}/")
    silent = browser.get(silent_request(issuer, app)).headers["location"]
    assert parse_qs(urlsplit(silent).query)["error"] == ["login_required"]


def silent_request(issuer: str, app: str) -> str:
    """Answered by a code while somebody is signed in there."""
    asked = {
        "response_type": "code",
        "client_id": "dash",
        "redirect_uri": f"{app}/oauth2callback",
        "scope": "openid",
        "prompt": "none",
        "state": "a-state",
        "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        "code_challenge_method": "S256",
    }
    return f"{issuer}/authorize?{httpx2.QueryParams(asked)}"
