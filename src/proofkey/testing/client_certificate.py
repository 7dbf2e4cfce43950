"""A client certificate for tests of certificate-bound tokens (RFC 8705), as proxies forward it."""

import base64
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from proofkey.web.client_certificate import certificate_thumbprint


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """`token_for(cnf=certificate.cnf)` is bound to it; `headers()` is what a trusted proxy sends for it."""

    der: bytes
    pem: bytes

    @property
    def cnf(self) -> dict[str, str]:
        """The claim of a token that is bound to this certificate (RFC 8705 §3.1)."""
        return {"x5t#S256": certificate_thumbprint(self.der)}

    def headers(self, name: str = "Client-Cert") -> dict[str, str]:
        """As RFC 9440 §2.1 writes it."""
        return {name: f":{base64.b64encode(self.der).decode()}:"}

    def escaped_headers(self, name: str = "X-Client-Cert") -> dict[str, str]:
        """As nginx writes `$ssl_client_escaped_cert`."""
        return {name: quote(self.pem)}


def make_client_certificate(
    name: str = "client", *names: x509.GeneralName, dn: str | None = None
) -> ClientCertificate:
    """A new self-signed one, good for the years 2026 to 2035, with those alternative names; `dn` is the whole
    subject in the form of RFC 4514."""
    key = ec.generate_private_key(ec.SECP256R1())
    common = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    subject = common if dn is None else x509.Name.from_rfc4514_string(dn)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2036, 1, 1, tzinfo=UTC))
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    made = builder.sign(key, SHA256())
    return ClientCertificate(made.public_bytes(Encoding.DER), made.public_bytes(Encoding.PEM))
