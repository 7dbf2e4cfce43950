"""How an authorization request arrives: by its parameters, by reference to a pushed one, or as a signed object."""

from dataclasses import dataclass

from proofkey.authorization_server.authorization_details import check_details_way
from proofkey.authorization_server.authorize import (
    Asked,
    check_authorization_request,
    prove_client,
    read_asked,
)
from proofkey.authorization_server.pushed import REQUEST_URI, check_pushed, find_request
from proofkey.authorization_server.request_object import check_signed, has_request_object, open_request_object
from proofkey.authorization_server.response import WayBack, find_way_back
from proofkey.authorization_server.role import AuthorizationServer
from proofkey.errors import NoLocation, OAuthError
from proofkey.findings import Finding
from proofkey.protocol.messages import RedirectTarget, parse_redirect_target
from proofkey.protocol.registration import ClientRegistration
from proofkey.protocol.text import ClientId, Instant, Pairs


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """A request of a proven client to a proven redirect URI: what it asks, or why that is refused."""

    way: WayBack
    asked: Asked | OAuthError
    pushed_digest: str | None = None
    """Of the request_uri that is used up when the authorization ends."""


async def receive_request(
    server: AuthorizationServer, pairs: Pairs, now: Instant, known: ClientRegistration | None = None
) -> Incoming:
    """`known` is a registration that was read a moment ago, if it is this client's.

    Raises: NoLocation while client and redirect URI are not proven.
    """
    request_uri = only(pairs, "request_uri")
    if request_uri.startswith(REQUEST_URI) and server.policy.offers("par"):
        return await _receive_pushed(server, pairs, request_uri, now, known)
    signed = has_request_object(pairs, server.policy)
    try:
        sent = await open_request_object(server, pairs, now) if signed else pairs
    except OAuthError as error:
        return await _refuse_object(server, pairs, error)
    target = parse_redirect_target(sent)
    client = await prove_client(target, server.store, known)
    way = find_way_back(target, client, server.policy)
    try:
        check_pushed(server, client)
        check_signed(client, signed=signed)
        check_details_way(sent, client, signed=signed)
        return Incoming(way=way, asked=check_authorization_request(sent, client, server))
    except NoLocation:
        raise
    except OAuthError as error:
        return Incoming(way=way, asked=error)


async def _receive_pushed(
    server: AuthorizationServer, pairs: Pairs, request_uri: str, now: Instant, known: ClientRegistration | None
) -> Incoming:
    """RFC 9126 §4: what was pushed counts, and of the parameters beside it `client_id` alone. It is judged anew by
    the client's registration of this moment."""
    client_id = only(pairs, "client_id")
    if not client_id:
        raise NoLocation(Finding.PARAMETER_MISSING, parameter="client_id")
    if _has(pairs, "request"):
        raise NoLocation(Finding.REQUEST_URI_AND_OBJECT)
    pushed = await find_request(server, request_uri, ClientId(client_id), now)
    request = pushed.request
    target = RedirectTarget(client_id=request.client_id, redirect_uri=request.redirect_uri, state=request.state)
    client = await prove_client(target, server.store, known)
    way = find_way_back(request, client, server.policy)
    try:
        asked = read_asked(request, client, server, pushed.hint_sub)
    except OAuthError as error:
        return Incoming(way=way, asked=error, pushed_digest=pushed.digest)
    return Incoming(way=way, asked=asked, pushed_digest=pushed.digest)


async def _refuse_object(server: AuthorizationServer, pairs: Pairs, error: OAuthError) -> Incoming:
    """Nothing of a faulty object is believed. Where the parameters beside it name a redirect URI of the client's,
    the client is told; else the person is.

    Raises: NoLocation.
    """
    try:
        target = parse_redirect_target(pairs)
        client = await prove_client(target, server.store)
    except NoLocation as unproven:
        raise NoLocation(error.finding, **error.facts) from unproven
    return Incoming(way=find_way_back(target, client, server.policy), asked=error)


def only(pairs: Pairs, name: str) -> str:
    """The parameter's value; empty when it is absent or stands twice."""
    values = [value for key, value in pairs if key == name]
    return values[0] if len(values) == 1 else ""


def _has(pairs: Pairs, name: str) -> bool:
    return any(key == name and value for key, value in pairs)
