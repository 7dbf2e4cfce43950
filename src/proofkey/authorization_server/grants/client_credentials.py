"""The client_credentials grant (RFC 6749 §4.4)."""

from proofkey.authorization_server.authorization_details import check_details
from proofkey.authorization_server.grants.narrowing import check_grant_type
from proofkey.authorization_server.issuance import issue_for_client
from proofkey.authorization_server.policy import IDENTITY_SCOPES, grantable_scope
from proofkey.authorization_server.records import NOBODY, AuditEvent, Sender
from proofkey.authorization_server.role import AuthorizationServer
from proofkey.errors import InvalidScope, UnauthorizedClient
from proofkey.findings import Finding
from proofkey.protocol.messages import ClientCredentialsRequest, TokenResponse
from proofkey.protocol.registration import ClientRegistration
from proofkey.protocol.text import Instant


async def grant_client(
    server: AuthorizationServer,
    request: ClientCredentialsRequest,
    client: ClientRegistration,
    now: Instant,
    sender: Sender = NOBODY,
) -> tuple[TokenResponse, AuditEvent]:
    """For confidential clients only; no refresh token, no ID token, no scope about a person.

    Without a scope the client gets all of its own, unless it asks by authorization_details; a client that has none
    gets a token without scope.
    Raises: UnauthorizedClient, InvalidScope, InvalidTarget, InvalidAuthorizationDetails.
    """
    if client.is_public:
        raise UnauthorizedClient(Finding.CLIENT_GRANT_NOT_ALLOWED, reason="public", client_id=client.client_id)
    check_grant_type(client, "client_credentials")
    audience = server.policy.audience_of(request.resource)
    check_details(request.details, client, audience, server.policy)
    alone = bool(request.details) and not request.scope
    granted = () if alone else grantable_scope(request.scope or (), client, audience, server.policy)
    scope = tuple(one for one in granted if one not in IDENTITY_SCOPES)
    if request.scope and not scope:
        raise InvalidScope(Finding.SCOPE_NOT_ALLOWED, scope=" ".join(request.scope)[:200])
    event = AuditEvent(
        at=now,
        name="client_credentials.issued",
        client_id=client.client_id,
        detail={"scope": " ".join(scope), "resource": " ".join(audience)},
    )
    return await issue_for_client(server, client, audience, scope, now, sender, request.details), event
