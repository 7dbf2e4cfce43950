"""Entra ID: Microsoft Graph's `application` for the API and for each client, and the commands that create them."""

from typing import Any, Final

from proofkey.providers.registration import Api, Client, Registration, slug_of
from proofkey.providers.templates.template import (
    Template,
    api_scopes,
    json_text,
    stable_uuid,
    standard_scopes,
    without_empty,
)

API_APP_ID: Final = "API_APP_ID"
"""Stands for the application id that Entra gives to the API; `apply.sh` fills it in."""
_GRAPH: Final = "00000003-0000-0000-c000-000000000000"
_GRAPH_SCOPES: Final = {
    "openid": "37f7f235-527c-4136-accd-4a02d197296e",
    "profile": "14dad69e-099b-42c9-810b-d002981feec1",
    "email": "64a6cdd6-aab1-4aaf-94b8-3cc8405e90d0",
    "offline_access": "7427e0e9-2fba-42fe-b0c0-848c9e6a8182",
}
"""Ids of Microsoft Graph's delegated permissions, the same in every tenant."""
_SINGLE_TENANT: Final = "AzureADMyOrg"


def build_entra(registration: Registration) -> Template:
    """`api.json`, a file per client and `apply.sh`. API and client are two registrations: with one for both, ID
    token and access token have the same audience."""
    api = registration.api
    documents: dict[str, dict[str, Any]] = {}
    if api is not None:
        documents["api.json"] = build_api(api, registration)
    for client in registration.clients:
        documents[f"{slug_of(client.client_id)}.json"] = build_client(client, registration)
    files = {name: json_text(document) for name, document in documents.items()}
    files["apply.sh"] = _commands(registration)
    notes = [
        "Apply: TENANT=… bash apply.sh (its commands are not verified against a live tenant; read them first).",
        "Issuer: https://login.microsoftonline.com/TENANT_ID/v2.0, with the tenant's id, never common.",
    ]
    if api is not None:
        notes += [
            f"The API's audience is its application id (a UUID), not {api.audience}: tokens of version 2 carry"
            " that in `aud`.",
            f"Scopes are asked for as {api.audience}/SCOPE and stand bare in `scp`.",
        ]
    return Template(printed=json_text(documents), files=files, notes=tuple(notes))


def build_api(api: Api, registration: Registration) -> dict[str, Any]:
    """The API's registration: tokens of version 2, scopes for people, roles for people and services."""
    members = ["User", "Application"] if registration.service_clients else ["User"]
    return {
        "displayName": api.name,
        "signInAudience": _SINGLE_TENANT,
        "identifierUris": [api.audience],
        "api": {
            "requestedAccessTokenVersion": 2,
            "oauth2PermissionScopes": [_permission(api, scope) for scope in api.scopes],
        },
        "appRoles": [
            {
                "id": _role_id(api, role),
                "value": role,
                "displayName": role,
                "description": f"{role} of {api.name}",
                "allowedMemberTypes": members,
                "isEnabled": True,
            }
            for role in api.roles
        ],
    }


def build_client(client: Client, registration: Registration) -> dict[str, Any]:
    """A client's registration: redirect URIs of the platform `web`, for those can keep a secret."""
    uris = sorted({*client.redirect_uris, *client.post_logout_redirect_uris})
    return without_empty(
        {
            "displayName": client.name,
            "signInAudience": _SINGLE_TENANT,
            "web": {
                "redirectUris": uris,
                "implicitGrantSettings": {"enableIdTokenIssuance": False, "enableAccessTokenIssuance": False},
            },
            "requiredResourceAccess": _access(client, registration),
        }
    )


def _permission(api: Api, scope: str) -> dict[str, Any]:
    text = f"{api.name}: {scope}"
    return {
        "id": _scope_id(api, scope),
        "value": scope,
        "type": "User",
        "isEnabled": True,
        "adminConsentDisplayName": text,
        "adminConsentDescription": text,
        "userConsentDisplayName": text,
        "userConsentDescription": text,
    }


def _access(client: Client, registration: Registration) -> list[dict[str, Any]]:
    api = registration.api
    graph = [
        {"id": _GRAPH_SCOPES[name], "type": "Scope"} for name in standard_scopes(client) if name in _GRAPH_SCOPES
    ]
    own: list[dict[str, str]] = []
    if api is not None and client.signs_people_in:
        known = [scope for scope in api_scopes(client, registration) if scope in api.scopes]
        own = [{"id": _scope_id(api, scope), "type": "Scope"} for scope in known]
    elif api is not None:
        own = [{"id": _role_id(api, role), "type": "Role"} for role in api.roles]
    access = [{"resourceAppId": API_APP_ID, "resourceAccess": own}] if own else []
    if client.signs_people_in and graph:
        access.append({"resourceAppId": _GRAPH, "resourceAccess": graph})
    return access


def _scope_id(api: Api, scope: str) -> str:
    return stable_uuid(api.audience, "scope", scope)


def _role_id(api: Api, role: str) -> str:
    return stable_uuid(api.audience, "role", role)


def _commands(registration: Registration) -> str:
    lines = [
        "#!/usr/bin/env bash",
        "# Creates the registrations with the Azure CLI. Not verified against a live tenant: read it first.",
        "set -euo pipefail",
        'cd "$(dirname "$0")"',
        ': "${TENANT:?the id of the tenant}"',
        'az login --tenant "$TENANT" --allow-no-subscriptions --output none',
        "create() { az rest --method POST --url https://graph.microsoft.com/v1.0/applications"
        ' --headers Content-Type=application/json --body "@$1" --query appId --output tsv; }',
        "umask 077",
    ]
    if registration.api is not None:
        lines += [
            "API=$(create api.json)",
            'az ad sp create --id "$API" --output none',
            'echo "API: its audience is $API" >&2',
        ]
    for client in registration.clients:
        name = slug_of(client.client_id)
        fill = f"s/{API_APP_ID}/${{API:-}}/"
        lines += [
            f'sed "{fill}" {name}.json > {name}.applied.json',
            f"CLIENT=$(create {name}.applied.json)",
            'az ad sp create --id "$CLIENT" --output none',
            'az ad app credential reset --id "$CLIENT" --display-name proofkey --query password --output tsv'
            f" > {name}.secret",
            f'echo "{name}: client_id $CLIENT, its secret is in {name}.secret" >&2',
        ]
    lines.append("# An administrator then grants consent: az ad app permission admin-consent --id CLIENT_ID")
    return "\n".join(lines) + "\n"
