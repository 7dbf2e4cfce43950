"""Which addresses requests may go to: https anywhere, plain http on loopback, or where the operator allows it."""

from collections.abc import Iterable
from urllib.parse import urlsplit

from proofkey.errors import ConfigurationError, Unavailable
from proofkey.findings import Finding
from proofkey.protocol.uri import UriParts, is_http_url, is_web_url, split_uri


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


def read_private_hosts(written: Iterable[str]) -> frozenset[str]:
    """`host:port` in lower case, exactly as URLs will name them (an IPv6 address in brackets).

    Raises: ConfigurationError.
    """
    key = "outgoing.allow_insecure_private_hosts"
    hosts = set[str]()
    for one in written:
        try:
            parts = split_uri(f"https://{one}")
        except ValueError as error:
            raise ConfigurationError(Finding.CONFIG_VALUE, key=key, value=one[:200], reason=str(error)) from error
        if not parts.port or parts.path or parts.query:
            raise ConfigurationError(Finding.CONFIG_VALUE, key=key, value=one[:200], reason="not host:port")
        hosts.add(host_and_port(parts))
    return frozenset(hosts)


def host_and_port(parts: UriParts) -> str:
    """Of an https URL, in lower case."""
    return f"{parts.host.lower()}:{parts.port or '443'}"
