"""RFC 3986 §6.2.2, §6.2.3, as far as RFC 9449 §4.3 asks for it."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from proofkey.protocol.target_uri import normalize_path, normalize_target

SAME = {
    "https://api.test/orders": [
        "HTTPS://api.test/orders", "https://API.Test/orders", "https://api.test:443/orders",
        "https://api.test:/orders", "https://api.test:0443/orders", "https://api.test/orders?a=1",
        "https://api.test/orders#part", "https://api.test/orders?a=/#?", "https://api.test/%6Frders",
        "https://api.test/%6frders", "https://api.test/./orders", "https://api.test/x/../orders",
        "https://api.test/../orders", "https://api.test/x/y/../../orders", "https://api.test/%2E%2e/orders",
        "https://%61pi.test/orders",
    ],
    "https://api.test/": ["https://api.test", "https://api.test?a=1", "https://api.test#x", "https://api.test/.",
                          "https://api.test/..", "https://api.test/a/.."],
    "https://api.test/a/": ["https://api.test/a/.", "https://api.test/a/b/..", "https://api.test/a/%2e"],
    "https://api.test/a%2Fb": ["https://api.test/a%2fb"],
    "https://api.test/%C3%A9": ["https://api.test/%c3%a9"],
    "https://api.test/a%7Cb%5B%5D": ["https://api.test/a|b[]", "https://api.test/a%7cb%5b%5d"],
    "https://api.test:8443/": ["https://api.test:8443", "https://API.test:08443"],
    "http://api.test/": ["http://api.test:80", "http://api.test:"],
    "http://api.test:443/": ["http://api.test:443"],
    "http://[::1]:8000/a": ["http://[0:0:0:0:0:0:0:1]:8000/a", "http://[::0001]:8000/a"],
    "http://[2001:db8::a]/": ["http://[2001:DB8:0::A]:80"],
    "https://127.0.0.1/": ["https://127.0.0.1:443"],
    "https://api.test//a//b": ["https://api.test//a/x/..//b"],
    "https://api.test/a;p=1,2/b@c:d!$&'()*+=~-._": ["https://api.test/a;p=1,2/b@c:d!$&'()*+=%7E%2d%2E_"],
}  # fmt: skip


@pytest.mark.spec("X-htu", "9449-4.3-a", "RFC 3986 §6.2.2", "RFC 3986 §6.2.3")
@pytest.mark.parametrize(
    ("other", "normal"), [(other, normal) for normal, others in SAME.items() for other in others]
)
def test_spellings_of_one_uri_have_one_normal_form(other: str, normal: str) -> None:
    assert normalize_target(other) == normal
    assert normalize_target(normal) == normal


@pytest.mark.spec("X-htu")
@pytest.mark.parametrize(
    "different",
    [
        "http://api.test/orders", "https://api.test/Orders", "https://api.test/orders/", "https://api.test//orders",
        "https://api.test./orders", "https://api.test:444/orders", "https://api.test/orders;a",
        "https://api.test/%2Forders", "https://api.test/%256Frders", "https://api.test/orders%3F",
        "https://api.test/orders%20", "https://a.api.test/orders", "https://api.test:80/orders",
        "https://api.test/orders/x/..", "https://api-test/orders",
    ],
)  # fmt: skip
def test_other_uris_keep_another_normal_form(different: str) -> None:
    assert normalize_target(different) != "https://api.test/orders"


@pytest.mark.spec("X-htu")
@pytest.mark.parametrize(
    "uri",
    [
        "", "orders", "/orders", "//api.test/orders", "https:", "https://", "https:///orders", "https:/api.test/a",
        "https:api.test", "wss://api.test/", "ftp://api.test/", "javascript://api.test/%0a", "https ://api.test/",
        "https://user@api.test/", "https://user:pw@api.test/", "https://@api.test/", "https://api.test@evil.test/",
        "https://api.test:x/", "https://api.test:-1/", "https://api.test:65536/", "https://api.test:443:443/",
        "https://api.test:4431231/", "https://api..test/", "https://.api.test/", "https://api test/",
        "https://api.test/a b", "https://api.test/a\tb", "https://api.test/\n", "\nhttps://api.test/",
        "https://api.test/a\\b", "https:\\\\api.test\\a", "https://api.test/%", "https://api.test/%2",
        "https://api.test/%zz", "https://api.test/%2%66", "https://%ff.test/", "https://api%2Etest%2f/",
        "https://ａpi.test/", "https://api.test/é", "https://[::1", "https://[::1]x/", "https://[v1.a]/",
        "https://[fe80::1%25eth0]/", "https://[::1%eth0]/", "https://[1.2.3.4]/", "https://::1/", "https://[]/",
        "https://api.test;x/", "https://api.test/\x00", "https://api.test/" + "a" * 5000, "https://api.test:٤٤٣/",
    ],
)  # fmt: skip
def test_what_is_no_http_uri_is_refused(uri: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        normalize_target(uri)


PIECES = st.lists(
    st.sampled_from(
        ["https", "HTTP", "://", ":", "/", "//", "..", ".", "%2e", "%2F", "%", "%25", "41", "%41", "a", "Z",
         "[", "]",
         "::1", "@", "?", "#", "\\", " ", "é", "443", "080", "api.test", "~", ";", "|", "\n", "\x00", "\ud800"]
    ),
    max_size=14,
).map("".join)  # fmt: skip


@given(st.text(max_size=40) | PIECES | PIECES.map("https://api.test/".__add__) | PIECES.map("http://".__add__))
@example("https://api.test/%25%34%31")
def test_normalising_is_idempotent_and_raises_nothing_else(uri: str) -> None:
    try:
        normal = normalize_target(uri)
    except ValueError:
        return
    assert normalize_target(normal) == normal
    assert normal.isascii()
    assert not set("?#\\ ").intersection(normal)
    assert not {".", ".."}.intersection(normal.split("/"))


@given(PIECES.map("/".__add__))
def test_a_normal_path_stays_as_it_is(path: str) -> None:
    try:
        normal = normalize_path(path)
    except ValueError:
        return
    assert normalize_path(normal) == normal
    assert normal.startswith("/")


def test_a_path_begins_with_a_slash() -> None:
    with pytest.raises(ValueError, match="slash"):
        normalize_path("a/b")


@pytest.mark.timeout(5)
@pytest.mark.parametrize("piece", ["/..", "/.", "%2e", "a.", "[", "%25", "//"])
def test_long_uris_take_no_long_time(piece: str) -> None:
    for _ in range(50):
        normalize_target("https://api.test/" + piece * (4000 // len(piece)))
