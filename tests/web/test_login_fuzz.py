"""Whatever is sent to a login's routes, or to what it guards: a page, a redirect or a refusal, never a fault."""

from collections.abc import Generator
from contextlib import ExitStack
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.client.login_kit import ISSUER, RP
from tests.web.asgi import Reply, ask
from tests.web.login_browser import NAVIGATION, App

PATHS = [
    "/auth/login", "/auth/callback", "/auth/logout", "/auth/signed-out", "/auth/static/proofkey.css",
    "/me", "/maybe", "/things", "/needs-user", "/token-life",
]  # fmt: skip
NAMES = ["next", "state", "code", "iss", "error", "error_description", "prompt", "session_state"]
VALUES = [
    "{state}", "/me", "//evil.test", "/\\evil.test", "https://evil.test/", "/%61uth/logout", "access_denied",
    ISSUER, "https://evil.test", "code-1", "", "\r\nSet-Cookie: a=b", "<script>x</script>", "\x00", "x" * 5000,
]  # fmt: skip
PAIRS = st.lists(
    st.tuples(st.sampled_from(NAMES) | st.text(max_size=8), st.sampled_from(VALUES) | st.text(max_size=40)),
    max_size=8,
)
QUERIES = PAIRS.map(lambda pairs: urlencode(pairs, errors="surrogatepass").encode()) | st.binary(max_size=200)
HEADERS = st.lists(
    st.sampled_from(
        [
            *((name.encode(), value.encode()) for name, value in NAVIGATION.items()),
            (b"sec-fetch-site", b"same-origin"),
            (b"sec-fetch-site", b"cross-site"),
            (b"sec-fetch-dest", b"iframe"),
            (b"origin", RP.encode()),
            (b"origin", b"null"),
            (b"origin", b"https://evil.test"),
            (b"host", b"evil.test"),
            (b"cookie", b"__Host-proofkey-session=x; __Host-proofkey-session=y"),
            (b"cookie", b"; ".join(b"__Host-proofkey-login-%d=x" % number for number in range(40))),
            (b"cookie", b"\xff=\x00;;==;" * 20),
        ]
    )
    | st.tuples(st.sampled_from([b"cookie", b"origin", b"accept", b"sec-fetch-mode"]), st.binary(max_size=60)),
    max_size=5,
)
METHODS = st.sampled_from(["GET", "GET", "GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE", "BREW"])
ALLOWED = ("/", f"{RP}/", f"{ISSUER}/authorize?", f"{ISSUER}/end-session?")


class Target:
    """The application with a browser that has begun a login and is signed in by another."""

    def __init__(self, portal: BlockingPortal) -> None:
        self._portal = portal
        self.app = App()
        browser = self.app.browser()
        portal.call(browser.sign_in)
        begun = portal.call(browser.get, "/auth/login")
        self.state = parse_qs(urlsplit(begun.headers["location"]).query)["state"][0]
        cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in browser.http.cookies.jar)
        self.cookie = (b"cookie", cookies.encode())

    def ask(self, method: str, path: str, headers: list[tuple[bytes, bytes]], query: bytes) -> Reply:
        known = query.replace(b"%7Bstate%7D", self.state.encode())
        return self._portal.call(lambda: ask(self.app.asgi, method, path, *headers, query=known))


@pytest.fixture(scope="module")
def target() -> Generator[Target]:
    with ExitStack() as stack:
        yield Target(stack.enter_context(start_blocking_portal()))


def check(reply: Reply) -> None:
    """The oracle."""
    assert reply.status < 500, reply.text
    location = reply.headers.get("location", "")
    assert not location or location.startswith(ALLOWED), location
    assert not location.startswith(("//", "/\\"))
    assert "\n" not in location + "".join(reply.headers.getlist("set-cookie"))
    assert b"<script" not in reply.body
    assert b"Traceback" not in reply.body


@pytest.mark.spec("threats 2 row 22", "threats 2 row 31", "9700-4.11.1-a")
@pytest.mark.parametrize("path", PATHS)
@settings(
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(method=METHODS, query=QUERIES, headers=HEADERS, own=st.booleans())
def test_whatever_is_sent(
    target: Target, path: str, method: str, query: bytes, headers: list[tuple[bytes, bytes]], own: bool
) -> None:
    check(target.ask(method, path, [target.cookie, *headers] if own else headers, query))


@pytest.mark.spec("threats 2 row 31")
@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(path=st.text(max_size=30).map(lambda text: f"/{text}"), query=st.binary(max_size=60))
def test_whatever_the_address_the_way_to_the_login_stays_here(target: Target, path: str, query: bytes) -> None:
    headers = [(name.encode(), value.encode()) for name, value in NAVIGATION.items()]
    check(target.ask("GET", f"/auth{path}", headers, query))
    check(target.ask("GET", path, headers, query))
