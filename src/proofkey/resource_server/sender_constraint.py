"""Whether an access token may be used by whoever sends it: RFC 9449 §7, RFC 8705 §3."""

import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from proofkey.errors import ConfigurationError, InvalidDpopProof, InvalidToken
from proofkey.findings import Finding
from proofkey.protocol.access_token import Confirmation
from proofkey.protocol.dpop import LEEWAY, WINDOW
from proofkey.protocol.metadata import check_issuer
from proofkey.protocol.signature import ALGORITHM_NAMES
from proofkey.resource_server.credentials import Credentials

DpopMode = Literal["off", "optional", "required"]

ALGORITHMS: Final = (
    "ES256", "ES384", "ES512", "Ed25519", "EdDSA", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512",
)  # fmt: skip
"""What a proof may be signed with, in the order in which the challenge names it."""
LONGEST_WINDOW: Final = 300
LONGEST_LEEWAY: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderPolicy:
    """What an API asks of whoever sends a token. Made by `build_sender_policy`."""

    dpop: DpopMode = "off"
    """off: no scheme DPoP. optional: a bound token needs its proof. required: every token must be DPoP-bound."""
    mtls: bool = False
    """Whether client certificates are looked at; without, a certificate-bound token is refused."""
    public_url: str | None = None
    """The address by which callers know the API: what `htu` is compared with."""
    algorithms: tuple[str, ...] = ALGORITHMS
    window: int = WINDOW
    """Seconds that a proof is good for after its iat."""
    leeway: int = LEEWAY
    """Seconds that the client's clock may be ahead."""

    @property
    def offers_dpop(self) -> bool:
        """Whether the scheme DPoP is taken: what `read_credentials` is told."""
        return self.dpop != "off"

    @property
    def takes_bearer(self) -> bool:
        """Whether the scheme Bearer is taken: what the challenge offers."""
        return self.dpop != "required"

    @property
    def takes_bound(self) -> bool:
        """Whether some bound token could be taken: what the verifier is told as `bound`."""
        return self.mtls or self.dpop != "off"


def build_sender_policy(
    *,
    dpop: DpopMode = "off",
    mtls: bool = False,
    public_url: str | None = None,
    algorithms: Iterable[str] = ALGORITHMS,
    window: int = WINDOW,
    leeway: int = LEEWAY,
) -> SenderPolicy:
    """RFC 9449 §4.3, §11.1. `window` and `leeway` in seconds.

    Raises: ConfigurationError when DPoP is on and nobody said at which address callers know the API, and when a
    value is not possible.
    """
    if dpop not in ("off", "optional", "required"):
        raise ConfigurationError(Finding.CONFIG_VALUE, key="dpop", fix="off, optional or required")
    if dpop != "off" and public_url is None:
        fix = 'public_url="https://api.example", the address that clients write into htu'
        raise ConfigurationError(Finding.CONFIG_MISSING, key="public_url", fix=fix)
    if public_url is not None:
        check_issuer(public_url, key="public_url")
    allowed = tuple(dict.fromkeys(algorithms))
    if not allowed or not ALGORITHM_NAMES.issuperset(allowed):
        unknown = ", ".join(sorted(set(allowed) - ALGORITHM_NAMES))
        raise ConfigurationError(Finding.CONFIG_VALUE, key="dpop_algorithms", unknown=unknown)
    if not 1 <= window <= LONGEST_WINDOW:
        raise ConfigurationError(Finding.CONFIG_VALUE, key="dpop window", fix="1 to 300 seconds")
    if not 0 <= leeway <= LONGEST_LEEWAY:
        raise ConfigurationError(Finding.CONFIG_VALUE, key="dpop leeway", fix="0 to 60 seconds")
    return SenderPolicy(
        dpop=dpop, mtls=mtls, public_url=public_url, algorithms=allowed, window=window, leeway=leeway
    )


def read_presentation(cnf: Confirmation | None, credentials: Credentials, policy: SenderPolicy) -> str | None:
    """RFC 9449 §7.1, §7.2; RFC 8705 §3: the scheme fits the token's binding and the policy.

    Gives the DPoP proof, which is checked elsewhere; None for the scheme Bearer.
    Raises: InvalidToken; InvalidDpopProof when the scheme is DPoP and there is no proof.
    """
    bound = cnf or Confirmation()
    if cnf is not None and bound.jkt is None and bound.x5t_s256 is None:
        raise InvalidToken(Finding.TOKEN_BINDING_UNKNOWN)
    if bound.x5t_s256 is not None and not policy.mtls:
        raise InvalidToken(Finding.CERTIFICATE_NOT_OFFERED)
    if credentials.scheme == "DPoP":
        return _read_under_dpop(bound, credentials, policy)
    if bound.jkt is not None:
        raise InvalidToken(Finding.TOKEN_BOUND)
    if policy.dpop == "required":
        raise InvalidToken(Finding.DPOP_TOKEN_REQUIRED)
    return None


def check_key(cnf: Confirmation, jkt: str) -> None:
    """RFC 9449 §4.3 no. 12: the proof's key is the one that the token is bound to.

    Raises: InvalidToken.
    """
    if cnf.jkt is None or cnf.jkt != jkt:  # no secrets: both came with the request
        raise InvalidToken(Finding.DPOP_KEY_OTHER)


def check_certificate(cnf: Confirmation, thumbprint: str | None) -> None:
    """RFC 8705 §3: the certificate of the connection is the one that the token is bound to, if it is bound to one.

    `thumbprint` is the SHA-256 of its DER form, base64url; None when there is no certificate.
    Raises: InvalidToken.
    """
    if cnf.x5t_s256 is None:
        return
    if thumbprint is None:
        raise InvalidToken(Finding.CERTIFICATE_MISSING)
    if not hmac.compare_digest(cnf.x5t_s256.encode(), thumbprint.encode()):
        raise InvalidToken(Finding.CERTIFICATE_OTHER)


def _read_under_dpop(bound: Confirmation, credentials: Credentials, policy: SenderPolicy) -> str:
    if policy.dpop == "off":
        raise InvalidToken(Finding.DPOP_NOT_OFFERED)
    if bound.jkt is None:
        raise InvalidToken(Finding.DPOP_TOKEN_UNBOUND)
    if credentials.proof is None:
        raise InvalidDpopProof(Finding.DPOP_PROOF_MISSING)
    return credentials.proof
