"""The claims that each provider mints; `testing/personas.py` names the sources."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import NAMESPACE_URL, uuid5

from proofkey.protocol.scope import format_scope
from proofkey.protocol.text import Instant

TENANT: Final = "7c1e6f4a-0b52-4c3e-9d8f-2a6b5c4d3e2f"
"""The Entra directory of the personas, where the issuer names none."""
PROJECT_ROLES: Final = "urn:zitadel:iam:org:project:roles"

Claims = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a token shall say, before a provider puts it into its own words. `lifetime` in seconds."""

    issuer: str
    audience: tuple[str, ...]
    sub: str
    client_id: str
    scope: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    permissions: tuple[str, ...] = ()
    now: Instant
    lifetime: int
    jti: str
    auth_time: Instant | None = None
    nonce: str = "nonce-1"


def id_token(asked: Asked) -> Claims:
    """OIDC Core §2."""
    return {
        "iss": asked.issuer,
        "sub": asked.sub,
        "aud": asked.client_id,
        "iat": int(asked.now),
        "exp": int(asked.now) + asked.lifetime,
        "auth_time": int(asked.now - 5 if asked.auth_time is None else asked.auth_time),
        "nonce": asked.nonce,
    }


def guid(name: str) -> str:
    """The same GUID for the same name."""
    return str(uuid5(NAMESPACE_URL, name))


def keycloak(asked: Asked) -> Claims:
    return _base(asked) | {
        "auth_time": int(asked.now - 5 if asked.auth_time is None else asked.auth_time),
        "jti": f"onrtac:{asked.jti}",
        "aud": _one_or_list((*asked.audience, "account")),
        "typ": "Bearer",
        "azp": asked.client_id,
        "sid": guid(f"session {asked.sub}"),
        "acr": "1",
        "allowed-origins": ["https://app.test"],
        "realm_access": {"roles": ["offline_access", *asked.roles]},
        "resource_access": {"account": {"roles": ["manage-account"]}},
        "scope": format_scope(asked.scope),
        "email_verified": False,
        "preferred_username": asked.sub,
    }


def keycloak_id_token(asked: Asked) -> Claims:
    return id_token(asked) | {
        "jti": asked.jti,
        "typ": "ID",
        "azp": asked.client_id,
        "sid": guid(f"session {asked.sub}"),
        "at_hash": "T5ySbGOLPMd-6sFFoKIZ4w",
        "acr": "1",
    }


def keycloak_client(asked: Asked) -> Claims:
    """A service account: no session, and perhaps no role blocks at all."""
    claims = keycloak(asked)
    for name in ("auth_time", "sid", "realm_access", "resource_access"):
        del claims[name]
    return claims | {
        "sub": guid(f"service account {asked.client_id}"),
        "preferred_username": f"service-account-{asked.client_id}",
        "client_id": asked.client_id,
        "clientHost": "192.0.2.7",
        "clientAddress": "192.0.2.7",
    }


def auth0(asked: Asked) -> Claims:
    userinfo = (f"{asked.issuer}userinfo",) if "openid" in asked.scope else ()
    return _base(asked) | {
        "aud": _one_or_list((*asked.audience, *userinfo)),
        "azp": asked.client_id,
        "scope": format_scope(asked.scope),
        "permissions": list(asked.permissions),
        "https://acme.test/roles": list(asked.roles),
    }


def auth0_client(asked: Asked) -> Claims:
    sub = f"{asked.client_id}@clients"
    return auth0(asked) | {"sub": sub, "aud": _one_or_list(asked.audience), "gty": "client-credentials"}


def auth0_rfc9068(asked: Asked) -> Claims:
    claims = auth0(asked) | {"client_id": asked.client_id, "jti": asked.jti}
    del claims["azp"]
    return claims


def auth0_rfc9068_client(asked: Asked) -> Claims:
    sub = f"{asked.client_id}@clients"
    return auth0_rfc9068(asked) | {"sub": sub, "aud": _one_or_list(asked.audience)}


def entra(asked: Asked) -> Claims:
    """v2: the audience is the API's application id. A person's token always has a scope."""
    tenant = _tenant(asked.issuer)
    claims = _base(asked) | {
        "iss": f"https://{urlsplit(asked.issuer).hostname}/{tenant}/v2.0",
        "aud": _one_or_list(asked.audience),
        "nbf": int(asked.now),
        "aio": "ATQAy/8TAAAA",
        "azp": asked.client_id,
        "azpacr": "1",
        "name": "Ann Example",
        "oid": guid(f"user {asked.sub}"),
        "preferred_username": "ann@acme.test",
        "rh": "0.AXEA.",
        "scp": format_scope(scope for scope in asked.scope if scope != "openid") or "access_as_user",
        "tid": tenant,
        "uti": asked.jti,
        "ver": "2.0",
    }
    if asked.auth_time is not None:  # an optional claim of the API's registration
        claims["auth_time"] = int(asked.auth_time)
    return claims | ({"roles": list(asked.roles)} if asked.roles else {})


def entra_id_token(asked: Asked) -> Claims:
    """Where API and client share a registration, it has the API's audience; roles stand in it, too."""
    access = entra(asked)
    kept = ("iss", "nbf", "name", "oid", "preferred_username", "rh", "roles", "tid", "uti", "ver")
    return id_token(asked) | {name: access[name] for name in kept if name in access}


def entra_client(asked: Asked) -> Claims:
    """Application permissions: roles, and no scp."""
    return _of_application(entra(asked), asked)


def entra_v1(asked: Asked) -> Claims:
    claims = entra(asked) | {
        "iss": f"https://sts.windows.net/{_tenant(asked.issuer)}/",
        "acr": "1",
        "amr": ["pwd", "mfa"],
        "appid": asked.client_id,
        "appidacr": "1",
        "unique_name": "ann@acme.test",
        "upn": "ann@acme.test",
        "ver": "1.0",
    }
    for name in ("azp", "azpacr", "preferred_username"):
        del claims[name]
    return claims


def entra_v1_client(asked: Asked) -> Claims:
    claims = _of_application(entra_v1(asked), asked)
    for name in ("acr", "amr", "unique_name", "upn"):
        del claims[name]
    return claims


def okta(asked: Asked) -> Claims:
    claims = _base(asked) | {
        "ver": 1,
        "jti": f"AT.{asked.jti}",
        "aud": _one_or_list(asked.audience),
        "cid": asked.client_id,
        "uid": asked.sub,
        "scp": list(asked.scope),
        "auth_time": int(asked.now - 5 if asked.auth_time is None else asked.auth_time),
        "sub": f"{asked.sub}@acme.test",
    }
    return claims | ({"groups": list(asked.roles)} if asked.roles else {})


def okta_id_token(asked: Asked) -> Claims:
    extra = {"ver": 1, "jti": f"ID.{asked.jti}", "amr": ["pwd"], "idp": "00o1", "at_hash": "preview_at_hash"}
    return id_token(asked) | extra


def okta_client(asked: Asked) -> Claims:
    claims = okta(asked) | {"sub": asked.client_id}
    for name in ("uid", "auth_time"):
        del claims[name]
    return claims


def cognito(asked: Asked) -> Claims:
    """No aud: the client's id stands in, so that here the audience that was asked for is the client."""
    claims = _base(asked) | {
        "version": 2,
        "client_id": asked.audience[0],
        "origin_jti": guid(asked.jti),
        "event_id": guid(f"event {asked.jti}"),
        "token_use": "access",
        "scope": format_scope(asked.scope),
        "auth_time": int(asked.now - 5 if asked.auth_time is None else asked.auth_time),
        "jti": asked.jti,
        "username": asked.sub,
    }
    return claims | ({"cognito:groups": list(asked.roles)} if asked.roles else {})


def cognito_id_token(asked: Asked) -> Claims:
    extra = {"token_use": "id", "cognito:username": asked.sub, "at_hash": "DA77KcPSw5NOJ1cVWbLk5A"}
    return id_token(asked) | extra | {"aud": asked.audience[0], "origin_jti": guid(asked.jti)}


def cognito_client(asked: Asked) -> Claims:
    claims = cognito(asked) | {"sub": asked.audience[0]}
    for name in ("username", "origin_jti", "event_id", "cognito:groups"):
        claims.pop(name, None)
    return claims


def zitadel(asked: Asked) -> Claims:
    """The project is an audience beside the client; roles are an object of objects."""
    claims = _base(asked) | {
        "aud": [asked.client_id, *asked.audience],
        "nbf": int(asked.now),
        "client_id": asked.client_id,
        "jti": f"V2_{asked.jti}",
        "scope": format_scope(asked.scope),
    }
    roles = {role: {"178204173316174381": "acme.test"} for role in asked.roles}
    return claims | ({PROJECT_ROLES: roles} if roles else {})


def zitadel_id_token(asked: Asked) -> Claims:
    extra: Claims = {"azp": asked.client_id, "client_id": asked.client_id, "amr": ["pwd"]}
    parties = {"aud": [asked.client_id, *asked.audience], "at_hash": "T5ySbGOLPMd6sFFoKIZ4w"}
    return id_token(asked) | extra | parties


def zitadel_client(asked: Asked) -> Claims:
    """A service user, which nothing tells from a person; here by a subject that is its client id."""
    return zitadel(asked) | {"sub": asked.client_id}


def authentik(asked: Asked) -> Claims:
    """The ID token's claims, azp and uid: the audience is the client's id in both."""
    return authentik_id_token(asked) | {
        "azp": asked.audience[0],
        "uid": asked.jti,
        "scope": format_scope(asked.scope),
    }


def authentik_id_token(asked: Asked) -> Claims:
    claims = id_token(asked) | {
        "aud": asked.audience[0],
        "acr": "goauthentik.io/providers/oauth2/default",
        "amr": ["pwd"],
        "sid": guid(f"session {asked.sub}"),
        "preferred_username": asked.sub,
    }
    return claims | ({"groups": list(asked.roles)} if asked.roles else {})


def authentik_client(asked: Asked) -> Claims:
    claims = authentik(asked) | {"preferred_username": "ak-orders-client_credentials"}
    for name in ("nonce", "sid", "amr"):
        del claims[name]
    return claims


def _base(asked: Asked) -> Claims:
    return {
        "iss": asked.issuer,
        "sub": asked.sub,
        "iat": int(asked.now),
        "exp": int(asked.now) + asked.lifetime,
    }


def _of_application(claims: Claims, asked: Asked) -> Claims:
    principal = guid(f"service principal {asked.client_id}")
    for name in ("scp", "name", "preferred_username"):
        claims.pop(name, None)
    roles = asked.roles or tuple(scope for scope in asked.scope if scope != "openid") or ("access_as_application",)
    return claims | {"sub": principal, "oid": principal, "roles": list(roles), "idtyp": "app"}


def _tenant(issuer: str) -> str:
    name = urlsplit(issuer).path.strip("/").partition("/")[0]
    return TENANT if name in ("", "common", "organizations") else name


def _one_or_list(names: Iterable[str]) -> str | list[str]:
    listed = list(names)
    return listed[0] if len(listed) == 1 else listed
