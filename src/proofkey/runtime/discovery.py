"""Asks an issuer for its metadata and its keys, once."""

from typing import Final

from proofkey.errors import Unavailable
from proofkey.findings import Finding
from proofkey.protocol.exchange import Answer, Ask, Transport
from proofkey.protocol.key_set import KeySet
from proofkey.protocol.metadata import ServerMetadata, discovery_urls, parse_server_metadata
from proofkey.protocol.text import Issuer

MAX_METADATA: Final = 256 * 1024
MAX_KEY_SET: Final = 256 * 1024
"""Bytes."""


async def fetch_metadata(
    issuer: Issuer,
    transport: Transport,
    *,
    keys_only: bool = False,
    published: frozenset[str] = frozenset(),
    internal_base_url: str | None = None,
) -> ServerMetadata:
    """OIDC Discovery §4, RFC 8414 §3: the first well-known place that has a document, for this issuer only.

    With `keys_only` the authorization and token endpoint may be missing: an API needs keys alone. `published` and
    `internal_base_url` as in `parse_server_metadata`; the transport itself knows the way to the internal address.
    Raises: Unavailable.
    """
    answer = Answer(404)
    for url in discovery_urls(issuer):
        answer = await transport.send(Ask("GET", url, max_bytes=MAX_METADATA))
        if not 400 <= answer.status < 500 or answer.status == 429:
            break
    check_answer(answer, "discovery")
    return parse_server_metadata(
        answer.body, issuer, keys_only=keys_only, published=published, internal_base_url=internal_base_url
    )


async def fetch_key_set(
    jwks_uri: str, transport: Transport, issuers: frozenset[str] = frozenset()
) -> tuple[KeySet, Answer]:
    """RFC 7517 §5: the issuer's usable keys, at least one, and the answer that brought them. `issuers` as in
    `KeySet.from_document`.

    Raises: Unavailable.
    """
    answer = await transport.send(Ask("GET", jwks_uri, max_bytes=MAX_KEY_SET))
    check_answer(answer, "jwks")
    keys = KeySet.from_document(answer.body, issuers)
    if not len(keys):
        raise Unavailable(Finding.KEYS_UNAVAILABLE, reason="no usable key in the set")
    return keys, answer


def check_answer(answer: Answer, endpoint: str) -> None:
    """Redirects are refused, and whatever else is not 200.

    Raises: Unavailable.
    """
    if 300 <= answer.status < 400:
        raise Unavailable(Finding.OUTGOING_REDIRECT, endpoint=endpoint, status=str(answer.status))
    if answer.status != 200:
        raise Unavailable(Finding.OUTGOING_STATUS, endpoint=endpoint, status=str(answer.status))
