"""The two halves of a login that pass through the browser: what is sent out, and what may come back."""

from collections.abc import Callable
from dataclasses import dataclass, field

from proofkey.client.config import LoginConfig
from proofkey.client.session import PendingLogin
from proofkey.errors import LoginFailed
from proofkey.findings import Finding
from proofkey.protocol.error_code import error_code
from proofkey.protocol.messages import AuthorizationRequest, AuthorizationResponse, parse_authorization_response
from proofkey.protocol.metadata import ServerMetadata
from proofkey.protocol.pkce import challenge_of
from proofkey.protocol.text import Instant, Pairs, Secret, digest_of

_FLOW_NAME_LENGTH = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginStart:
    """`request` is sent, `pending` is stored, `browser` goes into the flow's own cookie."""

    request: AuthorizationRequest
    pending: PendingLogin
    browser: Secret = field(repr=False)


def check_pkce_advertised(metadata: ServerMetadata) -> None:
    """OAuth 2.1 §7.5.1, RFC 8414 §2: a provider that does not say S256 may drop the challenge silently.

    Raises: LoginFailed.
    """
    if "S256" not in metadata.code_challenge_methods_supported:
        raise LoginFailed(Finding.PKCE_NOT_ADVERTISED, issuer=metadata.issuer)


def build_login(
    config: LoginConfig,
    metadata: ServerMetadata,
    entropy: Callable[[], str],
    *,
    next_path: str,
    now: Instant,
    prompt: frozenset[str] = frozenset(),
    max_age: int | None = None,
) -> LoginStart:
    """RFC 6749 §4.1.1, OIDC Core §3.1.2.1: state, nonce, verifier and browser secret are fresh each time.

    Raises: LoginFailed when the provider does not advertise PKCE.
    """
    check_pkce_advertised(metadata)
    state, nonce, verifier, browser = entropy(), entropy(), entropy(), entropy()
    request = AuthorizationRequest(
        client_id=config.client_id,
        redirect_uri=config.redirect_uri,
        scope=config.scope,
        state=state,
        nonce=nonce,
        code_challenge=challenge_of(verifier),
        code_challenge_method="S256",
        resource=config.resource,
        prompt=prompt or config.prompt,
        max_age=max_age,
    )
    pending = PendingLogin(
        state_digest=digest_of(state),
        browser_digest=digest_of(browser),
        issuer=config.issuer,
        nonce=Secret(nonce),
        code_verifier=Secret(verifier),
        redirect_uri=config.redirect_uri,
        next_path=next_path,
        resource=config.resource,
        scope=config.scope,
        max_age=max_age,
        created_at=now,
        expires_at=Instant(now + config.pending_life),
    )
    return LoginStart(request=request, pending=pending, browser=Secret(browser))


def flow_name(state_digest: str) -> str:
    """The flow's public short name, for the name of its cookie: a part of the state's digest."""
    return state_digest[:_FLOW_NAME_LENGTH]


def read_callback(pairs: Pairs) -> AuthorizationResponse:
    """RFC 6749 §4.1.2: each parameter once, and a state.

    Raises: LoginFailed.
    """
    response = parse_authorization_response(pairs)
    if not response.state:
        raise LoginFailed(Finding.LOGIN_STATE_UNKNOWN, cause="the response has no state")
    return response


def check_same_client(pending: PendingLogin, config: LoginConfig) -> None:
    """RFC 9700 §4.4.2: in a store that several clients share, each finishes its own logins alone, so that no code
    goes to another provider than the one that gave it.

    Raises: LoginFailed.
    """
    if (pending.issuer, pending.redirect_uri) != (config.issuer, config.redirect_uri):
        raise LoginFailed(Finding.LOGIN_STATE_UNKNOWN, cause="another client began it", issuer=pending.issuer)


def check_browser(pending: PendingLogin, browser: Secret | None, now: Instant) -> None:
    """RFC 9700 §4.7.1: the login is finished by the browser that started it, in time.

    Raises: LoginFailed.
    """
    if now >= pending.expires_at:
        raise LoginFailed(Finding.LOGIN_EXPIRED)
    if browser is None or not Secret(browser.digest()).matches(Secret(pending.browser_digest)):
        raise LoginFailed(Finding.LOGIN_FOREIGN_BROWSER)


def check_response_issuer(
    response: AuthorizationResponse, pending: PendingLogin, metadata: ServerMetadata
) -> None:
    """RFC 9207 §2.4: compared as strings, before the code is sent; advertised and absent is a refusal.

    Raises: LoginFailed.
    """
    if response.iss is None:
        if metadata.authorization_response_iss_parameter_supported:
            raise LoginFailed(Finding.LOGIN_ISSUER, cause="iss is missing", expected=pending.issuer)
    elif response.iss != pending.issuer:
        raise LoginFailed(Finding.LOGIN_ISSUER, received=response.iss[:200], expected=pending.issuer)


def read_code(response: AuthorizationResponse, pending: PendingLogin, metadata: ServerMetadata) -> Secret:
    """The code of a response whose state was found: issuer first, then error, then code.

    Raises: LoginFailed.
    """
    check_response_issuer(response, pending, metadata)
    if response.error is not None:
        raise LoginFailed(Finding.LOGIN_REFUSED, error=error_code(response.error))
    if response.code is None:
        raise LoginFailed(Finding.LOGIN_RESPONSE_MALFORMED, cause="neither code nor error")
    return response.code
