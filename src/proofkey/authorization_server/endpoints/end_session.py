"""The end-session endpoint (OIDC RP-Initiated Logout 1.0)."""

from dataclasses import dataclass
from urllib.parse import urlencode

from proofkey.authorization_server.answers import Answer, Browser, Cookies, Page, Redirect, Told
from proofkey.authorization_server.hint import Hint, read_hint
from proofkey.authorization_server.interaction import (
    OpenInteraction,
    begin_interaction,
    open_interaction,
    use_interaction,
)
from proofkey.authorization_server.records import SignInStanding
from proofkey.authorization_server.role import AuthorizationServer
from proofkey.authorization_server.sign_in import end_sign_in, find_live_sign_in
from proofkey.errors import InvalidRequest, NoLocation
from proofkey.findings import Finding
from proofkey.protocol.messages import AuthorizationRequest
from proofkey.protocol.redirect_uri import check_post_logout_redirect_uri, origin_of
from proofkey.protocol.registration import ClientRegistration
from proofkey.protocol.text import ClientId, Instant, Pairs, single

RESPONSE_TYPE = "end_session"
"""Marks an interaction as a logout, so that it is never taken for an authorization request, nor the other way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndSessionRequest:
    """§2, after its checks: `redirect_uri` belongs to `client`."""

    client: ClientRegistration | None = None
    hint: Hint | None = None
    redirect_uri: str | None = None
    state: str | None = None


async def end_session(server: AuthorizationServer, pairs: Pairs, browser: Browser, now: Instant) -> Answer:
    """At once when the hint is of this very session; else the person is asked (§2). Raises: NoLocation."""
    request = await read_end_session_request(server, pairs)
    standing = await find_live_sign_in(server, browser, now)
    if standing is None:
        return _goodbye(request, browser, hinted=request.hint is not None and _is_vouched_for(request))
    if _is_of_session(server, request, standing.sign_in.sid):
        event = await end_sign_in(server, standing.sign_in, now, reason="client", tell=True)
        return _goodbye(request, browser, hinted=True, told=event)
    return await _ask(server, request, standing, now)


def _is_vouched_for(request: EndSessionRequest) -> bool:
    """RFC 9700 §4.11.2: a stranger has ID tokens of his own, and sends nobody by this server to his address."""
    return request.client is not None and not request.client.self_registered


def _is_of_session(server: AuthorizationServer, request: EndSessionRequest, sid: str) -> bool:
    """Whether the hint is of this very session, whose `sid` each sector knows by another name."""
    if request.hint is None:
        return False
    return request.hint.sid == (server.subjects.session(sid, request.client) if request.client else sid)


async def confirm_end_session(
    server: AuthorizationServer, id_: str, pairs: Pairs, browser: Browser, now: Instant
) -> Answer:
    """POST of the confirmation page; "deny" stays signed in and goes nowhere.

    Raises: InteractionClosed, InvalidRequest, NoLocation when the client's registration has changed meanwhile.
    """
    opened = await open_interaction(server, id_, browser, now, response_type=RESPONSE_TYPE)
    decision = single(pairs).get("decision", "allow")
    if decision not in ("allow", "deny"):
        raise InvalidRequest(Finding.PARAMETER_MALFORMED, parameter="decision")
    kept = opened.record.request
    client, redirect_uri = await _find_return(server, kept.client_id or None, kept.redirect_uri or None)
    request = EndSessionRequest(client=client, redirect_uri=redirect_uri, state=kept.state)
    await use_interaction(server, opened, now)
    if decision == "deny":
        return _stay(request, opened)
    standing = await find_live_sign_in(server, browser, now)
    ended = await end_sign_in(server, standing.sign_in, now, reason="person", tell=True) if standing else None
    return _goodbye(request, browser, hinted=True, told=ended, spent=opened.short)


async def read_end_session_request(server: AuthorizationServer, pairs: Pairs) -> EndSessionRequest:
    """§2, §3: the hint is ours, client_id is its client, and the redirect URI is registered for it.

    Raises: NoLocation, since nothing of a faulty request may redirect.
    """
    try:
        sent = single(pairs)
        hint = read_hint(sent["id_token_hint"], server) if "id_token_hint" in sent else None
    except InvalidRequest as error:
        raise NoLocation(error.finding, **error.facts) from error
    named = sent.get("client_id")
    if hint is not None and named is not None and hint.client_id != named:
        raise NoLocation(Finding.END_SESSION_CLIENT_DIFFERS, client_id=named[:200])
    client_id = hint.client_id if hint else named
    client, redirect_uri = await _find_return(server, client_id, sent.get("post_logout_redirect_uri"))
    return EndSessionRequest(client=client, hint=hint, redirect_uri=redirect_uri, state=sent.get("state"))


async def _find_return(
    server: AuthorizationServer, client_id: str | None, redirect_uri: str | None
) -> tuple[ClientRegistration | None, str | None]:
    """§3: the client, and the redirect URI once it is proven to be its own. Raises: NoLocation."""
    client = await server.store.find_client(ClientId(client_id)) if client_id else None
    if redirect_uri is not None:
        if client is None or client.disabled:
            raise NoLocation(
                Finding.POST_LOGOUT_URI_UNREGISTERED, reason="no client", client_id=(client_id or "")[:200]
            )
        check_post_logout_redirect_uri(redirect_uri, client)
    return client, redirect_uri


async def _ask(
    server: AuthorizationServer, request: EndSessionRequest, standing: SignInStanding, now: Instant
) -> Page:
    """The request waits as an interaction of its own kind, bound to this browser."""
    kept = AuthorizationRequest(
        client_id=request.client.client_id if request.client else ClientId(""),
        redirect_uri=request.redirect_uri or "",
        response_type=RESPONSE_TYPE,
        state=request.state,
    )
    opened, secret = await begin_interaction(server, kept, now)
    return Page(
        name="logout",
        context={
            "client_name": _name_of(request.client),
            "person": standing.user.username if standing.user else "",
            "action": server.policy.url(f"/end-session/{opened.id}"),
        },
        form_targets=(origin_of(request.redirect_uri),) if request.redirect_uri else (),
        cookies=Cookies(interaction=(opened.short, secret)),
    )


def _stay(request: EndSessionRequest, opened: OpenInteraction) -> Page:
    """The person was asked and said no: nothing has ended, and the client is not told that it has (§3)."""
    context = {"client_name": _name_of(request.client), "stayed": True}
    return Page(name="logout", context=context, cookies=Cookies(clear_interaction=opened.short))


def _goodbye(
    request: EndSessionRequest, browser: Browser, *, hinted: bool, told: Told = None, spent: str | None = None
) -> Redirect | Page:
    """§3: back to the client only when a hint or the person confirmed it; else a page with a link. A request that
    came without the cookie, as another site's form does, does not take it away."""
    cookies = Cookies(clear_sign_in=browser.sign_in is not None, clear_interaction=spent)
    url = _return_url(request)
    if url and hinted:
        return Redirect(url=url, cookies=cookies, told=told)
    context = {"client_name": _name_of(request.client), "return_url": url} if url else {}
    return Page(name="logged-out", context=context, cookies=cookies, told=told)


def _return_url(request: EndSessionRequest) -> str | None:
    if request.redirect_uri is None or request.state is None:
        return request.redirect_uri
    separator = "&" if "?" in request.redirect_uri else "?"
    return f"{request.redirect_uri}{separator}{urlencode({'state': request.state})}"


def _name_of(client: ClientRegistration | None) -> str:
    return (client.client_name or client.client_id) if client else ""
