"""The authorization endpoint (RFC 6749 §3.1, OIDC Core §3.1.2)."""

from proofkey.authorization_server.answers import Answer, Browser
from proofkey.authorization_server.authorize import Asked, Issue, Refuse, next_step
from proofkey.authorization_server.code import issue_code
from proofkey.authorization_server.incoming import receive_request
from proofkey.authorization_server.interaction import begin_page
from proofkey.authorization_server.pushed import use_request
from proofkey.authorization_server.records import Consent, SignInStanding
from proofkey.authorization_server.response import send_error
from proofkey.authorization_server.role import AuthorizationServer
from proofkey.authorization_server.sign_in import find_live_sign_in
from proofkey.errors import OAuthError
from proofkey.protocol.text import Instant, Pairs


async def authorize(server: AuthorizationServer, pairs: Pairs, browser: Browser, now: Instant) -> Answer:
    """Raises: NoLocation while client and redirect URI are not proven."""
    incoming = await receive_request(server, pairs, now)
    asked, way = incoming.asked, incoming.way
    if isinstance(asked, OAuthError):
        await use_request(server, incoming.pushed_digest, now)
        return await send_error(server, way, asked, now)
    standing = await find_live_sign_in(server, browser, now)
    consent = await find_consent(server, asked, standing)
    match next_step(asked, standing.sign_in if standing else None, consent, now):
        case Issue() as step:
            await use_request(server, incoming.pushed_digest, now)
            return await issue_code(server, asked, step, now)
        case Refuse() as step:
            await use_request(server, incoming.pushed_digest, now)
            return await send_error(server, way, step.error, now)
        case _:
            return await begin_page(server, asked, now, incoming.pushed_digest)


async def find_consent(
    server: AuthorizationServer, asked: Asked, standing: SignInStanding | None
) -> Consent | None:
    """What the person allowed this client before; nothing is read for first-party clients."""
    if standing is None or asked.client.skip_consent:
        return None
    return await server.store.find_consent(standing.sign_in.sub, asked.client.client_id)
