"""Return paths stay on the origin, whoever reads them."""

from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofkey.errors import NoLocation
from proofkey.protocol.redirect_uri import check_return_path, safe_return_path


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/orders",
        "/a/b?x=1&y=https://other.test/#z",
        "/a//b",
        "/a?next=//evil",
        "/a#//evil",
        "/%20",
        "/a.b/..c",
        "/@x",
        "/%e4%bd%a0",
        "/a;b=c",
        "/a:b",
    ],
)
def test_path_on_the_origin_passes(path: str) -> None:
    check_return_path(path)
    assert safe_return_path(path) == path


@pytest.mark.spec("9700-2.1-c", "9700-4.11.1-a")
@pytest.mark.parametrize(
    "path",
    [
        "",
        "orders",
        "//evil.test",
        "///evil.test",
        "/\\evil.test",
        "\\/evil.test",
        "\\\\evil.test",
        "https:evil.test",
        "https://evil.test",
        "http:/evil.test",
        "javascript:alert(1)",
        "%2f%2fevil.test",
        "/%2fevil.test",
        "/%2Fevil.test",
        "/%252fevil.test",
        "/%5cevil.test",
        "/%255cevil.test",
        "/\t/evil.test",
        "/\n/evil.test",
        "/\r/evil.test",
        "\t//evil.test",
        " //evil.test",
        "/ /evil.test",
        "/\0/evil.test",
        "/%09/evil.test",
        "/%0a%0dSet-Cookie:x",
        "/\x7f",
        "/.//evil.test",
        "/..//evil.test",
        "/./x",
        "/a/../x",
        "/%2e%2e//evil.test",
        "/a\\b",
        "/a\nb",
        "?x",
        "#x",
        ".",
        "..",
        "/" + "a" * 2048,
        "/%25252525252f/evil",
    ],
    ids=lambda path: ascii(path[:30]),
)
def test_path_that_could_lead_away_is_refused(path: str) -> None:
    with pytest.raises(NoLocation):
        check_return_path(path)
    assert safe_return_path(path, "/home") == "/home"


def test_letters_beyond_ascii_are_escaped() -> None:
    assert safe_return_path("/Übersicht?q=é") == "/%C3%9Cbersicht?q=%C3%A9"
    assert safe_return_path("/\uff0f\uff0fevil.test") == "/%EF%BC%8F%EF%BC%8Fevil.test"
    assert safe_return_path("/\ud800") == "/"
    assert safe_return_path(None) == "/"


@given(st.text(alphabet="/\\.:@?#%25fFcC0aAeEvil\t\n \u00e9;", max_size=24) | st.text(max_size=24))
def test_whatever_is_asked_the_browser_stays_on_the_origin(path: str) -> None:
    where = urlsplit(urljoin("https://rp.test/auth/callback", safe_return_path(path)))
    assert (where.scheme, where.netloc) == ("https", "rp.test")
    assert not where.path.startswith(("//", "/\\"))
