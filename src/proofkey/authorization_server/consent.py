"""Consent: what a person allowed a client, and when they must be asked."""

from proofkey.authorization_server.policy import Policy
from proofkey.authorization_server.records import AuditEvent, Consent, SignIn
from proofkey.authorization_server.requested_claims import scope_of_item
from proofkey.protocol.registration import ClientRegistration
from proofkey.protocol.text import Instant, Subject, digest_of


def covers(consent: Consent | None, scope: tuple[str, ...], resource: tuple[str, ...]) -> bool:
    """True when all of it was allowed before; who allowed a scope has allowed each of its claims."""
    if consent is None or not consent.resource.issuperset(resource):
        return False
    return consent.scope.issuperset(scope) or all(
        one in consent.scope or scope_of_item(one) in consent.scope for one in scope
    )


def is_consent_needed(
    client: ClientRegistration,
    consent: Consent | None,
    scope: tuple[str, ...],
    resource: tuple[str, ...],
    prompt: frozenset[str],
) -> bool:
    """OIDC Core §3.1.2.4. First-party clients (`skip_consent`) are asked only by prompt=consent; confidential
    ones until they have what they ask for; public ones every time, since anybody can pose as one
    (OAuth 2.1 §7.3), and so are those that have registered as something else since."""
    if "consent" in prompt:
        return True
    if client.skip_consent:
        return False
    changed = consent is not None and consent.granted_at < client.changed_at
    return client.is_public or changed or not covers(consent, scope, resource)


def digest_of_page(sign_in: SignIn, scope: tuple[str, ...], resource: tuple[str, ...], changed_at: int = 0) -> str:
    """What a consent page says: whose account it is about, and what is given where. A decision counts only for the
    page that was shown, not for whoever has signed in or whatever was registered since (OIDC Core §3.1.2.4)."""
    return digest_of("\n".join((sign_in.sid, " ".join(scope), " ".join(resource), str(changed_at))))


def digest_of_account(sign_in: SignIn) -> str:
    """What the page says that offers to go on as who is signed in."""
    return digest_of(f"account\n{sign_in.sid}")


def build_consent(
    sub: Subject, client: ClientRegistration, scope: tuple[str, ...], resource: tuple[str, ...], now: Instant
) -> tuple[Consent, AuditEvent]:
    """What the person has just allowed, and the event that says so."""
    consent = Consent(
        sub=sub,
        client_id=client.client_id,
        scope=frozenset(scope),
        resource=frozenset(resource),
        granted_at=now,
    )
    detail = {"scope": " ".join(scope), "resource": " ".join(resource)}
    return consent, AuditEvent(at=now, name="consent.given", sub=sub, client_id=client.client_id, detail=detail)


def refresh_seconds(client: ClientRegistration, policy: Policy) -> int:
    """How long `offline_access` lasts at most."""
    lifetimes = policy.lifetimes
    return lifetimes.refresh_absolute_public if client.is_public else lifetimes.refresh_absolute
