"""The constructor's words for a login, read and checked."""

from typing import Final
from urllib.parse import urlsplit

from proofkey.client.stores import SessionStore
from proofkey.errors import ConfigurationError, ProofkeyError
from proofkey.findings import Finding
from proofkey.protocol.scope import parse_scope
from proofkey.protocol.secret_strength import check_secret_strength
from proofkey.protocol.text import Secret
from proofkey.providers.login import Provider
from proofkey.providers.one_line import OIDC
from proofkey.store.open import MEMORY, POSTGRESQL, REDIS, sqlite_path

USUAL_PREFIX: Final = "/auth"


def check_secrets(**secrets: Secret | None) -> None:
    """Raises: ConfigurationError when one could be guessed."""
    for name, secret in secrets.items():
        if secret is not None:
            check_secret_strength(secret, key=name)


def as_secret(value: str | Secret | None) -> Secret | None:
    """The value, wrapped."""
    return Secret(value) if isinstance(value, str) else value


def choose_provider(provider: Provider | None, issuer: str | None, client_id: str | None) -> Provider:
    """The provider, or the one that issuer and client id name.

    Raises: ConfigurationError when both are given, or neither.
    """
    if provider is not None:
        if issuer is not None or client_id is not None:
            key = "client_id" if issuer is None else "issuer"
            raise ConfigurationError(Finding.CONFIG_VALUE, key=key, reason="the provider has it already")
        return provider
    if issuer is None or client_id is None:
        raise ConfigurationError(Finding.CONFIG_MISSING, key="issuer" if issuer is None else "client_id")
    return OIDC(issuer, client_id=client_id)


def parse_login_scope(scope: str | None, audience: str | None) -> tuple[str, ...]:
    """The scope to ask for; the least by default.

    Raises: ConfigurationError.
    """
    if scope is None:
        return ("openid", "profile") if audience is None else ("openid", "profile", "offline_access")
    try:
        return parse_scope(scope)
    except ProofkeyError as error:
        raise ConfigurationError(Finding.CONFIG_VALUE, key="scope", reason=error.finding.sentence) from error


def check_prefix(prefix: str) -> None:
    """Raises: ConfigurationError unless it is like `/auth`."""
    parts = prefix.split("/")
    plain = all(part and part.isascii() and part.replace("-", "").replace("_", "").isalnum() for part in parts[1:])
    if parts[0] or len(parts) < 2 or not plain or urlsplit(prefix).path != prefix:
        raise ConfigurationError(Finding.CONFIG_VALUE, key="path_prefix", value=prefix[:64], expected="like /auth")


def cookie_purpose(purpose: str, prefix: str) -> str:
    """Several logins on one origin tell their cookies apart by the prefix; the usual prefix is not named.

    A dot stands in no prefix, so no name begins as another one's family does.
    """
    return purpose if prefix == USUAL_PREFIX else purpose + prefix.replace("/", ".")


def check_store(store: str | SessionStore, secret: Secret | None) -> None:
    """Raises: ConfigurationError when the URL is of no known kind, or nothing could seal the tokens."""
    if not isinstance(store, str) or store == MEMORY:
        return
    if not store.startswith((*POSTGRESQL, *REDIS)):
        sqlite_path(store)
    if secret is None:
        raise ConfigurationError(Finding.CONFIG_MISSING, key="session_secret", reason="it seals the stored tokens")
