"""An authorization request: the ordered checks, and the one pure decision what comes next."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from proofkey.authorization_server.authentication_context import ANY_CONTEXT, ContextAsked, read_context
from proofkey.authorization_server.authorization_details import asks_again, consent_items_of, read_details
from proofkey.authorization_server.consent import is_consent_needed
from proofkey.authorization_server.hint import read_hint_subject
from proofkey.authorization_server.policy import grantable_scope
from proofkey.authorization_server.records import Consent, SignIn
from proofkey.authorization_server.requested_claims import NO_CLAIMS, SingleClaims, grantable_claims
from proofkey.authorization_server.response import check_response_mode
from proofkey.authorization_server.role import AuthorizationServer
from proofkey.authorization_server.stores import Clients
from proofkey.authorization_server.subject import Subjects
from proofkey.errors import (
    ConsentRequired,
    InvalidScope,
    LoginRequired,
    NoLocation,
    OAuthError,
    UnauthorizedClient,
    UnmetAuthenticationRequirements,
)
from proofkey.findings import Finding
from proofkey.protocol.authorization_details import Detail
from proofkey.protocol.claims_request import ClaimsRequest, parse_claims_request
from proofkey.protocol.device_authorization import DEVICE
from proofkey.protocol.messages import AuthorizationRequest, RedirectTarget, parse_authorization_request
from proofkey.protocol.pkce import check_code_challenge
from proofkey.protocol.redirect_uri import check_redirect_uri
from proofkey.protocol.registration import ClientRegistration
from proofkey.protocol.text import EPOCH, Instant, Pairs, Subject
from proofkey.protocol.token_messages import DEVICE_CODE

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
    claims: SingleClaims = NO_CLAIMS
    """Released beside what the scope gives."""
    details: tuple[Detail, ...] = ()
    """What is asked for in authorization_details (RFC 9396 §2)."""
    ask_again: bool = False
    """The person is asked, whatever they allowed before."""
    subs: frozenset[str] | None = None
    """The people whom the claims parameter asks for; None: anybody."""
    context: ContextAsked = ANY_CONTEXT
    subjects: Subjects = field(default_factory=lambda: Subjects(b""), repr=False)

    @property
    def consented(self) -> tuple[str, ...]:
        """What a consent must hold: the scope, the single claims, and each of the details by its value."""
        return (*self.scope, *self.claims.consent_items, *consent_items_of(self.details))

    def check_person(self, sub: Subject) -> None:
        """OIDC Core §3.1.2.2, §5.5.1: nobody but whom a hint or the claims parameter names, by the name that the
        client knows. Raises: LoginRequired."""
        name = self.subjects.of(sub, self.client)
        if self.hint_sub is not None and self.hint_sub != name:
            raise LoginRequired(Finding.HINT_OTHER_USER)
        if self.subs is not None and name not in self.subs:
            raise LoginRequired(Finding.SUBJECT_OTHER)


# --- proven first: nothing is redirected before this (RFC 6749 §4.1.2.1, RFC 9700 §4.11.2) --------------------


async def prove_client(
    target: RedirectTarget, clients: Clients, known: ClientRegistration | None = None
) -> ClientRegistration:
    """The client is registered and enabled, and the redirect URI is one of its own: from here on, and not before,
    errors may be redirected. `known` is a registration that was read a moment ago, if it is this client's.

    Raises: NoLocation.
    """
    client = known if known is not None and known.client_id == target.client_id else None
    if client is None:
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
    and at classes that are not known here, so they are left out of what may have to be stored.

    Raises: OAuthError with the registered code; the caller redirects it.
    """
    request = parse_authorization_request(pairs)
    hint = request.id_token_hint
    known = tuple(name for name in dict.fromkeys(request.acr_values) if name in server.policy.acr_values)
    kept = replace(request, id_token_hint=None, acr_values=known, ui_locales=())
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


def check_device_grant(request: AuthorizationRequest, client: ClientRegistration) -> None:
    """RFC 8628 §3.1: the client is registered for device authorizations."""
    if DEVICE_CODE not in client.grant_types:
        raise UnauthorizedClient(Finding.CLIENT_GRANT_NOT_ALLOWED, grant_type=DEVICE_CODE)


Check = Callable[[AuthorizationRequest, ClientRegistration], None]
CHECKS: Final[tuple[Check, ...]] = (check_grant_type, check_challenge)
DEVICE_CHECKS: Final[tuple[Check, ...]] = (check_device_grant,)
"""Of a request that goes through no browser: it has no redirect URI, no code and no way back."""


def read_asked(
    request: AuthorizationRequest,
    client: ClientRegistration,
    server: AuthorizationServer,
    hint_sub: Subject | None = None,
) -> Asked:
    """What of the request can be granted to the client as it is registered now. Whoever asks by
    authorization_details alone gets no scope beside them (RFC 9396 §3.1).

    Raises: UnauthorizedClient, InvalidRequest, InvalidTarget, InvalidScope, InvalidAuthorizationDetails.
    """
    for check in DEVICE_CHECKS if request.response_type == DEVICE else CHECKS:
        check(request, client)
    if request.response_type != DEVICE:
        check_response_mode(request, client, server.policy)
    resource = server.policy.audience_of(request.resource)
    details = read_details(request.authorization_details, client, resource, server.policy)
    alone = bool(details) and not request.scope
    scope = () if alone else grantable_scope(request.scope, client, resource, server.policy)
    if not scope and not alone:
        raise InvalidScope(Finding.SCOPE_NOT_ALLOWED, scope=" ".join(request.scope)[:200])
    claims = parse_claims_request(request.claims) if request.claims and "openid" in scope else ClaimsRequest()
    if request.max_age is None and client.default_max_age is not None:
        request = replace(request, max_age=client.default_max_age)
    return Asked(
        request=request,
        client=client,
        scope=scope,
        resource=resource,
        hint_sub=hint_sub,
        claims=grantable_claims(claims, scope, client),
        details=details,
        ask_again=not client.skip_consent and asks_again(details, server.policy),
        subs=_subjects_asked(claims),
        context=read_context(request.acr_values, claims, client, server.policy),
        subjects=server.subjects,
    )


def _subjects_asked(claims: ClaimsRequest) -> frozenset[str] | None:
    """OIDC Core §5.5.1: a value for `sub` asks for that person."""
    named = [place["sub"].values for place in (claims.id_token, claims.userinfo) if "sub" in place]
    asked = [frozenset(value for value in values if isinstance(value, str)) for values in named if values]
    return asked[0].intersection(*asked[1:]) if asked else None


# --- what comes next ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Issue:
    """A code, now."""

    sign_in: SignIn
    scope: tuple[str, ...]
    by_policy: bool = False
    """The application's consent policy allows it, not the person."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """An error, sent to the redirect URI."""

    error: OAuthError


@dataclass(frozen=True, slots=True)
class Login:
    """The login page."""


@dataclass(frozen=True, slots=True)
class ChooseAccount:
    """The login page, which also offers to go on as the person who is signed in."""

    sign_in: SignIn


@dataclass(frozen=True, slots=True)
class AskConsent:
    """The consent page, for this person."""

    sign_in: SignIn
    scope: tuple[str, ...]


Step = Issue | Refuse | Login | ChooseAccount | AskConsent


def next_step(
    asked: Asked,
    sign_in: SignIn | None,
    consent: Consent | None,
    now: Instant,
    signed_in_since: Instant | None = None,
    begun_at: Instant = EPOCH,
) -> Step:
    """OIDC Core §3.1.2.3 and §3.1.2.4, decided from values alone. `sign_in` is a live one; `consent` is what its
    person allowed this client before; `signed_in_since` is when somebody signed in within this interaction, or the
    time of the older sign-in that was chosen in it; `begun_at` is when the interaction began."""
    silent = "none" in asked.request.prompt
    chosen = sign_in is not None and signed_in_since is not None and sign_in.auth_time >= signed_in_since
    fresh = chosen and signed_in_since is not None and signed_in_since >= begun_at
    met = sign_in is not None and asked.context.is_met(sign_in.amr)
    if not met and (fresh or not asked.context.is_attainable()):
        return Refuse(UnmetAuthenticationRequirements(Finding.CONTEXT_NOT_MET))
    if sign_in is None or not met or not (fresh or is_recent_enough(asked.request, sign_in, now)):
        return Refuse(LoginRequired(Finding.LOGIN_NEEDED)) if silent else Login()
    if "select_account" in asked.request.prompt and not chosen:
        return ChooseAccount(sign_in)
    return _for_person(asked, sign_in, consent, silent=silent)


def _for_person(asked: Asked, sign_in: SignIn, consent: Consent | None, *, silent: bool) -> Step:
    try:
        asked.check_person(sign_in.sub)
    except LoginRequired as error:
        return Refuse(error)
    needed = is_consent_needed(asked.client, consent, asked.consented, asked.resource, asked.request.prompt)
    if needed or asked.ask_again:
        return Refuse(ConsentRequired(Finding.CONSENT_NEEDED)) if silent else AskConsent(sign_in, asked.scope)
    return Issue(sign_in, asked.scope)


def is_recent_enough(request: AuthorizationRequest, sign_in: SignIn, now: Instant) -> bool:
    """True when neither prompt nor max_age asks for a sign-in that is newer than this one (OIDC Core §3.1.2.3).
    One that happened within the interaction always is, however long the person then read the consent page."""
    if "login" in request.prompt:
        return False
    if request.max_age is None:
        return True
    return request.max_age != 0 and now - sign_in.auth_time <= request.max_age
