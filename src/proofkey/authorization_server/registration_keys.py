"""What a client's registered keys must be before its registration is stored."""

from collections.abc import Mapping
from typing import Any, Final, cast

from proofkey.errors import ConfigurationError, Unavailable
from proofkey.findings import Finding
from proofkey.protocol.client_assertion import assertion_algorithms, client_keys
from proofkey.protocol.json_strict import parse_object
from proofkey.protocol.registration import ClientRegistration
from proofkey.protocol.uri import is_loopback_http, is_web_url
from proofkey.resource_server.sender_constraint import ALGORITHMS

_PRIVATE: Final = frozenset({"d", "k", "p", "q", "dp", "dq", "qi", "oth"})


def check_client_keys(client: ClientRegistration) -> None:
    """RFC 7591 §2, OIDC Core §9: a JWK Set of public keys alone, and with private_key_jwt one that can sign the
    client's assertions; or the address of such a set, which nobody looks at before the keys are needed.

    Raises: ConfigurationError that names the client and the member; nothing of a key.
    """
    signing = client.token_endpoint_auth_signing_alg
    if signing is not None and signing not in ALGORITHMS:
        raise _bad(client, "token_endpoint_auth_signing_alg", " or ".join(ALGORITHMS))
    if client.jwks_uri is not None:
        _check_address(client, client.jwks_uri)
    if client.jwks is not None and _has_private_member(_listed(client, client.jwks)):
        raise _bad(client, "jwks", "public keys only: a private or secret member stands there")
    if client.token_endpoint_auth_method != "private_key_jwt" or client.jwks_uri is not None:
        return
    if client.jwks is None:
        raise _bad(client, "jwks", "private_key_jwt needs the client's public keys")
    keys = client_keys(client.jwks, signing)
    allowed = assertion_algorithms(client)
    if not any(keys.find(kid, name) for kid in (None, *keys.kids) for name in allowed):
        raise _bad(client, "jwks", "no key with which assertions could be signed")


def has_private_member(jwks: str) -> bool:
    """Whether a private or secret member stands in one of the keys of a JWK Set."""
    return _has_private_member(_keys_of(jwks))


def _check_address(client: ClientRegistration, uri: str) -> None:
    """RFC 7591 §2: https, and in the place of the keys themselves."""
    if client.jwks is not None:
        raise _bad(client, "jwks_uri", "jwks stands there too")
    if not is_web_url(uri) or is_loopback_http(uri):
        raise _bad(client, "jwks_uri", "an https URL is needed")


def _listed(client: ClientRegistration, jwks: str) -> tuple[Mapping[str, Any], ...]:
    """The members of its JWK Set."""
    try:
        client_keys(jwks, client.token_endpoint_auth_signing_alg)
    except Unavailable as error:
        raise _bad(client, "jwks", "not a JWK Set") from error
    return _keys_of(jwks)


def _keys_of(jwks: str) -> tuple[Mapping[str, Any], ...]:
    listed = cast("list[object]", parse_object(jwks.encode())["keys"])
    return tuple(cast("dict[str, Any]", jwk) for jwk in listed if isinstance(jwk, dict))


def _has_private_member(keys: tuple[Mapping[str, Any], ...]) -> bool:
    return any(not _PRIVATE.isdisjoint(jwk) for jwk in keys)


def _bad(client: ClientRegistration, member: str, reason: str) -> ConfigurationError:
    return ConfigurationError(
        Finding.CLIENT_METADATA_BAD, client_id=client.client_id[:64], member=member, reason=reason
    )
