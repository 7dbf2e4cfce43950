"""Clients that prove themselves by the certificate of their TLS connection (RFC 8705 §2)."""

import base64
from collections.abc import Mapping
from typing import Any, Final, cast

from cryptography import x509

from proofkey.authorization_server.policy import Policy
from proofkey.errors import ConfigurationError, InvalidClient
from proofkey.findings import Finding
from proofkey.protocol.certificate import SAN_MEMBERS, ClientCertificate, certificate_thumbprint, normal_name
from proofkey.protocol.json_strict import parse_object
from proofkey.protocol.registration import ClientRegistration

_MEMBERS: Final = ("tls_client_auth_subject_dn", *SAN_MEMBERS)


def check_client_certificate(
    client: ClientRegistration, certificate: ClientCertificate | None, policy: Policy
) -> None:
    """RFC 8705 §2.1: the name that is registered, in a certificate that the proxy has verified. §2.2: the very
    certificate that is registered, whoever signed it.

    Raises: InvalidClient.
    """
    if certificate is None or client.token_endpoint_auth_method not in policy.certificate_methods:
        raise InvalidClient(Finding.CLIENT_CERTIFICATE_MISSING, client_id=client.client_id)
    if client.token_endpoint_auth_method == "self_signed_tls_client_auth":
        matches = certificate.thumbprint in _registered_thumbprints(client.jwks)
    else:
        matches = _has_name(certificate, client)
    if not matches:
        raise InvalidClient(Finding.CLIENT_CERTIFICATE_OTHER, client_id=client.client_id)


def check_certificate_members(client: ClientRegistration) -> None:
    """RFC 8705 §2.1.2, §2.2.2: tls_client_auth has one name, self_signed_tls_client_auth certificates in `x5c`.

    Raises: ConfigurationError that names the client and the member.
    """
    given = _named(client)
    if client.token_endpoint_auth_method == "tls_client_auth":
        if len(given) != 1:
            raise _bad(client, _MEMBERS[0], "exactly one of " + ", ".join(_MEMBERS))
        ((member, value),) = given.items()
        try:
            _ = x509.Name.from_rfc4514_string(value) if member == _MEMBERS[0] else normal_name(member, value)
        except ValueError as error:
            raise _bad(client, member, "not of its form") from error
    elif given:
        raise _bad(client, next(iter(given)), "for tls_client_auth only")
    pinned = client.token_endpoint_auth_method == "self_signed_tls_client_auth"
    if pinned and client.jwks_uri is None and not _registered_thumbprints(client.jwks):
        raise _bad(client, "jwks", "self_signed_tls_client_auth needs a key with its certificate in x5c")


def _has_name(certificate: ClientCertificate, client: ClientRegistration) -> bool:
    given = _named(client)
    if len(given) != 1:
        return False
    ((member, value),) = given.items()
    try:
        if member == _MEMBERS[0]:
            return x509.Name.from_rfc4514_string(value) == certificate.subject
        return normal_name(member, value) in certificate.names(member)
    except ValueError:
        return False


def _named(client: ClientRegistration) -> dict[str, str]:
    """The members that are there."""
    values: dict[str, str | None] = {member: getattr(client, member) for member in _MEMBERS}
    return {member: value for member, value in values.items() if value}


def _registered_thumbprints(jwks: str | None) -> frozenset[str]:
    """Of the first certificate of each key (RFC 7517 §4.7)."""
    try:
        listed: object = parse_object((jwks or "{}").encode()).get("keys")
        keys = cast("list[object]", listed) if isinstance(listed, list) else []
        return frozenset(filter(None, map(_thumbprint_of, keys)))
    except ValueError:
        return frozenset()


def _thumbprint_of(jwk: object) -> str | None:
    chain: object = cast("Mapping[str, Any]", jwk).get("x5c") if isinstance(jwk, dict) else None
    first: object = cast("list[object]", chain)[0] if isinstance(chain, list) and chain else None
    return certificate_thumbprint(base64.b64decode(first, validate=True)) if isinstance(first, str) else None


def _bad(client: ClientRegistration, member: str, reason: str) -> ConfigurationError:
    return ConfigurationError(
        Finding.CLIENT_METADATA_BAD, client_id=client.client_id[:64], member=member, reason=reason
    )
