"""The one metadata document, for OpenID Discovery §3 and RFC 8414 §2 alike: only what is there."""

from typing import Any

from proofkey.authorization_server.authorize import PROMPTS
from proofkey.authorization_server.claims import OFFERED
from proofkey.authorization_server.keys import ALGORITHMS
from proofkey.authorization_server.policy import IDENTITY_SCOPES, Policy
from proofkey.protocol.registration import AUTH_METHODS


def build_metadata(policy: Policy) -> dict[str, Any]:
    """Members whose default would promise what is not offered are always there; empty lists never are."""
    document: dict[str, Any] = {
        "issuer": policy.issuer,
        "authorization_endpoint": policy.url("/authorize"),
        "token_endpoint": policy.url("/token"),
        "userinfo_endpoint": policy.url("/userinfo"),
        "jwks_uri": policy.url("/jwks"),
        "revocation_endpoint": policy.url("/revoke"),
        "end_session_endpoint": policy.url("/end-session"),
        "scopes_supported": list(dict.fromkeys((*IDENTITY_SCOPES, *policy.api_scopes))),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
        "token_endpoint_auth_methods_supported": list(AUTH_METHODS),
        "revocation_endpoint_auth_methods_supported": list(AUTH_METHODS),
        "id_token_signing_alg_values_supported": sorted(ALGORITHMS, reverse=True),
        "subject_types_supported": ["public"],
        "claims_supported": [
            *("iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "at_hash", "amr", "sid"),
            *OFFERED,
        ],
        "claim_types_supported": ["normal"],
        "claims_parameter_supported": False,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "prompt_values_supported": list(PROMPTS),
        "display_values_supported": ["page"],
        "ui_locales_supported": ["en"],
        "protected_resources": list(policy.resources),
    }
    return {name: value for name, value in document.items() if value != []}
