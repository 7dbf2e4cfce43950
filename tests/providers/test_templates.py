"""Each provider's template, by the facts that it must hold."""

import json
import re
from typing import Any
from uuid import UUID

import pytest

from proofkey.protocol.text import Secret
from proofkey.providers.registration import Registration, read_registration
from proofkey.providers.templates import TEMPLATES, LocalRealm, build_keycloak, uris_to_register

CALLBACK = "https://app.test/auth/callback"
SIGNED_OUT = "https://app.test/auth/signed-out"
BACKCHANNEL = "https://app.test/auth/backchannel-logout"
DOCUMENT: dict[str, Any] = {
    "name": "Orders",
    "clients": [
        {
            "client_id": "orders",
            "client_name": "Orders",
            "redirect_uris": [CALLBACK],
            "post_logout_redirect_uris": [SIGNED_OUT],
            "backchannel_logout_uri": BACKCHANNEL,
            "scope": "openid profile email offline_access orders:read orders:write",
        },
        {
            "client_id": "worker",
            "grant_types": ["client_credentials"],
            "response_types": [],
            "scope": "orders:read",
        },
    ],
    "api": {
        "resource": "https://api.test",
        "scopes_supported": ["orders:read", "orders:write"],
        "roles": ["admin"],
    },
}


def read_yaml(text: str) -> dict[str, Any]:
    """Mappings in mappings whose values are JSON: all that our YAML files have."""
    root: dict[str, Any] = {}
    places = [root]
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        name, _, value = line.strip().partition(":")
        depth = (len(line) - len(line.lstrip())) // 2
        places[depth + 1 :] = []
        places[depth][name] = json.loads(value) if value else {}
        if not value:
            places.append(places[depth][name])
    return root


def registration(**changes: Any) -> Registration:
    return read_registration({**DOCUMENT, **changes})


def printed(provider: str, **changes: Any) -> Any:
    return json.loads(TEMPLATES[provider](registration(**changes)).printed)


@pytest.mark.parametrize("provider", TEMPLATES)
def test_every_template_parses_and_is_the_same_each_time(provider: str):
    made = TEMPLATES[provider](registration())
    assert made == TEMPLATES[provider](registration())
    assert made.notes
    for name, text in made.files.items():
        assert text.endswith("\n")
        if name.endswith((".json", "tenant.yaml")):
            assert json.loads(text)


@pytest.mark.spec("9700-2.1-a")
@pytest.mark.parametrize("provider", TEMPLATES)
def test_every_template_names_the_redirect_uri_letter_for_letter(provider: str):
    made = TEMPLATES[provider](registration())
    assert CALLBACK in made.printed
    uris = dict(uris_to_register(provider, registration()))
    assert uris["redirect URI"] == CALLBACK
    assert ("post-logout URI" in uris) == (provider != "google") == (SIGNED_OUT in made.printed)
    assert (
        ("back-channel logout URI" in uris) == (provider in ("auth0", "keycloak")) == (BACKCHANNEL in made.printed)
    )


@pytest.mark.parametrize("provider", TEMPLATES)
def test_every_template_does_without_an_api(provider: str):
    bare = {**DOCUMENT["clients"][0], "scope": "openid profile"}
    made = TEMPLATES[provider](registration(api=None, clients=[bare]))
    assert "api.test" not in "".join(made.files.values())
    assert CALLBACK in made.printed


@pytest.mark.spec("9700-2.1.2-a", "9700-2.4-a")
def test_no_template_allows_the_implicit_or_the_password_grant():
    for provider in TEMPLATES:
        text = TEMPLATES[provider](registration()).printed
        assert not re.search(r'"(implicit|password|hybrid)"', text)


def test_auth0_gets_rfc_9068_tokens_rotation_and_permissions():
    tenant = printed("auth0")
    web, worker = tenant["clients"]
    assert (web["app_type"], web["callbacks"], web["allowed_logout_urls"]) == (
        "regular_web",
        [CALLBACK],
        [SIGNED_OUT],
    )
    assert web["oidc_conformant"] is True
    assert web["grant_types"] == ["authorization_code", "refresh_token"]
    assert web["jwt_configuration"] == {"alg": "RS256"}
    assert (web["refresh_token"]["rotation_type"], web["refresh_token"]["infinite_token_lifetime"]) == (
        "rotating",
        False,
    )
    assert web["oidc_logout"] == {"backchannel_logout_urls": [BACKCHANNEL]}
    assert (worker["app_type"], worker["grant_types"]) == ("non_interactive", ["client_credentials"])
    (api,) = tenant["resourceServers"]
    assert (api["identifier"], api["token_dialect"]) == ("https://api.test", "rfc9068_profile_authz")
    assert (api["enforce_policies"], api["signing_alg"], api["allow_offline_access"]) == (True, "RS256", True)
    assert api["token_lifetime"] == 900
    assert [scope["value"] for scope in api["scopes"]] == ["orders:read", "orders:write"]
    assert tenant["clientGrants"] == [
        {"client_id": "worker", "audience": "https://api.test", "scope": ["orders:read"]}
    ]
    assert [role["name"] for role in tenant["roles"]] == ["admin"]


def test_entra_gets_an_api_and_a_client_of_version_2_with_stable_ids():
    files = TEMPLATES["entra"](registration()).files
    api, client, worker = (json.loads(files[name]) for name in ("api.json", "orders.json", "worker.json"))
    assert api["api"]["requestedAccessTokenVersion"] == 2
    assert api["identifierUris"] == ["https://api.test"]
    scopes = {scope["value"]: scope["id"] for scope in api["api"]["oauth2PermissionScopes"]}
    roles = {role["value"]: role["id"] for role in api["appRoles"]}
    assert (list(scopes), list(roles)) == (["orders:read", "orders:write"], ["admin"])
    assert len({UUID(one) for one in (*scopes.values(), *roles.values())}) == 3
    assert api["appRoles"][0]["allowedMemberTypes"] == ["User", "Application"]
    assert client["web"]["redirectUris"] == [CALLBACK, SIGNED_OUT]
    assert not any(client["web"]["implicitGrantSettings"].values())
    assert {"spa", "publicClient"}.isdisjoint(client)
    own, graph = client["requiredResourceAccess"]
    assert own["resourceAppId"] == "API_APP_ID"
    assert {one["id"] for one in own["resourceAccess"]} == set(scopes.values())
    assert graph["resourceAppId"] == "00000003-0000-0000-c000-000000000000"
    assert worker["requiredResourceAccess"][0]["resourceAccess"] == [{"id": roles["admin"], "type": "Role"}]
    assert "Not verified" in files["apply.sh"]
    assert "api.json" in files["apply.sh"]


def test_google_is_a_list_of_clicks():
    made = TEMPLATES["google"](registration())
    assert f"`{CALLBACK}`" in made.printed
    assert "worker" not in made.printed
    assert any("opaque" in note for note in made.notes)


def test_okta_gets_a_server_for_the_api_and_pkce():
    document = printed("okta")
    web = document["resource"]["okta_app_oauth"]["client_orders"]
    assert (web["type"], web["pkce_required"], web["wildcard_redirect"]) == ("web", True, "DISABLED")
    assert (web["response_types"], web["refresh_token_rotation"]) == (["code"], "ROTATE")
    assert (web["redirect_uris"], web["post_logout_redirect_uris"]) == ([CALLBACK], [SIGNED_OUT])
    assert document["resource"]["okta_app_oauth"]["client_worker"]["type"] == "service"
    assert document["resource"]["okta_auth_server"]["api"]["audiences"] == ["https://api.test"]
    scopes = document["resource"]["okta_auth_server_scope"].values()
    assert [scope["name"] for scope in scopes] == ["orders:read", "orders:write"]
    rules = document["resource"]["okta_auth_server_policy_rule"]
    assert rules["client_orders"]["grant_type_whitelist"] == ["authorization_code"]
    assert rules["client_worker"]["scope_whitelist"] == ["orders:read"]
    claim = document["resource"]["okta_auth_server_claim"]["groups"]
    assert (claim["name"], claim["value"]) == ("groups", "^(admin)$")


def test_okta_takes_no_template_from_a_name():
    text = TEMPLATES["okta"](registration(name='${file("/etc/passwd")}')).printed
    assert not re.search(r"(?<!\$)\$\{file", text)
    assert "$${file" in text


def test_cognito_gets_a_resource_server_before_its_clients():
    stack = printed("cognito")["Resources"]
    server = stack["ResourceServer"]["Properties"]
    assert (server["Identifier"], [one["ScopeName"] for one in server["Scopes"]]) == (
        "https://api.test",
        ["orders:read", "orders:write"],
    )
    assert stack["ClientOrders"]["DependsOn"] == "ResourceServer"
    web = stack["ClientOrders"]["Properties"]
    assert (web["GenerateSecret"], web["AllowedOAuthFlows"]) == (True, ["code"])
    assert (web["CallbackURLs"], web["LogoutURLs"]) == ([CALLBACK], [SIGNED_OUT])
    assert web["AllowedOAuthScopes"] == [
        "openid",
        "profile",
        "email",
        "https://api.test/orders:read",
        "https://api.test/orders:write",
    ]
    assert web["RefreshTokenRotation"]["Feature"] == "ENABLED"
    assert "ALLOW_REFRESH_TOKEN_AUTH" not in web["ExplicitAuthFlows"]
    worker = stack["ClientWorker"]["Properties"]
    assert (worker["AllowedOAuthFlows"], worker["AllowedOAuthScopes"]) == (
        ["client_credentials"],
        ["https://api.test/orders:read"],
    )
    assert stack["Group1"]["Properties"]["GroupName"] == "admin"


def test_keycloak_gets_a_realm_with_everything_on_that_it_leaves_off():
    realm = printed("keycloak", issuer="http://localhost:8080/realms/shop")
    assert realm["realm"] == "shop"
    web, worker = realm["clients"]
    assert web["attributes"]["pkce.code.challenge.method"] == "S256"
    assert web["attributes"]["access.token.header.type.rfc9068"] == "true"
    assert web["attributes"]["post.logout.redirect.uris"] == SIGNED_OUT
    assert web["attributes"]["backchannel.logout.url"] == BACKCHANNEL
    assert web["attributes"]["backchannel.logout.session.required"] == "true"
    off = ("directAccessGrantsEnabled", "implicitFlowEnabled", "fullScopeAllowed", "publicClient")
    assert not any(web[name] or worker[name] for name in off)
    assert (web["standardFlowEnabled"], web["serviceAccountsEnabled"]) == (True, False)
    assert (worker["standardFlowEnabled"], worker["serviceAccountsEnabled"]) == (False, True)
    scopes = {scope["name"]: scope for scope in realm["clientScopes"]}
    assert {"orders:read", "orders:write"} <= set(scopes)
    (mapper,) = scopes["orders-api-audience"]["protocolMappers"]
    assert mapper["protocolMapper"] == "oidc-audience-mapper"
    assert mapper["config"]["included.custom.audience"] == "https://api.test"
    assert "orders-api-audience" in web["defaultClientScopes"]
    assert web["optionalClientScopes"] == ["orders:read", "orders:write", "offline_access"]
    assert {"name": "admin"} in realm["roles"]["realm"]
    assert {"client": "orders", "roles": ["admin"]} in realm["scopeMappings"]
    assert set(web["defaultClientScopes"] + web["optionalClientScopes"]) <= set(scopes)
    assert "secret" not in web
    assert "users" not in realm


def test_keycloak_on_this_computer_has_secrets_and_people():
    local = LocalRealm(
        client_secrets={"orders": Secret("canary-secret")},
        users={"ann": ("admin",)},
        password=Secret("canary-word"),
    )
    made = build_keycloak(registration(), local)
    realm = json.loads(made.printed)
    assert realm["clients"][0]["secret"] == "canary-secret"
    (ann,) = realm["users"]
    assert (ann["username"], ann["credentials"][0]["value"]) == ("ann", "canary-word")
    assert "admin" in ann["realmRoles"]
    assert made.private == {"realm.json"}


def test_keycloaks_compose_file_fixes_the_issuer_and_listens_on_loopback():
    made = TEMPLATES["keycloak"](registration(issuer="http://localhost:8081/realms/orders"))
    service = read_yaml(made.files["compose.yaml"])["services"]["keycloak"]
    assert service["command"] == ["start-dev", "--import-realm"]
    assert service["environment"]["KC_HOSTNAME"] == "http://localhost:8081"
    assert service["ports"] == ["127.0.0.1:8081:8081"]


@pytest.mark.spec("9449-5.2")
def test_dpop_is_asked_for_where_the_provider_has_it():
    bound = [{**DOCUMENT["clients"][0], "dpop_bound_access_tokens": True}]
    assert printed("keycloak", clients=bound)["clients"][0]["attributes"]["dpop.bound.access.tokens"] == "true"
    assert printed("auth0", clients=bound)["clients"][0]["require_proof_of_possession"] is True
