"""The authorization endpoint (RFC 6749 §3.1, OIDC Core §3.1.2)."""

from proofkey.authorization_server.answers import Answer, Browser
from proofkey.authorization_server.authorize import Asked, Issue, Refuse, next_step
from proofkey.authorization_server.code import issue_code
from proofkey.authorization_server.consent_policy import rule_step, write_ruling
from proofkey.authorization_server.incoming import Incoming, only, receive_request
from proofkey.authorization_server.interaction import begin_page
from proofkey.authorization_server.known_client import prepare_authorization
from proofkey.authorization_server.pushed import use_request
from proofkey.authorization_server.records import Consent, SignInStanding, Visit
from proofkey.authorization_server.request_object import has_request_object
from proofkey.authorization_server.response import send_error
from proofkey.authorization_server.role import AuthorizationServer
from proofkey.authorization_server.sign_in import keep_live
from proofkey.authorization_server.throttles import PAGE, address_key, take_attempt
from proofkey.errors import NoLocation, OAuthError
from proofkey.protocol.registration import ClientRegistration
from proofkey.protocol.text import ClientId, Instant, Pairs


async def authorize(server: AuthorizationServer, pairs: Pairs, browser: Browser, now: Instant) -> Answer:
    """Raises: NoLocation while client and redirect URI are not proven; TooManyRequests when a page is due."""
    await prepare_authorization(server, pairs, browser.peer, now)
    incoming, visit = await _receive(server, pairs, browser, now)
    asked, way = incoming.asked, incoming.way
    standing = await keep_live(server, visit.standing, now)
    if isinstance(asked, OAuthError):
        await use_request(server, incoming.pushed_digest, now)
        if standing is None:
            check_vouched_for(way.client, asked)
        return await send_error(server, way, asked, now)
    consent = None if standing is None or asked.client.skip_consent else visit.consent
    due = next_step(asked, standing.sign_in if standing else None, consent, now)
    match await rule_step(server, asked, due, standing, consent):
        case Issue() as step:
            await use_request(server, incoming.pushed_digest, now)
            await write_ruling(server, asked, step, now)
            return await issue_code(server, asked, step, now)
        case Refuse() as step:
            await use_request(server, incoming.pushed_digest, now)
            if standing is None and "none" not in asked.request.prompt:
                check_vouched_for(way.client, step.error)
            return await send_error(server, way, step.error, now)
        case _:
            await take_attempt(server, PAGE, address_key(browser.peer), now)
            return await begin_page(server, asked, now, incoming.pushed_digest)


def check_vouched_for(client: ClientRegistration, error: OAuthError) -> None:
    """RFC 9700 §4.11.2: nobody who has not signed in is sent on to an address of a client that registered itself.

    Raises: NoLocation, for the page that says it instead.
    """
    if client.self_registered:
        raise NoLocation(error.finding, **error.facts)


async def _receive(
    server: AuthorizationServer, pairs: Pairs, browser: Browser, now: Instant
) -> tuple[Incoming, Visit]:
    """The request, and who comes with it. What a request object says may take a while to prove, so that the person
    is looked up after that.

    Raises: NoLocation.
    """
    digest = browser.sign_in.digest() if browser.sign_in else None
    client_id = only(pairs, "client_id")
    visit = None
    if client_id and not has_request_object(pairs, server.policy):
        visit = await server.store.find_visit(ClientId(client_id), digest)
    incoming = await receive_request(server, pairs, now, visit.client if visit else None)
    if visit is None or visit.client is not incoming.way.client:
        visit = await server.store.find_visit(incoming.way.client.client_id, digest)
    return incoming, visit


async def find_consent(
    server: AuthorizationServer, asked: Asked, standing: SignInStanding | None
) -> Consent | None:
    """What the person allowed this client before; nothing is read for first-party clients."""
    if standing is None or asked.client.skip_consent:
        return None
    return await server.store.find_consent(standing.sign_in.sub, asked.client.client_id)
