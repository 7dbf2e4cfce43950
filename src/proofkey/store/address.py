"""How a store's URL is shown: without what opens it."""

import re
from typing import Final
from urllib.parse import urlsplit

_SCHEME: Final = re.compile(r"[a-z+]+", re.ASCII)
_PLAIN: Final = re.compile(r"[\w.:,\[\]%-]*(/[\w.%/-]*)?", re.ASCII)


def shown_store(url: str) -> str:
    """Scheme, host, port and database; whatever is not surely one of them is left out."""
    if url.startswith(("memory:", "sqlite:")):
        return url
    scheme, mark, rest = url.partition("://")
    if not mark or not _SCHEME.fullmatch(scheme):
        return "…"
    try:
        parts = urlsplit(url)
    except ValueError:
        return f"{scheme}://…"
    place = parts.netloc.rpartition("@")[2] + parts.path
    after = rest.rpartition("@")[2].partition("?")[0]
    return f"{scheme}://{place}" if place == after and _PLAIN.fullmatch(place) else f"{scheme}://…"
