"""An authorization request: the ordered checks, and the one pure decision what comes next."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from proofkey.authorization_server.consent import is_consent_needed
from proofkey.authorization_server.hint import read_hint_subject
from proofkey.authorization_server.policy import grantable_scope
from proofkey.authorization_server.records import Consent, SignIn
from proofkey.authorization_server.role import AuthorizationServer
from proofkey.authorization_server.stores import Clients
from proofkey.errors import (
    ConsentRequired,
    InvalidScope,
    LoginRequired,
    NoLocation,
    OAuthError,
    UnauthorizedClient,
)
from proofkey.findings import Finding
from proofkey.protocol.messages import AuthorizationRequest, RedirectTarget, parse_authorization_request
from proofkey.protocol.pkce import check_code_challenge
from proofkey.protocol.redirect_uri import check_redirect_uri
from proofkey.protocol.registration import ClientRegistration
from proofkey.protocol.text import Instant, Pairs, Subject

PROMPTS: Final = ("none", "login", "consent", "select_account")
"""Those that are acted on; others are ignored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request that passed every check, and what of it can be granted."""

    request: AuthorizationRequest
    client: ClientRegistration
    scope: tuple[str, ...]
    resource: tuple[str, ...]
    """The audience of the tokens: one resource, or the issuer itself."""
    hint_sub: Subject | None = None


# --- proven first: nothing is redirected before this (RFC 6749 §4.1.2.1, RFC 9700 §4.11.2) --------------------


async def prove_client(target: RedirectTarget, clients: Clients) -> ClientRegistration:
    """The client is registered and enabled, and the redirect URI is one of its own: from here on, and not before,
    errors may be redirected.

    Raises: NoLocation.
    """
    client = await clients.find_client(target.client_id)
    if client is None:
        raise NoLocation(Finding.CLIENT_UNKNOWN, client_id=target.client_id[:200])
    if client.disabled:
        raise NoLocation(Finding.CLIENT_DISABLED, client_id=client.client_id)
    check_redirect_uri(target.redirect_uri, client)
    return client


# --- the other checks, in order -------------------------------------------------------------------------------


def check_authorization_request(pairs: Pairs, client: ClientRegistration, server: AuthorizationServer) -> Asked:
    """Everything that needs neither the person nor the clock. Nobody looks at the hint again, nor at the locales
    and classes asked for, so they are left out of what may have to be stored.

    Raises: OAuthError with the registered code; the caller redirects it.
    """
    request = parse_authorization_request(pairs)
    hint = request.id_token_hint
    kept = replace(request, id_token_hint=None, acr_values=(), ui_locales=())
    asked = read_asked(kept, client, server)
    return replace(asked, hint_sub=read_hint_subject(hint, client.client_id, server)) if hint else asked


def check_grant_type(request: AuthorizationRequest, client: ClientRegistration) -> None:
    """RFC 6749 §4.1.2.1: the client is registered for the code flow."""
    if "authorization_code" not in client.grant_types or request.response_type not in client.response_types:
        raise UnauthorizedClient(Finding.CLIENT_GRANT_NOT_ALLOWED, grant_type="authorization_code")


def check_challenge(request: AuthorizationRequest, client: ClientRegistration) -> None:
    """RFC 7636 §4.4.1: of every client, unless its registration says otherwise in a loud voice."""
    if client.allow_insecure_without_pkce and not request.code_challenge and not request.code_challenge_method:
        return
    check_code_challenge(request.code_challenge, request.code_challenge_method)


CHECKS: Final[tuple[Callable[[AuthorizationRequest, ClientRegistration], None], ...]] = (
    check_grant_type,
    check_challenge,
)


def read_asked(
    request: AuthorizationRequest,
    client: ClientRegistration,
    server: AuthorizationServer,
    hint_sub: Subject | None = None,
) -> Asked:
    """What of the request can be granted to the client as it is registered now.

    Raises: UnauthorizedClient, InvalidRequest, InvalidTarget, InvalidScope.
    """
    for check in CHECKS:
        check(request, client)
    resource = server.policy.audience_of(request.resource)
    scope = grantable_scope(request.scope, client, resource, server.policy)
    if not scope:
        raise InvalidScope(Finding.SCOPE_NOT_ALLOWED, scope=" ".join(request.scope)[:200])
    return Asked(request=request, client=client, scope=scope, resource=resource, hint_sub=hint_sub)


# --- what comes next ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Issue:
    """A code, now."""

    sign_in: SignIn
    scope: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Refuse:
    """An error, sent to the redirect URI."""

    error: OAuthError


@dataclass(frozen=True, slots=True)
class Login:
    """The login page."""


@dataclass(frozen=True, slots=True)
class AskConsent:
    """The consent page, for this person."""

    sign_in: SignIn
    scope: tuple[str, ...]


Step = Issue | Refuse | Login | AskConsent


def next_step(
    asked: Asked,
    sign_in: SignIn | None,
    consent: Consent | None,
    now: Instant,
    signed_in_since: Instant | None = None,
) -> Step:
    """OIDC Core §3.1.2.3 and §3.1.2.4, decided from values alone. `sign_in` is a live one; `consent` is what its
    person allowed this client before; `signed_in_since` is when somebody signed in within this interaction."""
    silent = "none" in asked.request.prompt
    if sign_in is None or is_login_needed(asked.request, sign_in, now, signed_in_since):
        return Refuse(LoginRequired(Finding.LOGIN_NEEDED)) if silent else Login()
    if asked.hint_sub is not None and asked.hint_sub != sign_in.sub:
        return Refuse(LoginRequired(Finding.HINT_OTHER_USER))
    if is_consent_needed(asked.client, consent, asked.scope, asked.resource, asked.request.prompt):
        return Refuse(ConsentRequired(Finding.CONSENT_NEEDED)) if silent else AskConsent(sign_in, asked.scope)
    return Issue(sign_in, asked.scope)


def is_login_needed(
    request: AuthorizationRequest, sign_in: SignIn, now: Instant, signed_in_since: Instant | None = None
) -> bool:
    """True when prompt or max_age asks for a sign-in that is newer than the one there is; one that happened
    within this interaction is new enough, however long the person then read the consent page."""
    if signed_in_since is not None and sign_in.auth_time >= signed_in_since:
        return False
    if not request.prompt.isdisjoint({"login", "select_account"}):
        return True
    if request.max_age is None:
        return False
    return request.max_age == 0 or now - sign_in.auth_time > request.max_age
