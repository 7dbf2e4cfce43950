"""Which request is which."""

from typing import Any

import pytest
from starlette.datastructures import Headers

from proofkey.streamlit import paths


@pytest.mark.parametrize(
    ("path", "root", "found"),
    [
        ("/x", "", ("", "/x")),
        ("/dash/x", "/dash", ("/dash", "/x")),
        ("/dash", "/dash", ("/dash", "/")),
        ("/dashboard", "/dash", ("", "/dashboard")),
    ],
)
def test_a_mount_is_split_off(path: str, root: str, found: tuple[str, str]) -> None:
    assert paths.split_mount({"path": path, "root_path": root}) == found


@pytest.mark.parametrize(
    ("path", "base", "found"),
    [
        ("/a/b/x", "a/b", "/x"),
        ("/a/b", "/a/b/", "/"),
        ("/a/bc", "a/b", "/a/bc"),
        ("/x", "", "/x"),
    ],
)
def test_a_base_path_is_split_off(path: str, base: str, found: str) -> None:
    assert paths.below(path, base) == found


@pytest.mark.parametrize(
    ("path", "method", "expected"),
    [
        ("/_stcore/health", "GET", True),
        ("/_stcore/health", "POST", False),
        ("/_stcore/healthy", "GET", False),
        ("/_stcore/health/", "GET", False),
        ("/_stcore/host-config", "GET", True),
        ("/static/js/index.js", "GET", True),
        ("/x/static/js/index.js", "GET", False),
        ("/media/x", "GET", False),
        ("/", "GET", False),
    ],
)
def test_it_stands_open(path: str, method: str, expected: bool) -> None:
    assert paths.is_open(path, method) is expected


@pytest.mark.parametrize(
    ("path", "method", "headers", "expected"),
    [
        ("/", "GET", {"accept": "text/html"}, True),
        ("/", "GET", {"accept": "*/*"}, False),
        ("/", "POST", {"accept": "text/html"}, False),
        ("/media/x", "GET", {"accept": "text/html"}, False),
        ("/", "GET", {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}, True),
        ("/", "GET", {"sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"}, False),
        ("/", "GET", {"sec-fetch-mode": "cors", "accept": "text/html"}, False),
    ],
)
def test_a_person_goes_there(path: str, method: str, headers: dict[str, str], expected: bool) -> None:
    assert paths.is_navigation(path, method, Headers(headers)) is expected


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ({"path": "/a b", "query_string": b"x=1"}, "/a%20b?x=1"),
        ({"path": "/dash/a", "root_path": "/dash"}, "/dash/a"),
        ({"path": "/é%"}, "/%C3%A9%25"),
    ],
)
def test_the_way_back_is(scope: dict[str, Any], expected: str) -> None:
    assert paths.target_of(scope) == expected
