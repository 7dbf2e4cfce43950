"""The client's TLS certificate, as a trusted proxy forwards it (RFC 9440)."""

import base64
import binascii
import re
from typing import Final
from urllib.parse import unquote_to_bytes

from cryptography.x509 import DuplicateExtension, InvalidVersion, load_der_x509_certificate
from starlette.types import Scope

from proofkey.errors import ConfigurationError, MalformedCredentials
from proofkey.findings import Finding
from proofkey.protocol.certificate import ClientCertificate, certificate_thumbprint, read_client_certificate
from proofkey.runtime.events import emit
from proofkey.web.peer import TrustedProxies, parse_address

MAX_HEADER: Final = 16 * 1024
_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~\-]+")
_BEGIN: Final = b"-----BEGIN CERTIFICATE-----"
_END: Final = b"-----END CERTIFICATE-----"


__all__ = [
    "ClientCertificates",
    "certificate_thumbprint",
    "read_certificate",
    "read_certificate_header",
]


class ClientCertificates:
    """Reads the header that carries the certificate, from the proxies that may set it."""

    __slots__ = ("_header", "_proxies")

    def __init__(self, proxies: TrustedProxies, header: str) -> None:
        """`header` is `Client-Cert` (RFC 9440), or the one in which the proxy sends URL-escaped PEM.

        Raises: ConfigurationError when it is no header name.
        """
        if not _NAME.fullmatch(header):
            fix = "Client-Cert, or the header that the proxy sets"
            raise ConfigurationError(Finding.CONFIG_VALUE, key="client_certificate_header", fix=fix)
        self._proxies = proxies
        self._header = header.lower().encode()

    def thumbprint(self, scope: Scope) -> str | None:
        """SHA-256 over the certificate's DER form, base64url (RFC 8705 §3.1); None without a certificate.

        Raises: MalformedCredentials as `certificate`.
        """
        der = self.certificate(scope)
        return None if der is None else certificate_thumbprint(der)

    def certificate(self, scope: Scope) -> bytes | None:
        """The certificate in DER; None without one.

        A header from anybody but a trusted proxy, by the address of the connection, is ignored and logged.
        Raises: MalformedCredentials when the header is repeated or holds anything but one certificate.
        """
        values = [value for name, value in scope["headers"] if name == self._header]
        if not values:
            return None
        client: tuple[str, int] | None = scope.get("client")
        address = parse_address(client[0]) if client else None
        if address is None or not self._proxies.trusts(address):
            finding = Finding.CERTIFICATE_UNTRUSTED
            emit("client_certificate.ignored", level="warning", finding=finding, peer=str(address or "unknown"))
            return None
        if len(values) > 1:
            raise MalformedCredentials(Finding.CERTIFICATE_HEADER, reason="repeated")
        if not values[0].strip():  # nginx sends an empty one where the client showed no certificate
            return None
        return read_certificate_header(values[0])


def read_certificate_header(value: bytes) -> bytes:
    """The certificate in DER: base64 between colons (RFC 9440 §2.1, RFC 8941 §3.3.5), or URL-escaped PEM.

    Raises: MalformedCredentials for everything else.
    """
    value = value.strip(b" \t")
    try:
        if len(value) > MAX_HEADER:
            raise ValueError("longer than 16 kB")
        if value.startswith(b":"):
            der = _from_structured(value)
        else:
            der = _from_pem(unquote_to_bytes(value))
        load_der_x509_certificate(der)
    except (ValueError, InvalidVersion) as error:
        raise MalformedCredentials(Finding.CERTIFICATE_HEADER, reason=str(error)[:100]) from error
    return der


def read_certificate(der: bytes) -> ClientCertificate:
    """What it says. Raises: MalformedCredentials."""
    try:
        return read_client_certificate(der)
    except (ValueError, InvalidVersion, DuplicateExtension) as error:
        raise MalformedCredentials(Finding.CERTIFICATE_HEADER, reason=str(error)[:100]) from error


def _from_structured(value: bytes) -> bytes:
    inner = value[1:-1]
    if len(value) < 3 or not value.endswith(b":") or b":" in inner:
        raise ValueError("not one byte sequence")
    return binascii.a2b_base64(inner + b"=" * (-len(inner) % 4), strict_mode=True)


def _from_pem(text: bytes) -> bytes:
    text = text.strip()
    if not text.startswith(_BEGIN) or not text.endswith(_END):
        raise ValueError("not a PEM certificate")
    return base64.b64decode(b"".join(text[len(_BEGIN) : -len(_END)].split()), validate=True)
