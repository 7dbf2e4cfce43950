"""Keycloak: a realm for `start-dev --import-realm` or the admin console, and a compose file."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from proofkey.errors import ConfigurationError
from proofkey.findings import Finding
from proofkey.protocol.text import Secret
from proofkey.providers.registration import Client, Registration, slug_of
from proofkey.providers.templates.template import (
    Template,
    api_scopes,
    json_text,
    standard_scopes,
    wants_refresh,
    yaml_text,
)

DEFAULT_BASE: Final = "http://localhost:8080"
VERSION: Final = "26.7"
"""Of the image in the compose file; the version that the tests run."""
_MINUTE: Final = 60
_HOUR: Final = 60 * _MINUTE
_OIDC: Final = "openid-connect"


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalRealm:
    """What a realm for one's own computer has besides: secrets that are known, and people to sign in as."""

    client_secrets: Mapping[str, Secret]
    users: Mapping[str, tuple[str, ...]]
    """Roles by username."""
    password: Secret


def build_keycloak(registration: Registration, local: LocalRealm | None = None) -> Template:
    """`realm.json` and `compose.yaml`. Without `local` Keycloak makes the client secrets, and there is nobody.

    Raises: ConfigurationError when a text would stand for an environment variable of Keycloak's.
    """
    base, realm = place_of(registration)
    text = json_text(build_realm(registration, realm, local))
    if "${" in text:
        reason = "Keycloak puts the value of an environment variable in the place of ${…}"
        raise ConfigurationError(Finding.CONFIG_VALUE, key="registration", reason=reason)
    notes = [
        f"Issuer: {base}/realms/{realm}. Start it with `docker compose up`, or put realm.json into Keycloak's"
        " data/import and run `bin/kc.sh start-dev --import-realm`. An existing realm is left as it is.",
    ]
    if registration.api is None:
        notes.append("Without an API no token has an audience: give --audience for tokens that an API accepts.")
    if local is None:
        notes.append("Client secrets: Clients > (client) > Credentials in the admin console.")
    if registration.service_clients and registration.roles:
        notes.append("Roles for a service client: Clients > (client) > Service accounts roles.")
    return Template(
        printed=text,
        files={"realm.json": text, "compose.yaml": _compose(base)},
        notes=tuple(notes),
        private=frozenset({"realm.json"} if local is not None else ()),
    )


def place_of(registration: Registration) -> tuple[str, str]:
    """(base URL, realm) of the issuer `BASE/realms/REALM`; the realm is named like the application if need be."""
    base, _, realm = (registration.issuer or "").rpartition("/realms/")
    if not base or not realm.rstrip("/"):
        return (registration.issuer or DEFAULT_BASE).rstrip("/"), slug_of(registration.name)
    return base, realm.rstrip("/")


def build_realm(registration: Registration, realm: str, local: LocalRealm | None = None) -> dict[str, Any]:
    """The realm's document. It names its own client scopes, so Keycloak adds none of its usual ones."""
    roles = registration.roles
    document: dict[str, Any] = {
        "realm": realm,
        "displayName": registration.name,
        "enabled": True,
        "sslRequired": "external",
        "registrationAllowed": False,
        "bruteForceProtected": True,
        "accessCodeLifespan": _MINUTE,
        "accessTokenLifespan": 15 * _MINUTE,
        "ssoSessionIdleTimeout": _HOUR,
        "ssoSessionMaxLifespan": 24 * _HOUR,
        "revokeRefreshToken": True,
        "refreshTokenMaxReuse": 0,
        "roles": {"realm": [{"name": role} for role in (*roles, "offline_access")]},
        "clientScopes": [*_standard_scopes(), *_api_scopes(registration)],
        "defaultDefaultClientScopes": ["basic", "profile", "email", "roles"],
        "defaultOptionalClientScopes": ["offline_access"],
        "clients": [
            *(_client(client, registration, local) for client in registration.clients),
            *_introspection_client(registration, local),
        ],
        "scopeMappings": [
            {"clientScope": "offline_access", "roles": ["offline_access"]},
            *({"client": client.client_id, "roles": [*roles]} for client in registration.clients if roles),
        ],
    }
    if local is not None:
        document["users"] = [_user(name, roles, local.password) for name, roles in local.users.items()]
    return document


def audience_scope(registration: Registration) -> str | None:
    """The client scope that carries the audience mapper."""
    return f"{slug_of(registration.api.name)}-audience" if registration.api is not None else None


def _client(client: Client, registration: Registration, local: LocalRealm | None) -> dict[str, Any]:
    audience = audience_scope(registration)
    asked = standard_scopes(client) if client.signs_people_in else []
    defaults = [
        "basic",
        "roles",
        *(["service_account"] if client.acts_for_itself else []),
        *(scope for scope in asked if scope in ("profile", "email")),
    ]
    optional = [*api_scopes(client, registration), *(scope for scope in asked if scope == "offline_access")]
    document: dict[str, Any] = {
        "clientId": client.client_id,
        "name": client.name,
        "enabled": True,
        "protocol": _OIDC,
        "publicClient": client.registration.is_public,
        "clientAuthenticatorType": "client-secret",
        "standardFlowEnabled": client.signs_people_in,
        "implicitFlowEnabled": False,
        "directAccessGrantsEnabled": False,
        "serviceAccountsEnabled": client.acts_for_itself,
        "fullScopeAllowed": False,
        "consentRequired": False,
        "frontchannelLogout": False,
        "redirectUris": client.redirect_uris,
        "webOrigins": [],
        "attributes": _attributes(client),
        "defaultClientScopes": defaults + ([audience] if audience else []),
        "optionalClientScopes": optional,
    }
    if client.signs_people_in:
        named = {"claim.value": client.client_id, "claim.name": "client_id", "jsonType.label": "String"}
        document["protocolMappers"] = [_mapper("client_id", "oidc-hardcoded-claim-mapper", named | _for_api())]
    return _with_secret(document, local)


def _introspection_client(registration: Registration, local: LocalRealm | None) -> list[dict[str, Any]]:
    """Keycloak answers only a client that is in the token's audience; this one can do nothing else."""
    api = registration.api
    if api is None or not api.introspection:
        return []
    flows = ("standardFlowEnabled", "implicitFlowEnabled", "directAccessGrantsEnabled", "serviceAccountsEnabled")
    document: dict[str, Any] = {"clientId": api.audience, "name": api.name, "enabled": True, "protocol": _OIDC}
    document |= {"publicClient": False, "fullScopeAllowed": False, **dict.fromkeys(flows, False)}
    return [_with_secret(document, local)]


def _with_secret(client: dict[str, Any], local: LocalRealm | None) -> dict[str, Any]:
    secret = None if local is None else local.client_secrets.get(client["clientId"])
    return client if secret is None else {**client, "secret": secret.reveal()}


def _attributes(client: Client) -> dict[str, str]:
    attributes = {
        "access.token.header.type.rfc9068": "true",
        "dpop.bound.access.tokens": _flag(client.dpop_bound_access_tokens),
        "use.refresh.tokens": _flag(wants_refresh(client)),
        "client_credentials.use_refresh_token": "false",
    }
    if client.signs_people_in:
        attributes["pkce.code.challenge.method"] = "S256"
        attributes["post.logout.redirect.uris"] = "##".join(client.post_logout_redirect_uris) or "-"
    if client.backchannel_logout_uri is not None:
        attributes["backchannel.logout.url"] = client.backchannel_logout_uri
        attributes["backchannel.logout.session.required"] = "true"
        attributes["backchannel.logout.revoke.offline.tokens"] = "true"
    return attributes


def _api_scopes(registration: Registration) -> list[dict[str, Any]]:
    api, audience = registration.api, audience_scope(registration)
    if api is None or audience is None:
        return []
    mapper = _mapper(
        "audience",
        "oidc-audience-mapper",
        {"included.custom.audience": api.audience, "id.token.claim": "false", "access.token.claim": "true"},
    )
    scopes = [_scope(name, f"{api.name}: {name}", shown=True) for name in api.scopes]
    return [*scopes, _scope(audience, f"Tokens are for {api.name}", [mapper])]


def _standard_scopes() -> list[dict[str, Any]]:
    """What Keycloak's usual scopes of these names give, and no more (OIDC Core §5.4)."""
    subject = _mapper(
        "sub", "oidc-sub-mapper", {"access.token.claim": "true", "introspection.token.claim": "true"}
    )
    note = {"user.session.note": "AUTH_TIME", "claim.name": "auth_time", "jsonType.label": "long"}
    auth_time = _mapper("auth_time", "oidc-usersessionmodel-note-mapper", note | _everywhere())
    roles = {"claim.name": "realm_access.roles", "jsonType.label": "String", "multivalued": "true"}
    return [
        _scope("basic", "The claims that every token has", [subject, auth_time]),
        _scope(
            "profile",
            "Name and username",
            [
                _mapper("full name", "oidc-full-name-mapper", _for_client()),
                _attribute("username", "preferred_username", everywhere=True),
                _attribute("firstName", "given_name"),
                _attribute("lastName", "family_name"),
            ],
            shown=True,
            in_token=True,
        ),
        _scope(
            "email",
            "E-mail address",
            [
                _attribute("email", "email"),
                _mapper(
                    "email verified",
                    "oidc-usermodel-property-mapper",
                    {
                        "user.attribute": "emailVerified",
                        "claim.name": "email_verified",
                        "jsonType.label": "boolean",
                    }
                    | _for_client(),
                ),
            ],
            shown=True,
            in_token=True,
        ),
        _scope(
            "roles",
            "The roles of the API",
            [_mapper("realm roles", "oidc-usermodel-realm-role-mapper", roles | _everywhere())],
        ),
        _scope(
            "service_account",
            "The client's own name",
            [
                _mapper(
                    "client_id",
                    "oidc-usersessionmodel-note-mapper",
                    {"user.session.note": "client_id", "claim.name": "client_id", "jsonType.label": "String"}
                    | _for_api(),
                ),
                _mapper(
                    "username",
                    "oidc-usermodel-attribute-mapper",
                    {"user.attribute": "username", "claim.name": "preferred_username", "jsonType.label": "String"}
                    | _for_api(),
                ),
            ],
        ),
        _scope("offline_access", "Stay signed in", shown=True, in_token=True),
    ]


def _scope(
    name: str,
    text: str,
    mappers: list[dict[str, Any]] | None = None,
    *,
    shown: bool = False,
    in_token: bool | None = None,
) -> dict[str, Any]:
    """`shown` on the consent page; in the token's `scope` too, unless `in_token` says otherwise."""
    return {
        "name": name,
        "description": text,
        "protocol": _OIDC,
        "attributes": {
            "include.in.token.scope": _flag(shown if in_token is None else in_token),
            "display.on.consent.screen": _flag(shown),
            "consent.screen.text": text,
        },
        "protocolMappers": mappers or [],
    }


def _mapper(name: str, kind: str, config: Mapping[str, str]) -> dict[str, Any]:
    return {"name": name, "protocol": _OIDC, "protocolMapper": kind, "config": dict(config)}


def _attribute(attribute: str, claim: str, *, everywhere: bool = False) -> dict[str, Any]:
    config = {"user.attribute": attribute, "claim.name": claim, "jsonType.label": "String"}
    return _mapper(
        claim, "oidc-usermodel-attribute-mapper", config | (_everywhere() if everywhere else _for_client())
    )


def _for_client() -> dict[str, str]:
    """In the ID token and at UserInfo; the API does not need it."""
    return {"id.token.claim": "true", "userinfo.token.claim": "true", "access.token.claim": "false"}


def _for_api() -> dict[str, str]:
    return {"access.token.claim": "true", "introspection.token.claim": "true", "id.token.claim": "false"}


def _everywhere() -> dict[str, str]:
    return _for_client() | {"access.token.claim": "true", "introspection.token.claim": "true"}


def _user(name: str, roles: tuple[str, ...], password: Secret) -> dict[str, Any]:
    """Complete, so that Keycloak asks for nothing at the first sign-in."""
    return {
        "username": name,
        "enabled": True,
        "firstName": name.capitalize(),
        "lastName": "Example",
        "email": f"{name}@example.test",
        "emailVerified": True,
        "credentials": [{"type": "password", "value": password.reveal(), "temporary": False}],
        "realmRoles": [*roles, "offline_access"],
    }


def _flag(value: bool) -> str:
    return "true" if value else "false"


def _compose(base: str) -> str:
    """Keycloak in development mode on loopback. KC_HOSTNAME fixes `iss`, which else follows the Host header."""
    port = urlsplit(base).port or 8080
    service = {
        "image": f"${{KEYCLOAK_IMAGE:-keycloak/keycloak:{VERSION}}}",
        "command": ["start-dev", "--import-realm"],
        "environment": {
            "KC_HOSTNAME": base.replace("$", "$$"),  # $ is Compose's own
            "KC_HOSTNAME_BACKCHANNEL_DYNAMIC": "true",
            "KC_HTTP_PORT": str(port),
            "KC_HEALTH_ENABLED": "true",
            "KC_BOOTSTRAP_ADMIN_USERNAME": "admin",
            "KC_BOOTSTRAP_ADMIN_PASSWORD": "${KEYCLOAK_ADMIN_PASSWORD:?set it in the environment}",
        },
        "ports": [f"127.0.0.1:{port}:{port}"],
        "volumes": ["./realm.json:/opt/keycloak/data/import/realm.json:ro"],
    }
    head = "# Keycloak for development: `docker compose up`. The realm is imported at the first start.\n"
    return head + yaml_text({"services": {"keycloak": service}})
