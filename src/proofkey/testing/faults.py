"""An issuer that misbehaves: what an application must survive."""

import asyncio

from proofkey.errors import Unavailable
from proofkey.findings import Finding
from proofkey.protocol.exchange import Answer, Ask, Transport


class FaultyTransport:
    """Passes requests on, unless it is told otherwise.

    `down` answers nothing; `answers` maps the end of a URL (`/jwks`) to a fixed answer; `gate`, while it is not
    set, holds every request back. `asked` lists the URLs.
    """

    def __init__(self, inner: Transport) -> None:
        self.inner = inner
        self.down = False
        self.answers: dict[str, Answer] = {}
        self.gate: asyncio.Event | None = None
        self.asked: list[str] = []

    async def send(self, ask: Ask) -> Answer:
        """The answer. Raises: Unavailable when `down`, or when it is larger than `ask.max_bytes`."""
        self.asked.append(ask.url)
        if self.gate is not None:
            await self.gate.wait()
        if self.down:
            raise Unavailable(Finding.OUTGOING_FAILED, reason="ConnectError")
        fixed = next((answer for end, answer in self.answers.items() if ask.url.endswith(end)), None)
        if fixed is None:
            return await self.inner.send(ask)
        if len(fixed.body) > ask.max_bytes:
            raise Unavailable(Finding.OUTGOING_TOO_LARGE, limit=str(ask.max_bytes))
        return fixed

    def count(self, end: str = "/jwks") -> int:
        """How many requests went to a URL with that end."""
        return sum(url.endswith(end) for url in self.asked)
