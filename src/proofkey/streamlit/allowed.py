"""Which addresses may get the access token."""

from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from proofkey.errors import ConfigurationError, ProofkeyError
from proofkey.findings import Finding
from proofkey.protocol.redirect_uri import safe_return_path
from proofkey.protocol.uri import is_web_url, origin_of


class AllowedApis:
    """Base URLs: a request goes out when its base is one of them or lies below one, on the same origin."""

    __slots__ = ("_bases",)

    def __init__(self, bases: Iterable[str]) -> None:
        found = tuple(dict.fromkeys(bases))
        for base in found:
            if not is_web_url(base):
                raise ConfigurationError(Finding.CONFIG_VALUE, key="api_urls", value=base[:200])
        self._bases: Final = tuple((origin_of(base), urlsplit(base).path.rstrip("/")) for base in found)

    def check(self, base_url: str) -> None:
        """Raises: ProofkeyError when the token is not for that address."""
        if is_web_url(base_url) and self._is_below_one(origin_of(base_url), urlsplit(base_url).path):
            return
        shown = base_url.partition("?")[0].rpartition("@")[2]
        raise ProofkeyError(Finding.API_NOT_ALLOWED, base_url=shown[:200])

    def _is_below_one(self, origin: str, path: str) -> bool:
        """Compared as it stands, so a path that a client would shorten (`/v1/../v2`) is below nothing."""
        plain = path.rstrip("/")
        return safe_return_path(path or "/", "") == (path or "/") and any(
            origin == allowed and (plain == base or plain.startswith(f"{base}/")) for allowed, base in self._bases
        )
