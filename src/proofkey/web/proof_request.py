"""What the proofs of a bound token are compared with, from an ASGI scope."""

from starlette.types import Scope

from proofkey.errors import InvalidDpopProof
from proofkey.findings import Finding
from proofkey.protocol.access_token import AccessToken
from proofkey.runtime.proofs import ProofRequest
from proofkey.web.client_certificate import ClientCertificates
from proofkey.web.request_url import request_url


def read_proof_request(
    scope: Scope, token: AccessToken, *, public_url: str | None, certificates: ClientCertificates | None = None
) -> ProofRequest:
    """Method, public address and, for a token that is bound to one, the client's certificate.

    Raises: InvalidDpopProof when the path of the request is not one, MalformedCredentials as
    `ClientCertificates.thumbprint`.
    """
    certificate = None
    if certificates is not None and token.cnf is not None and token.cnf.x5t_s256 is not None:
        certificate = certificates.thumbprint(scope)
    url = ""
    if public_url is not None and token.cnf is not None and token.cnf.jkt is not None:
        try:
            url = request_url(public_url, scope)
        except ValueError as error:
            raise InvalidDpopProof(Finding.DPOP_PROOF_URL, reason=str(error)[:100]) from error
    return ProofRequest(method=scope.get("method", "GET"), url=url, certificate=certificate)
