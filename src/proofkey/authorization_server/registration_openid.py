"""What OpenID adds to a client's registration (OIDC Registration §2), and what the server must have for it."""

from proofkey.authorization_server.keys import ALGORITHMS
from proofkey.errors import ConfigurationError
from proofkey.findings import Finding
from proofkey.protocol.jose import SigningAlgorithm
from proofkey.protocol.messages import SIGNED_MODES
from proofkey.protocol.registration import ClientRegistration
from proofkey.protocol.uri import is_loopback_host, is_web_url, split_uri

_MAX_AGE = 2**31


def check_openid(client: ClientRegistration, sectors: frozenset[str] = frozenset()) -> None:
    """OIDC Registration §2, OIDC Core §8.1. `sectors` are the sector identifiers that are vouched for: by the
    operator, or by the document behind it (`sector.find_sectors`).

    Raises: ConfigurationError that names the client and the member.
    """
    for member in (
        *("id_token_signed_response_alg", "userinfo_signed_response_alg"),
        "introspection_signed_response_alg",
    ):
        chosen: str | None = getattr(client, member)
        if chosen not in ALGORITHMS and not (chosen is None and member.startswith("userinfo")):
            raise _bad(client, member, " or ".join(ALGORITHMS))
    if client.default_max_age is not None and not 0 <= client.default_max_age < _MAX_AGE:
        raise _bad(client, "default_max_age", "seconds")
    if client.subject_type not in ("public", "pairwise"):
        raise _bad(client, "subject_type", "public or pairwise")
    if client.sector_identifier_uri is not None:
        _check_sector_uri(client, client.sector_identifier_uri, sectors)
    elif client.subject_type == "pairwise":
        _check_one_host(client)


def algorithms_of(client: ClientRegistration) -> frozenset[SigningAlgorithm]:
    """What the server needs a key for, so that it can serve this client."""
    asked = {
        *(client.id_token_signed_response_alg, client.userinfo_signed_response_alg),
        client.introspection_signed_response_alg,
    }
    if not client.response_modes.isdisjoint(SIGNED_MODES):
        asked.add(client.authorization_signed_response_alg)
    return frozenset(one for one in ALGORITHMS if one in asked)


def _check_sector_uri(client: ClientRegistration, uri: str, sectors: frozenset[str]) -> None:
    if not is_web_url(uri) or not uri.startswith("https://"):
        raise _bad(client, "sector_identifier_uri", "an https URL is needed")
    if uri not in sectors:
        raise _bad(client, "sector_identifier_uri", "neither configured nor proven by its document")


def _check_one_host(client: ClientRegistration) -> None:
    """One host, and not everybody's: native applications on the same computer are not one sector."""
    hosts = {split_uri(uri).host.lower() for uri in client.redirect_uris}
    shared = client.application_type == "native" and any(is_loopback_host(host) for host in hosts)
    if len(hosts) != 1 or "" in hosts or shared:
        reason = "pairwise subjects need redirect URIs of one host, or a sector_identifier_uri"
        raise _bad(client, "subject_type", reason)


def _bad(client: ClientRegistration, member: str, reason: str) -> ConfigurationError:
    return ConfigurationError(
        Finding.CLIENT_METADATA_BAD, client_id=client.client_id[:64], member=member, reason=reason
    )
