"""`[server] registration`: what it may say, and the policy that it becomes."""

from proofkey.authorization_server.policy import SelfRegistration
from proofkey.errors import ConfigurationError, InvalidScope, MalformedCredentials
from proofkey.findings import Finding
from proofkey.protocol.scope import parse_scope
from proofkey.protocol.secret_strength import check_secret_strength
from proofkey.resource_server.credentials import check_token_syntax
from proofkey.runtime.settings_server import RegistrationSettings, ServerSettings

_DAY = 86_400


def check_registration_settings(server: ServerSettings) -> None:
    """Initial access tokens are sent as bearer tokens, and a key without its feature would do nothing.

    Raises: ConfigurationError.
    """
    if server.registration is None:
        return
    if "registration" not in server.features:
        key, reason = "server.registration", 'features has no "registration"'
        raise ConfigurationError(Finding.CONFIG_VALUE, key=key, reason=reason)
    for token in server.registration.initial_access_tokens:
        key = "server.registration.initial_access_tokens"
        check_secret_strength(token, key=key)
        try:
            check_token_syntax(token.reveal().encode())
        except MalformedCredentials as error:
            reason = "letters, digits and -._~+/ alone, as a bearer token has"
            raise ConfigurationError(Finding.CONFIG_VALUE, key=key, reason=reason) from error


def self_registration(settings: RegistrationSettings | None) -> SelfRegistration:
    """Raises: ConfigurationError."""
    if settings is None:
        return SelfRegistration()
    try:
        scope = None if settings.scope is None else parse_scope(settings.scope)
    except InvalidScope as error:
        raise ConfigurationError(Finding.CONFIG_VALUE, key="server.registration.scope") from error
    return SelfRegistration(
        token_digests=frozenset(token.digest() for token in settings.initial_access_tokens),
        scope=scope,
        whole_scope=settings.whole_scope,
        unused=settings.unused_days * _DAY,
        allow_insecure_open=settings.allow_insecure_open,
    )
