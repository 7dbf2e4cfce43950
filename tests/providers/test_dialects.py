"""Each dialect against honest tokens of its provider, and against what it must not take."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proofkey.errors import InvalidToken
from proofkey.findings import Finding
from proofkey.protocol.access_token import AccessToken, verify_access_token
from proofkey.testing.persona_claims import PROJECT_ROLES, guid
from proofkey.testing.personas import PERSONAS, Persona
from proofkey.testing.tokens import NOW, TokenMaker, compact_json, key_set_of, sign_exactly

MAKERS = {name: TokenMaker.of(persona) for name, persona in PERSONAS.items()}


def verify(name: str, token: str, **changed: Any) -> AccessToken:
    make = MAKERS[name]
    dialect = make.persona.dialect
    expected: dict[str, Any] = {
        "issuer": dialect.token_issuers(make.issuer, ()),
        "audience": frozenset({make.audience}),
        "now": NOW,
        "dialect": dialect,
    }
    return verify_access_token(token, key_set_of(make.key), **{**expected, **changed})


def refusal_of(name: str, token: str, **changed: Any) -> InvalidToken:
    with pytest.raises(InvalidToken) as refusal:
        verify(name, token, **changed)
    return refusal.value


@dataclass(frozen=True, slots=True)
class Case:
    """An honest token of that persona with changes; `finding` None: it is accepted."""

    persona: str
    finding: Finding | None
    claims: Mapping[str, object] = field(default_factory=dict)
    header: Mapping[str, object] = field(default_factory=dict)
    kind: str = "access_token"

    def token(self) -> str:
        make: Callable[..., str] = getattr(MAKERS[self.persona], self.kind)
        return make(self.header, **self.claims)


ID, TYPE, AUDIENCE = Finding.TOKEN_IS_ID_TOKEN, Finding.TOKEN_TYPE, Finding.TOKEN_AUDIENCE
MISSING, OF_TYPE = Finding.TOKEN_CLAIM_MISSING, Finding.TOKEN_CLAIM_TYPE
API = MAKERS["rfc9068"].audience
OTHER_TENANT = "11111111-2222-4333-8444-555555555555"

CASES: dict[str, Case] = {
    # --- Keycloak
    "keycloak: the header of RFC 9068": Case("keycloak", None, header={"typ": "at+jwt"}),
    "keycloak: DPoP as the claim typ": Case("keycloak", None, {"typ": "DPoP"}),
    "keycloak: an old realm's nonce": Case("keycloak", None, {"nonce": "n"}),
    "keycloak: no audience mapper": Case("keycloak", AUDIENCE, {"aud": "account"}),
    "keycloak: no aud at all": Case("keycloak", MISSING, {"aud": None}),
    "keycloak: ID token for this API": Case("keycloak", ID, {"aud": API}, kind="id_token"),
    "keycloak: ID token without at_hash": Case("keycloak", ID, {"aud": API, "at_hash": None}, kind="id_token"),
    "keycloak: at_hash in what says Bearer": Case("keycloak", ID, {"at_hash": "x"}),
    "keycloak: refresh token": Case("keycloak", Finding.TOKEN_IS_REFRESH_TOKEN, {"typ": "Refresh"}),
    "keycloak: offline token": Case("keycloak", Finding.TOKEN_IS_REFRESH_TOKEN, {"typ": "Offline"}),
    "keycloak: logout token": Case("keycloak", Finding.TOKEN_IS_LOGOUT_TOKEN, {"typ": "Logout"}),
    "keycloak: claim typ of another kind": Case("keycloak", TYPE, {"typ": "Permission"}),
    "keycloak: claim typ missing": Case("keycloak", MISSING, {"typ": None}),
    "keycloak: claim typ a list": Case("keycloak", OF_TYPE, {"typ": ["Bearer"]}),
    "keycloak: lightweight token without sub": Case("keycloak", MISSING, {"sub": None}),
    "keycloak: roles of a string": Case("keycloak", OF_TYPE, {"realm_access": {"roles": "admin"}}),
    "keycloak: realm_access a list": Case("keycloak", OF_TYPE, {"realm_access": ["admin"]}),
    "keycloak: resource_access a list": Case("keycloak", OF_TYPE, {"resource_access": [API]}),
    "keycloak: our block a list": Case("keycloak", OF_TYPE, {"resource_access": {API: ["admin"]}}),
    "keycloak: role blocks missing": Case("keycloak", None, {"realm_access": None, "resource_access": None}),
    "keycloak: role blocks empty": Case("keycloak", None, {"realm_access": {}, "resource_access": {API: {}}}),
    # --- Auth0
    "auth0: aud with userinfo": Case("auth0", None, {"aud": [API, "https://acme.eu.auth0.com/userinfo"]}),
    "auth0: only userinfo": Case("auth0", AUDIENCE, {"aud": "https://acme.eu.auth0.com/userinfo"}),
    "auth0: ID token for this API": Case("auth0", ID, {"aud": API}, kind="id_token"),
    "auth0: ID token without nonce": Case("auth0", ID, {"aud": API, "nonce": None}, kind="id_token"),
    "auth0: at_hash": Case("auth0", ID, {"at_hash": "x"}),
    "auth0: c_hash": Case("auth0", ID, {"c_hash": "x"}),
    "auth0: for its own client": Case("auth0", ID, {"aud": API, "azp": API}),
    "auth0: for its own client, in a list": Case("auth0", ID, {"aud": [API], "azp": API}),
    "auth0: no client": Case("auth0", ID, {"azp": None}),
    "auth0: azp a number": Case("auth0", OF_TYPE, {"azp": 7}),
    "auth0: permissions a string": Case("auth0", OF_TYPE, {"permissions": "read"}),
    "auth0: permissions mixed": Case("auth0", OF_TYPE, {"permissions": ["read", 1]}),
    "auth0: gty a list": Case("auth0", OF_TYPE, {"gty": ["client-credentials"]}),
    "auth0: no slash at the end of iss": Case("auth0", Finding.TOKEN_ISSUER, {"iss": "https://acme.eu.auth0.com"}),
    "auth0: another tenant": Case("auth0", Finding.TOKEN_TENANT, {"iss": "https://evil.eu.auth0.com/"}),
    "auth0: typ of another kind": Case("auth0", Finding.TOKEN_IS_LOGOUT_TOKEN, header={"typ": "logout+jwt"}),
    "auth0: no typ": Case("auth0", TYPE, header={"typ": None}),
    "auth0-rfc9068: ID token for this API": Case("auth0-rfc9068", ID, {"aud": API}, kind="id_token"),
    "auth0-rfc9068: honest": Case("auth0-rfc9068", None),
    # --- Entra
    "entra: a v1 token of the same tenant": Case("entra-v1", None),
    "entra: another tenant": Case(
        "entra",
        Finding.TOKEN_TENANT,
        {"iss": f"https://login.microsoftonline.com/{OTHER_TENANT}/v2.0", "tid": OTHER_TENANT},
    ),
    "entra: a v1 token of another tenant": Case(
        "entra-v1", Finding.TOKEN_TENANT, {"iss": f"https://sts.windows.net/{OTHER_TENANT}/", "tid": OTHER_TENANT}
    ),
    "entra: tid of another tenant than iss": Case("entra", Finding.TOKEN_TENANT, {"tid": OTHER_TENANT}),
    "entra: the template as iss": Case(
        "entra", Finding.TOKEN_ISSUER, {"iss": "https://login.microsoftonline.com/{tenantid}/v2.0"}
    ),
    "entra: no tid": Case("entra", MISSING, {"tid": None}),
    "entra: tid a list": Case("entra", OF_TYPE, {"tid": ["x"]}),
    "entra: no oid": Case("entra", MISSING, {"oid": None}),
    "entra: oid a number": Case("entra", OF_TYPE, {"oid": 7}),
    "entra: ID token, shared registration": Case("entra", ID, {"aud": API}, kind="id_token"),
    "entra: the same, without nonce, with roles": Case(
        "entra", ID, {"aud": API, "nonce": None, "roles": ["admin"]}, kind="id_token"
    ),
    "entra: at_hash": Case("entra", ID, {"at_hash": "x"}),
    "entra: neither scope nor role": Case("entra", Finding.TOKEN_PERMITS_NOTHING, {"scp": None}),
    "entra: no scope, empty roles": Case("entra", Finding.TOKEN_PERMITS_NOTHING, {"scp": None, "roles": []}),
    "entra: scp a list": Case("entra", OF_TYPE, {"scp": ["orders:read"]}),
    "entra: scp with two spaces": Case("entra", OF_TYPE, {"scp": "a  b"}),
    "entra: roles a string": Case("entra", OF_TYPE, {"scp": None, "roles": "admin"}),
    "entra: roles an object": Case("entra", OF_TYPE, {"roles": {"admin": True}}),
    "entra: idtyp a boolean": Case("entra", OF_TYPE, {"idtyp": True}),
    "entra: azp a number": Case("entra", OF_TYPE, {"azp": 1}),
    "entra: Graph": Case(
        "entra", Finding.TOKEN_IS_GRAPH, {"aud": "00000003-0000-0000-c000-000000000000"}, {"nonce": "n"}
    ),
    "entra: another API of the tenant": Case("entra", AUDIENCE, {"aud": "api://billing"}),
    "entra: no uti": Case("entra", None, {"uti": None}),
    "entra: many groups": Case("entra", None, {"_claim_names": {"groups": "src1"}, "hasgroups": True}),
    # --- Okta
    "okta: typ JWT": Case("okta", None, header={"typ": "JWT"}),
    "okta: no typ": Case("okta", None),
    "okta: ID token for this API": Case("okta", ID, {"aud": API}, kind="id_token"),
    "okta: the same without marks": Case(
        "okta", ID, {"aud": API, "nonce": None, "at_hash": None}, kind="id_token"
    ),
    "okta: for its own client": Case("okta", ID, {"cid": API}),
    "okta: scp a string": Case("okta", OF_TYPE, {"scp": "orders:read"}),
    "okta: scp with a space inside": Case("okta", OF_TYPE, {"scp": ["orders:read orders:write"]}),
    "okta: scp with an empty token": Case("okta", OF_TYPE, {"scp": [""]}),
    "okta: scp mixed": Case("okta", OF_TYPE, {"scp": ["a", 1]}),
    "okta: groups a string": Case("okta", OF_TYPE, {"groups": "admin"}),
    "okta: uid a number": Case("okta", OF_TYPE, {"uid": 7}),
    "okta: org token": Case(
        "okta",
        Finding.TOKEN_IS_OKTA_ORG,
        {"iss": "https://acme.okta.com", "aud": "https://acme.okta.com"},
        {"typ": "application/okta-internal-at+jwt"},
    ),
    "okta: org token of the older form": Case(
        "okta", Finding.TOKEN_TENANT, {"iss": "https://acme.okta.com", "aud": "https://acme.okta.com"}
    ),
    # --- Cognito
    "cognito: another client": Case("cognito", AUDIENCE, {"client_id": "other"}),
    "cognito: asked for with resource": Case("cognito", None, {"aud": API, "client_id": "app"}),
    "cognito: aud of another API, our client": Case("cognito", AUDIENCE, {"aud": "https://other.test"}),
    "cognito: aud an object": Case("cognito", OF_TYPE, {"aud": {}}),
    "cognito: no client": Case("cognito", MISSING, {"client_id": None}),
    "cognito: client a list": Case("cognito", OF_TYPE, {"client_id": [API]}),
    "cognito: ID token": Case("cognito", ID, kind="id_token"),
    "cognito: ID token with client_id": Case("cognito", ID, {"client_id": API}, kind="id_token"),
    "cognito: no token_use": Case("cognito", MISSING, {"token_use": None}),
    "cognito: token_use a boolean": Case("cognito", OF_TYPE, {"token_use": True}),
    "cognito: token_use of another kind": Case("cognito", TYPE, {"token_use": "refresh"}),
    "cognito: groups an object": Case("cognito", OF_TYPE, {"cognito:groups": {"admin": 1}}),
    "cognito: typ JWT": Case("cognito", ID, header={"typ": "JWT"}, kind="id_token"),
    "cognito: another pool": Case(
        "cognito",
        Finding.TOKEN_TENANT,
        {"iss": "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_Other"},
    ),
    # --- Zitadel
    "zitadel: ID token with the project": Case("zitadel", ID, kind="id_token"),
    "zitadel: the same without hashes": Case(
        "zitadel", ID, {"nonce": None, "at_hash": None, "amr": None}, kind="id_token"
    ),
    "zitadel: for its own client alone": Case("zitadel", ID, {"aud": [API], "client_id": API}),
    "zitadel: no project in aud": Case("zitadel", AUDIENCE, {"aud": ["app", "other"]}),
    "zitadel: roles a list": Case("zitadel", OF_TYPE, {PROJECT_ROLES: ["admin"]}),
    "zitadel: no jti": Case("zitadel", MISSING, {"jti": None}),
    # --- Authentik
    "authentik: the login's nonce": Case("authentik", None, {"nonce": "n"}),
    "authentik: ID token": Case("authentik", ID, kind="id_token"),
    "authentik: ID token with azp": Case("authentik", ID, {"azp": API}, kind="id_token"),
    "authentik: no uid": Case("authentik", ID, {"uid": None}),
    "authentik: uid a number": Case("authentik", OF_TYPE, {"uid": 1}),
    "authentik: groups a string": Case("authentik", OF_TYPE, {"groups": "admin"}),
    "authentik: entitlements an object": Case("authentik", OF_TYPE, {"entitlements": {}}),
    "authentik: another application": Case(
        "authentik", Finding.TOKEN_TENANT, {"iss": "https://auth.test/application/o/wiki/"}
    ),
}


@pytest.mark.spec("9068-4-a", "8725b-3.9-a", "8725b-3.8-a")
@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_token_of_the_provider_is_judged(case: Case) -> None:
    if case.finding is None:
        assert verify(case.persona, case.token()).exp > NOW
        return
    refusal = refusal_of(case.persona, case.token())
    assert refusal.finding is case.finding
    assert refusal.description == "The access token is not valid."


@pytest.mark.parametrize("name", PERSONAS)
def test_the_honest_token_is_accepted_and_read(name: str) -> None:
    token = verify(name, MAKERS[name].access_token())
    assert "orders:read" in token.scope
    assert not token.is_client_only
    assert token.client_id == (API if name in {"cognito", "authentik"} else "app")
    assert token.claims["sub"] == token.sub


@pytest.mark.spec("9068-2.2", "V10-10.3.3")
@pytest.mark.parametrize("name", PERSONAS)
def test_a_clients_own_token_is_told_apart(name: str) -> None:
    assert verify(name, MAKERS[name].client_token()).is_client_only


@pytest.mark.spec("9068-4-a", "8725b-3.11")
@pytest.mark.parametrize("aud", [None, API, ["app", API]], ids=["as issued", "for this API", "for both"])
@pytest.mark.parametrize("name", PERSONAS)
def test_an_id_token_is_never_an_access_token(name: str, aud: object) -> None:
    changed: dict[str, Any] = {} if aud is None else {"aud": aud}
    finding = refusal_of(name, MAKERS[name].id_token(**changed)).finding
    assert finding is Finding.TOKEN_IS_ID_TOKEN


@pytest.mark.parametrize("name", PERSONAS)
def test_an_id_token_that_says_nothing_of_itself_is_refused_all_the_same(name: str) -> None:
    """No nonce, no hash: what is left has the form of an access token as far as it can."""
    bare: dict[str, Any] = {"nonce": None, "at_hash": None, "c_hash": None, "aud": API}
    assert refusal_of(name, MAKERS[name].id_token(**bare)).finding in {
        Finding.TOKEN_IS_ID_TOKEN,
        Finding.TOKEN_TYPE,
    }


@pytest.mark.parametrize("name", PERSONAS)
@pytest.mark.parametrize(
    "typ",
    ["logout+jwt", "dpop+jwt", "client-authentication+jwt", "rt+jwt", "application/", "at+jwtx", 7, ["JWT"]],
    ids=str,
)
def test_other_typed_tokens_are_refused(name: str, typ: object) -> None:
    with pytest.raises(InvalidToken):
        verify(name, MAKERS[name].access_token({"typ": typ}))


ROLES: dict[str, tuple[str, dict[str, object], tuple[str, ...]]] = {
    "realm and our client, not account": (
        "keycloak",
        {
            "realm_access": {"roles": ["user"]},
            "resource_access": {API: {"roles": ["admin", "user"]}, "account": {"roles": ["manage-account"]}},
        },
        ("user", "admin"),
    ),
    "no role blocks": ("keycloak", {"realm_access": None, "resource_access": None}, ()),
    "app roles": ("entra", {"roles": ["admin"]}, ("admin",)),
    "groups of Okta": ("okta", {"groups": ["admin"]}, ("admin",)),
    "groups of Cognito": ("cognito", {"cognito:groups": ["admin"]}, ("admin",)),
    "names of the object": ("zitadel", {PROJECT_ROLES: {"admin": {"1": "acme"}, "user": {}}}, ("admin", "user")),
    "of the API's own project": (
        "zitadel",
        {PROJECT_ROLES: {"admin": {}}, f"urn:zitadel:iam:org:project:{API}:roles": {"reader": {}}},
        ("reader",),
    ),
    "groups and entitlements": ("authentik", {"groups": ["a"], "entitlements": ["b", "a"]}, ("a", "b")),
    "none at Auth0": ("auth0", {"https://acme.test/roles": ["admin"]}, ()),
}


@pytest.mark.spec("9068-2.2.3.1")
@pytest.mark.parametrize(("name", "claims", "roles"), ROLES.values(), ids=ROLES.keys())
def test_roles(name: str, claims: dict[str, Any], roles: tuple[str, ...]) -> None:
    assert verify(name, MAKERS[name].access_token(**claims)).roles == roles


@pytest.mark.parametrize("name", ["okta", "cognito", "zitadel"])
def test_a_typ_of_null_is_not_the_same_as_none(name: str) -> None:
    make = MAKERS[name]
    header = {**make.header(), "typ": None}
    token = sign_exactly(make.key, compact_json(header), compact_json(make.claims()))
    assert refusal_of(name, token).finding is Finding.TOKEN_TYPE


def test_permissions_of_auth0() -> None:
    token = verify("auth0", MAKERS["auth0"].access_token(permissions=["orders:write"]))
    assert token.permissions == ("orders:write",)
    assert token.has_permission("orders:write")
    assert not token.has_scope("orders:write")
    assert verify("auth0", MAKERS["auth0"].access_token(permissions=None)).permissions == ()


KEYS: dict[str, tuple[str, str]] = {
    "entra": (MAKERS["entra"].claims()["tid"], guid("user u1")),
    "entra-v1": (MAKERS["entra"].claims()["tid"], guid("user u1")),
    "okta": (MAKERS["okta"].issuer, "u1"),
    "auth0": (MAKERS["auth0"].issuer, "u1"),
    "keycloak": (MAKERS["keycloak"].issuer, "u1"),
}


@pytest.mark.spec("V10-10.3.3")
@pytest.mark.parametrize(("name", "key"), KEYS.items(), ids=KEYS.keys())
def test_what_identifies_a_person(name: str, key: tuple[str, str]) -> None:
    changed: dict[str, Any] = {"email": "else@acme.test", "upn": "else@acme.test", "preferred_username": "else"}
    assert verify(name, MAKERS[name].access_token(**changed)).user_key == key


CLIENTS: dict[str, tuple[str, dict[str, object], bool]] = {
    "keycloak: the user name": ("keycloak", {"preferred_username": "service-account-app", "sid": None}, True),
    "keycloak: a person of such a name": ("keycloak", {"preferred_username": "service-account-app"}, False),
    "keycloak: clientHost": ("keycloak", {"clientHost": "192.0.2.7"}, True),
    "keycloak: client_id without session": ("keycloak", {"client_id": "app", "sid": None}, True),
    "keycloak: client_id within a session": ("keycloak", {"client_id": "app"}, False),
    "auth0: gty": ("auth0", {"gty": "client-credentials"}, True),
    "auth0: the subject": ("auth0", {"sub": "app@clients"}, True),
    "auth0: another client's name as the subject": ("auth0", {"sub": "other@clients"}, False),
    "entra: idtyp app": ("entra", {"idtyp": "app"}, True),
    "entra: idtyp user": ("entra", {"idtyp": "user"}, False),
    "entra: its own object and no scp": ("entra", {"scp": None, "roles": ["a"], "sub": guid("user u1")}, True),
    "entra: a person's roles and no scp": ("entra", {"scp": None, "roles": ["admin"]}, False),
    "entra: idtyp user and no scp": ("entra", {"scp": None, "roles": ["a"], "idtyp": "user"}, False),
    "authentik: a person of such a name": (
        "authentik",
        {"preferred_username": "ak-orders-client_credentials"},
        False,
    ),
    "okta: no uid": ("okta", {"uid": None}, True),
    "cognito: no username": ("cognito", {"username": None}, True),
}


@pytest.mark.spec("9068-2.2")
@pytest.mark.parametrize(("name", "claims", "alone"), CLIENTS.values(), ids=CLIENTS.keys())
def test_who_stands_behind_it(name: str, claims: dict[str, Any], alone: bool) -> None:
    assert verify(name, MAKERS[name].access_token(**claims)).is_client_only is alone


@pytest.mark.spec("8725b-3.1-b")
@pytest.mark.parametrize("header", [{"alg": "HS256"}, {"alg": "HS256", "kid": None}, {"alg": "HS384", "kid": "x"}])
def test_a_shared_secret_is_told_with_the_remedy(header: dict[str, object]) -> None:
    refusal = refusal_of("authentik", MAKERS["authentik"].access_token(header))
    assert refusal.finding is Finding.TOKEN_SYMMETRIC
    assert "Signing Key" in refusal.facts["fix"]


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


def _names(persona: Persona) -> list[str]:
    make = MAKERS[persona.name]
    made = {**make.claims(), **persona.client_only(make.asked()), **persona.id_token(make.asked())}
    return sorted({*made, "roles", "groups", "scp", "permissions", "cnf", "acr", "amr", "gty", "idtyp", "hd"})


@settings(max_examples=60, deadline=None)
@pytest.mark.parametrize("name", PERSONAS)
@given(data=st.data())
def test_claims_of_any_type_are_accepted_or_refused_and_nothing_else(name: str, data: st.DataObject) -> None:
    make = MAKERS[name]
    changed = data.draw(st.dictionaries(st.sampled_from(_names(make.persona)), JSON, min_size=1, max_size=4))
    token = make.sign({**make.claims(), **changed})
    try:
        read = verify(name, token, bound=True)
    except InvalidToken:
        return
    texts = (read.sub, read.client_id, read.jti, *read.scope, *read.roles, *read.permissions, *read.user_key)
    assert all(isinstance(text, str) for text in texts)


@pytest.mark.spec("9068-4-a")
@pytest.mark.parametrize("name", [name for name in PERSONAS if name not in {"rfc9068", "proofkey"}])
def test_what_names_itself_another_kind_is_refused(name: str) -> None:
    """However much it looks like an access token otherwise."""
    logout: dict[str, Any] = {"events": {"http://schemas.openid.net/event/backchannel-logout": {}}}
    for claims, finding in (
        (logout, Finding.TOKEN_IS_LOGOUT_TOKEN),
        ({"typ": "Refresh"}, Finding.TOKEN_IS_REFRESH_TOKEN),
        ({"typ": "ID"}, Finding.TOKEN_IS_ID_TOKEN),
    ):
        token = MAKERS[name].sign({**MAKERS[name].claims(), **claims})
        assert refusal_of(name, token).finding is finding
