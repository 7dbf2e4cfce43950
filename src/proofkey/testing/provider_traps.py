"""What a provider itself hands out that looks like an access token of this API and is none; and what looks odd and
is one."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from proofkey.findings import Finding
from proofkey.protocol.text import encode_base64url
from proofkey.testing.persona_claims import PROJECT_ROLES
from proofkey.testing.token_case import HarmlessToken, HostileToken
from proofkey.testing.tokens import TokenMaker, compact_json

OTHER_TENANT: Final = "11111111-2222-4333-8444-555555555555"
_ID, _TENANT, _AUDIENCE = Finding.TOKEN_IS_ID_TOKEN, Finding.TOKEN_TENANT, Finding.TOKEN_AUDIENCE
_TYPE, _OF_TYPE, _MISSING = Finding.TOKEN_TYPE, Finding.TOKEN_CLAIM_TYPE, Finding.TOKEN_CLAIM_MISSING
_REFRESH: Final = Finding.TOKEN_IS_REFRESH_TOKEN

Claims = dict[str, Any]
Case = tuple[str, Finding, Claims]
"""Name, finding, and the changes to an honest access token's claims."""


def provider_traps(make: TokenMaker) -> Iterator[HostileToken]:
    """Of the maker's provider: its other tokens, its other tenants, its own claims malformed."""
    provider = make.persona.name
    if provider in _CASES:
        for name, finding, changes in _CASES[provider](make):
            yield HostileToken(name, make.access_token(**changes), finding)
    for further in (_ID_TOKENS, _FORMS):
        if provider in further:
            yield from further[provider](make)


def _keycloak(make: TokenMaker) -> tuple[Case, ...]:
    realm = make.issuer.rpartition("/")[0]
    return (
        ("aud of account alone", _AUDIENCE, {"aud": "account"}),
        ("no audience mapper, our client in resource_access", _AUDIENCE,
         {"aud": "account", "resource_access": {make.audience: {"roles": ["admin"]}}}),
        ("claim typ Refresh", _REFRESH, {"typ": "Refresh"}),
        ("claim typ Offline", _REFRESH, {"typ": "Offline"}),
        ("claim typ ID", _ID, {"typ": "ID"}),
        ("claim typ Logout", Finding.TOKEN_IS_LOGOUT_TOKEN, {"typ": "Logout"}),
        ("claim typ of a permission ticket", _TYPE, {"typ": "Permission"}),
        ("claim typ of an action token", _TYPE, {"typ": "verify-email"}),
        ("claim typ in lower case", _TYPE, {"typ": "bearer"}),
        ("at_hash in what says Bearer", _ID, {"at_hash": "T5ySbGOLPMd-6sFFoKIZ4w"}),
        ("c_hash in what says Bearer", _ID, {"c_hash": "T5ySbGOLPMd-6sFFoKIZ4w"}),
        ("another realm", _TENANT, {"iss": f"{realm}/evil"}),
        ("the master realm", _TENANT, {"iss": f"{realm}/master"}),
        ("realm_access a list", _OF_TYPE, {"realm_access": ["admin"]}),
        ("realm_access a string", _OF_TYPE, {"realm_access": "admin"}),
        ("realm_access a number", _OF_TYPE, {"realm_access": 1}),
        ("resource_access a list", _OF_TYPE, {"resource_access": [make.audience]}),
        ("our block a list", _OF_TYPE, {"resource_access": {make.audience: ["admin"]}}),
        ("our block with roles of a string", _OF_TYPE, {"resource_access": {make.audience: {"roles": "admin"}}}),
        ("our block with mixed roles", _OF_TYPE, {"resource_access": {make.audience: {"roles": ["admin", 1]}}}),
        ("preferred_username a number", _OF_TYPE, {"preferred_username": 7}),
    )  # fmt: skip


def _auth0(make: TokenMaker) -> tuple[Case, ...]:
    return (
        ("aud of userinfo alone", _AUDIENCE, {"aud": f"{make.issuer}userinfo"}),
        ("aud of the Management API", _AUDIENCE, {"aud": f"{make.issuer}api/v2/"}),
        ("for its own client", _ID, {"aud": make.audience, "azp": make.audience, "client_id": make.audience}),
        ("for its own client, in a list", _ID,
         {"aud": [make.audience], "azp": make.audience, "client_id": make.audience}),
        ("no client at all", _ID, {"azp": None, "client_id": None}),
        ("nonce", _ID, {"nonce": "n"}),
        ("at_hash", _ID, {"at_hash": "x"}),
        ("c_hash", _ID, {"c_hash": "x"}),
        ("another tenant", _TENANT, {"iss": "https://evil.eu.auth0.com/"}),
        ("iss without its slash", Finding.TOKEN_ISSUER, {"iss": make.issuer.rstrip("/")}),
        ("permissions a string", _OF_TYPE, {"permissions": "orders:read"}),
        ("permissions mixed", _OF_TYPE, {"permissions": ["orders:read", 1]}),
        ("permissions an object", _OF_TYPE, {"permissions": {"orders:read": True}}),
        ("gty a list", _OF_TYPE, {"gty": ["client-credentials"]}),
    )  # fmt: skip


def _entra(make: TokenMaker) -> tuple[Case, ...]:
    v2, v1 = f"https://login.microsoftonline.com/{OTHER_TENANT}/v2.0", f"https://sts.windows.net/{OTHER_TENANT}/"
    return (
        ("v2 of another tenant", _TENANT, {"iss": v2, "tid": OTHER_TENANT}),
        ("v1 of another tenant", _TENANT, {"iss": v1, "tid": OTHER_TENANT}),
        ("tid of another tenant", _TENANT, {"tid": OTHER_TENANT}),
        ("tid of personal accounts", _TENANT, {"tid": "9188040d-6c67-4c5b-b112-36a304b66dad"}),
        ("iss of another tenant, our tid", _TENANT, {"iss": v2}),
        ("iss of organizations", _TENANT, {"iss": "https://login.microsoftonline.com/organizations/v2.0"}),
        ("iss of the template", Finding.TOKEN_ISSUER, {"iss": "https://login.microsoftonline.com/{tenantid}/v2.0"}),
        ("Graph by its address", Finding.TOKEN_IS_GRAPH, {"aud": "https://graph.microsoft.com"}),
        ("aud of Azure Resource Manager", _AUDIENCE, {"aud": "https://management.azure.com/"}),
        ("aud of another API of the tenant", _AUDIENCE, {"aud": "api://billing"}),
        ("neither scope nor role", Finding.TOKEN_PERMITS_NOTHING, {"scp": None, "roles": None}),
        ("no scope, empty roles", Finding.TOKEN_PERMITS_NOTHING, {"scp": None, "roles": []}),
        ("no client at all", _ID, {"azp": None, "appid": None}),
        ("nonce", _ID, {"nonce": "n"}),
        ("at_hash", _ID, {"at_hash": "x"}),
        ("roles a string, no scope", _OF_TYPE, {"scp": None, "roles": "admin"}),
        ("idtyp a boolean", _OF_TYPE, {"idtyp": True}),
    )  # fmt: skip


def _okta(make: TokenMaker) -> tuple[Case, ...]:
    org = "https://acme.okta.com"
    return (
        ("org server's token", _TENANT, {"iss": org, "aud": org}),
        ("org server's token for this API", _TENANT, {"iss": org}),
        ("another authorization server", _TENANT, {"iss": f"{org}/oauth2/aus1"}),
        ("another organisation", _TENANT, {"iss": "https://evil.okta.com/oauth2/default"}),
        ("for its own client", _ID, {"cid": make.audience}),
        ("nonce", _ID, {"nonce": "n"}),
        ("at_hash", _ID, {"at_hash": "x"}),
        ("groups with a number", _OF_TYPE, {"groups": ["admin", 1]}),
    )


def _cognito(make: TokenMaker) -> tuple[Case, ...]:
    pool = make.issuer.rpartition("/")[0]
    return (
        ("another pool", _TENANT, {"iss": f"{pool}/eu-central-1_Other"}),
        ("another region", _TENANT, {"iss": "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_Example1"}),
        ("an identity pool", Finding.TOKEN_ISSUER, {"iss": "https://cognito-identity.amazonaws.com"}),
        ("another client", _AUDIENCE, {"client_id": "other"}),
        ("aud of another API, our client", _AUDIENCE, {"aud": "https://other.test"}),
        ("aud an object", _OF_TYPE, {"aud": {}}),
        ("token_use id", _ID, {"token_use": "id"}),
        ("token_use refresh", _TYPE, {"token_use": "refresh"}),
        ("token_use in capitals", _TYPE, {"token_use": "ACCESS"}),
        ("nonce", _ID, {"nonce": "n"}),
        ("at_hash", _ID, {"at_hash": "x"}),
        ("groups with a number", _OF_TYPE, {"cognito:groups": ["admin", 1]}),
    )


def _zitadel(make: TokenMaker) -> tuple[Case, ...]:
    own = f"urn:zitadel:iam:org:project:{make.audience}:roles"
    return (
        ("no project in aud", _AUDIENCE, {"aud": ["app", "other"]}),
        ("for its own client alone", _ID, {"aud": [make.audience], "client_id": make.audience}),
        ("another instance", _TENANT, {"iss": "https://evil.zitadel.cloud"}),
        ("azp", _ID, {"azp": "app"}),
        ("amr", _ID, {"amr": ["pwd"]}),
        ("at_hash", _ID, {"at_hash": "x"}),
        ("own project's roles a list", _OF_TYPE, {own: ["admin"]}),
        ("own project's roles a string", _OF_TYPE, {own: "admin"}),
        ("roles a list of objects", _OF_TYPE, {PROJECT_ROLES: [{"admin": {}}]}),
    )


def _authentik(make: TokenMaker) -> tuple[Case, ...]:
    return (
        ("another application", _TENANT, {"iss": make.issuer.replace("orders", "wiki")}),
        ("aud of another application", _AUDIENCE, {"aud": "other"}),
        ("azp missing, uid there", _ID, {"azp": None}),
        ("uid missing, azp there", _ID, {"uid": None}),
        ("entitlements an object", _OF_TYPE, {"entitlements": {}}),
        ("entitlements mixed", _OF_TYPE, {"entitlements": ["a", 1]}),
        ("preferred_username a list", _OF_TYPE, {"preferred_username": ["ann"]}),
    )


_CASES: Final[Mapping[str, Callable[[TokenMaker], tuple[Case, ...]]]] = {
    "keycloak": _keycloak,
    "auth0": _auth0,
    "auth0-rfc9068": _auth0,
    "entra": _entra,
    "entra-v1": _entra,
    "okta": _okta,
    "cognito": _cognito,
    "zitadel": _zitadel,
    "authentik": _authentik,
}


def _entra_id_tokens(make: TokenMaker) -> Iterator[HostileToken]:
    """API and client share a registration: the audience is the same, and roles stand in both."""
    shared: Claims = {"aud": make.audience, "nonce": None, "roles": ["admin"]}
    yield HostileToken("ID token, shared registration", make.id_token(aud=make.audience), _ID)
    yield HostileToken("ID token, shared registration, with roles", make.id_token(**shared), _ID)
    yield HostileToken("ID token, shared, with azp and no permission", make.id_token(
        aud=make.audience, nonce=None, azp="app"), Finding.TOKEN_PERMITS_NOTHING)  # fmt: skip


def _cognito_id_tokens(make: TokenMaker) -> Iterator[HostileToken]:
    yield HostileToken("ID token with client_id", make.id_token(client_id=make.audience), _ID)
    yield HostileToken("ID token typed JWT", make.id_token({"typ": "JWT"}), _ID)


def _keycloak_id_tokens(make: TokenMaker) -> Iterator[HostileToken]:
    yield HostileToken("ID token without at_hash", make.id_token(aud=make.audience, at_hash=None), _ID)


def _zitadel_id_tokens(make: TokenMaker) -> Iterator[HostileToken]:
    bare: Claims = {"nonce": None, "at_hash": None, "amr": None}
    yield HostileToken("ID token with the project alone", make.id_token(**bare), _ID)


def _authentik_id_tokens(make: TokenMaker) -> Iterator[HostileToken]:
    yield HostileToken("ID token with azp", make.id_token(azp=make.audience), _ID)


_ID_TOKENS: Final[Mapping[str, Callable[[TokenMaker], Iterator[HostileToken]]]] = {
    "keycloak": _keycloak_id_tokens,
    "entra": _entra_id_tokens,
    "entra-v1": _entra_id_tokens,
    "cognito": _cognito_id_tokens,
    "zitadel": _zitadel_id_tokens,
    "authentik": _authentik_id_tokens,
}


def _jwe(**header: object) -> str:
    made = {"alg": "dir", "enc": "A256GCM", **header}
    return f"{encode_base64url(compact_json(made))}..QUFB.QUFB.QUFB"


def _auth0_forms(make: TokenMaker) -> Iterator[HostileToken]:
    opaque = Finding.TOKEN_IS_AUTH0_OPAQUE
    yield HostileToken("opaque token in its usual form", _jwe(iss=make.issuer), opaque)
    yield HostileToken("opaque token of 32 characters", "gLr0YqPz1Vt8mXwQ5nBc2Kd7Ha9Je4Uf", opaque)
    yield HostileToken("refresh token of version 1", "v1.MQk3LzTqvWQh0oXb1Y8y2l5f", opaque)


def _okta_forms(make: TokenMaker) -> Iterator[HostileToken]:
    header = {"typ": "application/okta-internal-at+jwt"}
    yield HostileToken("org server's token by its header", make.access_token(header), Finding.TOKEN_IS_OKTA_ORG)


def _cognito_forms(make: TokenMaker) -> Iterator[HostileToken]:
    yield HostileToken("refresh token in its usual form", _jwe(cty="JWT"), _REFRESH)


def _zitadel_forms(make: TokenMaker) -> Iterator[HostileToken]:
    opaque = Finding.TOKEN_IS_OPAQUE
    yield HostileToken("opaque token in its usual form", "V2_178204173316174381-at_178204173316239917", opaque)


_FORMS: Final[Mapping[str, Callable[[TokenMaker], Iterator[HostileToken]]]] = {
    "auth0": _auth0_forms,
    "auth0-rfc9068": _auth0_forms,
    "okta": _okta_forms,
    "cognito": _cognito_forms,
    "zitadel": _zitadel_forms,
}


def provider_oddities(make: TokenMaker) -> Iterator[HarmlessToken]:
    """Access tokens of the maker's provider that look like something else."""
    if make.persona.name in _ODDITIES:
        for name, changes in _ODDITIES[make.persona.name](make).items():
            yield HarmlessToken(name, make.access_token(**changes), "9068-4-a")


def _keycloak_oddities(make: TokenMaker) -> dict[str, Claims]:
    ours = {make.audience: {"roles": ["admin"]}, "account": {"roles": ["manage-account"]}}
    return {
        "claim typ DPoP, not bound": {"typ": "DPoP"},
        "an old realm's nonce": {"nonce": "n"},
        "no role blocks": {"realm_access": None, "resource_access": None},
        "empty role blocks": {"realm_access": {}, "resource_access": {make.audience: {}}},
        "roles at our client and others": {"resource_access": ours},
        "a malformed block of another client": {"resource_access": {"other": ["x"]}},
    }


def _auth0_oddities(make: TokenMaker) -> dict[str, Claims]:
    return {
        "aud with userinfo": {"aud": [make.audience, f"{make.issuer}userinfo"]},
        "no permissions": {"permissions": None},
        "gty of a password": {"gty": "password"},
    }


def _entra_oddities(make: TokenMaker) -> dict[str, Claims]:
    return {
        "no uti": {"uti": None},
        "groups elsewhere": {"_claim_names": {"groups": "src1"}, "hasgroups": True},
        "scope and roles": {"roles": ["admin"]},
        "idtyp user": {"idtyp": "user"},
    }


_ODDITIES: Final[Mapping[str, Callable[[TokenMaker], dict[str, Claims]]]] = {
    "keycloak": _keycloak_oddities,
    "auth0": _auth0_oddities,
    "auth0-rfc9068": _auth0_oddities,
    "entra": _entra_oddities,
    "entra-v1": _entra_oddities,
    "okta": lambda make: {
        "groups": {"groups": ["Everyone"]},
        "aud with its client": {"aud": ["app", make.audience]},
    },
    "cognito": lambda make: {
        "asked for with resource": {"aud": make.audience, "client_id": "app"},
        "groups": {"cognito:groups": ["admin"]},
    },
    "zitadel": lambda make: {
        "roles of the own project": {f"urn:zitadel:iam:org:project:{make.audience}:roles": {"reader": {}}},
        "roles without an organisation": {PROJECT_ROLES: {"admin": {}}},
    },
    "authentik": lambda make: {
        "the login's nonce": {"nonce": "n"},
        "no nonce": {"nonce": None},
        "groups and entitlements": {"groups": ["a"], "entitlements": ["b"]},
    },
}
