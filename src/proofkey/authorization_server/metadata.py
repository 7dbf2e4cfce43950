"""The one metadata document, for OpenID Discovery §3 and RFC 8414 §2 alike: only what is there."""

from collections.abc import Iterable
from typing import Any

from proofkey.authorization_server.authorize import PROMPTS
from proofkey.authorization_server.claims import OFFERED
from proofkey.authorization_server.keys import FIRST
from proofkey.authorization_server.policy import IDENTITY_SCOPES, Policy
from proofkey.protocol.registration import AUTH_METHODS
from proofkey.protocol.request_object import ALGORITHMS as REQUEST_OBJECT_ALGORITHMS
from proofkey.protocol.token_messages import TOKEN_EXCHANGE
from proofkey.resource_server.sender_constraint import ALGORITHMS as PROOF_ALGORITHMS


def build_metadata(policy: Policy, algorithms: Iterable[str] = FIRST) -> dict[str, Any]:
    """Members whose default would promise what is not offered are always there; empty lists never are.
    `algorithms` are those of the keys that sign; OpenID's obligatory one stands first (OIDC Core §15.1)."""
    methods = [*AUTH_METHODS, *policy.certificate_methods]
    signing = sorted(algorithms, key="RS256".__ne__)
    document: dict[str, Any] = {
        "issuer": policy.issuer,
        "authorization_endpoint": policy.url("/authorize"),
        "token_endpoint": policy.url("/token"),
        "userinfo_endpoint": policy.url("/userinfo"),
        "jwks_uri": policy.url("/jwks"),
        "revocation_endpoint": policy.url("/revoke"),
        "introspection_endpoint": policy.url("/introspect"),
        "end_session_endpoint": policy.url("/end-session"),
        "scopes_supported": list(dict.fromkeys((*IDENTITY_SCOPES, *policy.api_scopes))),
        "response_types_supported": ["code"],
        "response_modes_supported": list(policy.response_modes),
        "grant_types_supported": [
            *("authorization_code", "refresh_token", "client_credentials"),
            *((TOKEN_EXCHANGE,) if policy.resources else ()),
        ],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
        "token_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_methods_supported": methods,
        "introspection_endpoint_auth_methods_supported": [one for one in methods if one != "none"],
        "introspection_endpoint_auth_signing_alg_values_supported": list(PROOF_ALGORITHMS),
        "introspection_signing_alg_values_supported": signing,
        "token_endpoint_auth_signing_alg_values_supported": list(PROOF_ALGORITHMS),
        "revocation_endpoint_auth_signing_alg_values_supported": list(PROOF_ALGORITHMS),
        "dpop_signing_alg_values_supported": list(PROOF_ALGORITHMS),
        "id_token_signing_alg_values_supported": signing,
        "userinfo_signing_alg_values_supported": signing,
        "tls_client_certificate_bound_access_tokens": policy.client_certificates is not None,
        "subject_types_supported": ["public", "pairwise"],
        "claims_supported": [
            *("iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "at_hash", "acr", "amr", "sid"),
            *OFFERED,
        ],
        "claim_types_supported": ["normal"],
        "claims_parameter_supported": True,
        "acr_values_supported": list(policy.acr_values),
        "request_uri_parameter_supported": False,
        **_request_members(policy, signing),
        "prompt_values_supported": list(PROMPTS),
        "display_values_supported": ["page"],
        "ui_locales_supported": ["en"],
        "protected_resources": list(policy.resources),
    }
    return {name: value for name, value in document.items() if value != []}


def _request_members(policy: Policy, signing: list[str]) -> dict[str, Any]:
    """How a request may come and go back: RFC 9126 §5, RFC 9101 §10.5, JARM §4."""
    members: dict[str, Any] = {"request_parameter_supported": policy.offers("jar")}
    if policy.offers("par"):
        members["pushed_authorization_request_endpoint"] = policy.url("/par")
        members["require_pushed_authorization_requests"] = policy.require_pushed_authorization_requests
    if policy.offers("jar"):
        members["request_object_signing_alg_values_supported"] = list(REQUEST_OBJECT_ALGORITHMS)
        members["require_signed_request_object"] = False
    if policy.offers("jarm"):
        members["authorization_signing_alg_values_supported"] = signing
    return members
