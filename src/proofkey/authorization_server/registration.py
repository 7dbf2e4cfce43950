"""What a client's registration must be before it is stored."""

from typing import Final

from proofkey.authorization_server.client_certificate import check_certificate_members
from proofkey.authorization_server.policy import Policy
from proofkey.authorization_server.registration_keys import check_client_keys
from proofkey.authorization_server.registration_logout import check_logout
from proofkey.authorization_server.registration_openid import check_openid
from proofkey.authorization_server.registration_profile import check_fits
from proofkey.authorization_server.registration_requests import check_requests
from proofkey.errors import ConfigurationError
from proofkey.findings import Finding
from proofkey.protocol.redirect_uri import check_redirect_uri_syntax
from proofkey.protocol.registration import (
    ACCESS_TOKEN_FORMATS,
    AUTH_METHODS,
    SECRET_METHODS,
    TLS_METHODS,
    ClientRegistration,
)
from proofkey.protocol.token_messages import DEVICE_CODE, TOKEN_EXCHANGE

GRANT_TYPES: Final = frozenset(
    {"authorization_code", "refresh_token", "client_credentials", TOKEN_EXCHANGE, DEVICE_CODE}
)


def check_registration(
    client: ClientRegistration,
    issuer: str,
    sectors: frozenset[str] = frozenset(),
    policy: Policy | None = None,
) -> None:
    """RFC 7591 §2, OIDC Registration §2, RFC 9700 §2.1, §2.6: only what is offered, and URIs that can be proven.
    `policy` is the server's, whose profile and types of authorization_details the client must fit.

    Raises: ConfigurationError that names the client and the member.
    """
    _check_id(client)
    _check_secret(client)
    check_client_keys(client)
    check_certificate_members(client)
    _check_grants(client)
    if "authorization_code" in client.grant_types and not client.redirect_uris:
        raise _bad(client, "redirect_uris", "the code flow needs one")
    for uri in (*client.redirect_uris, *client.post_logout_redirect_uris):
        try:
            check_redirect_uri_syntax(uri, application_type=client.application_type, issuer=issuer)
        except ConfigurationError as error:
            raise ConfigurationError(error.finding, client_id=client.client_id, **error.facts) from error
    check_openid(client, sectors)
    check_logout(client, issuer)
    check_requests(client)
    if policy is not None:
        check_fits(client, policy)


def _check_id(client: ClientRegistration) -> None:
    if not client.client_id or len(client.client_id) > 255 or not client.client_id.isascii():
        raise _bad(client, "client_id", "1 to 255 ASCII characters")
    is_url = client.client_id.lower().startswith("https://")
    if not client.client_id.isprintable() or (is_url and not client.self_registered):
        raise _bad(client, "client_id", "an https URL is a client's own document")


def _check_secret(client: ClientRegistration) -> None:
    methods = (*AUTH_METHODS, *TLS_METHODS)
    if client.token_endpoint_auth_method not in methods:
        raise _bad(client, "token_endpoint_auth_method", " or ".join(methods))
    has_secret = client.token_endpoint_auth_method in SECRET_METHODS
    if client.is_public and client.secret_digest:
        raise _bad(client, "client_secret", "a public client has none")
    if not has_secret and client.secret_digest:
        raise _bad(client, "client_secret", f"{client.token_endpoint_auth_method} has none")
    if has_secret and not client.secret_digest:
        raise _bad(client, "client_secret", "a confidential client needs one")


def _check_grants(client: ClientRegistration) -> None:
    if not client.grant_types <= GRANT_TYPES:
        raise _bad(client, "grant_types", " or ".join(sorted(GRANT_TYPES)))
    if not client.response_types <= {"code"}:
        raise _bad(client, "response_types", "code")
    if client.is_public and not client.grant_types.isdisjoint({"client_credentials", TOKEN_EXCHANGE}):
        raise _bad(client, "grant_types", "client_credentials and token exchange are for confidential clients")
    if client.access_token_format not in ACCESS_TOKEN_FORMATS:
        raise _bad(client, "access_token_format", " or ".join(ACCESS_TOKEN_FORMATS))


def _bad(client: ClientRegistration, member: str, reason: str) -> ConfigurationError:
    return ConfigurationError(
        Finding.CLIENT_METADATA_BAD, client_id=client.client_id[:64], member=member, reason=reason
    )
