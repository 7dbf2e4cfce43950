"""Requests that a review of the server's endpoints thought of, over HTTP."""

from collections.abc import AsyncIterator

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from starlette.types import ASGIApp

from proofkey.testing.client_certificate import ClientCertificate
from tests.web.test_server_mtls import certificate, claims_of, error_of, serving, token

X400_ADDRESS = bytes.fromhex("3004a3020500")
EDI_PARTY_NAME = bytes.fromhex("3004a5020500")


def with_names(der: bytes) -> ClientCertificate:
    """A certificate whose subjectAltName has that DER form."""
    key = ec.generate_private_key(ec.SECP256R1())
    shown = x509.load_der_x509_certificate(certificate().der)
    made = (
        x509.CertificateBuilder()
        .subject_name(shown.subject)
        .issuer_name(shown.subject)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(shown.not_valid_before_utc)
        .not_valid_after(shown.not_valid_after_utc)
        .add_extension(x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.17"), der), critical=False)
        .sign(key, SHA256())
    )
    return ClientCertificate(made.public_bytes(Encoding.DER), made.public_bytes(Encoding.PEM))


@pytest.fixture
async def app() -> AsyncIterator[ASGIApp]:
    async with serving() as app:
        yield app


@pytest.mark.spec("8705-2-a / 3-a", "threats §2.20")
@pytest.mark.parametrize("names", [X400_ADDRESS, EDI_PARTY_NAME], ids=["x400Address", "ediPartyName"])
async def test_a_certificate_with_names_of_a_rare_kind_is_no_fault(app: ASGIApp, names: bytes) -> None:
    """The proxy has verified it; only what cannot be read of it does not count."""
    shown = with_names(names)
    by_subject = await token(app, "dn", shown)
    assert by_subject.status == 200, by_subject.text
    assert error_of(await token(app, "dns", shown)) == (401, "invalid_client")
    bound = await token(app, "bound", shown)
    assert claims_of(bound)["cnf"] == shown.cnf
