"""Amazon Cognito: a CloudFormation stack with user pool, resource server, clients, groups and sign-in domain."""

from typing import Any, Final

from proofkey.providers.registration import Api, Client, Registration, slug_of
from proofkey.providers.templates.template import (
    Template,
    api_scopes,
    json_text,
    standard_scopes,
    wants_refresh,
    without_empty,
)

_POOL: Final = {"Ref": "UserPool"}
_SCOPES: Final = ("openid", "profile", "email", "phone")
"""Of OpenID Connect, Cognito has these; refresh tokens need no scope."""


def build_cognito(registration: Registration) -> Template:
    """`cognito.json`. Scopes of an API exist only with a resource server; tokens name them `AUDIENCE/SCOPE`."""
    api = registration.api
    resources: dict[str, Any] = {
        "UserPool": _pool(registration),
        "Domain": _resource(
            "UserPoolDomain", {"UserPoolId": _POOL, "Domain": {"Ref": "DomainPrefix"}, "ManagedLoginVersion": 2}
        ),
    }
    if api is not None:
        resources["ResourceServer"] = _server(api)
    for number, role in enumerate(registration.roles, 1):
        resources[f"Group{number}"] = _resource("UserPoolGroup", {"UserPoolId": _POOL, "GroupName": role})
    resources |= {_key(client): _client(client, registration) for client in registration.clients}
    document = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"Sign-in for {registration.name}",
        "Parameters": {"DomainPrefix": {"Type": "String", "Default": slug_of(registration.name)}},
        "Resources": resources,
        "Outputs": _outputs(registration),
    }
    text = json_text(document)
    notes = [
        "Apply: aws cloudformation deploy --template-file cognito.json --stack-name NAME. Not verified live.",
        "Access tokens have no `aud` unless `resource` is sent: the API's audience is then the client id.",
        "Logout is not OpenID's: DOMAIN/logout?client_id=…&logout_uri=…",
    ]
    if api is not None and api.scopes:
        notes.append(f"Scopes are asked for as {api.audience}/SCOPE, and stand so in `scope`.")
    return Template(printed=text, files={"cognito.json": text}, notes=tuple(notes))


def _resource(kind: str, properties: dict[str, Any]) -> dict[str, Any]:
    return {"Type": f"AWS::Cognito::{kind}", "Properties": properties}


def _pool(registration: Registration) -> dict[str, Any]:
    return _resource(
        "UserPool",
        {
            "UserPoolName": registration.name,
            "UsernameAttributes": ["email"],
            "AutoVerifiedAttributes": ["email"],
            "AdminCreateUserConfig": {"AllowAdminCreateUserOnly": True},
            "Policies": {"PasswordPolicy": {"MinimumLength": 15}},
            "DeletionProtection": "ACTIVE",
        },
    )


def _server(api: Api) -> dict[str, Any]:
    properties = {
        "UserPoolId": _POOL,
        "Identifier": api.audience,
        "Name": api.name,
        "Scopes": [{"ScopeName": scope, "ScopeDescription": f"{api.name}: {scope}"} for scope in api.scopes],
    }
    return _resource("UserPoolResourceServer", without_empty(properties))


def _client(client: Client, registration: Registration) -> dict[str, Any]:
    api = registration.api
    own = [] if api is None else [f"{api.audience}/{scope}" for scope in api_scopes(client, registration)]
    people = client.signs_people_in
    asked = [scope for scope in standard_scopes(client) if scope in _SCOPES] if people else []
    properties: dict[str, Any] = {
        "UserPoolId": _POOL,
        "ClientName": client.name,
        "GenerateSecret": not client.registration.is_public,
        "AllowedOAuthFlowsUserPoolClient": True,
        "AllowedOAuthFlows": ["code"] if people else ["client_credentials"],
        "AllowedOAuthScopes": [*asked, *own],
        "CallbackURLs": client.redirect_uris,
        "LogoutURLs": client.post_logout_redirect_uris,
        "SupportedIdentityProviders": ["COGNITO"] if people else None,
        "ExplicitAuthFlows": ["ALLOW_USER_SRP_AUTH"] if people else None,
        "PreventUserExistenceErrors": "ENABLED",
        "EnableTokenRevocation": True,
        "AccessTokenValidity": 15,
        "IdTokenValidity": 15,
        "RefreshTokenValidity": 30,
        "TokenValidityUnits": {"AccessToken": "minutes", "IdToken": "minutes", "RefreshToken": "days"},
    }
    if people and wants_refresh(client):
        properties["RefreshTokenRotation"] = {"Feature": "ENABLED", "RetryGracePeriodSeconds": 10}
    resource = _resource("UserPoolClient", without_empty(properties))
    if api is not None:
        resource["DependsOn"] = "ResourceServer"
    return resource


def _outputs(registration: Registration) -> dict[str, Any]:
    issuer = "https://cognito-idp.${AWS::Region}.amazonaws.com/${UserPool}"
    outputs: dict[str, Any] = {"Issuer": {"Value": {"Fn::Sub": issuer}}}
    for client in registration.clients:
        outputs[f"{_key(client)}Id"] = {"Value": {"Ref": _key(client)}}
    return outputs


def _key(client: Client) -> str:
    """A logical id: letters and digits."""
    return "Client" + "".join(part.capitalize() for part in slug_of(client.client_id).split("-"))
