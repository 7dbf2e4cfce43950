"""The pages of an authorization request: sign in, consent, and on to the client; those of a device too."""

from dataclasses import replace

from proofkey.authorization_server.accounts.authentication import authenticate
from proofkey.authorization_server.answers import NO_COOKIES, Answer, Browser, Cookies, FormPost, Page, Redirect
from proofkey.authorization_server.authorization_details import words_of_details
from proofkey.authorization_server.authorize import (
    AskConsent,
    Asked,
    ChooseAccount,
    Issue,
    Login,
    Refuse,
    Step,
    next_step,
    prove_client,
    read_asked,
)
from proofkey.authorization_server.client_document import described_at
from proofkey.authorization_server.code import issue_code
from proofkey.authorization_server.consent import build_consent, digest_of_account, digest_of_page, refresh_seconds
from proofkey.authorization_server.consent_policy import rule_step, write_ruling
from proofkey.authorization_server.device import read_device
from proofkey.authorization_server.endpoints.authorize import find_consent
from proofkey.authorization_server.endpoints.device import confirm_page, finish_device
from proofkey.authorization_server.interaction import (
    OpenInteraction,
    open_interaction,
    page_url,
    use_interaction,
)
from proofkey.authorization_server.pushed import use_request
from proofkey.authorization_server.records import SignInStanding
from proofkey.authorization_server.registered import keep_in_use
from proofkey.authorization_server.response import find_way_back, send_error
from proofkey.authorization_server.role import AuthorizationServer
from proofkey.authorization_server.sign_in import begin_sign_in, find_live_sign_in
from proofkey.errors import (
    AccessDenied,
    InteractionClosed,
    InvalidRequest,
    NoLocation,
    ProofkeyError,
    SignInFailed,
    TooManyRequests,
)
from proofkey.findings import Finding
from proofkey.protocol.messages import RedirectTarget
from proofkey.protocol.redirect_uri import origin_of
from proofkey.protocol.text import Instant, Pairs, Secret, single


async def show(server: AuthorizationServer, id_: str, browser: Browser, now: Instant) -> Answer:
    """GET: the page that is due; when none is left, on to the client. Raises: InteractionClosed."""
    opened = await open_interaction(server, id_, browser, now)
    asked = await _read(server, opened, now)
    standing = await find_live_sign_in(server, browser, now)
    match await _step(server, opened, asked, standing, now):
        case Login():
            return _login_page(asked)
        case ChooseAccount() as step:
            await _remember(server, opened, digest_of_account(step.sign_in))
            return _login_page(asked, person=standing.user.username if standing and standing.user else None)
        case AskConsent() as step:
            await _remember(server, opened, _digest_of_page(asked, step))
            page = _consent_page(server, asked, step, standing)
            return await confirm_page(server, opened, page, browser, now) if opened.is_device else page
        case step:
            return await _finish(server, opened, asked, step, now)


async def sign_in(server: AuthorizationServer, id_: str, pairs: Pairs, browser: Browser, now: Instant) -> Answer:
    """POST of the login form: a new sign-in under a new handle, then whatever is due. Its other form goes on as
    who is signed in.

    Raises: InteractionClosed, InvalidRequest, Unavailable.
    """
    opened = await open_interaction(server, id_, browser, now)
    asked = await _read(server, opened, now)
    sent = single(pairs)
    if sent.get("account") == "current":
        return await _go_on_as_signed_in(server, opened, asked, browser, now)
    username = sent.get("username", "")
    try:
        if not username or "password" not in sent:
            raise SignInFailed(Finding.SIGN_IN_FAILED, reason="empty")
        password = Secret(sent["password"])
        user = await authenticate(server, username, password, browser.peer, now, device=browser.device)
        standing, handle, event = await begin_sign_in(server, user, asked.client.client_id, browser, now)
    except (SignInFailed, TooManyRequests) as error:
        return _login_page(asked, username=username, error=error)
    await server.store.mark_signed_in(opened.record.digest, now)
    opened = opened.signed_in(now)
    cookies = Cookies(sign_in=handle, device=server.devices.remember(browser.device, user, server.entropy()))
    step = await _step(server, opened, asked, standing, now)
    if isinstance(step, Issue | Refuse):
        answer = await _finish(server, opened, asked, step, now, cookies)
        return replace(answer, told=event) if isinstance(step, Issue) else answer
    if isinstance(step, AskConsent):
        await _remember(server, opened, _digest_of_page(asked, step))
    return Redirect(url=page_url(server, opened), cookies=cookies, told=event)


async def _go_on_as_signed_in(
    server: AuthorizationServer, opened: OpenInteraction, asked: Asked, browser: Browser, now: Instant
) -> Answer:
    """The account that the page showed was chosen; if another one is signed in by now, that page comes first."""
    standing = await find_live_sign_in(server, browser, now)
    step = await _step(server, opened, asked, standing, now)
    if isinstance(step, ChooseAccount) and opened.record.shown == digest_of_account(step.sign_in):
        await server.store.mark_signed_in(opened.record.digest, step.sign_in.auth_time)
        opened = opened.signed_in(step.sign_in.auth_time)
        step = await _step(server, opened, asked, standing, now)
    if isinstance(step, Issue | Refuse):
        return await _finish(server, opened, asked, step, now)
    return Redirect(url=page_url(server, opened))


async def consent(server: AuthorizationServer, id_: str, pairs: Pairs, browser: Browser, now: Instant) -> Answer:
    """POST of the consent form. What is due by now may be another page than the person saw, for somebody else has
    signed in or the client's registration has changed: then that page is shown, and nothing is allowed.

    Raises: InteractionClosed, InvalidRequest.
    """
    opened = await open_interaction(server, id_, browser, now)
    asked = await _read(server, opened, now)
    decision = single(pairs).get("decision")
    if decision not in ("allow", "deny"):
        raise InvalidRequest(Finding.PARAMETER_MALFORMED, parameter="decision")
    if decision == "deny":
        return await _finish(server, opened, asked, Refuse(AccessDenied(Finding.CONSENT_DENIED)), now)
    standing = await find_live_sign_in(server, browser, now)
    step = await _step(server, opened, asked, standing, now)
    if isinstance(step, AskConsent) and opened.record.shown == _digest_of_page(asked, step):
        return await _finish(server, opened, asked, Issue(step.sign_in, step.scope), now, consented=True)
    if isinstance(step, Issue | Refuse):
        return await _finish(server, opened, asked, step, now)
    return Redirect(url=page_url(server, opened))


async def _read(server: AuthorizationServer, opened: OpenInteraction, now: Instant) -> Asked:
    """The request anew, by the client's registration of this moment.

    Raises: InteractionClosed when client or redirect URI are no longer registered, or the device waits no longer;
    what `read_asked` raises.
    """
    if opened.is_device:
        return (await read_device(server, opened.carried, now))[1]
    request = opened.record.request
    target = RedirectTarget(client_id=request.client_id, redirect_uri=request.redirect_uri, state=request.state)
    try:
        client = await prove_client(target, server.store)
    except NoLocation as error:
        raise InteractionClosed(error.finding, **error.facts) from error
    return read_asked(request, client, server, opened.record.hint_sub)


async def _step(
    server: AuthorizationServer,
    opened: OpenInteraction,
    asked: Asked,
    standing: SignInStanding | None,
    now: Instant,
) -> Step:
    before = await find_consent(server, asked, standing)
    sign_in = standing.sign_in if standing else None
    since = opened.record.signed_in_since
    due = next_step(asked, sign_in, before, now, since, opened.record.created_at)
    return await rule_step(server, asked, due, standing, before)


async def _remember(server: AuthorizationServer, opened: OpenInteraction, shown: str) -> None:
    """What the page says, by which a decision is told from one about another page."""
    if opened.record.shown != shown:
        await server.store.mark_shown(opened.record.digest, shown)


def _digest_of_page(asked: Asked, step: AskConsent) -> str:
    return digest_of_page(step.sign_in, asked.consented, asked.resource, asked.client.changed_at)


async def _finish(
    server: AuthorizationServer,
    opened: OpenInteraction,
    asked: Asked,
    step: Issue | Refuse,
    now: Instant,
    cookies: Cookies = NO_COOKIES,
    *,
    consented: bool = False,
) -> Redirect | FormPost | Page:
    """The one end of an interaction, and of the request that was pushed for it: won once, then consent and code
    are written."""
    await use_interaction(server, opened, now)
    await use_request(server, opened.record.pushed_digest, now)
    cookies = replace(cookies, clear_interaction=opened.short)
    if isinstance(step, Refuse):
        if opened.is_device:
            return await finish_device(server, opened, step, now, cookies)
        way = find_way_back(asked.request, asked.client, server.policy)
        return await send_error(server, way, step.error, now, cookies)
    if consented:
        await keep_in_use(server, asked.client, now)
        await server.store.add_consent(
            *build_consent(step.sign_in.sub, asked.client, asked.consented, asked.resource, now)
        )
    await write_ruling(server, asked, step, now)
    if opened.is_device:
        return await finish_device(server, opened, step, now, cookies)
    return await issue_code(server, asked, step, now, cookies)


def _login_page(
    asked: Asked,
    *,
    username: str | None = None,
    person: str | None = None,
    error: ProofkeyError | None = None,
) -> Page:
    """`person` is signed in and may go on without a password."""
    retry_after = error.retry_after if isinstance(error, TooManyRequests) else None
    context = {
        "client_name": asked.client.client_name or asked.client.client_id,
        "client_host": host_of(asked.request.redirect_uri),
        "username": username if username is not None else asked.request.login_hint or "",
        "person": person or "",
    }
    if error is None:
        return Page(name="login", context=context, form_targets=_targets(asked))
    return Page(
        name="login",
        status=400 if retry_after is None else 429,
        context={**context, "problem": error.finding.sentence, "invalid": retry_after is None},
        form_targets=_targets(asked),
        retry_after=retry_after,
        told=error,
    )


def _consent_page(
    server: AuthorizationServer, asked: Asked, step: AskConsent, standing: SignInStanding | None
) -> Page:
    user = standing.user if standing else None
    return Page(
        name="consent",
        context={
            "client_name": asked.client.client_name or asked.client.client_id,
            "client_host": host_of(asked.request.redirect_uri),
            "person": user.username if user else "",
            "scope": step.scope,
            "claims": asked.claims.names,
            "details": words_of_details(asked.details, server.policy),
            "resource": tuple(one for one in asked.resource if one != server.policy.issuer),
            "refresh_seconds": refresh_seconds(asked.client, server.policy),
            "self_registered": asked.client.self_registered,
            "described_at": described_at(asked.client),
        },
        form_targets=_targets(asked),
    )


def host_of(uri: str) -> str:
    """What a person may know the client by: host and port, or the private-use scheme; empty without an address."""
    origin = origin_of(uri) if uri else ""
    return origin.partition("://")[2] or origin


def _targets(asked: Asked) -> tuple[str, ...]:
    """The form's answer leads on to the client (CSP form-action), where it has an address."""
    uri = asked.request.redirect_uri
    return (origin_of(uri),) if uri else ()
