"""Sectors of pairwise subjects that clients name by an address (OIDC Core §8.1, OIDC Registration §5)."""

from typing import cast

from proofkey.authorization_server.policy import Policy
from proofkey.authorization_server.remote import SECTOR, Documents
from proofkey.errors import ConfigurationError, Unavailable
from proofkey.findings import Finding
from proofkey.protocol.json_strict import parse_array
from proofkey.protocol.registration import ClientRegistration
from proofkey.protocol.uri import is_loopback_http, is_web_url


async def find_sectors(client: ClientRegistration, policy: Policy, documents: Documents) -> frozenset[str]:
    """The sectors that `check_registration` takes of this client: those that the operator vouches for, and the one
    that it names, if the document there lists all of its redirect URIs. A native client's may differ in nothing,
    the port neither.

    Raises: ConfigurationError when it does not; Unavailable when it cannot be had.
    """
    if client.sector_identifier_uri in policy.sector_identifier_uris:
        return policy.sector_identifier_uris
    uris = sorted(client.redirect_uris)
    proven = await find_declared_sectors(client.sector_identifier_uri, uris, client.client_id, documents)
    return policy.sector_identifier_uris | proven


async def find_declared_sectors(
    uri: object, redirect_uris: object, client_id: str, documents: Documents
) -> frozenset[str]:
    """The one that a stranger's document names, proven likewise: the operator vouches for sectors of his own
    clients alone, since whoever is of a sector knows its people by the same names. What is no address is not
    fetched, and refused when the document is judged.

    Raises: ConfigurationError; Unavailable.
    """
    if not isinstance(uri, str) or not is_web_url(uri) or is_loopback_http(uri):
        return frozenset()
    if not isinstance(redirect_uris, list):
        return frozenset()
    found = await documents.get(uri, SECTOR, check_sector_document)
    listed = read_sector_document(found.text)
    missing = [one for one in cast("list[object]", redirect_uris) if one not in listed]
    if missing:
        raise ConfigurationError(
            Finding.CLIENT_METADATA_BAD,
            client_id=client_id[:200],
            member="sector_identifier_uri",
            reason="its document does not list a redirect URI of the client",
            missing=str(missing[0])[:200],
        )
    return frozenset({uri})


def check_sector_document(text: str) -> None:
    """A JSON array of redirect URIs (OIDC Registration §5). Raises: Unavailable."""
    try:
        read_sector_document(text)
    except ValueError as error:
        raise Unavailable(Finding.OUTGOING_FAILED, reason="no JSON array of redirect URIs") from error


def read_sector_document(text: str) -> frozenset[str]:
    """Raises: ValueError."""
    listed = parse_array(text.encode())
    uris = frozenset(one for one in listed if isinstance(one, str))
    if not uris or len(uris) != len(listed):
        raise ValueError("not a list of texts, each once")
    return uris
