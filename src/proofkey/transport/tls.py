"""Whom outgoing connections trust."""

import ssl
from pathlib import Path

import httpx2

from proofkey.errors import ConfigurationError
from proofkey.findings import Finding


def tls_context(ca_file: Path | None = None) -> ssl.SSLContext:
    """The system's certificate authorities, and those of `ca_file` (PEM) besides; TLS 1.2 or newer, verified.

    Raises: ConfigurationError when the file cannot be read or holds no certificate.
    """
    context = httpx2.create_ssl_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca_file is not None:
        try:
            context.load_verify_locations(cafile=ca_file)
        except (OSError, ssl.SSLError) as error:
            raise ConfigurationError(
                Finding.CONFIG_VALUE, key="ca_file", path=str(ca_file), reason="no readable PEM certificates"
            ) from error
    return context
