"""Authorization codes: one row holds code, refresh family and grant, and what is sent back to the client."""

from proofkey.authorization_server.answers import NO_COOKIES, Cookies, FormPost, Redirect
from proofkey.authorization_server.audit import event_of
from proofkey.authorization_server.authorize import Asked, Issue
from proofkey.authorization_server.consent import refresh_seconds
from proofkey.authorization_server.records import Authorization
from proofkey.authorization_server.requested_claims import write_details
from proofkey.authorization_server.response import find_way_back, send_response
from proofkey.authorization_server.role import AuthorizationServer
from proofkey.protocol.messages import AuthorizationResponse
from proofkey.protocol.text import Instant, Secret


async def issue_code(
    server: AuthorizationServer, asked: Asked, step: Issue, now: Instant, cookies: Cookies = NO_COOKIES
) -> Redirect | FormPost:
    """RFC 6749 §4.1.2: a code of 256 bits, stored as its digest, and the way back with `iss` (RFC 9207 §2)."""
    code = Secret(server.entropy())
    authorization = build_authorization(server, asked, step, code, now)
    event = event_of(authorization, "code.issued", now, scope=" ".join(authorization.scope))
    await server.store.insert_authorization(authorization, event)
    response = AuthorizationResponse(iss=server.policy.issuer, state=asked.request.state, code=code)
    way = find_way_back(asked.request, asked.client, server.policy)
    return await send_response(server, way, response, now, cookies, told=event)


def build_authorization(
    server: AuthorizationServer, asked: Asked, step: Issue, code: Secret | None, now: Instant
) -> Authorization:
    """The row. The refresh family gets its limits only when `offline_access` was granted: its person consented to
    it for this client, or the client is a first-party one (`skip_consent`); that is our condition under
    OIDC Core §11."""
    lifetimes, request = server.policy.lifetimes, asked.request
    code_expires_at = Instant(now + lifetimes.code)
    idle = absolute = None
    if "offline_access" in step.scope:
        absolute = Instant(now + refresh_seconds(asked.client, server.policy))
        idle = Instant(min(now + lifetimes.refresh_idle, absolute))
    return Authorization(
        id=server.entropy(),
        client_id=asked.client.client_id,
        sub=step.sign_in.sub,
        sid=step.sign_in.sid,
        scope=step.scope,
        resource=asked.resource,
        nonce=request.nonce,
        auth_time=step.sign_in.auth_time,
        code_digest=code.digest() if code else None,
        code_challenge=request.code_challenge,
        redirect_uri=request.redirect_uri,
        dpop_jkt=request.dpop_jkt,
        acr=asked.context.reached(step.sign_in.amr),
        details=write_details(asked.claims, asked.details),
        code_expires_at=code_expires_at,
        refresh_idle_expires_at=idle,
        refresh_absolute_expires_at=absolute,
        created_at=now,
        expires_at=server.policy.purge_at(idle or code_expires_at),
    )
