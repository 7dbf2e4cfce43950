"""Whatever is sent to a protected API: an answer of RFC 6750, never a fault, and nothing without a good token."""

from collections.abc import Generator
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlencode

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.fastapi.api import World
from tests.web.asgi import Reply, ask

PROTECTED = ["/whoami", "/orders", "/report", "/both", "/mine", "/admin/users"]
B64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
SEGMENTS = st.text(B64, max_size=40)
TOKENS = (
    st.tuples(SEGMENTS, SEGMENTS, SEGMENTS).map(lambda parts: ".".join(parts).encode())
    | st.binary(max_size=60)
    | st.just(b"a" * 20_000)
    | st.just(b"." * 4000)
)
AUTHORIZATIONS = st.tuples(
    st.sampled_from([b"Bearer ", b"bearer ", b"BEARER  ", b"Bearer\t", b"Bearer", b"DPoP ", b"Basic ", b"", b" "]),
    TOKENS,
).map(lambda both: (b"authorization", both[0] + both[1]))
OTHERS = st.sampled_from(
    [
        (b"dpop", b"x"),
        (b"dpop", b"e30.e30.x"),
        (b"client-cert", b":AAAA:"),
        (b"client-cert", b"\xff"),
        (b"origin", b"https://evil.test"),
        (b"access-control-request-method", b"GET"),
        (b"x-http-method-override", b"GET"),
        (b"cookie", b"access_token=x"),
        (b"content-type", b"application/x-www-form-urlencoded"),
    ]
)
HEADERS = st.lists(AUTHORIZATIONS | OTHERS, max_size=3)
QUERIES = st.binary(max_size=60) | st.sampled_from(
    [b"access_token=x", b"access%5Ftoken=x", b"%61ccess_token", urlencode({"access_token": "a.b.c"}).encode()]
)
METHODS = st.sampled_from(["GET", "GET", "POST", "HEAD", "OPTIONS", "DELETE", "BREW"])


class Target:
    """The API, and one good token."""

    def __init__(self, portal: BlockingPortal, *, guarded: bool = False, **options: Any) -> None:
        self._portal = portal
        self._world = World(**options)
        if guarded:
            self._world.api.guard(self._world.app)
        self.good = self._world.issuer.token_for(scope="orders:read").encode()

    def ask(self, method: str, path: str, headers: list[tuple[bytes, bytes]], query: bytes, body: bytes) -> Reply:
        return self._portal.call(lambda: ask(self._world.app, method, path, *headers, query=query, body=body))


@pytest.fixture(scope="module")
def target() -> Generator[Target]:
    with ExitStack() as stack:
        yield Target(stack.enter_context(start_blocking_portal()))


BOUND: dict[str, Any] = {
    "dpop": "optional",
    "public_url": "https://api.test",
    "mtls": True,
    "trusted_proxies": ["203.0.113.0/24"],
    "client_certificate_header": "Client-Cert",
}


@pytest.fixture(scope="module")
def guarded() -> Generator[Target]:
    with ExitStack() as stack:
        yield Target(stack.enter_context(start_blocking_portal()), guarded=True, **BOUND)


def check(reply: Reply) -> None:
    """The oracle: refused, and as RFC 6750 §3 says."""
    assert reply.status in (400, 401, 405), reply.text
    if reply.status == 405:
        return
    challenge = reply.headers["www-authenticate"]
    assert challenge.startswith("Bearer")
    assert ("error=" in challenge) == (reply.body != b"")
    assert challenge.isascii()
    assert challenge.isprintable()


@pytest.mark.spec("V16-16.5.1", "6750-3-a", "6750-3-b")
@pytest.mark.parametrize("path", PROTECTED)
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(method=METHODS, headers=HEADERS, query=QUERIES, body=st.binary(max_size=40))
@example(method="GET", headers=[(b"authorization", b"Bearer \xff")], query=b"", body=b"")
@example(method="GET", headers=[(b"authorization", b"")], query=b"", body=b"")
def test_nothing_opens_it_but_a_good_token(
    target: Target, path: str, method: str, headers: list[tuple[bytes, bytes]], query: bytes, body: bytes
) -> None:
    check(target.ask(method, path, headers, query, body))


PATHS = st.sampled_from([*PROTECTED, "/open", "/nowhere", "/docs"]) | st.text(max_size=20).map(
    lambda end: "/" + end
)


@pytest.mark.spec("V16-16.5.1", "6750-3-a", "6750-3-b", "X-failclosed")
@settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(path=PATHS, method=METHODS, headers=HEADERS, query=QUERIES)
def test_nothing_at_all_comes_through_a_guard_and_nothing_breaks_it(
    guarded: Target, path: str, method: str, headers: list[tuple[bytes, bytes]], query: bytes
) -> None:
    reply = guarded.ask(method, path, headers, query, b"")
    assert reply.status in (400, 401), reply.text
    check(reply)


@pytest.mark.spec("6750-2-b", "6750-2.1-a")
@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(other=AUTHORIZATIONS, first=st.booleans(), where=st.integers(0, 900), sign=st.integers(0, 255))
def test_a_good_token_is_spoilt_by_a_second_one_or_by_one_byte(
    target: Target, other: tuple[bytes, bytes], first: bool, where: int, sign: int
) -> None:
    good = (b"authorization", b"Bearer " + target.good)
    both = [other, good] if first else [good, other]
    assert target.ask("GET", "/orders", both, b"", b"").status == 400
    place = where % len(target.good)
    if target.good[place] == sign:
        return
    spoilt = target.good[:place] + bytes([sign]) + target.good[place + 1 :]
    check(target.ask("GET", "/orders", [(b"authorization", b"Bearer " + spoilt)], b"", b""))


def test_the_good_token_is_good(target: Target) -> None:
    assert target.ask("GET", "/orders", [(b"authorization", b"bEaReR " + target.good)], b"", b"").status == 200
