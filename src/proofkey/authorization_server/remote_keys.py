"""Clients whose keys are at their `jwks_uri` (RFC 7591 §2)."""

from dataclasses import replace
from typing import Any

from proofkey.authorization_server.registration_keys import has_private_member
from proofkey.authorization_server.remote import KEYS, STRANGERS_KEYS, DocumentKind
from proofkey.authorization_server.role import AuthorizationServer
from proofkey.errors import InvalidToken, Unavailable
from proofkey.findings import Finding
from proofkey.protocol.client_assertion import client_keys
from proofkey.protocol.jws import read_unverified_header, read_unverified_payload
from proofkey.protocol.registration import ClientRegistration


async def with_keys(server: AuthorizationServer, client: ClientRegistration) -> ClientRegistration:
    """The registration with the client's keys in `jwks`, wherever they are kept.

    Raises: Unavailable.
    """
    if client.jwks_uri is None:
        return client
    found = await server.documents.get(client.jwks_uri, _kind_of(client), check_key_set)
    return replace(client, jwks=found.text)


async def with_keys_for(server: AuthorizationServer, client: ClientRegistration, token: str) -> ClientRegistration:
    """The same for a JWT that the client is to have signed: a kid that is not there has the keys asked for again,
    as far as their host is spared. Nothing is fetched for what does not even say that it is this client's.

    Raises: Unavailable.
    """
    if client.jwks_uri is None:
        return client
    try:
        header, claims = read_unverified_header(token), read_unverified_payload(token)
    except InvalidToken:
        return client
    if claims.get("iss") != client.client_id:
        return client
    found = await with_keys(server, client)
    if _is_missing(header, found.jwks or ""):
        newer = await server.documents.get(client.jwks_uri, _kind_of(client), check_key_set, renew=True)
        return replace(client, jwks=newer.text)
    return found


def check_key_set(text: str) -> None:
    """RFC 7517 §5: a JWK Set with a usable key, of public keys alone.

    Raises: Unavailable.
    """
    if not len(client_keys(text, None)):
        raise Unavailable(Finding.KEYS_UNAVAILABLE, reason="no usable key in the set")
    if has_private_member(text):
        raise Unavailable(Finding.KEYS_UNAVAILABLE, reason="a private or secret member stands in the set")


def _kind_of(client: ClientRegistration) -> DocumentKind:
    return STRANGERS_KEYS if client.self_registered else KEYS


def _is_missing(header: dict[str, Any], jwks: str) -> bool:
    kid: object = header.get("kid")
    return isinstance(kid, str) and kid not in client_keys(jwks, None).kids
