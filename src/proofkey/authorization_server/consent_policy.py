"""The application's own word on consent: asked once the person is known, and never of more than was asked for."""

from dataclasses import replace

from proofkey.authorization_server.authorize import AskConsent, Asked, Issue, Refuse, Step
from proofkey.authorization_server.consent import build_consent, covers
from proofkey.authorization_server.hooks import ConsentQuestion, Ruling, person_of, read_ruling
from proofkey.authorization_server.records import Consent, SignInStanding
from proofkey.authorization_server.registered import keep_in_use
from proofkey.authorization_server.role import AuthorizationServer
from proofkey.errors import AccessDenied, ConsentRequired
from proofkey.findings import Finding
from proofkey.protocol.text import Instant


async def rule_step(
    server: AuthorizationServer, asked: Asked, step: Step, standing: SignInStanding | None, before: Consent | None
) -> Step:
    """The step that is due when the policy has been heard; the very step where there is none, or where consent is
    not what it is about.

    Raises: Unavailable when the hook failed.
    """
    if server.hooks.consent is None or standing is None or standing.user is None or not _is_about_consent(step):
        return step
    question = ConsentQuestion(
        client=asked.client,
        person=person_of(standing.user),
        scope=asked.scope,
        claims=asked.claims.names,
        details=asked.details,
        resource=asked.resource,
        prompt=asked.request.prompt,
    )
    ruling = read_ruling(await server.hooks.consent(question), asked.client.client_id)
    return apply_ruling(ruling, asked, step, standing, before)


def apply_ruling(
    ruling: Ruling | None, asked: Asked, step: Step, standing: SignInStanding, before: Consent | None
) -> Step:
    """`grant` treats the client as a first-party one: prompt=consent asks all the same (OIDC Core §3.1.2.1), and
    what is granted is written down as a consent, which can be withdrawn."""
    match ruling:
        case "deny":
            return Refuse(AccessDenied(Finding.CONSENT_RULED_OUT, client_id=asked.client.client_id))
        case "ask" if "none" in asked.request.prompt:
            return Refuse(ConsentRequired(Finding.CONSENT_NEEDED))
        case "ask":
            return AskConsent(standing.sign_in, asked.scope)
        case "grant" if "consent" not in asked.request.prompt:
            known = asked.client.skip_consent or covers(before, asked.consented, asked.resource)
            return replace(Issue(standing.sign_in, asked.scope), by_policy=not known)
        case _:
            return step


async def write_ruling(server: AuthorizationServer, asked: Asked, step: Issue, now: Instant) -> None:
    """A consent that the policy gave stands in the store like any other: the one decision looks for it there."""
    if step.by_policy:
        consent, event = build_consent(step.sign_in.sub, asked.client, asked.consented, asked.resource, now)
        event = replace(event, detail={**event.detail, "by": "policy"})
        await keep_in_use(server, asked.client, now)
        await server.store.add_consent(consent, event)


def _is_about_consent(step: Step) -> bool:
    return isinstance(step, Issue | AskConsent) or (
        isinstance(step, Refuse) and isinstance(step.error, ConsentRequired)
    )
