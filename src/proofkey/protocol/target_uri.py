"""The URI that a DPoP proof is made for, in one spelling (RFC 9449 §4.3; RFC 3986 §6.2.2, §6.2.3)."""

import re
from ipaddress import IPv6Address
from typing import Final

MAX_LENGTH: Final = 4096
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}

_CHARACTERS: Final = re.compile(r"[!-\[\]-~]+")  # visible ASCII without the backslash
_HOST: Final = re.compile(r"[a-z0-9_\-]+(?:\.[a-z0-9_\-]+)*\.?")
_PORT: Final = re.compile(r"[0-9]{1,5}")
_PLAIN_PATH: Final = re.compile(r"(?:/[A-Za-z0-9_~!$&'()*+,;=:@\-][A-Za-z0-9._~!$&'()*+,;=:@\-]*)+/?")
_ESCAPE: Final = re.compile(r"%([0-9A-Fa-f]{2})?")
_FORBIDDEN: Final = re.compile(r'["<>\[\]^`{|}]')
_UNRESERVED: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


def normalize_target(uri: str) -> str:
    """An absolute http or https URI without query and fragment, in its normal form: scheme and host in lower case,
    no default or empty port, an empty path as `/`, no dot segments, escapes in upper case and only where needed,
    IPv6 addresses in their short form. Idempotent.

    Raises: ValueError, and nothing else, for every other string; also for user information, a backslash, a control
    or non-ASCII character, a broken escape, or more than 4096 characters.
    """
    if len(uri) > MAX_LENGTH or not _CHARACTERS.fullmatch(uri):
        raise ValueError("a character that may not stand in a URI, or too many")
    scheme, separator, rest = uri.partition("#")[0].partition("?")[0].partition("://")
    scheme = scheme.lower()
    if not separator or scheme not in _DEFAULT_PORTS:
        raise ValueError("not an absolute http or https URI")
    authority, slash, path = rest.partition("/")
    return f"{scheme}://{_normalize_authority(authority, _DEFAULT_PORTS[scheme])}{normalize_path(slash + path)}"


def normalize_path(path: str) -> str:
    """The path of such a URI, from its first slash on; "" gives "/" (RFC 3986 §6.2.2.2, §6.2.2.3, §6.2.3).

    Raises: ValueError.
    """
    if _PLAIN_PATH.fullmatch(path):  # nothing in it has a second spelling
        return path
    if path and path[0] != "/":
        raise ValueError("the path does not begin with a slash")
    escaped = _FORBIDDEN.sub(_escape, _ESCAPE.sub(_normal_escape, path))
    return _without_dot_segments(escaped)


def _normalize_authority(authority: str, default_port: int) -> str:
    authority = _ESCAPE.sub(_normal_escape, authority)
    if authority.startswith("["):
        address, bracket, port = authority[1:].partition("]")
        if not bracket or "%" in address or (port and port[0] != ":"):
            raise ValueError("not an IPv6 address and a port")
        host, port = f"[{IPv6Address(address).compressed}]", port[1:]
    else:
        host, _, port = authority.partition(":")
        host = host.lower()
        if not _HOST.fullmatch(host):
            raise ValueError("not a host name")
    if not port:
        return host
    if not _PORT.fullmatch(port) or int(port) > 65535:
        raise ValueError("not a port")
    return host if int(port) == default_port else f"{host}:{int(port)}"


def _normal_escape(match: re.Match[str]) -> str:
    digits: str | None = match[1]
    if digits is None:
        raise ValueError("a broken escape")
    character = chr(int(digits, 16))
    return character if character in _UNRESERVED else f"%{digits.upper()}"


def _escape(match: re.Match[str]) -> str:
    return f"%{ord(match[0]):02X}"


def _without_dot_segments(path: str) -> str:
    """RFC 3986 §5.2.4 for a path that begins with a slash, or is empty."""
    kept: list[str] = []
    segments = path.split("/")[1:]
    for number, segment in enumerate(segments, 1):
        if segment not in (".", ".."):
            kept.append(segment)
            continue
        if segment == ".." and kept:
            kept.pop()
        if number == len(segments):
            kept.append("")
    return "/" + "/".join(kept)
