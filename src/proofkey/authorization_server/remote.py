"""Documents at URLs that clients name, as the role asks for them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from proofkey.errors import Unavailable
from proofkey.findings import Finding

Check = Callable[[str], None]
"""Looks at a document that has just come. Raises: Unavailable when it is of no use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentKind:
    """How large a document may be (bytes), and how long it serves (seconds)."""

    name: str
    max_bytes: int
    usual: int = 300
    """Fresh for so long when the answer says nothing."""
    shortest: int = 60
    longest: int = 24 * 3600
    stale: int = 24 * 3600
    """It serves for so long after that while its host does not answer."""
    rest: int = 5
    """Its host is left alone for so long after it was asked in vain, while there is no document."""


class Document(NamedTuple):
    """What was fetched."""

    text: str
    fresh_for: float = 0.0
    """Seconds for which nobody needs to ask again."""


KEYS: Final = DocumentKind(name="jwks_uri", max_bytes=64 * 1024)
STRANGERS_KEYS: Final = DocumentKind(name="jwks_uri of self-registered", max_bytes=KEYS.max_bytes)
"""Apart from the others, so that no stranger's host holds up or pushes out that of a client of the operator's."""
CLIENT: Final = DocumentKind(
    name="client metadata document", max_bytes=5 * 1024, usual=3600, shortest=300, stale=0, rest=0
)
"""No failure is remembered (draft-ietf-oauth-client-id-metadata-document §4.4); a throttle stands before it."""
SECTOR: Final = DocumentKind(name="sector_identifier_uri", max_bytes=64 * 1024, stale=0)


class Documents(Protocol):
    """Fetches, and remembers within bounds: however many ask, one request is on its way for a URL."""

    async def get(self, url: str, kind: DocumentKind, check: Check, *, renew: bool = False) -> Document:
        """The document, which has passed `check`; with `renew` a newer one, as far as its host is spared.

        Raises: Unavailable.
        """
        ...


class NoDocuments:
    """Where nothing is fetched."""

    async def get(self, url: str, kind: DocumentKind, check: Check, *, renew: bool = False) -> Document:
        """Raises: Unavailable."""
        raise Unavailable(Finding.OUTGOING_FAILED, reason="nothing is fetched here", kind=kind.name)
