"""How each provider writes its tokens: honest headers and claims, for tests without an account.

`Persona.source` says where the form stands. Only our own server and Keycloak are also tested against the real
thing; a persona proves that its dialect reads what the documents show, and nothing about the live service.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from proofkey.errors import ConfigurationError
from proofkey.findings import Finding
from proofkey.protocol.access_token import build_access_token_claims
from proofkey.protocol.dialect import Dialect
from proofkey.providers.choose import DIALECTS
from proofkey.testing import persona_claims
from proofkey.testing.persona_claims import Asked

Claims = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Persona:
    """One provider's way to write tokens. Each function makes claims; the signature is the caller's."""

    name: str
    dialect: Dialect
    issuer: str
    """An issuer as this provider spells it."""
    source: str
    header: Mapping[str, object] = field(default_factory=lambda: {"typ": "JWT"})
    """Beside alg and kid."""
    access_token: Callable[[Asked], Claims]
    id_token: Callable[[Asked], Claims]
    client_only: Callable[[Asked], Claims]
    """The token of a client that acts for itself."""


def persona_named(name: str) -> Persona:
    """The provider of that name, or a form of its tokens: `entra`, `entra-v1`, `auth0-rfc9068`.

    Raises: ConfigurationError.
    """
    try:
        return PERSONAS[name]
    except KeyError:
        known = ", ".join(sorted(PERSONAS))
        fix = f"one of {known}"
        raise ConfigurationError(Finding.CONFIG_VALUE, key="dialect", value=name[:64], fix=fix) from None


def _rfc9068(asked: Asked) -> Claims:
    return build_access_token_claims(
        issuer=asked.issuer,
        sub=asked.sub,
        client_id=asked.client_id,
        audience=asked.audience,
        scope=asked.scope,
        now=asked.now,
        lifetime=asked.lifetime,
        jti=asked.jti,
        roles=asked.roles,
        auth_time=asked.auth_time,
        extra={"permissions": list(asked.permissions)} if asked.permissions else None,
    )


_STANDARD: Final = {"typ": "at+jwt"}
RFC9068: Final = Persona(
    name="rfc9068",
    dialect=DIALECTS["rfc9068"],
    issuer="https://issuer.test",
    source="RFC 9068 §2",
    header=_STANDARD,
    access_token=_rfc9068,
    id_token=persona_claims.id_token,
    client_only=lambda asked: _rfc9068(replace(asked, sub=asked.client_id)),
)
_AUTH0: Final = Persona(
    name="auth0",
    dialect=DIALECTS["auth0"],
    issuer="https://acme.eu.auth0.com/",
    source="Auth0 Docs, Access Token Profiles: Auth0 profile; read 2026-11",
    access_token=persona_claims.auth0,
    id_token=persona_claims.id_token,
    client_only=persona_claims.auth0_client,
)
_ENTRA: Final = Persona(
    name="entra",
    dialect=DIALECTS["entra"],
    issuer=f"https://login.microsoftonline.com/{persona_claims.TENANT}/v2.0",
    source="Microsoft Learn, access token claims reference: v2.0; read 2026-11",
    access_token=persona_claims.entra,
    id_token=persona_claims.entra_id_token,
    client_only=persona_claims.entra_client,
)
_ALL: Final = (
    RFC9068,
    replace(RFC9068, name="proofkey", dialect=DIALECTS["proofkey"], source="this package's own server"),
    Persona(
        name="keycloak",
        dialect=DIALECTS["keycloak"],
        issuer="https://id.test/realms/acme",
        source="Keycloak 26.7, token of a realm with an audience mapper; 2026-11",
        access_token=persona_claims.keycloak,
        id_token=persona_claims.keycloak_id_token,
        client_only=persona_claims.keycloak_client,
    ),
    _AUTH0,
    replace(
        _AUTH0,
        name="auth0-rfc9068",
        source="Auth0 Docs, Access Token Profiles: RFC 9068 profile; read 2026-11",
        header=_STANDARD,
        access_token=persona_claims.auth0_rfc9068,
        client_only=persona_claims.auth0_rfc9068_client,
    ),
    _ENTRA,
    replace(
        _ENTRA,
        name="entra-v1",
        source="Microsoft Learn, access token claims reference: v1.0; read 2026-11",
        access_token=persona_claims.entra_v1,
        client_only=persona_claims.entra_v1_client,
    ),
    Persona(
        name="okta",
        dialect=DIALECTS["okta"],
        issuer="https://acme.okta.com/oauth2/default",
        source="Okta Developer, OpenID Connect & OAuth 2.0 API: access token; read 2026-11",
        header={},
        access_token=persona_claims.okta,
        id_token=persona_claims.okta_id_token,
        client_only=persona_claims.okta_client,
    ),
    Persona(
        name="cognito",
        dialect=DIALECTS["cognito"],
        issuer="https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_Example1",
        source="Amazon Cognito Developer Guide, Understanding the access token; read 2026-11",
        header={},
        access_token=persona_claims.cognito,
        id_token=persona_claims.cognito_id_token,
        client_only=persona_claims.cognito_client,
    ),
    Persona(
        name="zitadel",
        dialect=DIALECTS["zitadel"],
        issuer="https://acme.zitadel.cloud",
        source="zitadel/oidc, pkg/oidc/token.go; Zitadel Docs, Claims; read 2026-11",
        access_token=persona_claims.zitadel,
        id_token=persona_claims.zitadel_id_token,
        client_only=persona_claims.zitadel_client,
    ),
    Persona(
        name="authentik",
        dialect=DIALECTS["authentik"],
        issuer="https://auth.test/application/o/orders/",
        source="goauthentik/authentik, authentik/providers/oauth2/id_token.py; read 2026-11",
        access_token=persona_claims.authentik,
        id_token=persona_claims.authentik_id_token,
        client_only=persona_claims.authentik_client,
    ),
)
PERSONAS: Final[Mapping[str, Persona]] = {persona.name: persona for persona in _ALL}
"""By name. Google, GitHub and Okta's org server have none: their access tokens are no API's."""
