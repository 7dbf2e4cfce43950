"""The one decision: may what was granted still act? Code, refresh, sign-in, UserInfo, introspection and token
exchange all ask here."""

from proofkey.authorization_server.authorization_details import consent_items_of
from proofkey.authorization_server.consent import covers
from proofkey.authorization_server.records import (
    Authorization,
    Consent,
    DeviceStanding,
    SignIn,
    SignInStanding,
    Standing,
    TokenStanding,
    User,
)
from proofkey.authorization_server.requested_claims import read_granted_details, read_single_claims
from proofkey.errors import InvalidGrant
from proofkey.findings import Finding
from proofkey.protocol.registration import ClientRegistration
from proofkey.protocol.text import Instant


def check_may_act(standing: Standing | SignInStanding | TokenStanding | DeviceStanding, now: Instant) -> None:
    """A grant acts only while it, its client, its user, its consent and its sign-in stand; a sign-in only while
    it and its user do; an access token only while it, its client and the grant that it came of do (RFC 9700
    §4.14.2; ASVS 7.4).

    A new way in adds a case here and a row to the matrix test, never a check of its own.
    Raises: InvalidGrant with the finding that says why.
    """
    match standing:
        case SignInStanding(sign_in=sign_in, user=user):
            _check_sign_in(sign_in)
            _check_user(user, sign_in.auth_time)
            _check_not_over(sign_in, now)
        case TokenStanding():
            _check_token(standing, now)
        case DeviceStanding():
            _check_device(standing, now)
        case Standing(authorization=authorization):
            if authorization.revoked_at is not None:
                raise InvalidGrant(Finding.GRANT_REVOKED)
            _check_client(standing.client)
            _check_kind(standing.client, authorization)
            if authorization.sub is not None:
                _check_user(standing.user, authorization.auth_time or authorization.created_at)
                _check_consent(standing.consent, standing.client, authorization)
                if not _outlives_the_sign_in(authorization):
                    _check_sign_in(standing.sign_in)


def _check_token(standing: TokenStanding, now: Instant) -> None:
    """A grant that is not there any more was purged after its end."""
    if standing.row is not None and standing.row.revoked_at is not None:
        raise InvalidGrant(Finding.GRANT_REVOKED)
    _check_client(standing.holder)
    if standing.grant is not None:
        check_may_act(standing.grant, now)
    elif standing.authorization_id is not None:
        raise InvalidGrant(Finding.GRANT_REVOKED)


def _check_device(standing: DeviceStanding, now: Instant) -> None:
    """Before anybody has decided only the client can act. What was allowed is a grant like any other."""
    _check_client(standing.client)
    if standing.grant is not None:
        check_may_act(standing.grant, now)
    elif standing.device.authorization_id is not None:
        raise InvalidGrant(Finding.GRANT_REVOKED)


def _check_client(client: ClientRegistration | None) -> None:
    if client is None or client.disabled:
        raise InvalidGrant(Finding.GRANT_CLIENT_DISABLED)


def _check_kind(client: ClientRegistration | None, authorization: Authorization) -> None:
    """A client that describes itself may turn into one that proves itself in no way."""
    if client is not None and authorization.created_at < client.grants_since:
        raise InvalidGrant(Finding.GRANT_REVOKED, reason="the client was of another kind then")


def _check_user(user: User | None, since: Instant) -> None:
    if user is None or user.disabled:
        raise InvalidGrant(Finding.GRANT_USER_DISABLED)
    if user.password_changed_at > since:
        raise InvalidGrant(Finding.GRANT_PASSWORD_CHANGED)


def _check_consent(
    consent: Consent | None, client: ClientRegistration | None, authorization: Authorization
) -> None:
    if client is not None and client.skip_consent:
        return
    single = read_single_claims(authorization.details).consent_items
    details = consent_items_of(read_granted_details(authorization.details))
    if not covers(consent, (*authorization.scope, *single, *details), authorization.resource):
        raise InvalidGrant(Finding.GRANT_CONSENT_WITHDRAWN)


def _outlives_the_sign_in(authorization: Authorization) -> bool:
    """`offline_access` says so (OIDC Core §11), but not for a code that was never redeemed."""
    return "offline_access" in authorization.scope and authorization.code_used_at is not None


def _check_sign_in(sign_in: SignIn | None) -> None:
    """A missing row was purged after its end, and whatever it took along is revoked in its own row."""
    if sign_in is not None and sign_in.ended_at is not None:
        raise InvalidGrant(Finding.GRANT_SIGNED_OUT)


def _check_not_over(sign_in: SignIn, now: Instant) -> None:
    if now >= sign_in.absolute_expires_at:
        raise InvalidGrant(Finding.GRANT_SIGNED_OUT)
