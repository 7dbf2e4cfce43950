"""What proofs are compared with: method, address, certificate."""

from typing import Any

import pytest

from proofkey.errors import InvalidDpopProof, MalformedCredentials
from proofkey.findings import Finding
from proofkey.protocol.access_token import AccessToken, Confirmation
from proofkey.protocol.text import ClientId, Instant, Issuer, Subject
from proofkey.runtime.proofs import ProofRequest
from proofkey.testing.client_certificate import make_client_certificate
from proofkey.web.client_certificate import ClientCertificates
from proofkey.web.peer import TrustedProxies
from proofkey.web.proof_request import read_proof_request

CERTIFICATES = ClientCertificates(TrustedProxies(["10.0.0.7/32"]), "Client-Cert")
CERTIFICATE = make_client_certificate()
PUBLIC = "https://api.test"


def token(cnf: Confirmation | None) -> AccessToken:
    return AccessToken(
        iss=Issuer("https://issuer.test"), sub=Subject("u1"), aud=(PUBLIC,), exp=Instant(900),
        client_id=ClientId("app"), iat=Instant(0), jti="t1", cnf=cnf,
    )  # fmt: skip


def scope(value: str, **changes: Any) -> dict[str, Any]:
    headers = [(b"client-cert", value.encode())]
    made = {"type": "http", "method": "POST", "path": "/orders", "client": ("10.0.0.7", 5), "headers": headers}
    return made | changes


GOOD = CERTIFICATE.headers()["Client-Cert"]
THUMBPRINT = CERTIFICATE.cnf["x5t#S256"]


@pytest.mark.spec("X-htu", "8705-3-b")
@pytest.mark.parametrize(
    ("cnf", "expected"),
    [
        (Confirmation(jkt="j"), ProofRequest("POST", f"{PUBLIC}/orders")),
        (Confirmation(x5t_s256="c"), ProofRequest("POST", "", THUMBPRINT)),
        (Confirmation(jkt="j", x5t_s256="c"), ProofRequest("POST", f"{PUBLIC}/orders", THUMBPRINT)),
        (None, ProofRequest("POST", "")),
    ],
)
def test_only_what_the_token_is_bound_to_is_read(cnf: Confirmation | None, expected: ProofRequest) -> None:
    found = read_proof_request(scope(GOOD), token(cnf), public_url=PUBLIC, certificates=CERTIFICATES)
    assert found == expected


@pytest.mark.spec("8705-3-b")
def test_without_a_reader_there_is_no_certificate() -> None:
    found = read_proof_request(scope(GOOD), token(Confirmation(x5t_s256="c")), public_url=None)
    assert found == ProofRequest("POST", "")


@pytest.mark.spec("X-htu")
def test_a_websocket_is_a_get() -> None:
    handshake = {"type": "websocket", "path": "/live", "headers": []}
    assert read_proof_request(handshake, token(Confirmation(jkt="j")), public_url=PUBLIC).method == "GET"


@pytest.mark.spec("X-htu")
def test_a_request_without_a_path_has_no_proof() -> None:
    with pytest.raises(InvalidDpopProof) as caught:
        read_proof_request(scope(GOOD, path="*"), token(Confirmation(jkt="j")), public_url=PUBLIC)
    assert caught.value.finding is Finding.DPOP_PROOF_URL


@pytest.mark.spec("8705-3-b")
def test_a_spoiled_certificate_troubles_only_tokens_that_are_bound_to_one() -> None:
    spoiled = scope("nonsense")
    read_proof_request(spoiled, token(Confirmation(jkt="j")), public_url=PUBLIC, certificates=CERTIFICATES)
    with pytest.raises(MalformedCredentials):
        read_proof_request(
            spoiled, token(Confirmation(x5t_s256="c")), public_url=PUBLIC, certificates=CERTIFICATES
        )
