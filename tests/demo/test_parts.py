"""`proofkey demo --only …`: each part alone, against any provider that the configuration names."""

import json
import re
import socket
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from fastapi.testclient import TestClient
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from proofkey.demo.setting_up import Demo, free_ports, set_up
from proofkey.demo.token import fetch_token
from proofkey.demo.web import create_web
from proofkey.fastapi import Login
from proofkey.protocol.text import Secret
from proofkey.testing.entropy import CountingEntropy
from proofkey.testing.headless import HeadlessBrowser
from proofkey.testing.issuer import LocalIssuer
from proofkey.testing.server import ServerProcess, running_command, running_server
from proofkey.testing.session import LoginAs

pytestmark = [pytest.mark.xdist_group("demo parts"), pytest.mark.timeout(180)]

JWT = re.compile(r"eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}")
SAME_ORIGIN = {"sec-fetch-site": "same-origin"}


@dataclass(frozen=True)
class World:
    """A provider, the API and the web app, each a process of its own."""

    demo: Demo
    api: ServerProcess
    web: ServerProcess


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Generator[World]:
    """The demonstration's configuration, with the web app in the place of the Streamlit page."""
    folder = tmp_path_factory.mktemp("parts")
    demo = set_up(folder, CountingEntropy("parts"), usual_ports={"server": 0, "api": 0, "streamlit": 0})
    with ExitStack() as stack:
        stack.enter_context(running_server(demo.config, host="localhost", port=demo.ports["server"]))
        parts = [
            stack.enter_context(
                running_command(
                    *("demo", "--only", role, "--config", str(demo.config), "--port", str(demo.ports[place])),
                    log=folder / f"{role}.log",
                )
            )
            for role, place in (("api", "api"), ("web", "streamlit"))
        ]
        yield World(demo, *parts)


@pytest.fixture
def browser() -> Iterator[httpx2.Client]:
    with httpx2.Client(follow_redirects=False, trust_env=False, timeout=20) as client:
        yield client


def sign_in(
    world: World, browser: httpx2.Client, username: str = "ann", next_path: str = "/me"
) -> httpx2.Response:
    """From the web app's login to the page that it leads to."""
    started = browser.get(f"{world.web.url}/auth/login", params={"next": "/me"})
    assert started.status_code == 303
    back = HeadlessBrowser(browser).authorize(
        started.headers["location"],
        redirect_uri=f"{world.web.public_url}/auth/callback",
        username=username,
        password=world.demo.password,
    )
    finished = browser.get(back)
    assert finished.status_code == 303
    page = finished.headers["location"]
    assert urlsplit(page)._replace(scheme="", netloc="").geturl() == "/me"
    return browser.get(str(finished.url.join(page)))


@pytest.fixture(scope="module")
def ann(world: World) -> Iterator[httpx2.Client]:
    with httpx2.Client(follow_redirects=False, trust_env=False, timeout=20) as client:
        assert sign_in(world, client).status_code == 200
        yield client


def token_of(world: World, username: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {fetch_token(world.demo, username).value.reveal()}"}


@pytest.fixture(scope="module")
def tokens(world: World) -> dict[str, dict[str, str]]:
    return {username: token_of(world, username) for username in ("ann", "bob")}


# --- web ---------------------------------------------------------------------------------------------------------


@pytest.mark.spec("interfaces: demo web app")
def test_the_web_app_says_where_it_is(world: World) -> None:
    assert world.web.url == world.web.public_url == world.demo.streamlit
    assert world.web.pid == world.web.process.pid


@pytest.mark.spec("interfaces: demo web app")
def test_the_home_page_leads_to_the_login(world: World, browser: httpx2.Client, ann: httpx2.Client) -> None:
    assert 'href="/auth/login?next=/"' in browser.get(f"{world.web.url}/").text
    home = ann.get(f"{world.web.url}/")
    assert "Ann Arbor" in home.text
    assert 'method="post" action="/auth/logout"' in home.text
    assert home.headers["cache-control"] == "no-store"


@pytest.mark.spec("interfaces: demo web app")
@pytest.mark.parametrize("accept", ["application/json", "text/html"])
def test_me_is_401_json_without_a_login(world: World, browser: httpx2.Client, accept: str) -> None:
    answer = browser.get(f"{world.web.url}/me", headers={"accept": accept})
    assert (answer.status_code, answer.json()["error"]) == (401, "not signed in")


@pytest.mark.spec("interfaces: demo web app", "OC-sub")
def test_me_is_the_claims_after_a_login(world: World, browser: httpx2.Client) -> None:
    me = sign_in(world, browser)
    claims = me.json()
    assert (claims["sub"], claims["name"], claims["iss"]) == ("demo-ann", "Ann Arbor", world.demo.issuer)
    assert claims["roles"] == ["admin"]
    assert me.headers["cache-control"] == "no-store"


@pytest.mark.spec("V10-10.1.1")
def test_no_token_comes_to_the_browser(world: World, browser: httpx2.Client) -> None:
    me = sign_in(world, browser)
    assert not JWT.search(me.text + str(dict(browser.cookies)))


@pytest.mark.spec("interfaces: demo web app")
def test_call_brings_the_orders_of_the_api(world: World, ann: httpx2.Client) -> None:
    answer = ann.get(f"{world.web.url}/call", params={"path": "/orders"})
    assert (answer.status_code, [order["id"] for order in answer.json()][:4]) == (200, [1001, 1002, 1003, 1004])
    assert ann.get(f"{world.web.url}/call").json() == answer.json()


def test_call_without_a_login_is_401_for_a_program_and_leads_a_person_to_the_login(
    world: World, browser: httpx2.Client
) -> None:
    assert browser.get(f"{world.web.url}/call").status_code == 401
    person = browser.get(f"{world.web.url}/call?path=/orders", headers={"accept": "text/html"})
    assert person.status_code == 303
    assert urlsplit(person.headers["location"]).path == "/auth/login"


def test_call_passes_the_refusal_of_the_api_on(world: World, browser: httpx2.Client, ann: httpx2.Client) -> None:
    sign_in(world, browser, "bob")
    assert browser.get(f"{world.web.url}/call", params={"path": "/report"}).status_code == 403
    assert ann.get(f"{world.web.url}/call", params={"path": "/report"}).json()["orders"] >= 4


@pytest.mark.parametrize("path", ["orders", "//evil.test/", "http://evil.test/", "", "/a\nb", "/a\x00"])
def test_call_goes_nowhere_but_to_the_api(world: World, ann: httpx2.Client, path: str) -> None:
    answer = ann.get(f"{world.web.url}/call", params={"path": path})
    assert (answer.status_code, answer.json()["error"]) == (400, "path must be a path of the API")


def test_a_page_of_the_api_is_no_page_of_the_web_app(world: World, ann: httpx2.Client) -> None:
    answer = ann.get(f"{world.web.url}/call", params={"path": "/docs"})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.spec("V7-7.4.1", "interfaces: demo web app")
def test_logout_by_post_ends_the_session(world: World, browser: httpx2.Client) -> None:
    sign_in(world, browser)
    kept = dict(browser.cookies)
    answer = browser.post(f"{world.web.url}/auth/logout", headers={**SAME_ORIGIN, "origin": world.web.public_url})
    assert answer.status_code == 303
    assert answer.headers["location"].startswith(f"{world.demo.issuer}/end-session")
    assert browser.get(f"{world.web.url}/me").status_code == 401
    with httpx2.Client(cookies=kept, trust_env=False) as thief:
        assert thief.get(f"{world.web.url}/me").status_code == 401


@pytest.mark.spec("V3-3.5.1")
def test_logout_from_another_site_ends_nothing(world: World, browser: httpx2.Client) -> None:
    sign_in(world, browser)
    headers = {"sec-fetch-site": "cross-site", "origin": "https://evil.test"}
    assert browser.post(f"{world.web.url}/auth/logout", headers=headers).status_code == 403
    assert browser.get(f"{world.web.url}/me").status_code == 200


# --- api ---------------------------------------------------------------------------------------------------------


@pytest.mark.spec("interfaces: demo API")
def test_open_and_ready_need_nothing(world: World, browser: httpx2.Client) -> None:
    assert browser.get(f"{world.api.url}/open").status_code == 200
    assert browser.get(f"{world.api.url}/ready").json() == {"ready": True}


@pytest.mark.spec("interfaces: demo API", "6750-3-a")
@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/whoami"), ("GET", "/orders"), ("POST", "/orders"), ("GET", "/report")]
)
def test_the_rest_needs_a_token(world: World, browser: httpx2.Client, method: str, path: str) -> None:
    answer = browser.request(method, f"{world.api.url}{path}")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert "error=" not in answer.headers["www-authenticate"]


@pytest.mark.spec("interfaces: demo API")
def test_whoami_says_whose_token_it_is(
    world: World, browser: httpx2.Client, tokens: dict[str, dict[str, str]]
) -> None:
    said = browser.get(f"{world.api.url}/whoami", headers=tokens["ann"]).json()
    assert (said["iss"], said["sub"], said["client_id"]) == (world.demo.issuer, "demo-ann", "cli")
    assert "orders:write" in said["scope"]
    assert said["roles"] == ["admin"]


@pytest.mark.spec("interfaces: demo API")
def test_an_order_is_placed_and_read(
    world: World, browser: httpx2.Client, tokens: dict[str, dict[str, str]]
) -> None:
    order = {"item": "Linen apron", "quantity": 2}
    placed = browser.post(f"{world.api.url}/orders", headers=tokens["bob"], json=order)
    assert placed.status_code == 201
    assert placed.json() == {"id": 1005, "customer": "Walk-in", "total": 49.8, **order}
    assert placed.json() in browser.get(f"{world.api.url}/orders", headers=tokens["ann"]).json()
    for bad in ({"item": "", "quantity": 1}, {"item": "x", "quantity": 0}, {"quantity": 1}):
        assert browser.post(f"{world.api.url}/orders", headers=tokens["bob"], json=bad).status_code == 422


@pytest.mark.spec("interfaces: demo API")
def test_the_report_is_for_the_role_admin(
    world: World, browser: httpx2.Client, tokens: dict[str, dict[str, str]]
) -> None:
    refused = browser.get(f"{world.api.url}/report", headers=tokens["bob"])
    assert refused.status_code == 403
    assert browser.get(f"{world.api.url}/report", headers=tokens["ann"]).json()["best_customer"] == "Café Miro"


@pytest.mark.spec("interfaces: demo API")
def test_the_websocket_needs_a_token_and_answers(world: World, tokens: dict[str, dict[str, str]]) -> None:
    url = f"ws{world.api.url.removeprefix('http')}/ws"
    with pytest.raises(InvalidStatus), connect(url, proxy=None):
        pass
    with connect(url, additional_headers=tokens["bob"], proxy=None) as socket_:
        assert json.loads(socket_.recv(10))["sub"] == "demo-bob"
        socket_.send("hello")
        assert json.loads(socket_.recv(10)) == {"sub": "demo-bob", "echo": "hello"}


# --- the log -----------------------------------------------------------------------------------------------------


@pytest.mark.spec("V16-16.2.5", "9700-4.9.3-a")
def test_no_secret_and_no_request_line_stands_in_a_log(world: World, ann: httpx2.Client) -> None:
    ann.get(f"{world.web.url}/me")
    logs = {file.name: file.read_text() for file in world.demo.folder.glob("*.log")}
    secret = (world.demo.folder / "streamlit.secret").read_text().strip()
    assert set(logs) == {"proofkey.log", "api.log", "web.log"}
    for said in logs.values():
        assert all(json.loads(line)["event"] for line in said.splitlines())
        for never in ("code=", "state=", "HTTP/1.1", secret, world.demo.password.reveal()):
            assert never not in said
        assert not JWT.search(said)


# --- a part that cannot work -------------------------------------------------------------------------------------


@pytest.mark.spec("interfaces: demo")
def test_a_port_in_use_that_was_asked_for_is_refused(tmp_path: Path) -> None:
    demo = set_up(tmp_path, CountingEntropy(), usual_ports={"server": 0, "api": 0, "streamlit": 0})
    command = [sys.executable, "-m", "proofkey", "demo", "--only", "web", "--config", str(demo.config)]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        command += ["--port", str(taken.getsockname()[1]), "--ready-json"]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 2
    said: dict[str, Any] = json.loads(ran.stdout)
    assert (said["event"], said["finding"]) == ("error", "CFG-05")


def test_a_page_says_so_when_the_api_does_not_answer(tmp_path: Path) -> None:
    nobody = f"http://127.0.0.1:{free_ports({'api': 0})['api']}"
    login = Login(
        issuer="https://issuer.test", client_id="web", public_url="https://web.test", audience=nobody,
        client_secret=Secret(CountingEntropy()()),
    )  # fmt: skip
    with TestClient(create_web(login, api_url=nobody), base_url="https://web.test") as client:
        client.cookies.update(LoginAs(LocalIssuer())(login))
        answer = client.get("/call")
    assert (answer.status_code, answer.json()) == (502, {"error": "the API does not answer"})
