"""A client that describes itself is read anew when it is time; what all others are stands in the store."""

from dataclasses import replace
from typing import Final

from proofkey.authorization_server.client_document import (
    check_client_document,
    check_document_url,
    declared_sector,
    names_document,
    read_client_document,
)
from proofkey.authorization_server.records import AuditEvent, RegisteredClient
from proofkey.authorization_server.remote import CLIENT, Document
from proofkey.authorization_server.request_object import has_request_object
from proofkey.authorization_server.role import AuthorizationServer
from proofkey.authorization_server.sector import find_declared_sectors
from proofkey.authorization_server.throttles import (
    ALL_CLIENT_DOCUMENTS,
    CLIENT_DOCUMENT,
    address_key,
    take_attempt,
)
from proofkey.errors import ConfigurationError, InvalidClient, InvalidToken, NoLocation, OAuthError, Unavailable
from proofkey.findings import Finding
from proofkey.protocol.jws import read_unverified_payload
from proofkey.protocol.messages import parse_authorization_request
from proofkey.protocol.pkce import check_code_challenge
from proofkey.protocol.registration import ClientRegistration
from proofkey.protocol.text import ClientId, Instant, Pairs

UNUSED: Final = 24 * 3600
"""Seconds that a client whom nobody has allowed anything stays in the store after it was read."""
LAST: Final = 48 * 3600
"""Seconds after it was read that a document serves while its host does not answer."""
RETRY: Final = 60
"""Seconds that such a host is left alone, by all workers."""
_NO_TOKENS: Final = "none"
"""No digest of a token looks like that: nobody opens such a registration at the registration endpoint."""


async def current_client(
    server: AuthorizationServer,
    client_id: ClientId,
    stored: ClientRegistration | None,
    peer: str,
    now: Instant,
    *,
    may_be_new: bool = False,
) -> ClientRegistration | None:
    """The client as its document describes it now; any other as it is `stored`. A document that is not known yet
    is fetched only where `may_be_new`.

    Raises: InvalidClient when URL or document are wrong, or there is none any more; TooManyRequests; Unavailable.
    """
    if not names_document(client_id):
        return stored
    if not server.policy.offers("cimd") or (stored is None and not may_be_new):
        return None
    check_document_url(client_id, server.policy)
    if stored is not None and (stored.disabled or now < (stored.document_until or 0)):
        return stored
    await take_attempt(server, CLIENT_DOCUMENT, address_key(peer), now)
    if stored is None:
        await take_attempt(server, ALL_CLIENT_DOCUMENTS, "", now)
    try:
        document = await server.documents.get(client_id, CLIENT, check_client_document)
        return await _take_in(server, client_id, document, stored, now)
    except Unavailable as error:
        if _is_definite(error):
            raise InvalidClient(
                Finding.CLIENT_DOCUMENT_WRONG, **{**error.facts, "client_id": client_id}
            ) from error
        if stored is None or now >= stored.document_read_at + LAST:
            raise
        resting = replace(stored, document_until=int(now) + RETRY)
        await _put(server, resting, now, None)
        return resting


async def prepare_authorization(server: AuthorizationServer, pairs: Pairs, peer: str, now: Instant) -> None:
    """Before an authorization request is looked at: its client is in the store as it is now. A document that is
    not known yet is fetched for nothing but a request that could be answered.

    Raises: NoLocation, TooManyRequests, Unavailable.
    """
    named = [value for name, value in pairs if name == "client_id"]
    if len(named) != 1 or not names_document(named[0]):
        return
    client_id = ClientId(named[0])
    stored = await server.store.find_client(client_id)
    try:
        if stored is None and server.policy.offers("cimd"):
            _check_plausible(server, pairs, client_id)
        await current_client(server, client_id, stored, peer, now, may_be_new=True)
    except OAuthError as error:
        raise NoLocation(error.finding, **error.facts) from error
    if not server.policy.offers("cimd"):
        raise NoLocation(Finding.CLIENT_UNKNOWN, client_id=client_id[:200])


def _check_plausible(server: AuthorizationServer, pairs: Pairs, client_id: ClientId) -> None:
    """A whole request, or an object that says it is the client's. Raises: OAuthError."""
    sent = {name: value for name, value in pairs if value}
    if has_request_object(pairs, server.policy):
        try:
            issuer: object = read_unverified_payload(sent["request"]).get("iss")
        except InvalidToken as error:
            raise InvalidClient(error.finding, **error.facts) from error
        if issuer != client_id:
            raise InvalidClient(Finding.REQUEST_OBJECT_CLIENT, client_id=client_id[:200])
        return
    if "request_uri" in sent:  # who pushed it was known then
        raise InvalidClient(Finding.CLIENT_UNKNOWN, client_id=client_id[:200])
    request = parse_authorization_request(pairs)
    check_code_challenge(request.code_challenge, request.code_challenge_method)


async def _take_in(
    server: AuthorizationServer,
    client_id: ClientId,
    document: Document,
    stored: ClientRegistration | None,
    now: Instant,
) -> ClientRegistration:
    """Judges the document and stores what it says. Raises: InvalidClient, Unavailable."""
    try:
        sectors = await find_declared_sectors(*declared_sector(document.text), client_id, server.documents)
    except ConfigurationError as error:
        raise InvalidClient(Finding.CLIENT_DOCUMENT_WRONG, **error.facts) from error
    client = read_client_document(
        document.text, client_id, server.policy, now, stored, sectors=sectors, fresh_for=int(document.fresh_for)
    )
    await _put(server, client, now, _event_of(client, stored, now))
    return client


async def _put(
    server: AuthorizationServer, client: ClientRegistration, now: Instant, event: AuditEvent | None
) -> None:
    until = Instant(now + UNUSED)
    registered = RegisteredClient(client=client, token_digest=_NO_TOKENS, registered_at=now, expires_at=until)
    await server.store.put_document_client(registered, now, event)


def _event_of(client: ClientRegistration, before: ClientRegistration | None, now: Instant) -> AuditEvent | None:
    """None when nothing has changed."""
    if before is not None and before.changed_at == client.changed_at:
        return None
    detail = {"name": client.client_name[:200], "redirect_uris": " ".join(sorted(client.redirect_uris))[:1000]}
    name = "client.document_read" if before is None else "client.document_changed"
    return AuditEvent(at=now, name=name, client_id=client.client_id, detail=detail)


def _is_definite(error: Unavailable) -> bool:
    """Its host has answered: there is no such document, or none that is one."""
    if error.finding is Finding.OUTGOING_STATUS:
        status = error.facts.get("status", "")
        return status.startswith("4") and status not in ("408", "429")
    return error.finding in (
        Finding.CLIENT_DOCUMENT_WRONG,
        Finding.OUTGOING_REDIRECT,
        Finding.OUTGOING_TOO_LARGE,
        Finding.OUTGOING_GUARDED,
    )
