"""What a role wants sent to another server, and what came back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from proofkey.protocol.text import Pairs

MAX_ANSWER = 256 * 1024
"""Bytes; an answer is never read beyond it."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One request: `form` is sent as application/x-www-form-urlencoded when it is not None."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """They may hold a token or a secret, as the form may."""
    form: Pairs | None = field(default=None, repr=False)
    max_bytes: int = MAX_ANSWER
    allow_insecure_http: bool = False
    """This request may go to plain http away from loopback: the operator said so of that very address."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One response; header names are in lower case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes = field(default=b"", repr=False)


class Transport(Protocol):
    """Sends to the operator's URLs: https, or http on loopback; no redirects; one deadline over everything."""

    async def send(self, ask: Ask) -> Answer:
        """The answer, whatever its status. Raises: Unavailable when there is none."""
        ...
