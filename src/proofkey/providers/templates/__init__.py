"""Registration files: one exporter for each provider, from the one neutral registration."""

from collections.abc import Callable, Mapping
from typing import Final

from proofkey.providers.registration import Registration
from proofkey.providers.templates.auth0 import build_auth0
from proofkey.providers.templates.cognito import build_cognito
from proofkey.providers.templates.entra import build_entra
from proofkey.providers.templates.google import build_google
from proofkey.providers.templates.keycloak import LocalRealm, build_keycloak
from proofkey.providers.templates.okta import build_okta
from proofkey.providers.templates.template import Template, uris_to_register

__all__ = ["TEMPLATES", "LocalRealm", "Template", "build_keycloak", "uris_to_register"]

TEMPLATES: Final[Mapping[str, Callable[[Registration], Template]]] = {
    "auth0": build_auth0,
    "cognito": build_cognito,
    "entra": build_entra,
    "google": build_google,
    "keycloak": build_keycloak,
    "okta": build_okta,
}
"""By the provider's name."""
