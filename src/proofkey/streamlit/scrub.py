"""What a browser sends, without anything that could pass for our own words to Streamlit."""

from collections.abc import Iterable, Mapping
from typing import Final

RawHeaders = list[tuple[bytes, bytes]]

USER_COOKIE: Final = "_streamlit_user"
"""Streamlit's identity cookie; its token cookie and the chunks of both begin alike."""
OWN_HEADER: Final = "x-proofkey-"
"""Headers of ours that carry identity to Streamlit when the cookie cannot."""
_OWN_COOKIES: Final = ("proofkey-", "__Host-proofkey-")


def scrub_headers(
    headers: Iterable[tuple[bytes, bytes]], trusted: Iterable[str] = (), *, hide_own: bool = True
) -> RawHeaders:
    """The headers without forged identity and, with `hide_own`, without our cookies: pages have no use for them.

    `trusted` are the names that Streamlit would believe (`server.trustedUserHeaders`). A name is matched in any
    case, and with `_` for `-`.
    """
    refused = {_plain(name) for name in trusted}
    kept: RawHeaders = []
    for name, value in headers:
        plain = _plain(name.decode("latin-1"))
        if plain.startswith(OWN_HEADER) or plain in refused:
            continue
        if plain == "cookie":
            value = _scrub_cookies(value, (USER_COOKIE, *_OWN_COOKIES) if hide_own else (USER_COOKIE,))
            if not value:
                continue
        kept.append((name, value))
    return kept


def with_cookie(headers: RawHeaders, name: str, value: str) -> RawHeaders:
    """The headers with one cookie more, in one Cookie header: Streamlit reads the first one only."""
    cookies = [text for key, text in headers if key.lower() == b"cookie"]
    others = [(key, text) for key, text in headers if key.lower() != b"cookie"]
    return [*others, (b"cookie", b"; ".join([*cookies, f"{name}={value}".encode("latin-1")]))]


def with_headers(headers: RawHeaders, added: Mapping[str, str]) -> RawHeaders:
    """The headers with those instead of any of the same name."""
    names = {name.lower().encode("latin-1") for name in added}
    others = [(key, text) for key, text in headers if key.lower() not in names]
    return [*others, *((name.lower().encode("latin-1"), text.encode("latin-1")) for name, text in added.items())]


def _scrub_cookies(value: bytes, refused: tuple[str, ...]) -> bytes:
    pieces = [piece.strip() for piece in value.decode("latin-1").split(";")]
    kept = [piece for piece in pieces if piece and not piece.partition("=")[0].strip().startswith(refused)]
    return "; ".join(kept).encode("latin-1")


def _plain(name: str) -> str:
    return name.strip().lower().replace("_", "-")
