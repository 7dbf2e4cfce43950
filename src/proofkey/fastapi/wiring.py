"""How `Protect` puts its parts together from its keywords."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from proofkey.errors import ConfigurationError
from proofkey.findings import Finding
from proofkey.protocol.metadata import ProtectedResource, choose_resource
from proofkey.protocol.replay import ReplayMemory
from proofkey.protocol.text import Secret
from proofkey.resource_server.challenge import Challenges, check_realm
from proofkey.resource_server.sender_constraint import SenderPolicy
from proofkey.runtime.clock import Clock
from proofkey.runtime.dpop_nonce import DpopNonces
from proofkey.runtime.proofs import ProofChecker
from proofkey.runtime.verifier import Verifier
from proofkey.store.open import open_replay_memory
from proofkey.web.client_certificate import ClientCertificates
from proofkey.web.peer import TrustedProxies

_AUDIENCE_PARAMETERS: Final = ("resource", "audience")


def build_replay_memory(
    policy: SenderPolicy, replay_store: str | ReplayMemory
) -> tuple[ReplayMemory | None, ReplayMemory | None]:
    """The memory of proofs, and the same again where it was opened here and has to be closed; None without DPoP.

    Raises: ConfigurationError when the store cannot be opened.
    """
    if not policy.offers_dpop:
        return None, None
    if not isinstance(replay_store, str):
        return replay_store, None
    opened = open_replay_memory(replay_store, name=policy.public_url or "")
    return opened, opened


def build_proofs(
    policy: SenderPolicy, *, clock: Clock, memory: ReplayMemory | None, nonces: Secret | None
) -> ProofChecker | None:
    """The checker of proofs; None where no bound token is taken.

    Raises: ConfigurationError when nonces are configured without DPoP.
    """
    if nonces is not None and not policy.offers_dpop:
        raise ConfigurationError(Finding.CONFIG_VALUE, key="dpop_nonces", fix='dpop="optional" or "required"')
    if not policy.takes_bound:
        return None
    made = None if nonces is None else DpopNonces(nonces)
    return ProofChecker(policy, clock=clock, memory=memory, nonces=made)


def build_certificates(
    *, mtls: bool, trusted_proxies: Iterable[str], header: str | None
) -> ClientCertificates | None:
    """The reader of client certificates (RFC 9440), from proxies that may set the header.

    Raises: ConfigurationError when `mtls` is on and nobody is trusted to say what the certificate is.
    """
    proxies = tuple(trusted_proxies)
    if not mtls:
        if header is not None:
            raise ConfigurationError(Finding.CONFIG_VALUE, key="client_certificate_header", fix="mtls=True")
        return None
    if not proxies or header is None:
        missing = "client_certificate_header" if header is None else "trusted_proxies"
        fix = 'trusted_proxies=["10.0.0.5/32"] and client_certificate_header="Client-Cert"'
        raise ConfigurationError(Finding.CONFIG_MISSING, key=missing, fix=fix)
    return ClientCertificates(TrustedProxies(proxies), header)


def build_challenges(policy: SenderPolicy, realm: str | None) -> Challenges:
    """What every challenge says. Raises: ConfigurationError."""
    check_realm(realm)
    return Challenges(
        realm=realm,
        bearer=policy.dpop != "required",
        dpop_algorithms=policy.algorithms if policy.offers_dpop else (),
    )


def build_resource(
    verifier: Verifier,
    *,
    audience: Sequence[str],
    policy: SenderPolicy,
    public_url: str | None,
    scopes: Iterable[str],
    name: str | None,
) -> ProtectedResource | None:
    """RFC 9728 §2; None where the API has no identifier that is a URL, and so no metadata."""
    identifier = choose_resource(audience, public_url)
    if identifier is None:
        return None
    return ProtectedResource(
        resource=identifier,
        authorization_servers=verifier.issuers,
        scopes_supported=tuple(dict.fromkeys(scopes)),
        resource_name=name,
        dpop_signing_alg_values_supported=policy.algorithms if policy.offers_dpop else (),
        dpop_bound_access_tokens_required=policy.dpop == "required",
        tls_client_certificate_bound_access_tokens=policy.mtls,
    )


def audience_parameters(verifier: Verifier, audience: Sequence[str]) -> Mapping[str, str]:
    """How the first issuer's provider wants to be asked for a token for this API (RFC 8707, or in its own way)."""
    parameter = verifier.policy.dialect.login.audience_parameter
    return {parameter: audience[0]} if parameter in _AUDIENCE_PARAMETERS and audience else {}
