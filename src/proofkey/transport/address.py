"""Which addresses requests may go to: https anywhere, plain http on loopback, or where the operator allows it."""

from urllib.parse import urlsplit

from proofkey.errors import Unavailable
from proofkey.findings import Finding
from proofkey.protocol.uri import is_http_url, is_web_url


def check_outgoing_url(url: str, *, allow_insecure_http: bool = False) -> None:
    """RFC 9700 §2.6. Raises: Unavailable when the URL is neither https nor http on loopback.

    `allow_insecure_http` lets plain http go to any host: for an address that the operator named and allowed.
    """
    bare = url.partition("?")[0]
    if not is_web_url(bare) and not (allow_insecure_http and is_http_url(bare)):
        raise Unavailable(Finding.OUTGOING_INSECURE, address=shown_address(url))


def shown_address(url: str) -> str:
    """Scheme, host and port alone: what a log may show of a URL."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "(not a URL)"
    if not host:
        return "(not a URL)"
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{f':{port}' if port else ''}"
