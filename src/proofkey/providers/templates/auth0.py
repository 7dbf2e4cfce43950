"""Auth0: a tenant file for its Deploy CLI, whose members are those of the Management API."""

from typing import Any, Final

from proofkey.providers.registration import Api, Client, Registration
from proofkey.providers.templates.template import (
    Template,
    api_scopes,
    json_text,
    wants_offline_access,
    wants_refresh,
    without_empty,
)

_MINUTE: Final = 60
_DAY: Final = 86400


def build_auth0(registration: Registration) -> Template:
    """`tenant.yaml`, in JSON (YAML 1.2 takes it): `a0deploy import -c config.json -i tenant.yaml`."""
    api = registration.api
    document = without_empty(
        {
            "clients": [_client(client) for client in registration.clients],
            "resourceServers": [] if api is None else [_api(api, registration)],
            "clientGrants": [_grant(client, api, registration) for client in registration.service_clients]
            if api is not None
            else [],
            "roles": [
                {"name": role, "description": f"{role} of {registration.name}"} for role in registration.roles
            ],
        }
    )
    text = json_text(document)
    notes = [
        "Apply: a0deploy import -c config.json -i tenant.yaml (it deletes nothing unless AUTH0_ALLOW_DELETE is"
        " set). Not verified against a live tenant.",
        "The issuer ends with a slash: https://TENANT.REGION.auth0.com/",
        "Tokens carry `permissions`, not roles: give each role its permissions, and require those.",
    ]
    if api is None:
        notes[2] = "Without --audience Auth0's access tokens are opaque: no API can accept them."
    return Template(printed=text, files={"tenant.yaml": text}, notes=tuple(notes))


def _client(client: Client) -> dict[str, Any]:
    registration = client.registration
    document: dict[str, Any] = {
        "name": client.name,
        "app_type": "regular_web" if client.signs_people_in else "non_interactive",
        "is_first_party": True,
        "oidc_conformant": True,
        "callbacks": client.redirect_uris,
        "allowed_logout_urls": client.post_logout_redirect_uris,
        "grant_types": sorted(registration.grant_types),
        "token_endpoint_auth_method": registration.token_endpoint_auth_method,
        "jwt_configuration": {"alg": "RS256"},
        "cross_origin_authentication": False,
    }
    if registration.application_type == "native":
        document["app_type"] = "native"
    if wants_refresh(client):
        document["refresh_token"] = {
            "rotation_type": "rotating",
            "expiration_type": "expiring",
            "leeway": 10,
            "token_lifetime": 30 * _DAY,
            "idle_token_lifetime": 14 * _DAY,
            "infinite_token_lifetime": False,
            "infinite_idle_token_lifetime": False,
        }
    if client.backchannel_logout_uri is not None:
        document["oidc_logout"] = {"backchannel_logout_urls": [client.backchannel_logout_uri]}
    if client.dpop_bound_access_tokens:
        document["require_proof_of_possession"] = True
    return document


def _api(api: Api, registration: Registration) -> dict[str, Any]:
    return {
        "name": api.name,
        "identifier": api.audience,
        "signing_alg": "RS256",
        "token_dialect": "rfc9068_profile_authz",
        "enforce_policies": True,
        "allow_offline_access": any(map(wants_offline_access, registration.web_clients)),
        "skip_consent_for_verifiable_first_party_clients": True,
        "token_lifetime": 15 * _MINUTE,
        "scopes": [{"value": scope, "description": f"{api.name}: {scope}"} for scope in api.scopes],
    }


def _grant(client: Client, api: Api, registration: Registration) -> dict[str, Any]:
    return {"client_id": client.name, "audience": api.audience, "scope": api_scopes(client, registration)}
