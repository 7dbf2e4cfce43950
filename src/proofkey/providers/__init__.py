"""The providers that Proofkey knows: one module each, data and pure functions."""

from proofkey.providers.choose import DIALECTS, dialect_for, dialect_named
from proofkey.providers.google import google_id_tokens
from proofkey.providers.login import Provider
from proofkey.providers.one_line import OIDC, Auth0, Cognito, Entra, Google, Keycloak, Okta

__all__ = [
    "DIALECTS",
    "OIDC",
    "Auth0",
    "Cognito",
    "Entra",
    "Google",
    "Keycloak",
    "Okta",
    "Provider",
    "dialect_for",
    "dialect_named",
    "google_id_tokens",
]
