"""The two halves of a login that pass through the browser: what is sent out, and what may come back."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field

from proofkey.client.config import LoginConfig
from proofkey.client.session import PendingLogin
from proofkey.errors import LoginFailed
from proofkey.findings import Finding
from proofkey.protocol.error_code import error_code
from proofkey.protocol.id_token import IdToken
from proofkey.protocol.messages import (
    AuthorizationRequest,
    AuthorizationResponse,
    build_authorization_request_url,
    parse_authorization_response,
    with_query,
)
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


def check_pkce_advertised(metadata: ServerMetadata, *, known: bool = False) -> None:
    """OAuth 2.1 §7.5.1, RFC 8414 §2: a provider that does not say S256 may drop the challenge silently; `known`
    that it does not.

    Raises: LoginFailed.
    """
    if not known and "S256" not in metadata.code_challenge_methods_supported:
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
    check_pkce_advertised(metadata, known=config.dialect.force_pkce)
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
        acr_values=config.acr_values,
        claims=_essential_acr(config) if metadata.claims_parameter_supported else None,
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


def build_login_url(config: LoginConfig, metadata: ServerMetadata, request: AuthorizationRequest) -> str:
    """Where the browser goes, with the provider's own parameters; a space is %20, which every provider reads
    (Cognito reads no `+` in a scope)."""
    url = build_authorization_request_url(metadata.authorization_endpoint, request)
    if config.authorization_parameters:
        url = with_query(url, config.authorization_parameters)
    return url.replace("+", "%20")


def _essential_acr(config: LoginConfig) -> str | None:
    """OIDC Core §5.5.1.1: `acr_values` alone is a wish, which a provider may leave unmet."""
    if not config.acr_values:
        return None
    return json.dumps({"id_token": {"acr": {"essential": True, "values": list(config.acr_values)}}})


def check_acr(id_token: IdToken, config: LoginConfig) -> None:
    """OIDC Core §3.1.3.7: the sign-in is of one of the kinds that were asked for, whatever the provider made of
    the question.

    Raises: LoginFailed.
    """
    if config.acr_values and id_token.acr not in config.acr_values:
        found = "none" if id_token.acr is None else id_token.acr[:100]
        raise LoginFailed(Finding.ID_TOKEN_ACR, found=found, expected=" ".join(config.acr_values))


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
    response: AuthorizationResponse,
    pending: PendingLogin,
    metadata: ServerMetadata,
    issuers: frozenset[str] = frozenset(),
) -> None:
    """RFC 9207 §2.4: compared as strings, before the code is sent; advertised and absent is a refusal. A provider
    that sends it unannounced is held to it too. `issuers` are the provider's further names.

    Raises: LoginFailed.
    """
    if response.iss is None:
        if metadata.authorization_response_iss_parameter_supported:
            raise LoginFailed(Finding.LOGIN_ISSUER, cause="iss is missing", expected=pending.issuer)
    elif response.iss != pending.issuer and response.iss not in issuers:
        raise LoginFailed(Finding.LOGIN_ISSUER, received=response.iss[:200], expected=pending.issuer)


def read_code(
    response: AuthorizationResponse,
    pending: PendingLogin,
    metadata: ServerMetadata,
    issuers: frozenset[str] = frozenset(),
) -> Secret:
    """The code of a response whose state was found: issuer first, then error, then code. `issuers` as in
    `check_response_issuer`.

    Raises: LoginFailed.
    """
    check_response_issuer(response, pending, metadata, issuers)
    if response.error is not None:
        raise LoginFailed(Finding.LOGIN_REFUSED, error=error_code(response.error))
    if response.code is None:
        raise LoginFailed(Finding.LOGIN_RESPONSE_MALFORMED, cause="neither code nor error")
    return response.code
