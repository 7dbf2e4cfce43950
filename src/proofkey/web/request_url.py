"""The address by which the caller knows a request: from settings and its path, never from a header."""

from functools import lru_cache
from typing import Final
from urllib.parse import quote, unquote

from starlette.types import Scope

from proofkey.protocol.target_uri import normalize_path, normalize_target

_SAFE: Final = "/%:@!$&'()*+,;=~-._"
"""What stays as it is when bytes of a request line become a URI's path."""


def request_url(public_url: str, scope: Scope) -> str:
    """The URL that a DPoP proof for this request names, without query, in its normal form (RFC 9449 §4.3 no. 9).

    `public_url` is the public address of the application, or of the mounted part of it that asks. The path is the
    request's own. A prefix that a proxy strips stands in `public_url`, in the server's root path, or in both
    (`uvicorn --root-path`); a mount's prefix may stand in `public_url` too. Host and forwarding headers say
    nothing. A websocket has the https form of its address.
    Raises: ValueError when the path is not one.
    """
    origin, base = _split(public_url)
    path = _path_of(scope)
    mounted: str = scope.get("root_path", "")
    served: str = scope.get("app_root_path", mounted)
    if not served and not mounted:
        return f"{origin}{base}{path}"
    served, mounted = _prefix(served), _prefix(mounted)
    if not _is_under(path, served):  # a root path that the framework knows and the server did not put in front
        path = served + path
    for prefix in (mounted, served):
        if prefix and base.endswith(prefix) and _is_under(path, prefix):
            return f"{origin}{base}{path[len(prefix) :]}"
    return f"{origin}{base}{path}"


@lru_cache(maxsize=16)
def _split(public_url: str) -> tuple[str, str]:
    """Origin and path, the latter without a slash at its end."""
    url = normalize_target(public_url)
    end = url.index("/", url.index("://") + 3)
    return url[:end], url[end:].rstrip("/")


def _path_of(scope: Scope) -> str:
    """As it was sent, if the server says so and nobody has changed it since; else as it is now."""
    path: str = scope["path"]
    raw: bytes | None = scope.get("raw_path")
    if raw is not None:
        sent = quote(raw.partition(b"?")[0], safe=_SAFE)
        if unquote(sent) == path:
            return normalize_path(sent)
    return normalize_path(quote(path.encode(errors="surrogateescape"), safe=_SAFE.replace("%", "")))


def _prefix(root_path: str) -> str:
    """In the normal form of paths, without a slash at its end."""
    stripped = root_path.strip("/")
    return normalize_path(quote(f"/{stripped}", safe=_SAFE.replace("%", ""))) if stripped else ""


def _is_under(path: str, prefix: str) -> bool:
    return not prefix or path == prefix or path.startswith(f"{prefix}/")
