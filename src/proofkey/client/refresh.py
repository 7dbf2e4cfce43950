"""When tokens are refreshed, how, and what of the answer replaces what is held."""

from collections.abc import Callable
from dataclasses import replace

from proofkey.client.config import LoginConfig
from proofkey.client.session import Session, SessionTokens
from proofkey.client.tokens import TokenRefusal, build_token_ask, read_token_answer, tokens_of
from proofkey.errors import LoginFailed, RefreshFailed
from proofkey.findings import Finding
from proofkey.protocol.exchange import Answer, Ask
from proofkey.protocol.id_token import IdToken
from proofkey.protocol.messages import TokenResponse
from proofkey.protocol.metadata import ServerMetadata
from proofkey.protocol.text import Instant, Pairs, Secret


def needs_refresh(tokens: SessionTokens, now: Instant, min_ttl: int) -> bool:
    """True when the access token has less than `min_ttl` seconds left; one without a stated end never does."""
    return tokens.access_expires_at is not None and tokens.access_expires_at - now < min_ttl


def is_live(tokens: SessionTokens, now: Instant) -> bool:
    """True while the access token may still be sent."""
    return tokens.access_expires_at is None or now < tokens.access_expires_at


def build_refresh_ask(
    config: LoginConfig,
    metadata: ServerMetadata,
    refresh_token: Secret,
    resource: tuple[str, ...],
    *,
    now: Instant,
    fresh_id: Callable[[], str],
) -> Ask:
    """RFC 6749 §6, RFC 8707 §2.2: the scope stays the granted one."""
    form: Pairs = (
        ("grant_type", "refresh_token"),
        ("refresh_token", refresh_token.reveal()),
        *(("resource", value) for value in resource),
    )
    return build_token_ask(config, metadata, form, now=now, fresh_id=fresh_id)


def read_refresh_answer(answer: Answer) -> TokenResponse:
    """The new tokens.

    Raises: RefreshFailed, final for `invalid_grant` alone; Unavailable when the provider is at fault.
    """
    try:
        response = read_token_answer(answer)
    except LoginFailed as error:
        raise RefreshFailed(error.finding, final=False, **error.facts) from error
    if isinstance(response, TokenRefusal):
        final = response.error == "invalid_grant"
        raise RefreshFailed(final=final, error=response.error, status=str(response.status))
    return response


def merge_tokens(old: SessionTokens, response: TokenResponse, now: Instant) -> SessionTokens:
    """RFC 6749 §6: a new refresh token replaces the old one; without one the old stays. So for ID tokens."""
    fresh = tokens_of(response, asked=old.scope, now=now)
    return replace(
        fresh,
        refresh_token=fresh.refresh_token or old.refresh_token,
        id_token=fresh.id_token or old.id_token,
    )


def check_refreshed_id_token(id_token: IdToken, session: Session, config: LoginConfig) -> None:
    """OIDC Core §12.2: issuer and subject are those of the login (`aud` is checked with every ID token).

    Raises: RefreshFailed.
    """
    first = config.canonical_issuer(str(session.claims.get("iss", session.issuer)))
    if config.canonical_issuer(id_token.iss) != first or id_token.sub != session.sub:
        raise RefreshFailed(Finding.ID_TOKEN_SUBJECT, final=True)
