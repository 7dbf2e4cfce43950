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


async def fetch_metadata(issuer: Issuer, transport: Transport, *, keys_only: bool = False) -> ServerMetadata:
    """OIDC Discovery §4, RFC 8414 §3: the first well-known place that has a document, for this issuer only.

    With `keys_only` the authorization and token endpoint may be missing: an API needs keys alone.

    Raises: Unavailable.
    """
    answer = Answer(404)
    for url in discovery_urls(issuer):
        answer = await transport.send(Ask("GET", url, max_bytes=MAX_METADATA))
        if not 400 <= answer.status < 500 or answer.status == 429:
            break
    check_answer(answer, "discovery")
    return parse_server_metadata(answer.body, issuer, keys_only=keys_only)


async def fetch_key_set(jwks_uri: str, transport: Transport) -> tuple[KeySet, Answer]:
    """RFC 7517 §5: the issuer's usable keys, at least one, and the answer that brought them.

    Raises: Unavailable.
    """
    answer = await transport.send(Ask("GET", jwks_uri, max_bytes=MAX_KEY_SET))
    check_answer(answer, "jwks")
    keys = KeySet.from_document(answer.body)
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
