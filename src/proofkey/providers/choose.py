"""Which dialect an issuer speaks."""

from collections.abc import Mapping
from typing import Final

from proofkey.errors import ConfigurationError
from proofkey.findings import Finding
from proofkey.protocol.dialect import RFC9068, Dialect
from proofkey.providers.auth0 import AUTH0
from proofkey.providers.authentik import AUTHENTIK
from proofkey.providers.cognito import COGNITO
from proofkey.providers.entra import ENTRA
from proofkey.providers.github import GITHUB
from proofkey.providers.google import GOOGLE
from proofkey.providers.keycloak import KEYCLOAK
from proofkey.providers.okta import OKTA, OKTA_ORG
from proofkey.providers.proofkey import PROOFKEY
from proofkey.providers.zitadel import ZITADEL

_ALL: Final = (
    RFC9068,
    PROOFKEY,
    KEYCLOAK,
    AUTH0,
    ENTRA,
    GOOGLE,
    OKTA,
    OKTA_ORG,
    COGNITO,
    ZITADEL,
    AUTHENTIK,
    GITHUB,
)
DIALECTS: Final[Mapping[str, Dialect]] = {dialect.name: dialect for dialect in _ALL}
"""By name."""


def dialect_for(issuer: str) -> Dialect:
    """The dialect whose matcher takes that issuer; strict RFC 9068 for everybody else."""
    return next(
        (dialect for dialect in DIALECTS.values() if dialect is not RFC9068 and dialect.matches(issuer)), RFC9068
    )


def dialect_named(name: str) -> Dialect:
    """Raises: ConfigurationError when there is none of that name."""
    try:
        return DIALECTS[name]
    except KeyError:
        known = ", ".join(sorted(DIALECTS))
        raise ConfigurationError(
            Finding.CONFIG_VALUE, key="dialect", value=name[:64], fix=f"one of {known}"
        ) from None
