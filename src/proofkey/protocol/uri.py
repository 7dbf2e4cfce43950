"""URIs, split strictly and never normalised."""

import ipaddress
import re
from dataclasses import dataclass
from typing import Final

LOOPBACK_HOSTS: Final = frozenset({"127.0.0.1", "[::1]", "localhost"})
MAX_LENGTH: Final = 2048

# RFC 3986 §2: unreserved, reserved (without "#") and escapes
_CHARACTERS: Final = re.compile(r"(?:[A-Za-z0-9\-._~:/?\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})+")
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*")
_HOST: Final = re.compile(r"[A-Za-z0-9_\-]+(?:\.[A-Za-z0-9_\-]+)*\.?")
_PORT: Final = re.compile(r"[1-9][0-9]{0,4}")


@dataclass(frozen=True, slots=True)
class UriParts:
    """An absolute URI, split but not normalised. `host` and `port` are "" when there is no authority."""

    scheme: str
    host: str
    port: str
    path: str
    query: str


def split_uri(uri: str) -> UriParts:
    """An absolute URI of ASCII characters without fragment, at most 2048 long; http and https with an authority,
    others with at least a path that starts with a slash (RFC 3986 §3). No user information, no escape in the host.

    Raises: ValueError.
    """
    if len(uri) > MAX_LENGTH:
        raise ValueError("longer than 2048 characters")
    if not _CHARACTERS.fullmatch(uri):
        raise ValueError("a fragment, or a character that may not stand in a URI")
    scheme, colon, rest = uri.partition(":")
    if not colon or not _SCHEME.fullmatch(scheme):
        raise ValueError("not absolute")
    rest, _, query = rest.partition("?")
    host = port = ""
    if rest.startswith("//"):
        authority, slash, path = rest[2:].partition("/")
        host, port = _split_authority(authority)
        path = slash + path
    elif scheme.lower() in ("http", "https") or not rest.startswith("/"):
        raise ValueError("no authority")
    else:
        path = rest
    return UriParts(scheme, host, port, path, query)


def _split_authority(authority: str) -> tuple[str, str]:
    if "@" in authority or "%" in authority:
        raise ValueError("user information or an escape in the authority")
    if authority.startswith("["):
        address, bracket, rest = authority[1:].partition("]")
        if not bracket or "%" in address:
            raise ValueError("not an IPv6 address")
        ipaddress.IPv6Address(address)  # a ValueError
        host = f"[{address}]"
        if rest and not rest.startswith(":"):
            raise ValueError("something between address and port")
        colon, port = rest[:1], rest[1:]
    else:
        host, colon, port = authority.partition(":")
        if not _HOST.fullmatch(host):
            raise ValueError("not a host name")
    if colon and (not _PORT.fullmatch(port) or int(port) > 65535):
        raise ValueError("not a port")
    return host, port


def is_loopback_host(host: str) -> bool:
    """True for 127.0.0.1, [::1] and localhost, in any case (RFC 8252 §7.3, §8.3)."""
    return host.lower() in LOOPBACK_HOSTS


def is_loopback_http(url: str) -> bool:
    """True when the URL is plain http on a loopback host."""
    try:
        parts = split_uri(url)
    except ValueError:
        return False
    return parts.scheme.lower() == "http" and is_loopback_host(parts.host)


def is_http_url(url: str) -> bool:
    """True for a well-formed http or https URL, on any host."""
    try:
        return split_uri(url).scheme.lower() in ("http", "https")
    except ValueError:
        return False


def is_web_url(url: str) -> bool:
    """True for a well-formed https URL, or http on a loopback host: what may be fetched or linked to."""
    try:
        parts = split_uri(url)
    except ValueError:
        return False
    return parts.scheme.lower() == "https" or is_loopback_http(url)


def origin_of(uri: str) -> str:
    """scheme://host:port in lower case, a default port left out (RFC 6454 §6.2); for a private-use scheme
    `scheme:` alone, as a Content-Security-Policy names it.

    Raises: ValueError when it is not an absolute URI.
    """
    parts = split_uri(uri)
    scheme = parts.scheme.lower()
    if scheme not in ("http", "https"):
        return f"{scheme}:"
    default = "443" if scheme == "https" else "80"
    port = f":{parts.port}" if parts.port and parts.port != default else ""
    return f"{scheme}://{parts.host.lower()}{port}"


def move_origin(url: str, old: str, new: str) -> str:
    """The http or https URL at the origin `new` if its origin is `old`, and as it is otherwise; the rest is not
    touched.

    Raises: ValueError when it is not an absolute URI.
    """
    if origin_of(url.partition("?")[0]) != old:
        return url
    start = url.index("://") + 3
    end = min((at for at in (url.find("/", start), url.find("?", start)) if at >= 0), default=len(url))
    return new + url[end:]
