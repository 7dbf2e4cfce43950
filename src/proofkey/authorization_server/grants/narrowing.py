"""What a token request may ask of its grant: no more than there is."""

from proofkey.authorization_server.authorization_details import narrowed_details
from proofkey.authorization_server.policy import Policy
from proofkey.authorization_server.records import Authorization
from proofkey.authorization_server.requested_claims import read_granted_details
from proofkey.errors import InvalidScope, InvalidTarget, UnauthorizedClient
from proofkey.findings import Finding
from proofkey.protocol.authorization_details import Detail
from proofkey.protocol.registration import ClientRegistration


def check_grant_type(client: ClientRegistration, grant_type: str) -> None:
    """RFC 6749 §5.2. Raises: UnauthorizedClient."""
    if grant_type not in client.grant_types:
        raise UnauthorizedClient(
            Finding.CLIENT_GRANT_NOT_ALLOWED, grant_type=grant_type, client_id=client.client_id
        )


def check_resource(asked: tuple[str, ...], authorization: Authorization, policy: Policy) -> None:
    """RFC 8707 §2.2: the resource of the grant or none named, and it is still known here.

    Raises: InvalidTarget.
    """
    if not set(asked) <= set(authorization.resource):
        raise InvalidTarget(Finding.RESOURCE_NOT_GRANTED, resource=" ".join(asked)[:200])
    policy.audience_of(authorization.resource)


def narrowed_scope(
    asked: tuple[str, ...] | None, authorization: Authorization, client: ClientRegistration
) -> tuple[str, ...]:
    """RFC 6749 §6: the granted scope, or a part of it, as far as the client is still registered for it.

    Raises: InvalidScope when more is asked for, or when nothing of it is left.
    """
    if not set(asked or ()) <= set(authorization.scope):
        raise InvalidScope(Finding.SCOPE_WIDER, scope=" ".join(asked or ())[:200])
    wanted = asked or authorization.scope
    scope = tuple(one for one in authorization.scope if one in wanted and one in client.scope)
    if wanted and not scope:
        raise InvalidScope(Finding.SCOPE_NOT_ALLOWED, scope=" ".join(wanted)[:200])
    return scope


def granted_details(
    asked: tuple[Detail, ...], authorization: Authorization, client: ClientRegistration, policy: Policy
) -> tuple[Detail, ...]:
    """RFC 9396 §6: the granted details, or a part, as far as the client is still registered for their types.

    Raises: InvalidAuthorizationDetails.
    """
    return narrowed_details(asked, read_granted_details(authorization.details), client, policy)
