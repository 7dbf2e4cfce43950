"""The authorization_code grant (RFC 6749 §4.1.3)."""

from proofkey.authorization_server.audit import event_of
from proofkey.authorization_server.decision import check_may_act
from proofkey.authorization_server.grants.narrowing import check_grant_type, check_resource, granted_details
from proofkey.authorization_server.hook_claims import ask_for_tokens
from proofkey.authorization_server.issuance import issue_for_person
from proofkey.authorization_server.logout import remember_client
from proofkey.authorization_server.records import NOBODY, AuditEvent, Authorization, Sender, Standing
from proofkey.authorization_server.role import AuthorizationServer
from proofkey.authorization_server.sender import check_bound
from proofkey.errors import InvalidGrant
from proofkey.findings import Finding
from proofkey.protocol.messages import CodeRequest, TokenResponse
from proofkey.protocol.pkce import check_verifier_matches
from proofkey.protocol.registration import ClientRegistration
from proofkey.protocol.text import Instant


async def redeem_code(
    server: AuthorizationServer,
    request: CodeRequest,
    client: ClientRegistration,
    standing: Standing | None,
    now: Instant,
    sender: Sender = NOBODY,
) -> tuple[TokenResponse, AuditEvent]:
    """All checks first, then one write that one caller wins. A request that is not its client's and verifier's
    changes nothing; a valid one for a used code revokes whatever came of it (RFC 6749 §4.1.2, OAuth 2.1 §7.5.2).

    Raises: InvalidGrant, UnauthorizedClient, InvalidTarget, InvalidDpopProof,
    InvalidAuthorizationDetails.
    """
    if standing is None:
        raise InvalidGrant(Finding.CODE_UNKNOWN)
    authorization = standing.authorization
    check_code_is_of(authorization, request, client)
    if authorization.code_used_at is not None:
        raise await _replayed(server, authorization, now)
    if now >= authorization.code_expires_at:
        raise InvalidGrant(Finding.CODE_EXPIRED)
    check_bound(authorization, client, sender, is_code=True)
    check_grant_type(client, "authorization_code")
    check_may_act(standing, now)
    check_resource(request.resource, authorization, server.policy)
    details = granted_details(request.details, authorization, client, server.policy)
    told = await ask_for_tokens(server, standing, authorization.scope)
    event = event_of(authorization, "code.redeemed", now)
    if not await server.store.use_code(authorization.id, now, event, sender):
        raise await _replayed(server, authorization, now)
    await remember_client(server, standing, now)
    tokens = await issue_for_person(
        server,
        standing,
        now,
        generation=1,
        scope=authorization.scope,
        nonce=authorization.nonce,
        sender=sender,
        details=details,
        told=told,
    )
    return tokens, event


def check_code_is_of(authorization: Authorization, request: CodeRequest, client: ClientRegistration) -> None:
    """RFC 6749 §4.1.3, RFC 7636 §4.6. An absent redirect_uri is accepted (OAuth 2.1 §10.2), a different one not.

    Raises: InvalidGrant.
    """
    if authorization.client_id != client.client_id:
        raise InvalidGrant(Finding.CODE_FOREIGN_CLIENT, client_id=client.client_id)
    if request.redirect_uri is not None and request.redirect_uri != authorization.redirect_uri:
        raise InvalidGrant(Finding.CODE_REDIRECT_URI_DIFFERS, client_id=client.client_id)
    check_verifier_matches(request.code_verifier, authorization.code_challenge)


async def _replayed(server: AuthorizationServer, authorization: Authorization, now: Instant) -> InvalidGrant:
    await server.store.revoke(authorization.id, now, event_of(authorization, "code.replayed", now))
    return InvalidGrant(Finding.CODE_USED, client_id=authorization.client_id, authorization=authorization.id[:8])
