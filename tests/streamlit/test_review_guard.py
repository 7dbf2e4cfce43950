"""The guard alone, in front of an application that notes whatever reaches it."""

from collections.abc import Generator
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from starlette.types import Message, Receive, Scope, Send
from streamlit import config

from proofkey.protocol.text import digest_of
from proofkey.streamlit.allowed import AllowedApis
from proofkey.streamlit.gate import Gate
from proofkey.streamlit.guard import Guard
from proofkey.testing.clock import TurnedClock
from proofkey.testing.issuer import LocalIssuer
from proofkey.testing.session import LoginAs
from proofkey.web.login import Login
from tests.web.asgi import Reply, ask

ORIGIN = "http://127.0.0.1:8501"
PUBLIC = ("/_stcore/health", "/_stcore/host-config")
LOGIN_ROUTES = ("/auth/login", "/auth/callback", "/auth/logout", "/auth/signed-out")


class Watched:
    """The application behind the guard."""

    def __init__(self) -> None:
        self.reached: list[Scope] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.reached.append(scope)
        if scope["type"] == "websocket":
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.close", "code": 1000})
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"behind"})


class Target:
    """A guard with one signed-in person, `ann`."""

    def __init__(self, portal: BlockingPortal) -> None:
        self._portal = portal
        clock = TurnedClock()
        login = Login(
            issuer="https://op.test",
            client_id="web",
            client_secret="0123456789abcdefghijklmnopqrstuv",
            public_url=ORIGIN,
            clock=clock,
        )
        self.app = Watched()
        self.guard = Guard(self.app, Gate(login, AllowedApis([]), clock, poll=60))
        cookies = LoginAs(LocalIssuer(clock=clock))(login, sub="ann")
        self.cookie = "; ".join(f"{name}={value}" for name, value in cookies.items()).encode()

    def ask(
        self, method: str, path: str, headers: list[tuple[bytes, bytes]], query: bytes = b"", root: str = ""
    ) -> Reply:
        self.app.reached.clear()
        return self._portal.call(lambda: ask(self.guard, method, path, *headers, query=query, root_path=root))

    def connect(self, path: str, headers: list[tuple[bytes, bytes]]) -> list[Message]:
        """What the browser of that handshake gets."""
        self.app.reached.clear()
        sent: list[Message] = []

        async def receive() -> Message:
            return {"type": "websocket.connect"}

        async def send(message: Message) -> None:
            sent.append(message)

        scope = {
            "type": "websocket", "path": path, "raw_path": path.encode(), "root_path": "", "query_string": b"",
            "headers": headers, "scheme": "ws", "subprotocols": [],
        }  # fmt: skip
        self._portal.call(lambda: self.guard(scope, receive, send))
        return sent


@pytest.fixture(scope="module")
def target() -> Generator[Target]:
    with ExitStack() as stack:
        yield Target(stack.enter_context(start_blocking_portal()))


@pytest.fixture
def base_path() -> Generator[None]:
    """`server.baseUrlPath` as it was."""
    yield
    config.set_option("server.baseUrlPath", "")


PIECES = st.lists(
    st.sampled_from(
        ["/", "//", "auth", "login", "callback", "static", "media", "_stcore", "stream", "health", "host-config",
         "upload_file", "component", "..", ".", "%2e%2e", "%2f", ";", ";x=1", "\\", " ", "\x00", "app",
         "oauth2callback", "_proofkey", "signed-out", "é", "x.png"]
    ),
    max_size=9,
).map(lambda pieces: "/" + "".join(pieces))  # fmt: skip
METHODS = st.sampled_from(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "get", "BREW"])
HEADERS = st.lists(
    st.sampled_from(
        [
            (b"accept", b"text/html"),
            (b"sec-fetch-mode", b"navigate"),
            (b"sec-fetch-dest", b"document"),
            (b"origin", b"https://evil.test"),
            (b"host", b"evil.test"),
            (b"cookie", b"_streamlit_user=forged; proofkey-session-8501=wrong"),
            (b"cookie", b"proofkey-session-8501=x; proofkey-session-8501=y"),
            (b"x-proofkey-sub", b"ann"),
            (b"X_Proofkey_Sub", b"ann"),
        ]
    ),
    max_size=4,
)


def is_public(path: str) -> bool:
    """What strangers may reach, said once more and otherwise than the guard says it."""
    return (
        path in PUBLIC or path.startswith("/static/") or path in LOGIN_ROUTES or path.startswith("/auth/static/")
    )


@pytest.mark.spec("streamlit 3.5", "threats 1.7")
@settings(
    max_examples=400,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(path=PIECES, method=METHODS, headers=HEADERS, query=st.binary(max_size=30))
@example(path="/auth/secret", method="GET", headers=[], query=b"")
@example(path="/auth/../media/x.png", method="GET", headers=[], query=b"")
@example(path="/static", method="GET", headers=[], query=b"")
def test_no_stranger_gets_past_it(
    target: Target, path: str, method: str, headers: list[tuple[bytes, bytes]], query: bytes
) -> None:
    reply = target.ask(method, path, headers, query)
    assert reply.status < 500
    assert not target.app.reached or is_public(path)
    place = urlsplit(reply.headers.get("location", ""))
    assert (place.scheme + "://" + place.netloc) in ("://", ORIGIN)


@pytest.mark.spec("streamlit 3.5")
@pytest.mark.parametrize("path", ["/auth/media/x.png", "/auth/_stcore/upload_file/a/b", "/auth/", "/auth/x"])
@pytest.mark.usefixtures("base_path")
def test_a_base_path_that_begins_as_the_login_does_opens_nothing(target: Target, path: str) -> None:
    config.set_option("server.baseUrlPath", "auth")
    assert target.ask("GET", path, []).status == 401
    assert target.app.reached == []


@pytest.mark.spec("streamlit 3.5")
@pytest.mark.parametrize("path", ["/media/x.png", "/", "/x"])
def test_a_mount_below_the_prefix_opens_nothing(target: Target, path: str) -> None:
    assert target.ask("GET", path, [], root="/auth/dash").status == 401
    assert target.app.reached == []


@pytest.mark.spec("streamlit 3.2")
@settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    name=st.sampled_from(
        [b"_streamlit_user", b" _streamlit_user", b"_streamlit_user_1", b"_streamlit_user_tokens",
         b"\t_streamlit_user", b"\xa0_streamlit_user", b"\x85_streamlit_user_tokens_2"]
    ),
    glue=st.sampled_from([b"; ", b";", b" ; ", b";;", b";\t"]),
    place=st.integers(0, 2),
)  # fmt: skip
def test_a_forged_identity_cookie_never_reaches_streamlit(
    target: Target, name: bytes, glue: bytes, place: int
) -> None:
    cookies = [b"a=1", b"_streamlit_xsrf=t"]
    cookies.insert(place, name + b"=forged")
    headers = [
        (b"origin", ORIGIN.encode()),
        (b"cookie", target.cookie),
        (b"cookie", glue.join(cookies)),
        (b"cookie", name + b"=forged"),
    ]
    target.connect("/_stcore/stream", headers)
    (scope,) = target.app.reached
    seen = b"; ".join(value for key, value in scope["headers"] if key == b"cookie")
    assert b"forged" not in seen
    assert seen.count(b"_streamlit_user=") == 1
    assert target.cookie not in seen


@pytest.mark.spec("streamlit 3.3", "ST-6")
@pytest.mark.parametrize(
    ("origins", "cookie"),
    [
        pytest.param([], True, id="no origin"),
        pytest.param([b"null"], True, id="null"),
        pytest.param([ORIGIN.encode(), b"https://evil.test"], True, id="two"),
        pytest.param([b"http://localhost:8501"], True, id="another name of this computer"),
        pytest.param([b"http://127.0.0.1:85010"], True, id="one that begins like ours"),
        pytest.param([ORIGIN.encode() + b"/"], True, id="a slash more"),
        pytest.param([ORIGIN.encode()], False, id="ours, but nobody signed in"),
    ],
)
def test_no_other_origin_opens_a_socket(target: Target, origins: list[bytes], cookie: bool) -> None:
    headers = [(b"origin", origin) for origin in origins]
    sent = target.connect("/_stcore/stream", [*headers, (b"cookie", target.cookie)] if cookie else headers)
    assert target.app.reached == []
    assert [message["type"] for message in sent] == ["websocket.close"]


@pytest.mark.spec("streamlit 3.4")
def test_what_the_page_knows_of_the_session_opens_nothing(target: Target) -> None:
    """`st.user` holds the session's id; as a cookie it is nobody."""
    target.connect("/_stcore/stream", [(b"origin", ORIGIN.encode()), (b"cookie", target.cookie)])
    assert len(target.app.reached) == 1
    name, _, handle = target.cookie.decode().partition("=")
    known = digest_of(handle)
    assert target.ask("GET", "/media/x", [(b"cookie", f"{name}={known}".encode())]).status == 401
    assert target.ask("GET", "/media/x", [(b"cookie", target.cookie)]).status == 200
