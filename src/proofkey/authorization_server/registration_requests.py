"""How a client's requests may come and its answers go back: what may be registered."""

from proofkey.authorization_server.keys import ALGORITHMS
from proofkey.errors import ConfigurationError
from proofkey.findings import Finding
from proofkey.protocol.messages import PLAIN_MODES, SIGNED_MODES
from proofkey.protocol.registration import ClientRegistration
from proofkey.protocol.request_object import ALGORITHMS as REQUEST_OBJECT_ALGORITHMS

RESPONSE_MODES = (*PLAIN_MODES, *SIGNED_MODES)


def check_requests(client: ClientRegistration) -> None:
    """RFC 9101 §10.5, OIDC Registration §2, JARM §3.

    Raises: ConfigurationError that names the client and the member.
    """
    if not client.response_modes <= set(RESPONSE_MODES):
        raise _bad(client, "response_modes", " or ".join(RESPONSE_MODES))
    wanted = client.request_object_signing_alg
    if wanted is not None and wanted not in REQUEST_OBJECT_ALGORITHMS:
        raise _bad(client, "request_object_signing_alg", " or ".join(REQUEST_OBJECT_ALGORITHMS))
    if client.authorization_signed_response_alg not in ALGORITHMS:
        raise _bad(client, "authorization_signed_response_alg", " or ".join(ALGORITHMS))
    if (client.require_signed_request_object or wanted is not None) and not client.has_keys:
        raise _bad(client, "jwks", "signed request objects need the client's public keys")


def _bad(client: ClientRegistration, member: str, reason: str) -> ConfigurationError:
    return ConfigurationError(
        Finding.CLIENT_METADATA_BAD, client_id=client.client_id[:64], member=member, reason=reason
    )
