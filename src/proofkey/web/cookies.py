"""Cookies: names and attributes that fit the public URL, and a reader that trusts nothing.

Under https a name begins with `__Host-` and the cookie is Secure. Over http, which is loopback only, neither is
possible in every browser, and the ports of a host share cookies: there the name carries the port.
"""

from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from proofkey.protocol.text import Secret

MAX_HEADER: Final = 16 * 1024
"""Characters of all Cookie headers together; more is read as no cookie at all."""
MAX_VALUE: Final = 512
MAX_FLOWS: Final = 8
"""Flow cookies that one browser may hold at a time."""

_VALUE: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~")


class CookieJar:
    """One cookie, or one family of cookies with a suffix per flow, of one application.

    `public_url` is the URL that browsers see; `purpose` names the cookie (`sign-in`, `flow`, `session`).
    """

    __slots__ = ("_secure", "name")

    def __init__(self, public_url: str, purpose: str) -> None:
        url = urlsplit(public_url)
        self._secure = url.scheme == "https"
        self.name: Final = f"__Host-proofkey-{purpose}" if self._secure else f"proofkey-{purpose}-{url.port or 80}"

    def name_of(self, suffix: str = "") -> str:
        """The cookie's name; with a suffix, of the cookie of that flow."""
        return f"{self.name}-{suffix}" if suffix else self.name

    def read(self, headers: Headers, suffix: str = "") -> Secret | None:
        """Its value; None when it is absent, sent twice, or not in the form that we set."""
        return parse_cookies(headers.getlist("cookie")).get(self.name_of(suffix))

    def read_flows(self, headers: Headers) -> dict[str, Secret]:
        """The values of the family by suffix, in the order of arrival (browsers send the oldest first)."""
        start = f"{self.name}-"
        found = parse_cookies(headers.getlist("cookie"))
        return {name[len(start) :]: value for name, value in found.items() if name.startswith(start)}

    def build(self, value: Secret, suffix: str = "", *, max_age: int | None = None) -> str:
        """The Set-Cookie value; without `max_age` (seconds) the cookie ends with the browser's session.

        Raises: ValueError when the value has other characters than the reader takes.
        """
        text = value.reveal()
        if not 0 < len(text) <= MAX_VALUE or not _VALUE.issuperset(text):
            raise ValueError("not a cookie value of ours")
        return self._line(suffix, text, max_age)

    def build_removal(self, suffix: str = "") -> str:
        """The Set-Cookie value that removes the cookie."""
        return self._line(suffix, "", 0)

    def _line(self, suffix: str, text: str, max_age: int | None) -> str:
        age = "" if max_age is None else f"; Max-Age={max_age}"
        return f"{self.name_of(suffix)}={text}{age}; Path=/; HttpOnly; SameSite=Lax" + (
            "; Secure" if self._secure else ""
        )


def parse_cookies(lines: Iterable[str]) -> Mapping[str, Secret]:
    """Every well-formed cookie that was sent exactly once (RFC 6265 §4.2.1); never raises.

    A name that stands twice is dropped: a sibling host may have planted the other one. Names are not trimmed.
    """
    found: dict[str, Secret] = {}
    seen: set[str] = set()
    text = ";".join(lines)
    if len(text) > MAX_HEADER:
        return found
    for piece in text.split(";"):
        name, separator, value = piece.removeprefix(" ").partition("=")
        if not separator:
            continue
        key = name.strip()
        if key in seen:
            found.pop(key, None)
        elif key == name and 0 < len(value) <= MAX_VALUE and _VALUE.issuperset(value):
            found[key] = Secret(value)
        seen.add(key)
    return found
