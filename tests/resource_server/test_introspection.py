"""What is asked at an introspection endpoint, and what of its answers is believed."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proofkey.errors import ConfigurationError, InvalidToken, Unavailable
from proofkey.findings import Finding
from proofkey.protocol.access_token import Confirmation, verify_access_token
from proofkey.protocol.client_assertion import OutgoingClient
from proofkey.protocol.exchange import Answer
from proofkey.protocol.metadata import ServerMetadata
from proofkey.protocol.text import ClientId, Instant, Issuer, Secret
from proofkey.providers import dialect_named
from proofkey.resource_server.introspection import (
    SIGNED,
    IntrospectionRules,
    answer_kid,
    build_introspection_ask,
    build_introspection_rules,
    check_active,
    check_askable,
    read_answer_jwt,
    read_introspected,
    read_life_end,
    read_plain_answer,
    verify_signed_answer,
)
from proofkey.resource_server.protected_resource import build_policy
from proofkey.testing.tokens import AUDIENCE, ISSUER, NOW, TokenMaker, key_for_tests, key_set_of

SECRET = Secret("q7Zr0bX1mGd2Vt8Ky3Lw5Hs9Nc4Jf6PaEuRiTyWo0")
CLIENT = OutgoingClient(client_id=ClientId("api"), secret=SECRET)
POLICY = build_policy(ISSUER, AUDIENCE)
THUMBPRINT = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
ACTIVE: dict[str, Any] = {
    "active": True,
    "iss": ISSUER,
    "sub": "ann",
    "aud": AUDIENCE,
    "client_id": "app",
    "scope": "orders:read orders:write",
    "token_type": "Bearer",
    "exp": NOW + 900,
    "iat": NOW - 5,
    "jti": "j1",
}
METADATA = ServerMetadata(
    issuer=Issuer(ISSUER),
    authorization_endpoint=f"{ISSUER}/authorize",
    token_endpoint=f"{ISSUER}/token",
    jwks_uri=f"{ISSUER}/jwks",
    introspection_endpoint=f"{ISSUER}/introspect",
    token_endpoint_auth_methods_supported=("client_secret_post",),
)


def rules_for(**changes: Any) -> IntrospectionRules:
    values: dict[str, Any] = {"policy": POLICY, "client": CLIENT, **changes}
    return build_introspection_rules(values.pop("policy"), values.pop("client"), **values)


RULES = rules_for()
SIGNED_RULES = rules_for(signed=True)


def members(**changes: Any) -> dict[str, Any]:
    """An honest answer, changed; None takes a member out."""
    return {name: value for name, value in {**ACTIVE, **changes}.items() if value is not None}


def json_answer(document: Any, status: int = 200, kind: str = "application/json") -> Answer:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return Answer(status, {"content-type": kind}, body)


# --- what is sent --------------------------------------------------------------------------------------------
def sent(rules: IntrospectionRules, metadata: ServerMetadata | None = METADATA) -> Any:
    return build_introspection_ask("opaque-1", rules, metadata, now=NOW, fresh_id=lambda: "jti-1")


@pytest.mark.spec("7662-2.1-a")
def test_the_token_is_asked_about_under_our_own_credentials() -> None:
    ask = sent(RULES)
    assert (ask.method, ask.url) == ("POST", f"{ISSUER}/introspect")
    assert ask.headers["accept"] == "application/json"
    assert dict(ask.form) == {
        "token": "opaque-1",
        "token_type_hint": "access_token",
        "client_id": "api",
        "client_secret": SECRET.reveal(),
    }
    assert "opaque-1" not in repr(ask)


@pytest.mark.parametrize(
    ("own", "basic"),
    [(["client_secret_basic"], True), (["client_secret_post"], False), (None, False), ("x", False)],
    ids=["its own list", "its own list: post", "the token endpoint's", "malformed"],
)
def test_the_method_is_one_that_the_endpoint_takes(own: Any, basic: bool) -> None:
    document = {} if own is None else {"introspection_endpoint_auth_methods_supported": own}
    assert ("authorization" in sent(RULES, replace(METADATA, document=document)).headers) is basic


def test_a_configured_endpoint_needs_no_metadata() -> None:
    url = "https://elsewhere.test/introspect"
    assert sent(rules_for(endpoint=url), None).url == url


@pytest.mark.parametrize(
    "metadata", [None, replace(METADATA, introspection_endpoint=None)], ids=["none", "no member"]
)
def test_without_an_endpoint_nobody_can_be_asked(metadata: ServerMetadata | None) -> None:
    with pytest.raises(Unavailable) as refused:
        sent(RULES, metadata)
    assert refused.value.finding is Finding.INTROSPECTION_NO_ENDPOINT


@pytest.mark.spec("9701 † / F2M-5.5")
def test_signed_answers_are_asked_for_by_their_media_type() -> None:
    assert sent(SIGNED_RULES).headers["accept"] == "application/token-introspection+jwt"


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"client": OutgoingClient(client_id=ClientId("api"))}, "introspection.client_secret"),
        ({"endpoint": "http://elsewhere.test/introspect"}, "introspection.endpoint"),
        ({"endpoint": "ftp://x"}, "introspection.endpoint"),
        ({"max_age": -1}, "introspection.max_age"),
        ({"max_age": 3601}, "introspection.max_age"),
    ],
    ids=["no credentials", "plain http", "no web URL", "negative", "too long"],
)
def test_rules_that_cannot_be_end_the_start(options: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        rules_for(**options)
    assert refused.value.facts["key"] == key


@pytest.mark.parametrize(
    ("token", "finding"),
    [
        ("", Finding.TOKEN_ENCODING),
        ("ä", Finding.TOKEN_ENCODING),
        ("a\nb", Finding.TOKEN_ENCODING),
        ("\ud800", Finding.TOKEN_ENCODING),
        ("x" * 16385, Finding.TOKEN_TOO_LARGE),
    ],
    ids=["empty", "not ASCII", "control", "lone surrogate", "long"],
)
def test_what_can_be_no_token_is_sent_nowhere(token: str, finding: Finding) -> None:
    with pytest.raises(InvalidToken) as refused:
        check_askable(token)
    assert refused.value.finding is finding


# --- what is believed ----------------------------------------------------------------------------------------
@pytest.mark.spec("7662-rs")
def test_an_active_answer_is_an_access_token() -> None:
    token = read_introspected(members(roles=["admin"], acr="gold", amr=["pwd"], auth_time=NOW - 60), RULES, NOW)
    assert (token.iss, token.sub, token.aud, token.client_id) == (ISSUER, "ann", (AUDIENCE,), "app")
    assert (token.exp, token.iat, token.jti) == (NOW + 900, NOW - 5, "j1")
    assert token.scope == ("orders:read", "orders:write")
    assert (token.roles, token.acr, token.amr, token.auth_time) == (("admin",), "gold", ("pwd",), NOW - 60)
    assert token.user_key == (ISSUER, "ann")
    assert (token.is_client_only, token.cnf) == (False, None)
    assert token.claims["active"] is True


@pytest.mark.spec("7662-rs")
@pytest.mark.parametrize(
    "changes",
    [
        {"iss": None},
        {"aud": [AUDIENCE, "https://other.test"]},
        {"jti": None},
        {"iat": None},
        {"scope": None},
        {"scope": ""},
        {"token_type": None},
        {"token_type": "bearer"},
        {"token_type": "BEARER"},
        {"token_use": "access_token"},
        {"typ": "Bearer"},
        {"nbf": NOW - 5},
        {"exp": NOW + 0.5},
        {"username": "Ann", "new": {"deep": [1]}},
    ],
    ids=lambda changes: ",".join(f"{name}={value}" for name, value in changes.items()),
)
def test_what_rfc_7662_allows_is_taken(changes: dict[str, Any]) -> None:
    assert read_introspected(members(**changes), RULES, NOW).sub == "ann"


def test_null_members_count_as_absent() -> None:
    token = read_introspected({**ACTIVE, "nbf": None, "jti": None, "iss": None, "username": None}, RULES, NOW)
    assert (token.iss, token.jti) == (ISSUER, "")


@pytest.mark.spec("7662-rs")
@pytest.mark.parametrize("active", ["true", 1, 1.0, "yes", [True], {"a": True}, None, 0, ""])
def test_only_the_boolean_true_is_active(active: Any) -> None:
    for read in (lambda m: read_introspected(m, RULES, NOW), check_active):
        with pytest.raises(InvalidToken) as refused:
            read({**ACTIVE, "active": active})
        assert refused.value.finding is Finding.INTROSPECTION_NOT_STRICT


@pytest.mark.spec("7662-rs", "7662-2.2-a")
@pytest.mark.parametrize("said", [{"active": False}, {**ACTIVE, "active": False}], ids=["alone", "with claims"])
def test_an_inactive_token_is_none_whatever_else_is_said(said: dict[str, Any]) -> None:
    with pytest.raises(InvalidToken) as refused:
        read_introspected(said, RULES, NOW)
    assert refused.value.finding is Finding.INTROSPECTION_INACTIVE


HOSTILE = [
    pytest.param({"aud": None}, Finding.TOKEN_CLAIM_MISSING, id="no aud"),
    pytest.param({"aud": "https://other.test"}, Finding.TOKEN_AUDIENCE, id="another aud"),
    pytest.param({"aud": ["https://other.test"]}, Finding.TOKEN_AUDIENCE, id="a list of others"),
    pytest.param({"aud": []}, Finding.TOKEN_CLAIM_TYPE, id="an empty list"),
    pytest.param({"aud": [AUDIENCE, 7]}, Finding.TOKEN_CLAIM_TYPE, id="a list with a number"),
    pytest.param({"aud": {AUDIENCE: True}}, Finding.TOKEN_CLAIM_TYPE, id="aud is an object"),
    pytest.param({"aud": AUDIENCE + "/"}, Finding.TOKEN_AUDIENCE, id="aud with a slash"),
    pytest.param({"iss": "https://evil.test"}, Finding.TOKEN_ISSUER, id="another issuer"),
    pytest.param({"iss": ISSUER + "/"}, Finding.TOKEN_ISSUER, id="issuer with a slash"),
    pytest.param({"iss": [ISSUER]}, Finding.TOKEN_CLAIM_TYPE, id="issuer in a list"),
    pytest.param({"exp": NOW - 11}, Finding.TOKEN_EXPIRED, id="over"),
    pytest.param({"exp": str(NOW + 900)}, Finding.TOKEN_CLAIM_TYPE, id="exp is text"),
    pytest.param({"exp": True}, Finding.TOKEN_CLAIM_TYPE, id="exp is true"),
    pytest.param({"exp": 1e20}, Finding.TOKEN_CLAIM_TYPE, id="exp is huge"),
    pytest.param({"iat": NOW + 61}, Finding.TOKEN_NOT_YET_VALID, id="made in the future"),
    pytest.param({"nbf": NOW + 61}, Finding.TOKEN_NOT_YET_VALID, id="not yet"),
    pytest.param({"nbf": "soon"}, Finding.TOKEN_CLAIM_TYPE, id="nbf is text"),
    pytest.param({"sub": 7}, Finding.TOKEN_CLAIM_TYPE, id="sub is a number"),
    pytest.param({"sub": ""}, Finding.TOKEN_CLAIM_TYPE, id="sub is empty"),
    pytest.param({"sub": None, "client_id": None}, Finding.TOKEN_CLAIM_MISSING, id="nobody"),
    pytest.param({"client_id": None}, Finding.TOKEN_CLAIM_MISSING, id="no client"),
    pytest.param({"client_id": ["app"]}, Finding.TOKEN_CLAIM_TYPE, id="client in a list"),
    pytest.param({"scope": ["orders:read"]}, Finding.TOKEN_CLAIM_TYPE, id="scope is a list"),
    pytest.param({"roles": "admin"}, Finding.TOKEN_CLAIM_TYPE, id="roles is text"),
    pytest.param({"token_type": "refresh_token"}, Finding.INTROSPECTION_KIND, id="a refresh token"),
    pytest.param({"token_type": 7}, Finding.INTROSPECTION_KIND, id="token_type is a number"),
    pytest.param({"token_type": "N_A"}, Finding.INTROSPECTION_KIND, id="no access token (RFC 8693)"),
    pytest.param({"token_use": "refresh_token"}, Finding.INTROSPECTION_KIND, id="a refresh token (Hydra)"),
    pytest.param({"typ": "Refresh"}, Finding.INTROSPECTION_KIND, id="a refresh token (Keycloak)"),
    pytest.param({"typ": "Offline"}, Finding.INTROSPECTION_KIND, id="an offline token (Keycloak)"),
    pytest.param({"typ": "ID"}, Finding.INTROSPECTION_KIND, id="an ID token (Keycloak)"),
    pytest.param({"cnf": {}}, Finding.TOKEN_BINDING_UNKNOWN, id="bound to nothing"),
    pytest.param({"cnf": {"jwk": {}}}, Finding.TOKEN_BINDING_UNKNOWN, id="bound in an unknown way"),
    pytest.param({"cnf": "x"}, Finding.TOKEN_CLAIM_TYPE, id="cnf is text"),
    pytest.param({"cnf": {"jkt": 7}}, Finding.TOKEN_CLAIM_TYPE, id="jkt is a number"),
    pytest.param({"token_type": "DPoP"}, Finding.TOKEN_CLAIM_MISSING, id="DPoP without a key"),
]


@pytest.mark.spec("7662-rs", "7662-4-a")
@pytest.mark.parametrize(("changes", "finding"), HOSTILE)
def test_an_active_answer_is_refused_with(changes: dict[str, Any], finding: Finding) -> None:
    with pytest.raises(InvalidToken) as refused:
        read_introspected(members(**changes), RULES, NOW)
    assert refused.value.finding is finding


def test_cnf_null_is_no_way_out_of_a_binding() -> None:
    with pytest.raises(InvalidToken):
        read_introspected({**ACTIVE, "cnf": None}, RULES, NOW)


@pytest.mark.spec("9449-6.2", "8705-3.2")
def test_what_the_token_is_bound_to_is_kept() -> None:
    dpop = read_introspected(members(token_type="DPoP", cnf={"jkt": THUMBPRINT}), RULES, NOW)
    mtls = read_introspected(members(cnf={"x5t#S256": THUMBPRINT}), RULES, NOW)
    assert dpop.cnf == Confirmation(jkt=THUMBPRINT)
    assert mtls.cnf == Confirmation(x5t_s256=THUMBPRINT)


@pytest.mark.spec("9068-2.2 † / V10-10.3.3")
def test_without_a_subject_the_client_alone_stands_behind_it() -> None:
    token = read_introspected(members(sub=None), RULES, NOW)
    assert (token.sub, token.client_id, token.is_client_only) == ("app", "app", True)
    assert read_introspected(members(sub="app"), RULES, NOW).is_client_only


@pytest.mark.parametrize(("max_age", "life"), [(60, 60), (0, 1), (3600, 3600)])
def test_an_answer_without_an_end_is_believed_for_as_long_as_answers_are(max_age: int, life: int) -> None:
    rules = rules_for(max_age=max_age)
    token = read_introspected(members(exp=None), rules, NOW)
    assert token.exp == NOW + life == read_life_end(members(exp=None), rules, NOW)
    assert read_life_end(members(exp=NOW + 2), rules, NOW) == NOW + min(2, life)


def test_the_end_is_read_as_strictly_when_nothing_else_is() -> None:
    with pytest.raises(InvalidToken):
        read_life_end({"active": True, "exp": "soon"}, RULES, NOW)


@pytest.mark.spec("8725b-3.9-a / 9700-2.3-b / V9-9.2.3 / V10-10.3.1")
def test_a_missing_audience_passes_only_where_the_loud_name_says_so() -> None:
    loud = rules_for(allow_insecure_missing_audience=True)
    assert read_introspected(members(aud=None), loud, NOW).aud == ()
    refused: list[dict[str, Any]] = [{"aud": "https://other.test"}, {"aud": []}, {"aud": None, "token_type": None}]
    for changes in refused:
        with pytest.raises(InvalidToken):
            read_introspected(members(**changes), loud, NOW)


@pytest.mark.parametrize(
    ("dialect", "extra", "roles"),
    [
        ("keycloak", {"azp": "app", "client_id": None, "realm_access": {"roles": ["admin"]}}, "admin"),
        ("zitadel", {"urn:zitadel:iam:org:project:roles": {"admin": {"1": "acme.test"}}}, "admin"),
    ],
)
def test_roles_are_read_in_the_providers_own_words(dialect: str, extra: dict[str, Any], roles: str) -> None:
    rules = rules_for(policy=build_policy(ISSUER, AUDIENCE, dialect=dialect_named(dialect)))
    token = read_introspected(members(**extra), rules, NOW)
    assert any(role.endswith(roles) for role in token.roles)
    assert token.client_id == "app"


# --- how it is answered --------------------------------------------------------------------------------------
@pytest.mark.spec("7662-rs")
@pytest.mark.parametrize(
    ("answer", "finding"),
    [
        pytest.param(json_answer({"error": "invalid_client"}, 401), Finding.INTROSPECTION_CREDENTIALS, id="401"),
        pytest.param(json_answer(b"", 403), Finding.INTROSPECTION_CREDENTIALS, id="403"),
        pytest.param(
            json_answer({"error": "invalid_client"}, 400),
            Finding.INTROSPECTION_CREDENTIALS,
            id="400 invalid_client",
        ),
        pytest.param(json_answer({"error": "invalid_request"}, 400), Finding.OUTGOING_STATUS, id="400"),
        pytest.param(json_answer(b"<html>", 404, "text/html"), Finding.OUTGOING_STATUS, id="404"),
        pytest.param(json_answer(b"<html>", 500, "text/html"), Finding.OUTGOING_STATUS, id="500"),
        pytest.param(json_answer(b"", 429), Finding.OUTGOING_STATUS, id="429"),
        pytest.param(json_answer(b"", 204), Finding.OUTGOING_STATUS, id="204"),
        pytest.param(json_answer(b"", 302), Finding.OUTGOING_REDIRECT, id="a redirect"),
        pytest.param(json_answer(b"<html>", 200, "text/html"), Finding.INTROSPECTION_ANSWER, id="a page"),
        pytest.param(json_answer(b""), Finding.INTROSPECTION_ANSWER, id="empty"),
        pytest.param(json_answer(b"[]"), Finding.INTROSPECTION_ANSWER, id="a list"),
        pytest.param(json_answer(b"true"), Finding.INTROSPECTION_ANSWER, id="true"),
        pytest.param(
            json_answer(b'{"active":false,"active":true}'), Finding.INTROSPECTION_ANSWER, id="a member twice"
        ),
        pytest.param(
            json_answer(b'{"active":true,"x":' + b"[" * 50 + b"]" * 50 + b"}"),
            Finding.INTROSPECTION_ANSWER,
            id="deep",
        ),
        pytest.param(json_answer(b'{"active":true,"exp":NaN}'), Finding.INTROSPECTION_ANSWER, id="NaN"),
        pytest.param(json_answer(b"\xff\xfe{\x00"), Finding.INTROSPECTION_ANSWER, id="UTF-16"),
        pytest.param(json_answer(b"a.b.c", 200, SIGNED), Finding.INTROSPECTION_FORM, id="signed, unasked"),
    ],
)
def test_an_answer_that_is_none_is_nobodys_fault_but_the_servers(answer: Answer, finding: Finding) -> None:
    with pytest.raises(Unavailable) as refused:
        read_plain_answer(answer)
    assert refused.value.finding is finding


MAKER = TokenMaker(key_for_tests("ES256", "as-key"))
KEYS = key_set_of(MAKER.key)


def answer_jwt(header: dict[str, Any] | None = None, maker: TokenMaker = MAKER, **claims: Any) -> str:
    made = {"iss": ISSUER, "aud": "api", "iat": NOW, "token_introspection": ACTIVE, **claims}
    kept = {name: value for name, value in made.items() if value is not None}
    return maker.sign(kept, **{"typ": "token-introspection+jwt", **(header or {})})


def believed(text: str, rules: IntrospectionRules = SIGNED_RULES) -> dict[str, Any]:
    body = read_answer_jwt(Answer(200, {"content-type": f"{SIGNED}; charset=utf-8"}, text.encode()))
    return verify_signed_answer(body, KEYS, rules, NOW)


@pytest.mark.spec("9701 † / F2M-5.5")
@pytest.mark.parametrize(
    "text",
    [
        answer_jwt(),
        answer_jwt({"typ": "application/token-introspection+jwt"}),
        answer_jwt(aud=["api", "x"]),
        answer_jwt(iat=NOW + 9),
        answer_jwt(iat=NOW - 60),
    ],
    ids=["honest", "the long name", "aud is a list", "a clock ahead", "a slow answer"],
)
def test_a_signed_answer_is_believed(text: str) -> None:
    assert answer_kid(text) == "as-key"
    assert read_introspected(believed(text), SIGNED_RULES, NOW).sub == "ann"


STRANGER = TokenMaker(key_for_tests("Ed25519", "as-key"))


@pytest.mark.spec("9701 † / F2M-5.5")
@pytest.mark.parametrize(
    ("text", "check"),
    [
        pytest.param(answer_jwt({"typ": "at+jwt"}), Finding.TOKEN_TYPE, id="an access token's typ"),
        pytest.param(answer_jwt({"typ": "JWT"}), Finding.TOKEN_TYPE, id="typ JWT"),
        pytest.param(answer_jwt({"typ": None}), Finding.TOKEN_TYPE, id="no typ"),
        pytest.param(answer_jwt({"crit": ["x"]}), Finding.TOKEN_CRIT, id="crit"),
        pytest.param(answer_jwt({"alg": "HS256"}), Finding.TOKEN_ALGORITHM, id="HS256"),
        pytest.param(answer_jwt({"alg": "none"}), Finding.TOKEN_ALGORITHM, id="none"),
        pytest.param(answer_jwt(iss="https://evil.test"), Finding.TOKEN_ISSUER, id="another issuer"),
        pytest.param(answer_jwt(iss=None), Finding.TOKEN_CLAIM_MISSING, id="no issuer"),
        pytest.param(answer_jwt(aud="other-api"), Finding.TOKEN_AUDIENCE, id="for another API"),
        pytest.param(answer_jwt(aud=AUDIENCE), Finding.TOKEN_AUDIENCE, id="for the token's audience"),
        pytest.param(answer_jwt(aud=None), Finding.TOKEN_CLAIM_MISSING, id="for nobody"),
        pytest.param(answer_jwt(iat=None), Finding.TOKEN_CLAIM_MISSING, id="no iat"),
        pytest.param(answer_jwt(iat=NOW - 71), Finding.INTROSPECTION_ANSWER, id="an old answer"),
        pytest.param(answer_jwt(iat=NOW + 11), Finding.INTROSPECTION_ANSWER, id="from the future"),
        pytest.param(answer_jwt(token_introspection=None), None, id="about nothing"),
        pytest.param(answer_jwt(token_introspection=[ACTIVE]), None, id="a list"),
        pytest.param(answer_jwt(maker=STRANGER), Finding.TOKEN_ALGORITHM, id="a stranger's key"),
        pytest.param(answer_jwt()[:-8] + "AAAAAAAA", Finding.TOKEN_SIGNATURE, id="altered"),
        pytest.param("a.b.c", Finding.TOKEN_ENCODING, id="no JWT"),
        pytest.param("{}", Finding.TOKEN_IS_OPAQUE, id="plain JSON"),
    ],
)
def test_a_signed_answer_is_not_believed(text: str, check: Finding | None) -> None:
    with pytest.raises(Unavailable) as refused:
        believed(text)
    assert refused.value.finding is Finding.INTROSPECTION_ANSWER
    assert refused.value.facts.get("check") == (None if check is None else check.id)


@pytest.mark.spec("8725b-3.3-a")
def test_an_encrypted_answer_is_refused_by_name() -> None:
    with pytest.raises(Unavailable) as refused:
        believed("a.b.c.d.e")
    assert refused.value.finding is Finding.INTROSPECTION_ENCRYPTED


@pytest.mark.parametrize("kind", ["application/json", "", "text/html"])
def test_a_plain_answer_does_not_stand_in_for_a_signed_one(kind: str) -> None:
    with pytest.raises(Unavailable) as refused:
        read_answer_jwt(json_answer(ACTIVE, 200, kind))
    assert refused.value.finding is Finding.INTROSPECTION_FORM


@pytest.mark.spec("8725b-3.11")
def test_an_answer_is_no_access_token_and_an_access_token_no_answer() -> None:
    claims = MAKER.claims() | {"token_introspection": ACTIVE}
    as_answer = MAKER.sign(claims | {"aud": [AUDIENCE, "api"]}, typ="token-introspection+jwt")
    for name in ("rfc9068", "keycloak", "auth0", "entra", "cognito", "okta", "zitadel", "authentik"):
        with pytest.raises(InvalidToken):
            verify_access_token(
                as_answer,
                KEYS,
                issuer=ISSUER,
                audience=frozenset({AUDIENCE}),
                now=NOW,
                dialect=dialect_named(name),
            )
    with pytest.raises(Unavailable):
        believed(MAKER.access_token(aud=["api", AUDIENCE], token_introspection=ACTIVE))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
MEMBERS = st.dictionaries(
    st.sampled_from([*ACTIVE, "nbf", "cnf", "roles", "acr", "amr", "auth_time", "typ", "token_use"]), JSON
)


@settings(max_examples=300, deadline=None)
@given(changes=MEMBERS, active=JSON | st.just(value=True))
def test_no_answer_makes_anything_but_our_own_errors(changes: dict[str, Any], active: Any) -> None:
    try:
        token = read_introspected({**ACTIVE, **changes, "active": active}, RULES, NOW)
    except InvalidToken:
        return
    assert active is True
    assert AUDIENCE in token.aud
    assert token.iss == ISSUER


@settings(max_examples=200, deadline=None)
@given(
    body=st.binary(max_size=64) | JSON.map(lambda value: json.dumps(value).encode()), status=st.integers(100, 599)
)
def test_no_body_makes_anything_but_our_own_errors(body: bytes, status: int) -> None:
    for kind, read in (("application/json", read_plain_answer), (SIGNED, read_answer_jwt)):
        try:
            found = read(Answer(status, {"content-type": kind}, body))
            if isinstance(found, str):
                verify_signed_answer(found, KEYS, SIGNED_RULES, Instant(NOW))
        except Unavailable:
            continue
        assert status == 200
