"""The token request of a client, and what may be believed of the answer."""

from collections.abc import Callable
from dataclasses import dataclass

from proofkey.client.config import LoginConfig
from proofkey.client.session import PendingLogin, SessionTokens
from proofkey.errors import LoginFailed, Unavailable
from proofkey.findings import Finding
from proofkey.protocol.client_assertion import authenticate
from proofkey.protocol.error_code import error_code, read_error_code
from proofkey.protocol.exchange import Answer, Ask
from proofkey.protocol.messages import TokenResponse, parse_token_response
from proofkey.protocol.metadata import ServerMetadata
from proofkey.protocol.text import Instant, Pairs, Secret


@dataclass(frozen=True, slots=True)
class TokenRefusal:
    """RFC 6749 §5.2: the provider's `error`, fit for the log."""

    error: str
    status: int


def build_token_ask(
    config: LoginConfig, metadata: ServerMetadata, form: Pairs, *, now: Instant, fresh_id: Callable[[], str]
) -> Ask:
    """A token request with the client's authentication (RFC 6749 §2.3.1, §3.2.1)."""
    return authenticate(
        Ask("POST", metadata.token_endpoint, {"accept": "application/json"}, form),
        config.outgoing_client,
        offered=metadata.token_endpoint_auth_methods_supported,
        issuer=config.issuer,
        now=now,
        fresh_id=fresh_id,
    )


def build_code_ask(
    config: LoginConfig,
    metadata: ServerMetadata,
    pending: PendingLogin,
    code: Secret,
    *,
    now: Instant,
    fresh_id: Callable[[], str],
) -> Ask:
    """RFC 6749 §4.1.3, RFC 7636 §4.5, RFC 8707 §2.2."""
    form: Pairs = (
        ("grant_type", "authorization_code"),
        ("code", code.reveal()),
        ("redirect_uri", pending.redirect_uri),
        ("code_verifier", pending.code_verifier.reveal()),
        *(("resource", resource) for resource in pending.resource),
    )
    return build_token_ask(config, metadata, form, now=now, fresh_id=fresh_id)


def read_token_answer(answer: Answer) -> TokenResponse | TokenRefusal:
    """RFC 6749 §5.1, §5.2: unknown members are ignored, the token type is compared without case.

    Raises: Unavailable when the provider is at fault; LoginFailed when its answer cannot be a token response.
    """
    if answer.status >= 500 or answer.status == 429:
        raise Unavailable(Finding.OUTGOING_STATUS, status=str(answer.status), endpoint="token")
    if 300 <= answer.status < 400:
        raise LoginFailed(Finding.OUTGOING_REDIRECT, status=str(answer.status), endpoint="token")
    if answer.status != 200:
        return TokenRefusal(read_error_code(answer.body), answer.status)
    response = parse_token_response(answer.body)
    if response.token_type.lower() != "bearer":
        raise LoginFailed(Finding.LOGIN_TOKEN_TYPE, token_type=error_code(response.token_type))
    return response


def read_code_answer(answer: Answer) -> TokenResponse:
    """The tokens of a login.

    Raises: LoginFailed, Unavailable.
    """
    response = read_token_answer(answer)
    if isinstance(response, TokenRefusal):
        raise LoginFailed(Finding.LOGIN_REFUSED, error=response.error, status=str(response.status))
    if response.id_token is None:
        raise LoginFailed(Finding.LOGIN_RESPONSE_MALFORMED, cause="no id_token")
    return response


def tokens_of(response: TokenResponse, *, asked: tuple[str, ...], now: Instant) -> SessionTokens:
    """What the session keeps; a returned scope counts, an absent one means the asked (RFC 6749 §5.1)."""
    expires_in = response.expires_in
    return SessionTokens(
        access_token=response.access_token,
        access_expires_at=None if expires_in is None else Instant(now + expires_in),
        scope=asked if response.scope is None else response.scope,
        refresh_token=response.refresh_token,
        id_token=response.id_token,
    )
