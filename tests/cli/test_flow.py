"""`proofkey flow` against a server on loopback, without a window and with a browser that the test plays."""

import json
import logging
import re
import socket
import webbrowser
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx2
import pytest

from proofkey.client.session import Session
from proofkey.protocol.registration import ClientRegistration
from proofkey.protocol.text import ClientId, Pairs, Secret
from proofkey.testing.headless import HeadlessBrowser
from proofkey.testing.server import free_port, serving
from proofkey.testing.sign_in import NativeLogin
from tests.cli.conftest import Ran, RunCli
from tests.web.real_server import API, PASSWORD, SECRET, build_policy, build_server

CALLBACK = "http://127.0.0.1/callback"
JWT = re.compile(r"eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}")
WEB_CALLBACK = "http://127.0.0.1:9/auth/callback"
pytestmark = [pytest.mark.usefixtures("plain_logging"), pytest.mark.xdist_group("flow")]


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    """A server with a native client, a web client and ann."""
    port = free_port("localhost")
    url = f"http://localhost:{port}"
    policy = build_policy(url, callback=WEB_CALLBACK)
    cli = ClientRegistration(
        client_id=ClientId("cli"),
        token_endpoint_auth_method="none",
        application_type="native",
        redirect_uris=frozenset({CALLBACK}),
        scope=("openid", "profile", "offline_access", "orders:read"),
    )
    server = build_server(replace(policy, clients=(*policy.clients, cli)))
    with serving(server.app(), host="localhost", port=port):
        yield url


@pytest.fixture(autouse=True)
def plain_logging() -> Iterator[None]:
    """The logging of this process as it was."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@dataclass
class Secrets:
    """Everything that must not be shown."""

    values: list[str] = field(default_factory=list)


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> Secrets:
    """What one flow sends and gets."""
    kept = Secrets([PASSWORD, SECRET])
    finish = NativeLogin.finish

    async def watched(self: NativeLogin, pairs: Pairs) -> Session:
        kept.values += [value for name, value in pairs if name in {"code", "state"}]
        session = await finish(self, pairs)
        tokens = session.tokens
        kept.values += [token.reveal() for token in (tokens.access_token, tokens.refresh_token) if token]
        return session

    monkeypatch.setattr(NativeLogin, "finish", watched)
    return kept


def headless(cli: RunCli, issuer: str, *options: str, password: str = PASSWORD, client: str = "cli") -> Ran:
    arguments = ["flow", issuer, "--client-id", client, "--headless", "--username", "ann", *options]
    return cli(*arguments, stdin=f"{password}\n")


def steps(ran: Ran) -> list[dict[str, Any]]:
    document: dict[str, Any] = json.loads(ran.out)
    assert set(document) == {"ok", "steps"}
    assert document["ok"] is (ran.status == 0)
    found: list[dict[str, Any]] = document["steps"]
    return found


# --- without a window --------------------------------------------------------------------------------------------


def test_a_whole_login_is_walked_and_each_step_shown(cli: RunCli, issuer: str) -> None:
    ran = headless(cli, issuer)
    assert ran.status == 0, ran.out
    shown = [line.strip() for line in ran.out.splitlines() if not line.startswith("      ")]
    assert shown == [
        "ok    Discovery: the issuer matches",
        "ok    Authorization request: PKCE S256, state, nonce",
        "…     GET 303",
        "…     GET login",
        "…     POST 303",
        "…     GET consent",
        "…     POST 303",
        "ok    Authorization response",
        "ok    state, iss, code, ID token: every check passed",
    ]
    assert f"issuer                 {issuer}" in ran.out
    assert "signed in              " in ran.out
    assert ran.err == ""


def test_programs_get_one_document(cli: RunCli, issuer: str) -> None:
    ran = headless(cli, issuer, "--json", "--scope", "openid orders:read offline_access", "--resource", API)
    found = {step["step"]: step for step in steps(ran)}
    assert [step["status"] for step in found.values()].count("ok") == 4
    assert found["Authorization request: PKCE S256, state, nonce"]["resource"] == API
    assert found["Authorization response"]["parameters"] == ["code", "state", "iss"]
    last = found["state, iss, code, ID token: every check passed"]
    assert last["granted scope"] == ["openid", "orders:read", "offline_access"]
    assert last["access token"] == f"for {API}"
    assert last["expires in"] == "900 s"
    assert last["refresh token"] == "yes"
    assert "nonce" in last["ID token claims"]


@pytest.mark.spec("V16-16.2.5", "9700-4.9.3-a")
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_no_token_and_no_code_is_shown(cli: RunCli, issuer: str, secrets: Secrets, options: list[str]) -> None:
    ran = headless(cli, issuer, *options, "--scope", "openid offline_access")
    assert ran.status == 0
    assert len(secrets.values) == 6
    for secret in secrets.values:
        assert secret not in ran.out + ran.err
    assert not JWT.search(ran.out + ran.err)


def test_a_confidential_client_sends_its_secret_from_a_file(cli: RunCli, issuer: str, tmp_path: Path) -> None:
    file = tmp_path / "web.secret"
    file.write_text(SECRET + "\n")
    options = ["--client-secret-file", str(file), "--redirect-uri", WEB_CALLBACK]
    assert headless(cli, issuer, *options, client="web").status == 0
    file.write_text(SECRET[::-1])
    refused = headless(cli, issuer, *options, "--json", client="web")
    assert refused.status == 1
    assert steps(refused)[-1]["status"] == "FAIL"


def test_the_password_may_come_from_a_file(cli: RunCli, issuer: str, tmp_path: Path) -> None:
    (tmp_path / "password").write_text(f"{PASSWORD}\r\n")
    assert headless(cli, issuer, "--password-file", str(tmp_path / "password"), password="").status == 0


# --- what fails --------------------------------------------------------------------------------------------------


def test_a_wrong_password_is_a_failed_step(cli: RunCli, issuer: str) -> None:
    ran = headless(cli, issuer, "--json", password="not the password")
    last = steps(ran)[-1]
    assert ran.status == 1
    assert last["status"] == "FAIL"
    assert "page 'login'" in last["where"]
    assert [step["step"] for step in steps(ran)].count("POST login") <= 1


def test_a_wrong_password_is_shown_to_a_person_as_fail(cli: RunCli, issuer: str) -> None:
    ran = headless(cli, issuer, password="not the password")
    assert ran.status == 1
    assert " FAIL " in ran.out
    assert "not the password" not in ran.out + ran.err


def test_a_refused_consent_is_a_failed_step(cli: RunCli, issuer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    walk = HeadlessBrowser.authorize
    monkeypatch.setattr(HeadlessBrowser, "authorize", lambda *a, **k: walk(*a, **k, decision="deny"))
    ran = headless(cli, issuer, "--json", "--scope", "openid email")
    assert ran.status == 1
    assert steps(ran)[-1]["facts"]["error"] == "access_denied"


@pytest.mark.spec("8414-3.3")
@pytest.mark.parametrize(
    "change",
    [lambda url: url.replace("localhost", "127.0.0.1"), lambda url: url + "/tenant"],
    ids=["another name of the host", "a path that is not its"],
)
def test_an_issuer_that_is_not_the_one_asked_for_is_a_finding(
    cli: RunCli, issuer: str, change: Callable[[str], str]
) -> None:
    ran = headless(cli, change(issuer), "--json")
    last = steps(ran)[-1]
    assert (ran.status, len(steps(ran)), last["status"]) == (1, 1, "FAIL")
    assert last["finding"]
    assert last["fix"]


def test_a_provider_that_is_down_is_a_finding(cli: RunCli) -> None:
    ran = headless(cli, f"http://127.0.0.1:{free_port()}", "--json")
    last = steps(ran)[-1]
    assert (ran.status, last["status"]) == (1, "FAIL")
    assert last["finding"].startswith("OUT-")
    assert last["finding"] in ran.err


def test_a_client_that_the_server_does_not_know_is_a_failed_step(cli: RunCli, issuer: str) -> None:
    ran = headless(cli, issuer, "--json", client="nobody")
    assert ran.status == 1
    assert "page 'error'" in steps(ran)[-1]["where"]


@pytest.mark.parametrize(
    ("arguments", "stdin", "words"),
    [
        (["http://localhost:1", "--headless"], "x", "--username"),
        (["http://localhost:1", "--headless", "--username", "ann"], "", "--password-file"),
        (["http://localhost:1", "--headless", "--username", "ann"], "\n", "--password-file"),
        (["http://op.test", "--headless", "--username", "ann"], "x", "https"),
        (["http://localhost:1", "--username", "ann"], "x", "--headless"),
        (["http://localhost:1", "--redirect-uri", CALLBACK], "", "--headless"),
        (["http://localhost:1", "--scope", "profile", "--headless", "--username", "ann"], "x", "openid"),
        (["http://localhost:1", "--client-secret-file", "/none"], "", "/none"),
        (["http://localhost:1", "--headless", "--username", "ann", "--password-file", "/none"], "", "/none"),
    ],
)
def test_wrong_usage_is_refused_in_one_line(cli: RunCli, arguments: list[str], stdin: str, words: str) -> None:
    ran = cli("flow", *arguments, "--client-id", "cli", stdin=stdin)
    assert (ran.status, ran.out) == (2, "")
    assert words in ran.err
    assert len(ran.err.splitlines()) == 1


# --- in a browser ------------------------------------------------------------------------------------------------


@dataclass
class Window:
    """A browser that signs in by itself when it is opened; `answers` are what the listener gave it."""

    change: Callable[[str], str] = str
    opened: list[str] = field(default_factory=list)
    answers: list[httpx2.Response] = field(default_factory=list)
    threads: list[Thread] = field(default_factory=list)

    @property
    def redirect_uri(self) -> str:
        return dict(parse_qsl(urlsplit(self.opened[0]).query))["redirect_uri"]

    def open(self, url: str) -> bool:
        self.opened.append(url)
        thread = Thread(target=self._walk, args=(url,))
        self.threads.append(thread)
        thread.start()
        return True

    def _walk(self, url: str) -> None:
        with httpx2.Client(trust_env=False, timeout=20) as client:
            back = HeadlessBrowser(client).authorize(
                url, redirect_uri=self.redirect_uri, username="ann", password=Secret(PASSWORD)
            )
            self.answers.append(client.get(self.change(back)))


@pytest.fixture
def window(monkeypatch: pytest.MonkeyPatch) -> Iterator[Window]:
    opened = Window()
    monkeypatch.setattr(webbrowser, "open", opened.open)
    yield opened
    for thread in opened.threads:
        thread.join()


@pytest.mark.spec("8252-6-a", "8252-7.3-a")
def test_the_browser_comes_back_to_a_port_that_is_open_for_this_flow_only(
    cli: RunCli, issuer: str, window: Window, secrets: Secrets
) -> None:
    ran = cli("flow", issuer, "--client-id", "cli", "--json")
    assert ran.status == 0, ran.out
    listening = next(step["listening"] for step in steps(ran) if "listening" in step)
    assert listening == window.redirect_uri
    assert listening.startswith("http://127.0.0.1:")
    assert [answer.status_code for answer in window.answers] == [200]
    assert window.opened[0] in ran.err
    for secret in secrets.values:
        if secret not in window.opened[0]:  # the address for the person holds the state
            assert secret not in ran.out + ran.err
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", urlsplit(listening).port or 0), timeout=2)


@pytest.mark.spec("9700-2.1-b", "9207-2.4-a")
@pytest.mark.parametrize(
    "change",
    [
        lambda back: back.replace("state=", "state=x"),
        lambda back: back.replace("iss=http", "iss=https"),
        lambda back: back.replace("code=", "code=x"),
        lambda back: back.partition("?")[0],
    ],
    ids=["another state", "another iss", "another code", "nothing"],
)
def test_an_answer_that_is_not_ours_is_a_failed_step(
    cli: RunCli, issuer: str, window: Window, change: Callable[[str], str]
) -> None:
    window.change = change
    ran = cli("flow", issuer, "--client-id", "cli", "--json")
    last = steps(ran)[-1]
    assert (ran.status, last["status"]) == (1, "FAIL")
    assert last["finding"] in ran.err


def test_a_browser_that_does_not_come_back_is_a_failed_step(
    cli: RunCli, issuer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webbrowser, "open", lambda url: False)
    ran = cli("flow", issuer, "--client-id", "cli", "--json", "--timeout", "1")
    assert ran.status == 1
    assert steps(ran)[-1]["facts"] == {"waited": "1 s"}
