"""Redirect URIs, post-logout URIs and return paths: what may be registered, and what matches."""

from typing import Final
from urllib.parse import parse_qsl, quote, unquote

from proofkey.errors import ConfigurationError, NoLocation, ProofkeyError
from proofkey.findings import Finding
from proofkey.protocol.registration import ApplicationType, ClientRegistration
from proofkey.protocol.uri import (
    MAX_LENGTH,
    UriParts,
    is_loopback_host,
    is_loopback_http,
    is_web_url,
    origin_of,
    split_uri,
)

__all__ = [
    "check_post_logout_redirect_uri",
    "check_redirect_uri",
    "check_redirect_uri_syntax",
    "check_return_path",
    "is_loopback_host",
    "is_loopback_http",
    "is_web_url",
    "origin_of",
    "safe_return_path",
]

_RESPONSE_PARAMETERS: Final = frozenset(
    {
        "access_token", "code", "error", "error_description", "error_uri", "expires_in", "id_token", "iss",
        "response", "session_state", "state", "token_type",
    }
)  # fmt: skip


def check_redirect_uri_syntax(uri: str, *, application_type: ApplicationType, issuer: str) -> None:
    """What may be registered (RFC 9700 §2.1, §2.6; RFC 8252 §7; OAuth 2.1 §2.3).

    https for everybody; http on a loopback host for native clients, and for all while the issuer itself is http
    on loopback; private-use schemes (with a dot) for native clients. No fragment, user information, backslash,
    control or non-ASCII character, dot segment, or response parameter in the query.
    Raises: ConfigurationError.
    """
    try:
        parts = _split(uri)
    except ValueError as error:
        raise ConfigurationError(Finding.REDIRECT_URI_MALFORMED, uri=uri[:200], reason=str(error)) from error
    scheme = parts.scheme.lower()
    native = application_type == "native"
    if scheme == "https":
        return
    if scheme == "http":
        if is_loopback_host(parts.host) and (native or is_loopback_http(issuer)):
            return
        raise ConfigurationError(Finding.REDIRECT_URI_INSECURE, uri=uri[:200])
    if not (native and "." in scheme):
        raise ConfigurationError(Finding.REDIRECT_URI_MALFORMED, uri=uri[:200], reason="scheme not allowed")


def check_redirect_uri(asked: str | None, client: ClientRegistration) -> None:
    """The request's redirect URI is a registered one, as an exact string; of loopback URIs of native clients the
    port is free and nothing else (RFC 9700 §2.1, §4.1.3; RFC 8252 §7.3).

    Raises: NoLocation, since nothing may be sent to a URI that was not proven (RFC 6749 §4.1.2.1).
    """
    if not asked:
        raise NoLocation(Finding.REDIRECT_URI_MISSING)
    if not _is_registered(asked, client.redirect_uris, client.application_type):
        raise NoLocation(_unregistered(asked, Finding.REDIRECT_URI_UNREGISTERED), client_id=client.client_id)


def check_post_logout_redirect_uri(asked: str, client: ClientRegistration) -> None:
    """The same rule for the URI of a logout request (OIDC RP-Initiated Logout §3).

    Raises: NoLocation.
    """
    if not _is_registered(asked, client.post_logout_redirect_uris, client.application_type):
        raise NoLocation(_unregistered(asked, Finding.POST_LOGOUT_URI_UNREGISTERED), client_id=client.client_id)


def check_return_path(path: str) -> None:
    """A path on the same origin, whoever reads it: browser, proxy or framework (RFC 9700 §4.11.1).

    One leading slash; no backslash, control or non-ASCII character, dot segment, or second slash after decoding.
    Raises: NoLocation.
    """
    try:
        _check_local_path(path)
    except ValueError as error:
        raise NoLocation(Finding.RETURN_URL_FOREIGN, reason=str(error)) from error


def safe_return_path(path: str | None, default: str = "/") -> str:
    """The path if it stays on the origin (non-ASCII letters are escaped), else `default`."""
    if not path:
        return default
    try:
        escaped = quote(path, safe=_ASCII)
        check_return_path(escaped)
    except (ProofkeyError, UnicodeEncodeError):
        return default
    return escaped


def _is_registered(asked: str, registered: frozenset[str], application_type: ApplicationType) -> bool:
    if asked in registered:
        return True
    if application_type != "native":
        return False
    portless = _without_port(asked)
    return portless is not None and any(portless == _without_port(uri) for uri in registered)


def _unregistered(asked: str, finding: Finding) -> Finding:
    try:
        _split(asked)
    except ValueError:
        return Finding.REDIRECT_URI_MALFORMED
    return finding


def _without_port(uri: str) -> str | None:
    """The very characters of a plain http loopback URI but for its port; None for every other URI."""
    if not is_loopback_http(uri):
        return None
    parts = split_uri(uri)
    start = len(parts.scheme) + len("://") + len(parts.host)
    rest = uri[start:]
    return uri[:start] + (rest[len(parts.port) + 1 :] if parts.port else rest)


def _split(uri: str) -> UriParts:
    parts = split_uri(uri)
    _check_path(parts.path)
    if any(name in _RESPONSE_PARAMETERS for name, _ in parse_qsl(parts.query, keep_blank_values=True)):
        raise ValueError("a response parameter in the query")
    return parts


def _check_path(path: str) -> None:
    """No dot segment, backslash or control character, however often it was escaped; `;` starts parameters."""
    plain = _unescape(path)
    if any(character in plain for character in "\\\x7f") or any(character < " " for character in plain):
        raise ValueError("an escaped backslash or control character")
    if any(segment.partition(";")[0] in (".", "..") for segment in plain.split("/")):
        raise ValueError("a dot segment")


def _check_local_path(path: str) -> None:
    if len(path) > MAX_LENGTH:
        raise ValueError("longer than 2048 characters")
    if not path.startswith("/") or not path.isascii():
        raise ValueError("not a path of ASCII characters")
    if "\\" in path or any(character <= " " or character == "\x7f" for character in path):
        raise ValueError("a backslash, space or control character")
    plain = path.partition("#")[0].partition("?")[0]
    if _unescape(plain).startswith("//"):
        raise ValueError("two leading slashes")
    _check_path(plain)


def _unescape(text: str) -> str:
    """Decoded until nothing changes. Raises: ValueError when that takes more than three rounds."""
    for _ in range(3):
        plain = unquote(text, errors="replace")
        if plain == text:
            return plain
        text = plain
    if unquote(text, errors="replace") != text:
        raise ValueError("escaped too often")
    return text


_ASCII: Final = "".join(map(chr, range(128)))
