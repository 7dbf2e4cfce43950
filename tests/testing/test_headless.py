"""The browser without a window: it walks pages as a person does, and goes nowhere else."""

from collections.abc import Callable
from urllib.parse import parse_qs

import httpx2
import pytest

from proofkey.protocol.text import Secret
from proofkey.testing.headless import MAX_HOPS, Form, HeadlessBrowser, HeadlessFailed, Hop, read_page

OP = "https://op.test"
START = f"{OP}/authorize?client_id=web"
REDIRECT_URI = "https://rp.test/cb"
BACK = f"{REDIRECT_URI}?code=c1&state=s1"
LOGIN = (
    '<body data-page="login"><form method="post" action="{action}">'
    '<input type="hidden" name="csrf" value="t1"><input name="username"><input name="password" type="password">'
    "<button>Sign in</button></form></body>"
)
CONSENT = (
    '<body data-page="consent"><form method="post">'
    '<button name="decision" value="deny">Deny</button><button name="decision" value="allow">Allow</button></form>'
)
Handler = Callable[[httpx2.Request], httpx2.Response]


def page(html: str, status: int = 200) -> httpx2.Response:
    return httpx2.Response(status, html=html)


def to(url: str) -> httpx2.Response:
    return httpx2.Response(303, headers={"location": url})


class Server:
    """Answers in turn, and keeps what it was asked."""

    def __init__(self, *answers: httpx2.Response) -> None:
        self._answers = list(answers)
        self.asked: list[httpx2.Request] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(request)
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]

    def forms(self) -> list[dict[str, list[str]]]:
        return [parse_qs(request.content.decode()) for request in self.asked if request.method == "POST"]


def walk(server: Server, hops: list[Hop] | None = None, **changes: str) -> str:
    client = httpx2.Client(transport=httpx2.MockTransport(server))
    on_hop = None if hops is None else hops.append
    with HeadlessBrowser(client, on_hop=on_hop) as browser:
        return browser.authorize(
            START, redirect_uri=REDIRECT_URI, username="ann", password=Secret("pass word"), **changes
        )


def test_it_signs_in_consents_and_brings_the_answer_back() -> None:
    server = Server(
        to("/interaction/i1"), page(LOGIN.format(action="")), to("/interaction/i1"), page(CONSENT), to(BACK)
    )
    assert walk(server) == BACK
    assert [(request.method, request.url.path) for request in server.asked] == [
        ("GET", "/authorize"),
        ("GET", "/interaction/i1"),
        ("POST", "/interaction/i1"),
        ("GET", "/interaction/i1"),
        ("POST", "/interaction/i1"),
    ]
    assert server.forms() == [
        {"csrf": ["t1"], "username": ["ann"], "password": ["pass word"]},
        {"decision": ["allow"]},
    ]


def test_forms_are_sent_as_browsers_send_them() -> None:
    server = Server(page(LOGIN.format(action="/elsewhere?x=1")), to(BACK))
    walk(server)
    sent = server.asked[-1]
    assert str(sent.url) == f"{OP}/elsewhere?x=1"
    assert sent.headers["origin"] == OP
    assert sent.headers["sec-fetch-site"] == "same-origin"
    assert sent.headers["content-type"] == "application/x-www-form-urlencoded"


def test_it_denies_when_it_is_told_to() -> None:
    server = Server(page(CONSENT), to(f"{REDIRECT_URI}?error=access_denied"))
    assert walk(server, decision="deny") == f"{REDIRECT_URI}?error=access_denied"
    assert server.forms() == [{"decision": ["deny"]}]


def test_a_page_that_leads_on_by_itself_is_followed() -> None:
    refresh = f'<meta http-equiv="Refresh" content="0; url={BACK}"><body data-page="continue">'
    assert walk(Server(page(refresh))) == BACK


def test_cookies_are_kept() -> None:
    first = page(LOGIN.format(action=""))
    first.headers["set-cookie"] = "flow=f1; Path=/"
    server = Server(first, to(BACK))
    walk(server)
    assert server.asked[-1].headers["cookie"] == "flow=f1"


def test_the_hops_are_told_without_their_queries() -> None:
    hops: list[Hop] = []
    walk(Server(page(LOGIN.format(action="")), to(BACK)), hops)
    assert hops == [Hop("GET", f"{OP}/authorize", 200, "login"), Hop("POST", f"{OP}/authorize", 303, "")]


@pytest.mark.parametrize(
    ("server", "words"),
    [
        pytest.param(Server(page('<body data-page="error">', 400)), "page 'error' with status 400", id="error"),
        pytest.param(Server(page(LOGIN.format(action=""), 401)), "page 'login' with status 401", id="refused"),
        pytest.param(Server(page("<p>hello</p>")), r"page '\(none\)' with status 200", id="no page of ours"),
        pytest.param(Server(page('<body data-page="login">')), "page 'login'", id="no form"),
        pytest.param(Server(httpx2.Response(500)), "status 500", id="broken"),
        pytest.param(Server(to("/round")), "in a circle", id="round and round"),
    ],
)
def test_where_it_ends_is_said(server: Server, words: str) -> None:
    with pytest.raises(HeadlessFailed, match=words):
        walk(server)
    assert len(server.asked) <= MAX_HOPS + 1


@pytest.mark.parametrize(
    "answers",
    [
        [to("https://evil.test/login"), page(LOGIN.format(action=""))],
        [page(LOGIN.format(action="https://evil.test/take"))],
        [page(LOGIN.format(action="//evil.test/take"))],
        [page(LOGIN.format(action="http://op.test/take"))],
        [page(LOGIN.format(action="https://op.test:8443/take"))],
    ],
    ids=["page elsewhere", "form elsewhere", "form elsewhere by scheme", "form over http", "another port"],
)
def test_the_password_is_typed_nowhere_else(answers: list[httpx2.Response]) -> None:
    server = Server(*answers)
    with pytest.raises(HeadlessFailed, match=r"another origin than https://op\.test"):
        walk(server)
    assert server.forms() == []


def test_a_page_is_read() -> None:
    name, forms, refresh = read_page(
        '<body data-page="login"><form action="/a"><input name=u value=typed><input type=hidden name=h value=v>'
        "<button name=b value=c></form><form><input type=hidden name=empty></form><input name=outside>"
    )
    assert (name, refresh) == ("login", "")
    assert forms[0] == Form("/a", {"h": "v"}, {"u", "h", "b"})
    assert forms[1].fields == {"empty": ""}
