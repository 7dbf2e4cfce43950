"""The token exchange grant (RFC 8693): an API calls another one for the person whose token it received.

Always delegation: the new token says for whom it is (`sub`) and who acts (`act`), and the chain before. A token
that hides who acts (impersonation) is not on offer, and neither is an actor_token: whoever asks is the actor.
"""

from collections.abc import Mapping
from typing import Any, Final, cast

from proofkey.authorization_server.access_token import (
    AUTHORIZATION_CLAIM,
    check_access_token_may_act,
    find_access_token,
    is_for,
    issue_access_token,
)
from proofkey.authorization_server.audit import event_of
from proofkey.authorization_server.grants.narrowing import check_grant_type
from proofkey.authorization_server.hook_claims import ask_for_access_token
from proofkey.authorization_server.issuance import confirmation_of, token_type_of
from proofkey.authorization_server.policy import IDENTITY_SCOPES, Resource
from proofkey.authorization_server.records import NOBODY, AuditEvent, Authorization, Sender, User
from proofkey.authorization_server.role import AuthorizationServer
from proofkey.errors import (
    InvalidRequest,
    InvalidScope,
    InvalidTarget,
    InvalidToken,
    SubjectTokenRefused,
    UnauthorizedClient,
)
from proofkey.findings import Finding
from proofkey.protocol.access_token import AccessToken, build_access_token_claims
from proofkey.protocol.messages import ExchangeRequest, TokenResponse
from proofkey.protocol.registration import ClientRegistration
from proofkey.protocol.text import Instant, Secret
from proofkey.protocol.token_messages import ACCESS_TOKEN, JWT, TOKEN_EXCHANGE

MOST_ACTORS: Final = 5
"""How long the chain of actors may become."""
_CARRIED: Final = ("acr", "amr", "may_act")
"""What stays true of the person, and who may act for it, whoever passes the token on."""


async def exchange_token(
    server: AuthorizationServer,
    request: ExchangeRequest,
    client: ClientRegistration,
    now: Instant,
    sender: Sender = NOBODY,
) -> tuple[TokenResponse, AuditEvent]:
    """A token for one API downstream, of the same authorization, so that it ends with it: never with more scope,
    never living longer, never with a refresh token. The proof of a bound subject_token was the API's to ask for;
    the new token is bound to what this request proves.

    Raises: UnauthorizedClient, InvalidRequest, InvalidTarget, InvalidScope; Unavailable.
    """
    if client.is_public:
        raise UnauthorizedClient(Finding.CLIENT_GRANT_NOT_ALLOWED, reason="public", client_id=client.client_id)
    check_grant_type(client, TOKEN_EXCHANGE)
    check_exchange_request(request)
    subject, grant, user = await _find_subject(server, request.subject_token, client, now)
    resource = check_target(request.target, client, server.policy.resources)
    scope = exchanged_scope(request.scope, subject, client, resource)
    lifetime = min(server.policy.lifetimes.access_token, subject.exp - now)
    told = await ask_for_access_token(server, client, user, scope, (resource.identifier,))
    claims = build_access_token_claims(
        issuer=server.policy.issuer,
        sub=subject.sub,
        client_id=client.client_id,
        audience=(resource.identifier,),
        scope=scope,
        now=now,
        lifetime=lifetime,
        jti=server.entropy(),
        roles=exchanged_roles(scope, subject, user),
        auth_time=subject.auth_time,
        extra={
            **told,
            AUTHORIZATION_CLAIM: grant.id,
            "act": build_actor(client, subject.claims),
            **{name: subject.claims[name] for name in _CARRIED if name in subject.claims},
            **confirmation_of(sender),
        },
    )
    token = await issue_access_token(server, client, claims, now, sub=user.sub)
    response = TokenResponse(
        access_token=Secret(token),
        token_type=token_type_of(sender),
        expires_in=lifetime,
        scope=scope or None,
        extra={"issued_token_type": ACCESS_TOKEN},
    )
    return response, _event(grant, client, resource, scope, now)


def check_exchange_request(request: ExchangeRequest) -> None:
    """RFC 8693 §2.1: an access token for an access token. Raises: InvalidRequest."""
    wrong = {
        "subject_token_type": request.subject_token_type not in (ACCESS_TOKEN, JWT),
        "requested_token_type": request.requested_token_type not in (None, ACCESS_TOKEN),
        "actor_token": request.has_actor,
    }
    for parameter, is_wrong in wrong.items():
        if is_wrong:
            raise InvalidRequest(Finding.EXCHANGE_PARAMETER, parameter=parameter)


def check_target(
    target: tuple[str, ...], client: ClientRegistration, resources: Mapping[str, Resource]
) -> Resource:
    """RFC 8693 §2.2.2, RFC 8707 §2: one API that is known here, and for which the client may have a scope.

    Raises: InvalidTarget.
    """
    resource = resources.get(target[0]) if len(target) == 1 else None
    if resource is None or set(resource.scopes).isdisjoint(client.scope):
        shown = " ".join(target)[:200]
        raise InvalidTarget(Finding.EXCHANGE_TARGET, client_id=client.client_id, target=shown)
    return resource


def exchanged_scope(
    asked: tuple[str, ...] | None, subject: AccessToken, client: ClientRegistration, resource: Resource
) -> tuple[str, ...]:
    """Of what the received token has, what the API downstream knows and the client is registered for; nothing
    about the person's identity, for the new token opens no UserInfo.

    Raises: InvalidScope when more is asked for, or when nothing of it is left.
    """
    if not set(asked or ()) <= set(subject.scope):
        raise InvalidScope(Finding.SCOPE_WIDER, scope=" ".join(asked or ())[:200])
    possible = set(resource.scopes).intersection(client.scope).difference(IDENTITY_SCOPES)
    scope = tuple(one for one in asked or subject.scope if one in possible)
    if asked and not scope:
        raise InvalidScope(Finding.SCOPE_NOT_ALLOWED, scope=" ".join(asked)[:200])
    return scope


def exchanged_roles(scope: tuple[str, ...], subject: AccessToken, user: User) -> tuple[str, ...]:
    """Of the roles that the received token says, those that the person still has; none without a scope, for then
    the person has allowed nothing at the API downstream, and roles alone must not open it."""
    return tuple(role for role in subject.roles if role in user.roles) if scope else ()


def check_may_be_actor(client: ClientRegistration, claims: Mapping[str, Any], issuer: str) -> None:
    """RFC 8693 §4.4: where the token says who may act for its subject, it is this client; a member that is not
    understood could name somebody else.

    Raises: SubjectTokenRefused.
    """
    if "may_act" not in claims:
        return
    named: object = claims["may_act"]
    allowed = ({"sub": client.client_id}, {"sub": client.client_id, "iss": issuer})
    if named not in allowed:
        raise SubjectTokenRefused(Finding.EXCHANGE_ACTOR, client_id=client.client_id)


def build_actor(client: ClientRegistration, claims: Mapping[str, Any]) -> dict[str, Any]:
    """RFC 8693 §4.1: who acts now, and within it whoever acted before. Raises: SubjectTokenRefused."""
    before: object = claims.get("act")
    depth, inner = 1, before
    while isinstance(inner, dict):
        depth, inner = depth + 1, cast("dict[str, Any]", inner).get("act")
    if depth > MOST_ACTORS:
        raise SubjectTokenRefused(Finding.EXCHANGE_TOO_DEEP, client_id=client.client_id, depth=str(depth))
    return {"sub": client.client_id} | ({"act": before} if isinstance(before, dict) else {})


async def _find_subject(
    server: AuthorizationServer, text: Secret, client: ClientRegistration, now: Instant
) -> tuple[AccessToken, Authorization, User]:
    """The received token, live by the one decision, whose audience is this client's API, and the person behind it.

    Raises: SubjectTokenRefused.
    """
    try:
        token, standing = await find_access_token(server, text.reveal(), now)
        check_access_token_may_act(token, standing, now)
    except InvalidToken as error:
        facts = error.facts | {"check": error.finding.id, "client_id": client.client_id}
        raise SubjectTokenRefused(Finding.EXCHANGE_SUBJECT, **facts) from error
    if now >= token.exp:
        raise SubjectTokenRefused(Finding.EXCHANGE_SUBJECT, client_id=client.client_id, exp=str(token.exp))
    if not is_for(token, client, server.policy):
        aud = " ".join(token.aud)[:200]
        raise SubjectTokenRefused(Finding.EXCHANGE_FOREIGN, client_id=client.client_id, aud=aud)
    check_may_be_actor(client, token.claims, server.policy.issuer)
    if standing.grant is None or standing.grant.user is None:
        raise SubjectTokenRefused(Finding.EXCHANGE_NOBODY, client_id=client.client_id)
    return token, standing.grant.authorization, standing.grant.user


def _event(
    grant: Authorization, client: ClientRegistration, resource: Resource, scope: tuple[str, ...], now: Instant
) -> AuditEvent:
    facts = {"actor": client.client_id, "resource": resource.identifier, "scope": " ".join(scope)}
    return event_of(grant, "token.exchanged", now, **facts)
