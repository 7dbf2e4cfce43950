"""`[server] cimd`: what it may say, and the policy that it becomes."""

from proofkey.authorization_server.policy import ClientDocuments
from proofkey.errors import ConfigurationError, InvalidScope
from proofkey.findings import Finding
from proofkey.protocol.scope import parse_scope
from proofkey.protocol.uri import split_uri
from proofkey.runtime.settings_server import ClientDocumentSettings, ServerSettings


def check_client_documents(server: ServerSettings) -> None:
    """A key without its feature would do nothing, and a host that no URL can name lets nobody in.

    Raises: ConfigurationError.
    """
    if server.cimd is None:
        return
    if "cimd" not in server.features:
        raise ConfigurationError(Finding.CONFIG_VALUE, key="server.cimd", reason='features has no "cimd"')
    for host in server.cimd.hosts:
        key = "server.cimd.hosts"
        try:
            parts = split_uri(f"https://{host}")
        except ValueError as error:
            raise ConfigurationError(Finding.CONFIG_VALUE, key=key, value=host[:200], reason=str(error)) from error
        if parts.path or parts.query or parts.port == "443":
            reason = "a host, with a port where it is not 443"
            raise ConfigurationError(Finding.CONFIG_VALUE, key=key, value=host[:200], reason=reason)


def client_documents(settings: ClientDocumentSettings | None) -> ClientDocuments:
    """Raises: ConfigurationError."""
    if settings is None:
        return ClientDocuments()
    try:
        scope = None if settings.scope is None else parse_scope(settings.scope)
    except InvalidScope as error:
        raise ConfigurationError(Finding.CONFIG_VALUE, key="server.cimd.scope") from error
    return ClientDocuments(hosts=frozenset(host.lower() for host in settings.hosts), scope=scope)
