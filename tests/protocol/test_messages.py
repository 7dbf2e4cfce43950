"""Authorization and token messages: read, written, refused."""

import json
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofkey.errors import InvalidRequest, InvalidScope, InvalidTarget, LoginFailed, NoLocation, OAuthError
from proofkey.findings import Finding
from proofkey.protocol.messages import (
    AuthorizationRequest,
    AuthorizationResponse,
    ClientCredentialsRequest,
    CodeRequest,
    RefreshRequest,
    TokenResponse,
    authorization_response_url,
    build_authorization_request_url,
    parse_authorization_request,
    parse_authorization_response,
    parse_redirect_target,
    parse_token_request,
    parse_token_response,
    token_response_document,
)
from proofkey.protocol.text import ClientId, Issuer, Pairs, Secret

URI = "https://rp.test/cb"
BASE: Pairs = (("client_id", "web"), ("redirect_uri", URI), ("response_type", "code"))
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def query_of(url: str) -> Pairs:
    return tuple(parse_qsl(urlsplit(url).query, keep_blank_values=True))


FULL = AuthorizationRequest(
    client_id=ClientId("web é&="),
    redirect_uri=URI + "?a=1&b=%20",
    scope=("openid", "orders:read"),
    state="s+ /?é" * 200,
    nonce="n" * 64,
    code_challenge=CHALLENGE,
    code_challenge_method="S256",
    resource=("https://api.test", "https://other.test"),
    prompt=frozenset({"login", "consent"}),
    max_age=0,
    login_hint="ann@op.test",
    id_token_hint="a.b.c",
    acr_values=("2", "1"),
    ui_locales=("de", "en"),
)


@pytest.mark.spec("6749-4.1.2.1-b", "8707-cli", "F2-5.3.2.2-14")
@pytest.mark.parametrize("endpoint", ["https://op.test/authorize", "https://op.test/authorize?tenant=1"])
def test_authorization_request_is_read_as_it_was_built(endpoint: str) -> None:
    url = build_authorization_request_url(endpoint, FULL)
    assert url.startswith(endpoint)
    assert parse_authorization_request(query_of(url)) == FULL


def test_absent_members_are_not_sent() -> None:
    request = AuthorizationRequest(client_id=ClientId("web"), redirect_uri=URI)
    assert query_of(build_authorization_request_url("https://op.test/a", request)) == (
        ("response_type", "code"),
        ("client_id", "web"),
        ("redirect_uri", URI),
    )


@pytest.mark.spec("6749-3.1-a")
def test_unknown_and_empty_parameters_are_ignored() -> None:
    request = parse_authorization_request(
        (*BASE, ("x", "1"), ("state", ""), ("display", "popup"), ("max_age", ""))
    )
    assert request == AuthorizationRequest(client_id=ClientId("web"), redirect_uri=URI)


@pytest.mark.spec("6749-4.1.2.1-a", "9700-4.11.2-a")
@pytest.mark.parametrize(
    ("pairs", "finding"),
    [
        ((), Finding.PARAMETER_MISSING),
        (BASE[1:], Finding.PARAMETER_MISSING),
        ((("client_id", ""), *BASE[1:]), Finding.PARAMETER_MISSING),
        ((BASE[0], BASE[2]), Finding.REDIRECT_URI_MISSING),
        ((BASE[0], ("redirect_uri", ""), BASE[2]), Finding.REDIRECT_URI_MISSING),
        ((*BASE, ("client_id", "web")), Finding.PARAMETER_REPEATED),
        ((*BASE, ("redirect_uri", URI)), Finding.PARAMETER_REPEATED),
        ((*BASE, ("redirect_uri", ""), ("scope", '"')), Finding.PARAMETER_REPEATED),
    ],
)
def test_without_client_and_redirect_uri_nothing_may_be_redirected(pairs: Pairs, finding: Finding) -> None:
    for parse in (parse_redirect_target, parse_authorization_request):
        with pytest.raises(NoLocation) as refusal:
            parse(pairs)
        assert refusal.value.finding is finding


@pytest.mark.spec("V10-10.4.4", "V10-10.4.12", "OC-3.1.2.1-b", "9101-10.2-a", "8707-2-a")
@pytest.mark.parametrize(
    ("pairs", "error", "finding"),
    [
        (BASE[:2], "invalid_request", Finding.PARAMETER_MISSING),
        ((*BASE[:2], ("response_type", "token")), "unsupported_response_type", Finding.RESPONSE_TYPE_WRONG),
        (
            (*BASE[:2], ("response_type", "code id_token")),
            "unsupported_response_type",
            Finding.RESPONSE_TYPE_WRONG,
        ),
        ((*BASE[:2], ("response_type", "CODE")), "unsupported_response_type", Finding.RESPONSE_TYPE_WRONG),
        ((*BASE, ("response_mode", "fragment")), "invalid_request", Finding.RESPONSE_MODE_WRONG),
        ((*BASE, ("response_mode", "web_message")), "invalid_request", Finding.RESPONSE_MODE_WRONG),
        ((*BASE, ("scope", 'a "b"')), "invalid_scope", Finding.SCOPE_MALFORMED),
        ((*BASE, ("prompt", "none login")), "invalid_request", Finding.PROMPT_CONFLICT),
        ((*BASE, ("prompt", "none unheard")), "invalid_request", Finding.PROMPT_CONFLICT),
        ((*BASE, ("max_age", "-1")), "invalid_request", Finding.PARAMETER_MALFORMED),
        ((*BASE, ("max_age", "1.5")), "invalid_request", Finding.PARAMETER_MALFORMED),
        ((*BASE, ("max_age", "٣")), "invalid_request", Finding.PARAMETER_MALFORMED),
        ((*BASE, ("max_age", "9" * 40)), "invalid_request", Finding.PARAMETER_MALFORMED),
        ((*BASE, ("nonce", "n" * 513)), "invalid_request", Finding.PARAMETER_MALFORMED),
        ((*BASE, ("state", "1"), ("state", "1")), "invalid_request", Finding.PARAMETER_REPEATED),
        ((*BASE, ("x", "1"), ("x", "1")), "invalid_request", Finding.PARAMETER_REPEATED),
        ((*BASE, ("request", "a.b.c")), "request_not_supported", Finding.REQUEST_OBJECT_UNSUPPORTED),
        (
            (*BASE, ("request_uri", "http://169.254.1.1")),
            "request_uri_not_supported",
            Finding.REQUEST_OBJECT_UNSUPPORTED,
        ),
        ((*BASE, ("resource", "api")), "invalid_target", Finding.RESOURCE_MALFORMED),
        ((*BASE, ("resource", "https://api.test#x")), "invalid_target", Finding.RESOURCE_MALFORMED),
        ((*BASE, ("resource", "https://a b")), "invalid_target", Finding.RESOURCE_MALFORMED),
        ((*BASE, ("resource", "https://é")), "invalid_target", Finding.RESOURCE_MALFORMED),
        ((*BASE, ("resource", ":x")), "invalid_target", Finding.RESOURCE_MALFORMED),
    ],
)
def test_other_faults_may_be_redirected(pairs: Pairs, error: str, finding: Finding) -> None:
    assert parse_redirect_target(pairs).redirect_uri == URI
    with pytest.raises(OAuthError) as refusal:
        parse_authorization_request(pairs)
    assert not isinstance(refusal.value, NoLocation)
    assert refusal.value.error == error
    assert refusal.value.finding is finding


def test_the_target_keeps_a_state_that_was_sent_once() -> None:
    assert parse_redirect_target((*BASE, ("state", "s"))).state == "s"
    assert parse_redirect_target((*BASE, ("state", "s"), ("state", "t"))).state is None
    assert parse_redirect_target((*BASE, ("state", ""))).state is None


@pytest.mark.spec("OC-3.1.2.1-c", "OC-15.1-a")
@pytest.mark.parametrize(
    ("prompt", "known"),
    [
        ("none", {"none"}),
        ("login consent", {"login", "consent"}),
        ("select_account", {"select_account"}),
        ("odd", set()),
        ("create odd", {"create"}),
    ],
)
def test_known_prompts_are_kept_and_others_ignored(prompt: str, known: set[str]) -> None:
    assert parse_authorization_request((*BASE, ("prompt", prompt))).prompt == known


@pytest.mark.spec("8707-2-a")
def test_resource_may_be_repeated() -> None:
    pairs = (
        *BASE,
        ("resource", "https://b"),
        ("resource", "urn:x:y"),
        ("resource", "https://b"),
        ("resource", ""),
    )
    assert parse_authorization_request(pairs).resource == ("https://b", "urn:x:y")


RESPONSES = {
    "code": AuthorizationResponse(iss=Issuer("https://op.test"), state="s&=é", code=Secret("c+/")),
    "error": AuthorizationResponse(
        iss=Issuer("https://op.test"), state="s", error="access_denied", error_description="No."
    ),
    "bare code": AuthorizationResponse(code=Secret("c")),
}


@pytest.mark.spec("9207-2-a", "6749-4.1.2.1-b", "O21-2.3-a")
@pytest.mark.parametrize("uri", [URI, URI + "?a=1", "http://127.0.0.1:4180", "com.example.app:/cb"])
@pytest.mark.parametrize("response", RESPONSES.values(), ids=RESPONSES.keys())
def test_authorization_response_is_read_as_it_was_written(uri: str, response: AuthorizationResponse) -> None:
    url = authorization_response_url(uri, response)
    assert url.startswith(uri)
    assert parse_authorization_response(query_of(url)) == response


@pytest.mark.parametrize(
    "pairs",
    [
        (),
        (("state", "s"),),
        (("code", ""), ("state", "s")),
        (("code", "c"), ("error", "access_denied")),
        (("code", "c"), ("code", "c")),
        (("code", "c"), ("state", "s"), ("state", "t")),
        (("code", "c"), ("iss", "a"), ("iss", "b")),
    ],
)
def test_ambiguous_authorization_response_is_refused(pairs: Pairs) -> None:
    with pytest.raises(LoginFailed):
        parse_authorization_response(pairs)


@pytest.mark.spec("6749-3.2-a", "O21-10.2-a")
@pytest.mark.parametrize(
    ("pairs", "request_"),
    [
        (
            (
                ("grant_type", "authorization_code"),
                ("code", "c"),
                ("redirect_uri", URI),
                ("code_verifier", "v"),
                ("client_id", "x"),
            ),
            CodeRequest(code=Secret("c"), redirect_uri=URI, code_verifier=Secret("v")),
        ),
        (
            (("grant_type", "authorization_code"), ("code", "c"), ("resource", "urn:a")),
            CodeRequest(code=Secret("c"), resource=("urn:a",)),
        ),
        ((("grant_type", "refresh_token"), ("refresh_token", "r")), RefreshRequest(refresh_token=Secret("r"))),
        (
            (
                ("grant_type", "refresh_token"),
                ("refresh_token", "r"),
                ("scope", "a b"),
                ("resource", "urn:a"),
                ("resource", "urn:b"),
            ),
            RefreshRequest(refresh_token=Secret("r"), scope=("a", "b"), resource=("urn:a", "urn:b")),
        ),
        ((("grant_type", "client_credentials"), ("scope", "")), ClientCredentialsRequest()),
        ((("grant_type", "client_credentials"), ("scope", "a")), ClientCredentialsRequest(scope=("a",))),
    ],
    ids=["code", "code without PKCE", "refresh", "refresh narrower", "client", "client with scope"],
)
def test_token_request_is_read(pairs: Pairs, request_: object) -> None:
    assert parse_token_request(pairs) == request_


@pytest.mark.spec("6749-5.2-a", "9700-2.4-a")
@pytest.mark.parametrize(
    ("pairs", "error"),
    [
        ((), "invalid_request"),
        ((("grant_type", ""),), "invalid_request"),
        ((("grant_type", "authorization_code"),), "invalid_request"),
        ((("grant_type", "authorization_code"), ("code", "")), "invalid_request"),
        ((("grant_type", "refresh_token"),), "invalid_request"),
        ((("grant_type", "refresh_token"), ("refresh_token", "a"), ("refresh_token", "a")), "invalid_request"),
        ((("grant_type", "refresh_token"), ("grant_type", "refresh_token")), "invalid_request"),
        ((("grant_type", "password"), ("username", "ann"), ("password", "p")), "unsupported_grant_type"),
        ((("grant_type", "implicit"),), "unsupported_grant_type"),
        ((("grant_type", "Authorization_Code"), ("code", "c")), "unsupported_grant_type"),
        ((("grant_type", "client_credentials"), ("scope", "a  b")), "invalid_scope"),
        ((("grant_type", "client_credentials"), ("resource", "#")), "invalid_target"),
    ],
)
def test_token_request_is_refused(pairs: Pairs, error: str) -> None:
    with pytest.raises(OAuthError) as refusal:
        parse_token_request(pairs)
    assert refusal.value.error == error


@pytest.mark.spec("6749-5.1-a", "6749-5.1-c")
@pytest.mark.parametrize(
    "response",
    [
        TokenResponse(access_token=Secret("a")),
        TokenResponse(
            access_token=Secret("a"),
            expires_in=0,
            refresh_token=Secret("r"),
            id_token=Secret("i"),
            scope=("openid", "a"),
            extra={"session_state": "x"},
        ),
        TokenResponse(access_token=Secret("a"), token_type="DPoP", scope=()),
    ],
)
def test_token_response_is_read_as_it_was_written(response: TokenResponse) -> None:
    document = token_response_document(response)
    assert parse_token_response(json.dumps(document).encode()) == response


def test_extra_members_replace_nothing() -> None:
    response = TokenResponse(access_token=Secret("a"), extra={"access_token": "forged", "token_type": "x"})
    assert token_response_document(response) == {"access_token": "a", "token_type": "Bearer"}


def test_null_counts_as_absent_in_a_token_response() -> None:
    body = b'{"access_token":"a","token_type":"bearer","refresh_token":null,"expires_in":3600.0,"scope":null}'
    response = parse_token_response(body)
    assert (response.refresh_token, response.expires_in, response.scope) == (None, 3600, None)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b'{"access_token":"a"}',
        b'{"token_type":"Bearer"}',
        b'{"access_token":"","token_type":"Bearer"}',
        b'{"access_token":7,"token_type":"Bearer"}',
        b'{"access_token":"a","token_type":["Bearer"]}',
        b'{"access_token":"a","access_token":"b","token_type":"Bearer"}',
        b'{"access_token":"a","token_type":"Bearer","expires_in":"3600"}',
        b'{"access_token":"a","token_type":"Bearer","expires_in":true}',
        b'{"access_token":"a","token_type":"Bearer","expires_in":-1}',
        b'{"access_token":"a","token_type":"Bearer","expires_in":1e300}',
        b'{"access_token":"a","token_type":"Bearer","expires_in":NaN}',
        b'{"access_token":"a","token_type":"Bearer","scope":["a"]}',
        b'{"access_token":"a","token_type":"Bearer","scope":"a  b"}',
        b'{"access_token":"a","token_type":"Bearer","id_token":{}}',
        b'{"access_token":"a","token_type":"Bearer","refresh_token":""}',
    ],
    ids=lambda body: ascii(body)[-36:],
)
def test_token_response_of_another_form_is_refused(body: bytes) -> None:
    with pytest.raises(LoginFailed) as refusal:
        parse_token_response(body)
    assert refusal.value.finding is Finding.LOGIN_RESPONSE_MALFORMED


NAMES = [
    "client_id",
    "redirect_uri",
    "response_type",
    "response_mode",
    "scope",
    "state",
    "nonce",
    "prompt",
    "max_age",
    "resource",
    "request",
    "grant_type",
    "code",
    "code_verifier",
    "refresh_token",
    "error",
    "iss",
]
VALUES = st.sampled_from(
    ["code", "web", URI, "authorization_code", "refresh_token", "none", "openid a", "0"]
) | st.text(max_size=12)


@given(st.lists(st.tuples(st.sampled_from(NAMES), VALUES), max_size=9).map(tuple))
def test_any_parameters_are_read_or_refused(pairs: Pairs) -> None:
    for parse, refusals in (
        (parse_redirect_target, (NoLocation,)),
        (parse_authorization_request, (OAuthError,)),
        (parse_authorization_response, (LoginFailed,)),
        (parse_token_request, (InvalidRequest, InvalidScope, InvalidTarget, OAuthError)),
    ):
        try:
            parse(pairs)
        except refusals:
            continue


odd_values = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.lists(st.text())
odd_responses = st.dictionaries(
    st.sampled_from(["access_token", "token_type", "scope", "expires_in", "id_token"]), odd_values
)


@given(st.binary(max_size=80) | odd_responses.map(lambda members: json.dumps(members).encode()))
def test_any_token_response_is_read_or_refused(body: bytes) -> None:
    try:
        response: Any = parse_token_response(body)
    except LoginFailed:
        return
    assert response.access_token.reveal()
