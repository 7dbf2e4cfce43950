"""Servers under test: one process each, on free loopback ports."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx2
import pytest

from proofkey.testing.streamlit_session import StreamlitSession

ROOT = Path(__file__).parents[2]
NAVIGATE = {
    "accept": "text/html",
    "sec-fetch-mode": "navigate",
    "sec-fetch-dest": "document",
    "sec-fetch-site": "none",
}


@dataclass
class Browser:
    """Cookies, redirects and tabs of one person's browser."""

    server: "Server"
    client: httpx2.Client
    set_cookies: list[str] = field(default_factory=list[str])
    bodies: list[str] = field(default_factory=list[str])

    def get(self, url: str, *, site: str = "none", **headers: str) -> httpx2.Response:
        """One navigation, without following."""
        answer = self.client.get(
            urljoin(self.server.url, url), headers={**NAVIGATE, "sec-fetch-site": site, **headers}
        )
        self.set_cookies += answer.headers.get_list("set-cookie")
        self.bodies.append(answer.text)
        return answer

    def visit(self, url: str, *, site: str = "none") -> httpx2.Response:
        """A navigation with its redirects, to the end."""
        answer = self.get(url, site=site)
        for _ in range(10):
            if not answer.is_redirect:
                return answer
            answer = self.get(urljoin(str(answer.url), answer.headers["location"]))
        raise AssertionError(f"redirects without end, last to {answer.url}")

    def sign_in(self, sub: str = "u1", name: str = "Ann Arbor", path: str | None = None) -> "Browser":
        self.server.control(sub=sub, name=name)
        answer = self.visit(path or f"{self.server.mount}/")
        assert answer.status_code == 200, answer.text
        return self

    @property
    def cookies(self) -> dict[str, str]:
        return {cookie.name: cookie.value or "" for cookie in self.client.cookies.jar}

    @property
    def session_cookie(self) -> str:
        return self.cookies[self.server.cookie_name]

    def tab(self, **options: Any) -> StreamlitSession:
        """A tab's socket, with this browser's cookies."""
        options.setdefault("cookies", self.cookies)
        return StreamlitSession(f"{self.server.url}{self.server.mount.rstrip('/')}", **options)


@dataclass
class Server:
    """A running server; `mount` is where the app lies below `url`."""

    url: str
    side: str
    mount: str
    log: Path
    process: subprocess.Popen[bytes]

    @property
    def cookie_name(self) -> str:
        return f"proofkey-session-{self.url.rpartition(':')[2]}"

    @contextmanager
    def browser(self) -> Iterator[Browser]:
        with httpx2.Client(follow_redirects=False, trust_env=False, timeout=20) as client:
            yield Browser(self, client)

    def control(self, **values: str | int) -> dict[str, Any]:
        answer = httpx2.post(f"{self.side}/control", params=values, trust_env=False)
        answer.raise_for_status()
        return dict(answer.json())

    def state(self) -> dict[str, Any]:
        answer = httpx2.get(f"{self.side}/state", trust_env=False)
        return dict(answer.json())


@contextmanager
def start_server(folder: Path, *, mount: str = "", **environment: str) -> Iterator[Server]:
    """A server that answers, and is gone afterwards."""
    ports = [_free_port(), _free_port()]
    log = folder / "server.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.streamlit.serve_page", *map(str, ports)],
            cwd=ROOT,
            env={**os.environ, "MOUNT": mount, **environment},
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    home = mount or "/".join(["", *filter(None, [environment.get("BASE_PATH")])])
    server = Server(f"http://127.0.0.1:{ports[0]}", f"http://127.0.0.1:{ports[1]}", home, log, process)
    try:
        _wait(server)
        yield server
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """The websocket client is asyncio's."""
    return "asyncio"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The app by itself."""
    with start_server(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture
def browser(server: Server) -> Iterator[Browser]:
    with server.browser() as browser:
        yield browser


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(server: Server) -> None:
    for _ in range(300):
        if server.process.poll() is not None:
            break
        try:
            if httpx2.get(f"{server.side}/state", trust_env=False).is_success:
                path = f"{server.url}{server.mount.rstrip('/')}/_stcore/health"
                if httpx2.get(path, trust_env=False).is_success:
                    return
        except httpx2.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"the server did not start:\n{server.log.read_text()}")
