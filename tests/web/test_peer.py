"""The client's address: forwarding headers count from trusted proxies only."""

import pytest
from starlette.requests import Request

from proofkey.errors import ConfigurationError
from proofkey.web.peer import UNKNOWN, TrustedProxies

PROXIES = ["127.0.0.1/32", "10.0.0.0/8", "fd00::/8"]


def peer(client: str | None, *forwarded: str, **other: str) -> str:
    raw = [(b"x-forwarded-for", value.encode("latin-1")) for value in forwarded]
    raw += [(name.replace("_", "-").encode(), value.encode()) for name, value in other.items()]
    scope = {"type": "http", "headers": raw, "client": (client, 1) if client is not None else None}
    return TrustedProxies(PROXIES).peer(Request(scope))


@pytest.mark.spec("9700-4.13-b", "threats §2.28")
@pytest.mark.parametrize(
    ("client", "forwarded", "expected"),
    [
        pytest.param("203.0.113.9", ["198.51.100.1"], "203.0.113.9", id="untrusted peers say nothing"),
        pytest.param("127.0.0.1", [], "127.0.0.1", id="a proxy itself"),
        pytest.param("127.0.0.1", ["198.51.100.1"], "198.51.100.1", id="behind one proxy"),
        pytest.param("127.0.0.1", ["6.6.6.6, 198.51.100.1"], "198.51.100.1", id="the left part is invented"),
        pytest.param(
            "127.0.0.1", ["6.6.6.6", "198.51.100.1, 10.1.2.3"], "198.51.100.1", id="two proxies, two headers"
        ),
        pytest.param("127.0.0.1", ["6.6.6.6, rubbish"], "127.0.0.1", id="rubbish ends the walk"),
        pytest.param("127.0.0.1", ["198.51.100.1:4711"], "198.51.100.1", id="with a port"),
        pytest.param("127.0.0.1", ["[2001:db8::1]:4711"], "2001:db8::1", id="IPv6 with a port"),
        pytest.param("::ffff:127.0.0.1", ["198.51.100.1"], "198.51.100.1", id="mapped proxy"),
        pytest.param("fd00::7", ["::ffff:198.51.100.1"], "198.51.100.1", id="mapped client"),
        pytest.param("127.0.0.1", ["10.0.0.1, 10.0.0.2"], "10.0.0.1", id="proxies only"),
        pytest.param("127.0.0.1", ["\xff\xfe, \x00"], "127.0.0.1", id="binary"),
        pytest.param(None, ["198.51.100.1"], UNKNOWN, id="no address"),
        pytest.param("testclient", ["198.51.100.1"], UNKNOWN, id="no IP address"),
    ],
)
def test_the_peer_is(client: str | None, forwarded: list[str], expected: str) -> None:
    assert peer(client, *forwarded) == expected


def test_other_forwarding_headers_are_not_looked_at() -> None:
    assert peer("127.0.0.1", forwarded="for=6.6.6.6", x_real_ip="6.6.6.6", x_forwarded_host="evil") == "127.0.0.1"


def test_nothing_is_trusted_by_default() -> None:
    scope = {"type": "http", "headers": [(b"x-forwarded-for", b"6.6.6.6")], "client": ("127.0.0.1", 1)}
    assert TrustedProxies().peer(Request(scope)) == "127.0.0.1"


def test_a_network_that_is_none_is_refused_at_the_start() -> None:
    with pytest.raises(ConfigurationError, match="trusted_proxies"):
        TrustedProxies(["127.0.0.1/33"])
