"""Cookies that fit the public URL, and a reader that takes nothing doubtful."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from proofkey.protocol.text import Secret
from proofkey.web.cookies import MAX_HEADER, CookieJar, parse_cookies

VALUE = "v" * 43


def headers(*lines: str) -> Headers:
    return Headers(raw=[(b"cookie", line.encode("latin-1")) for line in lines])


@pytest.mark.spec("N63-5.1.1", "design §3")
@pytest.mark.parametrize(
    ("url", "expected"),
    [
        pytest.param(
            "https://op.test/idp",
            f"__Host-proofkey-sign-in={VALUE}; Path=/; HttpOnly; SameSite=Lax; Secure",
            id="https",
        ),
        pytest.param(
            "http://localhost:9000",
            f"proofkey-sign-in-9000={VALUE}; Path=/; HttpOnly; SameSite=Lax",
            id="http on loopback carries the port",
        ),
        pytest.param(
            "http://localhost", f"proofkey-sign-in-80={VALUE}; Path=/; HttpOnly; SameSite=Lax", id="http, 80"
        ),
    ],
)
def test_a_cookie_is_built_for_its_url(url: str, expected: str) -> None:
    assert CookieJar(url, "sign-in").build(Secret(VALUE)) == expected


def test_a_flow_has_a_cookie_of_its_own_for_a_time() -> None:
    jar = CookieJar("https://op.test", "flow")
    line = jar.build(Secret(VALUE), "Ab-_12", max_age=600)
    assert line.startswith(f"__Host-proofkey-flow-Ab-_12={VALUE}; Max-Age=600; Path=/;")
    assert jar.build_removal("Ab-_12").startswith("__Host-proofkey-flow-Ab-_12=; Max-Age=0; Path=/;")
    found = jar.read_flows(headers(f"{jar.name}-Ab-_12={VALUE}; {jar.name}-x=y; other=z"))
    assert list(found) == ["Ab-_12", "x"]
    assert found["Ab-_12"] == Secret(VALUE)


@pytest.mark.parametrize("value", ["", "a b", "a;b", 'a"', "a\r\nSet-Cookie: x=y", "é", "x" * 513])
def test_a_value_that_the_reader_would_not_take_is_not_set(value: str) -> None:
    with pytest.raises(ValueError, match="cookie value"):
        CookieJar("https://op.test", "sign-in").build(Secret(value))


NAME = "__Host-proofkey-sign-in"


@pytest.mark.spec("threats §2.22", "threats §4")
@pytest.mark.parametrize(
    "lines",
    [
        pytest.param([], id="there is none"),
        pytest.param([f"{NAME}={VALUE}; {NAME}=planted"], id="sent twice"),
        pytest.param([f"{NAME}={VALUE}", f"{NAME}=planted"], id="sent twice, in two headers"),
        pytest.param([f"{NAME}={VALUE}; {NAME}={VALUE}; {NAME}={VALUE}"], id="sent three times"),
        pytest.param([f"{NAME}={VALUE}; {NAME} =planted"], id="planted with a space in its name"),
        pytest.param([f"{NAME} ={VALUE}"], id="space in its name"),
        pytest.param([f"{NAME}="], id="empty"),
        pytest.param([f'{NAME}="{VALUE}"'], id="quoted"),
        pytest.param([f"{NAME}=\xff\xfe"], id="binary"),
        pytest.param([f"{NAME}={'v' * 600}"], id="too long"),
        pytest.param([f"{NAME}={VALUE}; x={'y' * MAX_HEADER}"], id="header too long"),
        pytest.param([NAME], id="without a value"),
        pytest.param([f"{NAME.lower()}={VALUE}"], id="other case"),
    ],
)
def test_a_request_is_anonymous_when_its_cookie_is(lines: list[str]) -> None:
    assert CookieJar("https://op.test", "sign-in").read(headers(*lines)) is None


def test_a_cookie_is_read_among_others() -> None:
    found = CookieJar("https://op.test", "sign-in").read(headers(f"a=b; {NAME}={VALUE};c=d"))
    assert found == Secret(VALUE)


@given(st.lists(st.text(alphabet=st.characters(max_codepoint=255), max_size=80), max_size=4))
def test_no_cookie_header_raises(lines: list[str]) -> None:
    assert all(0 < len(value.reveal()) <= 512 for value in parse_cookies(lines).values())
