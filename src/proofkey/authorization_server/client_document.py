"""Clients that describe themselves in a document at their client_id
(draft-ietf-oauth-client-id-metadata-document, here CIMD): what such a URL and such a document must be."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, cast
from urllib.parse import unquote

from proofkey.authorization_server.policy import Policy
from proofkey.authorization_server.self_registration import read_self_registration
from proofkey.errors import InvalidClient, InvalidClientMetadata, Unavailable
from proofkey.findings import Finding
from proofkey.protocol.json_strict import parse_object
from proofkey.protocol.registration import ClientRegistration
from proofkey.protocol.text import ClientId, Instant
from proofkey.protocol.uri import is_loopback_http, origin_of, split_uri

METHODS: Final = ("none", "private_key_jwt")
"""No secret can be shared with whoever reads the document (CIMD §4.1)."""
_SECRETS: Final = ("client_secret", "client_secret_expires_at")
_MAX_ID: Final = 255


def names_document(client_id: str) -> bool:
    """Whether it can be nothing but such a URL: no client of the server's own has an id like that."""
    return client_id[:8].lower() == "https://"


def host_of_document(client_id: str) -> str:
    """The host, with its port where it has one."""
    return client_id[8:].partition("/")[0]


def described_at(client: ClientRegistration) -> str:
    """The host whose document describes it, for the person who is asked; empty for all others."""
    return host_of_document(client.client_id) if client.document_until is not None else ""


def check_document_url(client_id: str, policy: Policy) -> None:
    """CIMD §3: https and a path, without dot segments, fragment and user information; nor with a query, for there
    are no two ways to say it. Where the operator lists hosts, one of these; never this server itself.

    Raises: InvalidClient.
    """
    reason = _fault_of(client_id)
    if reason is None:
        host = host_of_document(client_id)
        if policy.client_documents.hosts and host.lower() not in policy.client_documents.hosts:
            reason = "not one of the hosts that the operator lists"
        elif origin_of(client_id) == origin_of(policy.issuer):
            reason = "this server's own host"
    if reason is not None:
        raise InvalidClient(Finding.CLIENT_DOCUMENT_URL, client_id=client_id[:200], reason=reason)


def check_client_document(text: str) -> None:
    """Raises: Unavailable when it is no JSON object."""
    try:
        parse_object(text.encode())
    except ValueError as error:
        raise Unavailable(Finding.CLIENT_DOCUMENT_WRONG, reason="not one JSON object") from error


def declared_sector(text: str) -> tuple[object, object]:
    """Its sector_identifier_uri and redirect_uris, as they stand there."""
    document = parse_object(text.encode())
    return document.get("sector_identifier_uri"), document.get("redirect_uris")


def read_client_document(
    text: str,
    client_id: ClientId,
    policy: Policy,
    now: Instant,
    before: ClientRegistration | None,
    *,
    sectors: frozenset[str] = frozenset(),
    fresh_for: int = 0,
) -> ClientRegistration:
    """CIMD §4: the client as its document describes it, `before` being what it was. It is judged as whatever
    registers itself is. Without a method it is a public client, or one that signs when it has keys; one with a
    loopback or private-use redirect URI is native unless it says something else.

    Raises: InvalidClient.
    """
    document = parse_object(text.encode())
    if document.get("client_id") != client_id:
        raise _wrong(client_id, "client_id", "not the document's own URL")
    for name in _SECRETS:
        if name in document:
            raise _wrong(client_id, name, "no secret can stand there")
    members = _with_defaults(document)
    if members["token_endpoint_auth_method"] not in METHODS:
        raise _wrong(client_id, "token_endpoint_auth_method", " or ".join(METHODS))
    try:
        client = read_self_registration(
            members, client_id, policy, now, sectors=sectors, allowed=policy.client_documents.scope
        )
    except InvalidClientMetadata as error:
        raise InvalidClient(Finding.CLIENT_DOCUMENT_WRONG, **{**error.facts, "client_id": client_id}) from error
    client = replace(client, document_until=int(now) + fresh_for, document_read_at=int(now))
    return _with_history(client, before, now)


def _with_history(
    client: ClientRegistration, before: ClientRegistration | None, now: Instant
) -> ClientRegistration:
    """CIMD §6.3: a consent counts only for what the client was then, and what was granted to a client that could
    prove itself is not for one that cannot."""
    if before is None:
        return client
    kept = replace(
        client, changed_at=before.changed_at, grants_since=before.grants_since, disabled=before.disabled
    )
    if replace(kept, document_until=before.document_until, document_read_at=before.document_read_at) == before:
        return kept
    other_kind = (client.is_public, client.application_type) != (before.is_public, before.application_type)
    return replace(kept, changed_at=int(now), grants_since=int(now) if other_kind else before.grants_since)


def _with_defaults(document: Mapping[str, Any]) -> dict[str, Any]:
    members = {name: value for name, value in document.items() if value is not None}
    has_keys = "jwks" in members or "jwks_uri" in members
    members.setdefault("token_endpoint_auth_method", "private_key_jwt" if has_keys else "none")
    uris: object = members.get("redirect_uris")
    if isinstance(uris, list) and any(_is_native(uri) for uri in cast("list[object]", uris)):
        members.setdefault("application_type", "native")
    return members


def _is_native(uri: object) -> bool:
    return isinstance(uri, str) and (is_loopback_http(uri) or not uri.lower().startswith(("http:", "https:")))


def _fault_of(client_id: str) -> str | None:
    if len(client_id) > _MAX_ID:
        return f"longer than {_MAX_ID} characters"
    try:
        parts = split_uri(client_id)
    except ValueError as error:
        return str(error)
    if parts.scheme != "https" or parts.host != parts.host.lower():
        return "scheme or host not in lower case"
    if not parts.path or "?" in client_id:
        return "no path, or a query"
    if any(segment in (".", "..") for segment in unquote(parts.path).split("/")):
        return "a dot segment"
    return None


def _wrong(client_id: str, member: str, reason: str) -> InvalidClient:
    return InvalidClient(Finding.CLIENT_DOCUMENT_WRONG, client_id=client_id[:200], member=member, reason=reason)
