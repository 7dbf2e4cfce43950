"""Okta: Terraform in its JSON form, with an authorization server of its own for the API."""

from typing import Any, Final, cast

from proofkey.providers.registration import Api, Client, Registration, slug_of
from proofkey.providers.templates.template import (
    Template,
    api_scopes,
    json_text,
    standard_scopes,
    wants_refresh,
    without_empty,
)

_SERVER: Final = "api"


class _Reference(str):
    """The value of another resource; every other text is taken as it is written."""

    __slots__ = ()

    def __new__(cls, address: str) -> "_Reference":
        return super().__new__(cls, f"${{{address}}}")


_EVERYONE: Final = _Reference("data.okta_group.everyone.id")


def build_okta(registration: Registration) -> Template:
    """`okta.tf.json`. Access tokens of the org server are for Okta itself, so the API gets a custom server."""
    api = registration.api
    resources: dict[str, Any] = {"okta_app_oauth": {_key(client): _app(client) for client in registration.clients}}
    if api is not None:
        resources |= _server(api, registration)
    document = {
        "terraform": {"required_providers": {"okta": {"source": "okta/okta", "version": ">= 4.8"}}},
        "data": {"okta_group": {"everyone": {"name": "Everyone"}}},
        "resource": resources,
        "output": _outputs(registration),
    }
    text = json_text(_literal(document))
    notes = [
        "Apply: terraform init && terraform apply, with OKTA_ORG_NAME, OKTA_BASE_URL and OKTA_API_TOKEN set. The"
        " state holds the client secret: keep it safe. Not verified against a live org.",
        "Nobody may sign in until people or groups are assigned to the application.",
    ]
    if api is None:
        notes.append("Without --audience there is only the org server, whose access tokens no API may accept.")
    else:
        notes.append(
            "The issuer is the output `issuer` (…/oauth2/…). Custom authorization servers are Okta's paid API"
            " Access Management in production."
        )
    return Template(printed=text, files={"okta.tf.json": text}, notes=tuple(notes))


def _app(client: Client) -> dict[str, Any]:
    registration = client.registration
    grants = sorted(registration.grant_types)
    document: dict[str, Any] = {
        "label": client.name,
        "type": "web" if client.signs_people_in else "service",
        "grant_types": grants,
        "response_types": ["code"] if client.signs_people_in else ["token"],
        "token_endpoint_auth_method": registration.token_endpoint_auth_method,
        "redirect_uris": client.redirect_uris,
        "post_logout_redirect_uris": client.post_logout_redirect_uris,
        "issuer_mode": "ORG_URL",
    }
    if client.signs_people_in:
        document |= {"pkce_required": True, "wildcard_redirect": "DISABLED", "consent_method": "TRUSTED"}
    if wants_refresh(client):
        document |= {"refresh_token_rotation": "ROTATE", "refresh_token_leeway": 10}
    return without_empty(document)


def _server(api: Api, registration: Registration) -> dict[str, Any]:
    server = _Reference(f"okta_auth_server.{_SERVER}.id")
    resources: dict[str, Any] = {
        "okta_auth_server": {
            _SERVER: {"name": api.name, "audiences": [api.audience], "issuer_mode": "ORG_URL", "status": "ACTIVE"}
        },
        "okta_auth_server_scope": {
            f"scope_{number}": {"auth_server_id": server, "name": scope, "consent": "IMPLICIT"}
            for number, scope in enumerate(api.scopes)
        },
        "okta_auth_server_policy": {
            _key(client): {
                "auth_server_id": server,
                "name": client.name,
                "description": f"Who may get tokens for {api.name}",
                "priority": number,
                "client_whitelist": [_Reference(f"okta_app_oauth.{_key(client)}.client_id")],
            }
            for number, client in enumerate(registration.clients, 1)
        },
        "okta_auth_server_policy_rule": {
            _key(client): without_empty(_rule(client, registration, server)) for client in registration.clients
        },
    }
    if api.roles:
        resources |= {
            "okta_group": {f"role_{number}": {"name": role} for number, role in enumerate(api.roles)},
            "okta_auth_server_claim": {"groups": _groups_claim(api, server)},
        }
    return without_empty({name: value or None for name, value in resources.items()})


def _literal(value: object) -> object:
    """Names and URLs as they are: only references are Terraform's templates."""
    if isinstance(value, dict):
        return {name: _literal(one) for name, one in cast("dict[str, object]", value).items()}
    if isinstance(value, list):
        return [_literal(one) for one in cast("list[object]", value)]
    if isinstance(value, str) and not isinstance(value, _Reference):
        return value.replace("${", "$${").replace("%{", "%%{")
    return value


def _rule(client: Client, registration: Registration, server: str) -> dict[str, Any]:
    key = _key(client)
    grants = [grant for grant in sorted(client.registration.grant_types) if grant != "refresh_token"]
    return {
        "auth_server_id": server,
        "policy_id": _Reference(f"okta_auth_server_policy.{key}.id"),
        "name": "Default",
        "priority": 1,
        "grant_type_whitelist": grants,
        "group_whitelist": [_EVERYONE],
        "scope_whitelist": [*standard_scopes(client), *api_scopes(client, registration)] or ["*"],
        "access_token_lifetime_minutes": 15,
        "refresh_token_lifetime_minutes": 43200,
        "refresh_token_window_minutes": 20160,
        "depends_on": [f"okta_auth_server_scope.scope_{number}" for number in range(len(registration.scopes))],
    }


def _groups_claim(api: Api, server: str) -> dict[str, Any]:
    """The API's roles are groups of these names; no other group of the person gets into the token."""
    names = "|".join(_escaped(role) for role in api.roles)
    return {
        "auth_server_id": server,
        "name": "groups",
        "claim_type": "RESOURCE",
        "value_type": "GROUPS",
        "group_filter_type": "REGEX",
        "value": f"^({names})$",
        "always_include_in_token": True,
    }


def _escaped(text: str) -> str:
    return "".join(c if c.isalnum() or c in "_- " else f"\\{c}" for c in text)


def _outputs(registration: Registration) -> dict[str, Any]:
    outputs: dict[str, Any] = {}
    if registration.api is not None:
        outputs["issuer"] = {"value": _Reference(f"okta_auth_server.{_SERVER}.issuer")}
    for client in registration.clients:
        outputs[f"{_key(client)}_client_id"] = {"value": _Reference(f"okta_app_oauth.{_key(client)}.client_id")}
        secret = _Reference(f"okta_app_oauth.{_key(client)}.client_secret")
        outputs[f"{_key(client)}_client_secret"] = {"value": secret, "sensitive": True}
    return outputs


def _key(client: Client) -> str:
    """A name that Terraform takes: a letter, then letters, digits, underscores."""
    return f"client_{slug_of(client.client_id).replace('-', '_')}"
