"""Whether a client fits this server: its profile, and the types of authorization_details that it has."""

from dataclasses import fields
from typing import Final

from proofkey.authorization_server.policy import Policy
from proofkey.authorization_server.profile import FAPI_ALGORITHMS
from proofkey.errors import ConfigurationError, InvalidClient
from proofkey.findings import Finding
from proofkey.protocol.client_assertion import client_keys
from proofkey.protocol.registration import TLS_METHODS, AuthMethod, ClientRegistration

FAPI_METHODS: Final[tuple[AuthMethod, ...]] = ("private_key_jwt", *TLS_METHODS)
"""FAPI 2.0 §5.3.2.1 no. 6."""
_DANGEROUS: Final = tuple(one.name for one in fields(ClientRegistration) if one.name.startswith("allow_insecure_"))
_SIGNING: Final = (
    *("id_token_signed_response_alg", "userinfo_signed_response_alg", "introspection_signed_response_alg"),
    *("authorization_signed_response_alg", "request_object_signing_alg", "token_endpoint_auth_signing_alg"),
)


def check_fits(client: ClientRegistration, policy: Policy) -> None:
    """RFC 9396 §10, and with the profile `fapi2` FAPI 2.0 §5.3.2.1, §5.4.

    Raises: ConfigurationError that names the client and the member.
    """
    for name in client.authorization_details_types:
        if name not in policy.authorization_details_types:
            known = " or ".join(policy.authorization_details_types) or "none: the server has no types"
            raise _bad(client, "authorization_details_types", known)
    if policy.is_fapi:
        _check_fapi(client)


def check_still_fits(client: ClientRegistration, policy: Policy) -> None:
    """The profile holds too for clients that were registered before the server had it.

    Raises: InvalidClient.
    """
    if not policy.is_fapi:
        return
    try:
        _check_fapi(client)
    except ConfigurationError as error:
        raise InvalidClient(error.finding, **error.facts) from error


def _check_fapi(client: ClientRegistration) -> None:
    """Confidential clients that prove themselves by keys, nothing that weakens, and no RS256."""
    if client.token_endpoint_auth_method not in FAPI_METHODS:
        raise _bad(client, "token_endpoint_auth_method", f"profile fapi2: {' or '.join(FAPI_METHODS)}")
    for member in _DANGEROUS:
        if getattr(client, member):
            raise _bad(client, member, "profile fapi2 forbids it")
    for member in _SIGNING:
        chosen: str | None = getattr(client, member)
        if chosen is not None and chosen not in FAPI_ALGORITHMS:
            raise _bad(client, member, f"profile fapi2: {' or '.join(FAPI_ALGORITHMS)}")
    if client.token_endpoint_auth_method == "private_key_jwt" and client.jwks is not None:
        keys = client_keys(client.jwks, client.token_endpoint_auth_signing_alg)
        if not any(keys.find(kid, name) for kid in (None, *keys.kids) for name in FAPI_ALGORITHMS):
            raise _bad(client, "jwks", f"profile fapi2: a key for {' or '.join(FAPI_ALGORITHMS)} is needed")


def _bad(client: ClientRegistration, member: str, reason: str) -> ConfigurationError:
    return ConfigurationError(
        Finding.CLIENT_METADATA_BAD, client_id=client.client_id[:64], member=member, reason=reason
    )
