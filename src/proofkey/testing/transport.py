"""Requests to applications in the same process, without a socket."""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any
from urllib.parse import urlencode

import httpx2

from proofkey.errors import Unavailable
from proofkey.findings import Finding
from proofkey.protocol.exchange import Answer, Ask
from proofkey.protocol.uri import origin_of
from proofkey.transport.address import check_outgoing_url, shown_address
from proofkey.transport.http import read_answer

Message = MutableMapping[str, Any]
AsgiApp = Callable[
    [Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]
]


class AsgiTransport:
    """Implements `protocol.exchange.Transport`: each origin (`https://op.test`) is an ASGI application.

    The rules of the real transport hold: https or loopback, no redirects, the size limit. Lifespans are not run.
    Every request is kept in `asked`, and `down` holds origins that shall not answer.
    """

    def __init__(self, app_by_origin: Mapping[str, AsgiApp]) -> None:
        self._apps = {origin_of(origin): app for origin, app in app_by_origin.items()}
        self.asked: list[Ask] = []
        self.down: set[str] = set()

    async def send(self, ask: Ask) -> Answer:
        """The application's answer. Raises: Unavailable when no application has the origin, or it is down."""
        check_outgoing_url(ask.url, allow_insecure_http=ask.allow_insecure_http)
        self.asked.append(ask)
        origin = origin_of(ask.url.partition("?")[0])
        app = self._apps.get(origin)
        if app is None or origin in {origin_of(url) for url in self.down}:
            raise Unavailable(Finding.OUTGOING_FAILED, address=shown_address(ask.url), reason="NoApplication")
        headers = dict(ask.headers)
        content = None
        if ask.form is not None:
            headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
            content = urlencode(ask.form).encode()
        async with (
            httpx2.AsyncClient(transport=httpx2.ASGITransport(app)) as client,
            client.stream(
                ask.method, ask.url, headers={"Accept-Encoding": "identity"} | headers, content=content
            ) as response,
        ):
            return await read_answer(response, ask)

    async def aclose(self) -> None:
        """Nothing is held."""
