"""A client's TLS certificate, as far as OAuth looks at it (RFC 8705)."""

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from typing import Final

from cryptography import x509

from proofkey.protocol.text import encode_base64url

SAN_MEMBERS: Final[tuple[str, ...]] = (
    "tls_client_auth_san_dns", "tls_client_auth_san_uri", "tls_client_auth_san_ip", "tls_client_auth_san_email",
)  # fmt: skip
"""RFC 8705 §2.1.2."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCertificate:
    """What a certificate says; whether to believe it is for whoever ended the TLS connection."""

    thumbprint: str
    """`x5t#S256` (RFC 8705 §3.1)."""
    subject: x509.Name
    dns: tuple[str, ...] = ()
    uris: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()

    def names(self, member: str) -> tuple[str, ...]:
        """The alternative names of the kind that one of `SAN_MEMBERS` speaks of."""
        kinds = dict(zip(SAN_MEMBERS, (self.dns, self.uris, self.addresses, self.emails), strict=True))
        return kinds[member]


def certificate_thumbprint(der: bytes) -> str:
    """`x5t#S256` (RFC 8705 §3.1)."""
    return encode_base64url(hashlib.sha256(der).digest())


@lru_cache(maxsize=256)
def read_client_certificate(der: bytes) -> ClientCertificate:
    """Alternative names of a kind that cannot be read (x400Address, ediPartyName) leave the certificate without
    any: its thumbprint and its subject still count.

    Raises: ValueError, x509.InvalidVersion, x509.DuplicateExtension when it is no certificate.
    """
    certificate = x509.load_der_x509_certificate(der)
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, x509.UnsupportedGeneralNameType):
        names = x509.SubjectAlternativeName([])
    return ClientCertificate(
        thumbprint=certificate_thumbprint(der),
        subject=certificate.subject,
        dns=tuple(name.lower() for name in names.get_values_for_type(x509.DNSName)),
        uris=tuple(names.get_values_for_type(x509.UniformResourceIdentifier)),
        addresses=tuple(str(address) for address in names.get_values_for_type(x509.IPAddress)),
        emails=tuple(names.get_values_for_type(x509.RFC822Name)),
    )


def normal_name(member: str, value: str) -> str:
    """A registered alternative name as certificates are compared with it. Raises: ValueError for no address."""
    if member == "tls_client_auth_san_dns":
        return value.lower()
    return str(ip_address(value)) if member == "tls_client_auth_san_ip" else value
