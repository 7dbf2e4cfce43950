"""Whom outgoing connections trust."""

import ssl
from functools import lru_cache
from pathlib import Path

import httpx2

from proofkey.errors import ConfigurationError
from proofkey.findings import Finding


@lru_cache(maxsize=16)
def tls_context(ca_file: Path | None = None) -> ssl.SSLContext:
    """The system's certificate authorities, and those of `ca_file` (PEM) besides; TLS 1.2 or newer, verified.

    Made once per file and shared, for reading the authorities takes 40 ms and more.
    Raises: ConfigurationError when the file cannot be read or holds no certificate.
    """
    context = httpx2.create_ssl_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca_file is not None:
        try:
            context.load_verify_locations(cafile=ca_file)
        except OSError as error:  # ssl.SSLError is one
            raise ConfigurationError(
                Finding.CONFIG_VALUE, key="ca_file", path=str(ca_file), reason="no readable PEM certificates"
            ) from error
    return context


@lru_cache(maxsize=1)
def no_tls() -> ssl.SSLContext:
    """For plain http on loopback: a context that trusts nobody, and costs nothing to make."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
