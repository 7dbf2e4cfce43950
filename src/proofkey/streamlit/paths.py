"""Which path is which: Streamlit's, the login's, and what stands open."""

from typing import Final
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.types import Scope

STREAM: Final = "/_stcore/stream"
UPLOAD: Final = "/_stcore/upload_file/"
OPEN: Final = frozenset({"/_stcore/health", "/_stcore/host-config"})
OPEN_FOLDER: Final = "/static/"
"""Streamlit's own front end: the same public files for everybody."""
MACHINE: Final = ("/_stcore/", "/media/", "/component/", "/app/static/", "/static/")
"""No person navigates there: anonymous requests get 401, never a redirect."""
GOODBYE: Final = "/_proofkey/signed-out"
"""Where tabs go whose session has ended."""
STREAMLIT_LOGIN: Final = "/auth/login"
STREAMLIT_LOGOUT: Final = "/auth/logout"
STREAMLIT_CALLBACK: Final = "/oauth2callback"


def split_mount(scope: Scope) -> tuple[str, str]:
    """(where the app is mounted, the path below it)."""
    path, root = str(scope["path"]), str(scope.get("root_path", "")).rstrip("/")
    if root and (path == root or path.startswith(f"{root}/")):
        return root, path[len(root) :] or "/"
    return "", path


def below(path: str, base: str) -> str:
    """The path below `server.baseUrlPath`; the path itself when it is not there."""
    base = base.strip("/")
    if base and (path == f"/{base}" or path.startswith(f"/{base}/")):
        return path[len(base) + 1 :] or "/"
    return path


def is_open(path: str, method: str) -> bool:
    """Whether everybody may read it."""
    return method in {"GET", "HEAD", "OPTIONS"} and (path in OPEN or path.startswith(OPEN_FOLDER))


def is_navigation(path: str, method: str, headers: Headers) -> bool:
    """Whether a person goes there with a browser: such a request is sent to the login, all others get 401."""
    if method not in {"GET", "HEAD"} or path.startswith(MACHINE):
        return False
    mode = headers.get("sec-fetch-mode")
    if mode is not None:
        return mode == "navigate" and headers.get("sec-fetch-dest", "document") == "document"
    return "text/html" in headers.get("accept", "")


def target_of(scope: Scope) -> str:
    """The request's path and query."""
    query = bytes(scope.get("query_string", b"")).decode("latin-1")
    return quote(str(scope["path"]), safe="/:@!$&'()*+,;=~-._") + (f"?{query}" if query else "")
