"""What is taken out of a browser's headers."""

import pytest
from starlette.requests import cookie_parser

from proofkey.streamlit.scrub import scrub_headers, with_cookie, with_headers


@pytest.mark.parametrize(
    ("cookies", "kept"),
    [
        ("_streamlit_user=x", None),
        ("_streamlit_user_tokens=x; a=1", "a=1"),
        ("_streamlit_user_1=x;_streamlit_user__2=y;a=1", "a=1"),
        (" _streamlit_user =x; a=1", "a=1"),
        ("\x85_streamlit_user=x; a=1", "a=1"),
        ("\xa0_streamlit_user=x; a=1", "a=1"),
        ("\t_streamlit_user=x; a=1", "a=1"),
        ("__Host-proofkey-session=x; _streamlit_xsrf=y", "_streamlit_xsrf=y"),
        ("proofkey-session-8501=x; proofkey-login-8501-ab=z", None),
        ("a=_streamlit_user=x; b", "a=_streamlit_user=x; b"),
        (";;; ;", None),
    ],
)
def test_cookies_that_pass_for_identity_are_taken_out(cookies: str, kept: str | None) -> None:
    headers = scrub_headers([(b"cookie", cookies.encode("latin-1"))])
    assert headers == ([] if kept is None else [(b"cookie", kept.encode())])
    for _, value in headers:
        assert not [name for name in cookie_parser(value.decode("latin-1")) if "_streamlit_user" in name]


@pytest.mark.parametrize("name", ["X-Proofkey-Sub", "x_proofkey_sub", "X-PROOFKEY-anything", "x-user", "X_User"])
def test_headers_that_pass_for_identity_are_taken_out(name: str) -> None:
    headers = [(name.encode(), b"root"), (b"accept", b"*/*")]
    assert scrub_headers(headers, ["X-User"]) == [(b"accept", b"*/*")]


def test_the_login_keeps_its_own_cookies() -> None:
    headers = [(b"cookie", b"proofkey-session-1=x; _streamlit_user=y")]
    assert scrub_headers(headers, hide_own=False) == [(b"cookie", b"proofkey-session-1=x")]


def test_a_cookie_is_added_in_the_one_header_that_is_read() -> None:
    headers = [(b"cookie", b"a=1"), (b"host", b"h"), (b"Cookie", b"b=2")]
    assert with_cookie(headers, "c", "3") == [(b"host", b"h"), (b"cookie", b"a=1; b=2; c=3")]
    assert with_cookie([], "c", "3") == [(b"cookie", b"c=3")]


def test_a_header_replaces_its_namesakes() -> None:
    assert with_headers([(b"Host", b"old"), (b"a", b"1")], {"host": "new"}) == [(b"a", b"1"), (b"host", b"new")]
