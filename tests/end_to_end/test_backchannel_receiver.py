"""A web application behind TLS, in two workers, is told by our own server that a person has left."""

import ssl
import threading
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import httpx2
import pytest
import uvicorn
from fastapi import Depends, FastAPI

from proofkey.client.session import Session
from proofkey.protocol.text import Secret
from proofkey.runtime.clock import CLOCK_FILE
from proofkey.testing.headless import HeadlessBrowser
from proofkey.testing.relying_party import Person
from proofkey.testing.server import free_port, running_server, write_server_config
from proofkey.testing.toml import toml_document
from proofkey.web.login import Login
from tests.end_to_end.provider_kit import BYE, CLIENTS, PEOPLE, Provider, server_settings, wait_until
from tests.transport.loopback_server import certificate

pytestmark = [pytest.mark.timeout(180)]
PATIENCE = 60
SECRET = "q7Zr0bX1mGd2Vt8Ky3Lw5Hs9Nc4Jf6PaEuRiTyWo0"
HUGO, IDA = "hugo", "ida"


@dataclass
class World:
    """The server, and the addresses of the application's two workers; the first is the public one."""

    op: Provider
    trusted: ssl.SSLContext
    workers: tuple[str, str]

    def browser(self) -> httpx2.Client:
        return httpx2.Client(verify=self.trusted, trust_env=False, timeout=30, follow_redirects=False)

    def sign_in(self, browser: httpx2.Client, username: str) -> str:
        """The session's cookie, as a Cookie header."""
        url = self.workers[0]
        started = browser.get(f"{url}/auth/login?next=/me")
        assert started.status_code == 303, started.text
        back = HeadlessBrowser(browser).authorize(
            started.headers["location"],
            redirect_uri=f"{url}/auth/callback",
            username=username,
            password=Secret(PEOPLE[username]),
        )
        answer = browser.get(back)
        assert (answer.status_code, answer.headers["location"]) == (303, "/me"), answer.text
        name = "__Host-proofkey-session"
        return f"{name}={browser.cookies[name]}"

    def seen(self, cookie: str) -> list[int]:
        """What each worker says to that cookie."""
        with self.browser() as client:
            return [client.get(f"{url}/me", headers={"cookie": cookie}).status_code for url in self.workers]


def build_app(issuer: str, public_url: str, folder: Path) -> FastAPI:
    login = Login(
        issuer=issuer,
        client_id="dashboard",
        client_secret=SECRET,
        public_url=public_url,
        store=f"sqlite:///{folder}/sessions.db",
    )
    app = FastAPI()
    login.mount(app)

    @app.get("/me")
    async def me(session: Annotated[Session, Depends(login.user)]) -> dict[str, Any]:
        return {"sub": session.sub}

    return app


@contextmanager
def behind_tls(app: FastAPI, url: str, folder: Path) -> Generator[None]:
    """The application at that address until the end of the block."""
    port = urlsplit(url).port or 0
    files = {"ssl_certfile": folder / "ca.pem", "ssl_keyfile": str(folder / "key.pem")}
    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=port, log_config=None, ws="none", **files)  # type: ignore[arg-type]  # of a dict with two kinds of path
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        wait_until(lambda: server.started, PATIENCE)
        yield
    finally:
        server.should_exit = True
        thread.join(PATIENCE)


def configured(folder: Path, issuer: str, url: str) -> Path:
    dashboard = {
        "client_id": "dashboard",
        "client_secret": SECRET,
        "redirect_uris": [f"{url}/auth/callback"],
        "post_logout_redirect_uris": [f"{url}/auth/signed-out"],
        "backchannel_logout_uri": f"{url}/auth/backchannel-logout",
        "scope": "openid profile",
        "skip_consent": True,
    }
    clients = [dashboard, *(one for one in CLIENTS if one["client_id"] == "first")]
    people = {name: PEOPLE[name] for name in (HUGO, IDA)}
    config = write_server_config(folder, server_settings(issuer, people, clients=clients))
    outgoing = {"ca_file": "ca.pem", "allow_insecure_private_hosts": [urlsplit(url).netloc]}
    with config.open("a") as file:
        file.write(toml_document({"outgoing": outgoing}))
    return config


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Generator[World]:
    folder = tmp_path_factory.mktemp("receiver")
    trust, _ = certificate(folder)
    port = free_port()
    issuer = f"http://127.0.0.1:{port}"
    urls = (f"https://127.0.0.1:{free_port()}", f"https://127.0.0.1:{free_port()}")
    config = configured(folder, issuer, urls[0])
    clock = folder / "clock"
    clock.write_text("0")
    trusted = ssl.create_default_context(cafile=trust)
    with ExitStack() as stack:
        server = stack.enter_context(running_server(config, port=port, environ={CLOCK_FILE: str(clock)}))
        for url in urls:
            stack.enter_context(behind_tls(build_app(issuer, urls[0], folder), url, folder))
        op = Provider(server, issuer, config, clock)
        stack.callback(op.close)
        yield World(op, trusted, urls)


@pytest.mark.spec("BL-2.6-a", "BL-2.3-a", "threats §2 row 38")
def test_a_logout_at_another_client_is_one_here_before_it_answers(world: World) -> None:
    with world.browser() as browser, world.browser() as elsewhere:
        cookie = world.sign_in(browser, HUGO)
        other = world.sign_in(elsewhere, HUGO)
        assert (world.seen(cookie), world.seen(other)) == ([200, 200], [200, 200])
        person = Person(HeadlessBrowser(browser), HUGO, Secret(PEOPLE[HUGO]))
        hint = world.op.party("first").sign_in(person).id_token
        assert hint is not None
        query = {"id_token_hint": hint.reveal(), "post_logout_redirect_uri": BYE}
        answer = browser.get(world.op.url("/end-session"), params=query)
        assert (answer.status_code, answer.headers["location"]) == (303, BYE)
        assert world.seen(cookie) == [401, 401]
        assert world.seen(other) == [200, 200], "another session of the same person"


@pytest.mark.spec("BL-2.6-a", "V7-7.4.1")
def test_an_administrator_signs_a_person_out_of_the_application(world: World) -> None:
    with world.browser() as first, world.browser() as second:
        cookies = [world.sign_in(browser, IDA) for browser in (first, second)]
        assert world.op.run("user", "sign-out", IDA).returncode == 0
        wait_until(lambda: [world.seen(cookie) for cookie in cookies] == [[401, 401]] * 2, PATIENCE)
