"""RFC 9440, RFC 8705 §3.1: the certificate that a proxy forwards."""

import base64
import logging
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Any
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509 import load_der_x509_certificate
from hypothesis import given
from hypothesis import strategies as st

from proofkey.errors import ConfigurationError, MalformedCredentials
from proofkey.findings import Finding
from proofkey.protocol.access_token import Confirmation
from proofkey.protocol.text import encode_base64url
from proofkey.resource_server.sender_constraint import check_certificate
from proofkey.testing.client_certificate import ClientCertificate, make_client_certificate
from proofkey.web.client_certificate import ClientCertificates, certificate_thumbprint, read_certificate_header
from proofkey.web.peer import TrustedProxies

PROXY = ("10.0.0.7", 4711)


@cache
def certificate(name: str = "client") -> ClientCertificate:
    return make_client_certificate(name)


def der() -> bytes:
    return certificate().der


def pem() -> bytes:
    return certificate().pem


def structured(data: bytes) -> bytes:
    return b":" + base64.b64encode(data) + b":"


def expected() -> str:
    return encode_base64url(load_der_x509_certificate(der()).fingerprint(SHA256()))


def scope(*values: bytes, peer: tuple[str, int] | None = PROXY, name: bytes = b"client-cert") -> dict[str, Any]:
    return {"type": "http", "client": peer, "headers": [(b"host", b"api.test"), *((name, v) for v in values)]}


def reader(header: str = "Client-Cert") -> ClientCertificates:
    return ClientCertificates(TrustedProxies(["10.0.0.0/8", "::1/128"]), header)


FORMS: dict[str, Callable[[], bytes]] = {
    "RFC 9440": lambda: structured(der()),
    "RFC 9440, without padding": lambda: structured(der()).replace(b"=", b""),
    "RFC 9440, white space around": lambda: b" " + structured(der()) + b" ",
    "PEM as nginx escapes it": lambda: quote(pem()).encode(),
    "PEM, everything escaped": lambda: b"".join(b"%%%02X" % byte for byte in pem()),
    "PEM, only line ends escaped": lambda: pem().replace(b"\n", b"%0A").replace(b" ", b"%20"),
    "PEM in one line": lambda: quote(pem().replace(b"\n", b"")).encode(),
    "PEM with carriage returns": lambda: quote(pem().replace(b"\n", b"\r\n")).encode(),
}


@pytest.mark.spec("8705-3-b", "RFC 9440 §2.1")
@pytest.mark.parametrize("form", FORMS)
def test_both_forms_give_the_thumbprint_of_the_der_bytes(form: str) -> None:
    assert reader().thumbprint(scope(FORMS[form]())) == expected()


@pytest.mark.spec("8705-3-b")
def test_another_header_name_works_in_any_case() -> None:
    found = reader("X-SSL-Client-Cert").thumbprint(scope(quote(pem()).encode(), name=b"x-ssl-client-cert"))
    assert found == expected() == certificate_thumbprint(der())
    assert reader("X-SSL-Client-Cert").thumbprint(scope(structured(der()))) is None


@pytest.mark.parametrize("values", [(), (b"",), (b" ",)], ids=["no header", "empty", "blank"])
def test_no_certificate_is_none(values: tuple[bytes, ...]) -> None:
    assert reader().thumbprint(scope(*values)) is None


@pytest.mark.spec("9700-4.13-a", "8705-3-b")
@pytest.mark.parametrize(
    "peer", [("192.0.2.1", 5), ("testclient", 50000), None, ("", 0), ("11.0.0.1", 1), ("::2", 1)]
)
def test_a_header_from_anybody_else_is_ignored_and_told(
    peer: tuple[str, int] | None, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="proofkey"):
        spoofed = scope(structured(der()), peer=peer)
        spoofed["headers"].append((b"x-forwarded-for", b"10.0.0.7"))
        assert reader().thumbprint(spoofed) is None
    assert "client_certificate.ignored" in caplog.text
    assert Finding.CERTIFICATE_UNTRUSTED.id in caplog.text
    assert base64.b64encode(der()).decode()[:40] not in caplog.text


def test_trusted_proxies_may_speak_ipv6_and_mapped_ipv4() -> None:
    for peer in (("::1", 1), ("::ffff:10.0.0.7", 1)):
        assert reader().thumbprint(scope(structured(der()), peer=peer)) == expected()


BAD: dict[str, Callable[[], bytes]] = {
    "nothing between colons": lambda: b"::",
    "one colon": lambda: b":",
    "no closing colon": lambda: structured(der())[:-1],
    "two byte sequences": lambda: structured(der()) + b", " + structured(der()),
    "a parameter": lambda: structured(der()) + b";a=1",
    "base64url": lambda: b":" + encode_base64url(b"\xff\xfe\xfd" + der()).encode() + b":",
    "no certificate": lambda: structured(b"certificate"),
    "something after the certificate": lambda: structured(der() + b"\x00"),
    "half a certificate": lambda: structured(der()[: len(der()) // 2]),
    "a token": lambda: b'"abc"',
    "bare base64": lambda: base64.b64encode(der()),
    "two PEM certificates": lambda: quote(pem() * 2).encode(),
    "PEM of another kind": lambda: quote(pem().replace(b"CERTIFICATE", b"PUBLIC KEY")).encode(),
    "PEM with text before": lambda: quote(b"x" + pem()).encode(),
    "PEM with a foreign character": lambda: quote(pem().replace(b"M", b"!")).encode(),
    "more than 16 kB": lambda: structured(der() + bytes(16 * 1024)),
    "bytes": lambda: b"\xff\x00",
}


@pytest.mark.spec("8705-3-b", "RFC 9440 §2.1")
@pytest.mark.parametrize("form", BAD)
def test_a_header_of_another_form_is_refused(form: str) -> None:
    with pytest.raises(MalformedCredentials) as caught:
        reader().thumbprint(scope(BAD[form]()))
    assert caught.value.finding is Finding.CERTIFICATE_HEADER


@pytest.mark.spec("9700-4.13-a")
def test_a_repeated_header_is_refused() -> None:
    with pytest.raises(MalformedCredentials) as caught:
        reader().thumbprint(scope(structured(der()), structured(der())))
    assert caught.value.facts == {"reason": "repeated"}


@pytest.mark.parametrize("header", ["", "Client Cert", "Client-Cert:", "é", "a\n"])
def test_what_is_no_header_name_stops_the_start(header: str) -> None:
    with pytest.raises(ConfigurationError):
        reader(header)


@pytest.mark.spec("8705-3-b")
def test_the_thumbprint_decides() -> None:
    check_certificate(Confirmation(x5t_s256=expected()), reader().thumbprint(scope(structured(der()))))
    other = certificate("other").der
    with pytest.raises(Exception, match="MTLS-02"):
        check_certificate(Confirmation(x5t_s256=expected()), reader().thumbprint(scope(structured(other))))


@given(st.binary(max_size=80) | st.text(max_size=60).map(lambda text: f":{text}:".encode()))
def test_nothing_but_a_refusal_ever_comes_out(value: bytes) -> None:
    with suppress(MalformedCredentials):
        assert read_certificate_header(value)
