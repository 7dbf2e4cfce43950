"""The way to a provider that has another address inside the network than the one in its issuer identifier."""

from dataclasses import replace

from proofkey.protocol.exchange import Answer, Ask, Transport
from proofkey.protocol.uri import move_origin, origin_of


class InternalTransport:
    """Sends what is for the issuer's origin to `base_url` (an origin) instead; paths stay, other hosts too.

    The Host header and the name in the TLS certificate are those of `base_url`. A provider that makes its issuer
    from the Host header has to be told its public address (Keycloak: `KC_HOSTNAME`), for the issuer check stays.
    """

    __slots__ = ("_allow_insecure_http", "_inner", "_internal", "_public")

    def __init__(self, inner: Transport, issuer: str, base_url: str, *, allow_insecure_http: bool = False) -> None:
        """`allow_insecure_http`: `base_url` may be plain http away from loopback."""
        self._inner = inner
        self._public = origin_of(issuer)
        self._internal = origin_of(base_url)
        self._allow_insecure_http = allow_insecure_http

    async def send(self, ask: Ask) -> Answer:
        """The answer of the internal address. Raises: Unavailable."""
        if origin_of(ask.url.partition("?")[0]) != self._public:
            return await self._inner.send(ask)
        url = move_origin(ask.url, self._public, self._internal)
        return await self._inner.send(replace(ask, url=url, allow_insecure_http=self._allow_insecure_http))
