"""Documents that clients publish, in the place of the internet: key sets, sectors, clients' own documents."""

import json

import anyio

from proofkey.errors import Unavailable
from proofkey.findings import Finding
from proofkey.protocol.exchange import Answer, Ask
from proofkey.transport.address import shown_address


class PublishedDocuments:
    """Implements `protocol.exchange.Transport`: what `put` says is there, and everything else answers 404.

    `asked` holds every URL that was asked for; hosts in `down` do not answer; while `gate` is an event that is not
    set, answers wait for it.
    """

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.asked: list[str] = []
        self.down: set[str] = set()
        self.gate: anyio.Event | None = None

    def put(self, url: str, document: object, *, status: int = 200, **headers: str) -> None:
        """A JSON document, or bytes as they are; underscores in names of headers stand for hyphens."""
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        told = {name.replace("_", "-").lower(): value for name, value in headers.items()}
        self.answers[url] = Answer(status, {"content-type": "application/json", **told}, body)

    def remove(self, url: str) -> None:
        """It answers 404 from now on."""
        self.answers.pop(url, None)

    def count(self, url: str) -> int:
        """How often it was asked for."""
        return self.asked.count(url)

    async def send(self, ask: Ask) -> Answer:
        """Raises: Unavailable when its host is down, or the document is larger than the caller allows."""
        self.asked.append(ask.url)
        if self.gate is not None:
            await self.gate.wait()
        if any(ask.url.startswith(f"https://{host}") for host in self.down):
            raise Unavailable(Finding.OUTGOING_FAILED, address=shown_address(ask.url), reason="down")
        answer = self.answers.get(ask.url, Answer(404))
        if len(answer.body) > ask.max_bytes:
            raise Unavailable(Finding.OUTGOING_TOO_LARGE, address=shown_address(ask.url))
        return answer

    async def aclose(self) -> None:
        """Nothing is held."""
