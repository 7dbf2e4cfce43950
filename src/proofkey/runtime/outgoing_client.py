"""The credentials with which our own clients call authorization servers, as they are configured."""

from collections.abc import Callable
from pathlib import Path

import anyio.to_thread

from proofkey.errors import ConfigurationError
from proofkey.findings import Finding
from proofkey.protocol.client_assertion import ClientMethod, OutgoingClient, Signer, check_outgoing_client
from proofkey.protocol.exchange import Ask
from proofkey.protocol.secret_strength import check_secret_strength
from proofkey.protocol.text import ClientId, Secret


def read_outgoing_client(
    *,
    client_id: str,
    client_secret: str | Secret | None = None,
    client_secret_file: str | Path | None = None,
    private_key_file: str | Path | None = None,
    auth_method: ClientMethod | None = None,
    assertion_audience: str | None = None,
) -> OutgoingClient:
    """The client, with the secret or the private key (a JWK or PEM) that a file holds.

    Raises: ConfigurationError when a file cannot be read, two credentials are given, the secret is a weak one, or
    the method has not what it needs.
    """
    secret = read_secret(client_secret, client_secret_file)
    if secret is not None:
        check_secret_strength(secret, key="client_secret")
    client = OutgoingClient(
        client_id=ClientId(client_id),
        secret=secret,
        key=None if private_key_file is None else read_private_key(private_key_file),
        method=auth_method,
        assertion_audience=assertion_audience,
    )
    check_outgoing_client(client)
    return client


def read_secret(value: str | Secret | None, file: str | Path | None) -> Secret | None:
    """A client's secret from the keyword or the file.

    Raises: ConfigurationError when both are given or the file cannot be read.
    """
    if file is None:
        return Secret(value) if isinstance(value, str) else value
    if value is not None:
        raise ConfigurationError(Finding.CONFIG_VALUE, key="client_secret", reason="given twice, also as a file")
    try:
        return Secret(Path(file).read_text(encoding="utf-8").strip())
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            Finding.CONFIG_VALUE, key="client_secret_file", value=str(file), reason="cannot be read"
        ) from error


def read_private_key(file: str | Path) -> Signer:
    """A client's private key: one JWK, or an unencrypted PEM, whose kid is then the key's thumbprint.

    Raises: ConfigurationError.
    """
    from proofkey.protocol.jose import signing_key_from_text  # 50 ms that few need

    try:
        return signing_key_from_text(Path(file).read_bytes())
    except OSError as error:
        raise ConfigurationError(
            Finding.SECRET_FILE_UNREADABLE, key="private_key_file", value=str(file)
        ) from error
    except ConfigurationError as error:
        facts = error.facts | {"key": "private_key_file", "value": str(file)}
        raise ConfigurationError(error.finding, **facts) from error


async def prepared(client: OutgoingClient, build: Callable[[], Ask]) -> Ask:
    """What `build` gives; in a thread where it signs with RSA."""
    return await anyio.to_thread.run_sync(build) if client.signs_slowly else build()
