"""The authorization endpoint (RFC 6749 §3.1, OIDC Core §3.1.2)."""

from proofkey.authorization_server.answers import Answer, Browser
from proofkey.authorization_server.authorize import (
    Asked,
    Issue,
    Refuse,
    check_authorization_request,
    next_step,
    prove_client,
)
from proofkey.authorization_server.code import issue_code, redirect_error
from proofkey.authorization_server.interaction import begin_page
from proofkey.authorization_server.records import Consent, SignInStanding
from proofkey.authorization_server.role import AuthorizationServer
from proofkey.authorization_server.sign_in import find_live_sign_in
from proofkey.errors import NoLocation, OAuthError
from proofkey.protocol.messages import parse_redirect_target
from proofkey.protocol.text import Instant, Pairs


async def authorize(server: AuthorizationServer, pairs: Pairs, browser: Browser, now: Instant) -> Answer:
    """Raises: NoLocation while client and redirect URI are not proven."""
    target = parse_redirect_target(pairs)
    client = await prove_client(target, server.store)
    try:
        asked = check_authorization_request(pairs, client, server)
    except NoLocation:
        raise
    except OAuthError as error:
        return redirect_error(server, target.redirect_uri, target.state, error)
    standing = await find_live_sign_in(server, browser, now)
    consent = await find_consent(server, asked, standing)
    match next_step(asked, standing.sign_in if standing else None, consent, now):
        case Issue() as step:
            return await issue_code(server, asked, step, now)
        case Refuse() as step:
            return redirect_error(server, target.redirect_uri, target.state, step.error)
        case _:
            return await begin_page(server, asked, now)


async def find_consent(
    server: AuthorizationServer, asked: Asked, standing: SignInStanding | None
) -> Consent | None:
    """What the person allowed this client before; nothing is read for first-party clients."""
    if standing is None or asked.client.skip_consent:
        return None
    return await server.store.find_consent(standing.sign_in.sub, asked.client.client_id)
