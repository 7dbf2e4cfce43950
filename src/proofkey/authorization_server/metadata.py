"""The one metadata document, for OpenID Discovery §3 and RFC 8414 §2 alike: only what is there."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from proofkey.authorization_server.authorize import PROMPTS
from proofkey.authorization_server.claims import OFFERED
from proofkey.authorization_server.keys import FIRST
from proofkey.authorization_server.policy import IDENTITY_SCOPES, Policy
from proofkey.protocol.registration import AUTH_METHODS
from proofkey.protocol.token_messages import DEVICE_CODE, TOKEN_EXCHANGE

CALLED_BY_CLIENTS: Final = (
    *("token_endpoint", "revocation_endpoint", "introspection_endpoint", "userinfo_endpoint"),
    *("pushed_authorization_request_endpoint", "device_authorization_endpoint"),
)
"""Endpoints where a client may show its certificate."""
PAGES: Final = ("service_documentation", "op_policy_uri", "op_tos_uri")
"""Where the operator has some."""


def build_metadata(policy: Policy, algorithms: Iterable[str] = FIRST) -> dict[str, Any]:
    """Members whose default would promise what is not offered are always there; empty lists never are.
    `algorithms` are those of the keys that sign; OpenID's obligatory one stands first (OIDC Core §15.1)."""
    methods = [*(("private_key_jwt",) if policy.is_fapi else AUTH_METHODS), *policy.certificate_methods]
    signing = sorted((one for one in algorithms if one in policy.algorithms), key="RS256".__ne__)
    document: dict[str, Any] = {
        "issuer": policy.issuer,
        "authorization_endpoint": policy.url("/authorize"),
        "token_endpoint": policy.url("/token"),
        "userinfo_endpoint": policy.url("/userinfo"),
        "jwks_uri": policy.url("/jwks"),
        "revocation_endpoint": policy.url("/revoke"),
        "introspection_endpoint": policy.url("/introspect"),
        "end_session_endpoint": policy.url("/end-session"),
        "backchannel_logout_supported": True,
        "backchannel_logout_session_supported": True,
        "scopes_supported": list(dict.fromkeys((*IDENTITY_SCOPES, *policy.api_scopes))),
        "response_types_supported": ["code"],
        "response_modes_supported": list(policy.response_modes),
        "grant_types_supported": [
            *("authorization_code", "refresh_token", "client_credentials"),
            *((TOKEN_EXCHANGE,) if policy.resources else ()),
            *((DEVICE_CODE,) if policy.offers("device") else ()),
        ],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
        "token_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_methods_supported": methods,
        "introspection_endpoint_auth_methods_supported": [one for one in methods if one != "none"],
        "introspection_endpoint_auth_signing_alg_values_supported": list(policy.signing_algorithms),
        "introspection_signing_alg_values_supported": signing,
        "token_endpoint_auth_signing_alg_values_supported": list(policy.signing_algorithms),
        "revocation_endpoint_auth_signing_alg_values_supported": list(policy.signing_algorithms),
        "dpop_signing_alg_values_supported": list(policy.signing_algorithms),
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
        "authorization_details_types_supported": list(policy.authorization_details_types),
        "request_uri_parameter_supported": False,
        **_request_members(policy, signing),
        "prompt_values_supported": list(PROMPTS),
        "display_values_supported": ["page"],
        "ui_locales_supported": ["en"],
        "protected_resources": list(policy.resources),
    }
    document.update(_aliases(document, policy))
    document.update({name: getattr(policy, name) for name in PAGES})
    return {name: value for name, value in document.items() if value not in ([], None)}


def _request_members(policy: Policy, signing: list[str]) -> dict[str, Any]:
    """How a request may come and go back: RFC 9126 §5, RFC 9101 §10.5, JARM §4, RFC 8628 §4."""
    members: dict[str, Any] = {"request_parameter_supported": policy.offers("jar")}
    if policy.offers("cimd"):
        members["client_id_metadata_document_supported"] = True
    if policy.offers("registration"):
        members["registration_endpoint"] = policy.url("/register")
    if policy.offers("par"):
        members["pushed_authorization_request_endpoint"] = policy.url("/par")
        members["require_pushed_authorization_requests"] = policy.pushes_alone
    if policy.offers("jar"):
        members["request_object_signing_alg_values_supported"] = list(policy.algorithms)
        members["require_signed_request_object"] = False
    if policy.offers("device"):
        members["device_authorization_endpoint"] = policy.url("/device-authorization")
    if policy.offers("jarm"):
        members["authorization_signing_alg_values_supported"] = signing
    return members


def _aliases(document: Mapping[str, Any], policy: Policy) -> dict[str, Any]:
    """RFC 8705 §5: where clients with certificates find the endpoints that they call themselves."""
    base = policy.mtls_base_url
    if base is None:
        return {}
    return {
        "mtls_endpoint_aliases": {
            name: policy.alias_of(document[name], base) for name in CALLED_BY_CLIENTS if name in document
        }
    }
