"""What a token request may ask of its grant: no more than there is."""

from proofkey.authorization_server.policy import Policy
from proofkey.authorization_server.records import Authorization
from proofkey.errors import InvalidScope, InvalidTarget, UnauthorizedClient
from proofkey.findings import Finding
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


def narrowed_scope(asked: tuple[str, ...] | None, authorization: Authorization) -> tuple[str, ...]:
    """RFC 6749 §6: the granted scope, or a part of it. Raises: InvalidScope."""
    if not asked:
        return authorization.scope
    if not set(asked) <= set(authorization.scope):
        raise InvalidScope(Finding.SCOPE_WIDER, scope=" ".join(asked)[:200])
    return tuple(scope for scope in authorization.scope if scope in asked)
