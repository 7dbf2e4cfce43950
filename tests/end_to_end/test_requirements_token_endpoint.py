"""requirements.md §1.3 from outside: the token endpoint and client authentication."""

import base64
from typing import Any
from urllib.parse import quote_plus, urlencode

import httpx2
import pytest

from proofkey.protocol.client_authentication import build_basic
from proofkey.protocol.text import Secret
from tests.end_to_end.provider_kit import (
    API,
    CLIENTS,
    MAIL,
    ODD_ID,
    ODD_SECRET,
    Provider,
    claims_of,
    error_of,
    sent_back,
)

pytestmark = [pytest.mark.timeout(180)]

FORM = "application/x-www-form-urlencoded"
MACHINE = "secret of machine, 0123456789abcdefghij"
ASKED = {"grant_type": "client_credentials"}


def basic(client_id: str, secret: str) -> str:
    return build_basic(client_id, Secret(secret))


def raw_basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


def secret_of(client_id: str) -> str:
    secret: str = next(one for one in CLIENTS if one["client_id"] == client_id)["client_secret"]
    return secret


@pytest.mark.spec("6749-3.2-a")
@pytest.mark.parametrize("path", ["/token", "/revoke"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH"])
def test_only_post(op: Provider, path: str, method: str) -> None:
    query = urlencode({**ASKED, "client_id": "form", "client_secret": secret_of("form"), "token": "x"})
    answer = op.ask(method, f"{path}?{query}")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"
    if method != "HEAD":
        assert error_of(answer) == (405, "invalid_request")


@pytest.mark.spec("9700-4.12-a", "6749-3.2-a")
@pytest.mark.parametrize("path", ["/token/", "//token", "/Token", "/token;x", "/%74oken/", "/token%2F", "/tokens"])
def test_no_other_spelling_leads_to_it(op: Provider, path: str) -> None:
    headers = {"authorization": basic("machine", MACHINE)}
    answer = op.ask("POST", op.issuer + path, data=ASKED, headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (404, "not_found")
    assert "location" not in answer.headers


@pytest.mark.spec("6749-3.2-a")
def test_parameters_in_the_query_are_not_read(op: Provider) -> None:
    credentials = urlencode({"client_id": "form", "client_secret": secret_of("form")})
    assert error_of(op.ask("POST", f"/token?{credentials}", data={"grant_type": "refresh_token"})) == (
        401,
        "invalid_client",
    )
    headers = {"authorization": basic("machine", MACHINE)}
    answer = op.ask("POST", "/token?grant_type=client_credentials", data={"x": "1"}, headers=headers)
    assert error_of(answer) == (400, "invalid_request")


@pytest.mark.spec("6749-3.2-a", "6749-5.2-a")
@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b'{"grant_type": "client_credentials"}'),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="grant_type"\r\n\r\nx\r\n--b--',
        ),
        ("text/plain", b"grant_type=client_credentials"),
        ("", b"grant_type=client_credentials"),
        (f"{FORM}; charset=utf-16", b"grant_type=client_credentials"),
        (FORM, b"grant_type=client_credentials;scope=x"),
        (FORM, b"grant_type=%zz"),
        (FORM, b"grant_type=%ff%fe"),
        (FORM, b"grant_type=client_credentials%00"),
        (FORM, b"\xff"),
        (FORM, b""),
        (FORM, b"grant_type=client_credentials&grant_type=client_credentials"),
        (FORM, b"grant_type=client_credentials&scope=a&scope=b"),
    ],
)
def test_a_body_that_is_no_strict_form_is_an_invalid_request(op: Provider, content_type: str, body: bytes) -> None:
    headers = {"authorization": basic("machine", MACHINE), "content-type": content_type}
    status, error = error_of(op.ask("POST", "/token", content=body, headers=headers))
    assert (status, error) in {(400, "invalid_request"), (400, "unsupported_grant_type")}
    assert error == "invalid_request" or b";" in body, "with `;` there is one parameter with an odd value"


@pytest.mark.spec("threats §1.7")
@pytest.mark.parametrize("body", [b"a=" + b"x" * 70_000, b"&".join(b"a%d=1" % number for number in range(60))])
def test_a_body_that_is_too_large_is_413(op: Provider, body: bytes) -> None:
    answer = op.ask("POST", "/token", content=body, headers={"content-type": FORM})
    assert error_of(answer) == (413, "invalid_request")


@pytest.mark.spec("6749-5.2-a", "9700-2.4-a", "V10-10.4.4")
@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({}, "invalid_request"),
        ({"grant_type": ""}, "invalid_request"),
        ({"grant_type": "password", "username": "ann", "password": "x"}, "unsupported_grant_type"),
        ({"grant_type": "implicit"}, "unsupported_grant_type"),
        ({"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer"}, "unsupported_grant_type"),
        ({"grant_type": "urn:ietf:params:oauth:grant-type:token-exchange"}, "invalid_request"),
        ({"grant_type": "urn:ietf:params:oauth:grant-type:device_code"}, "unsupported_grant_type"),
        ({"grant_type": "authorization_code"}, "invalid_request"),
        ({"grant_type": "authorization_code", "code": ""}, "invalid_request"),
        ({"grant_type": "refresh_token"}, "invalid_request"),
        ({"grant_type": "refresh_token", "refresh_token": "x"}, "invalid_grant"),
        ({"grant_type": "client_credentials"}, "unauthorized_client"),
    ],
)
def test_errors_are_oauths_own(op: Provider, form: dict[str, str], error: str) -> None:
    answer = op.party("first").token(**form)
    assert error_of(answer) == (400, error)
    assert answer.headers["pragma"] == "no-cache"
    assert "detail" not in answer.text


@pytest.mark.spec("6749-5.2-b", "6749-3.2.1-b", "V10-10.4.10", "6749-2.3-a")
@pytest.mark.parametrize(
    ("headers", "form", "expected", "challenge"),
    [
        ({}, {}, (401, "invalid_client"), False),
        ({}, {"client_id": "first"}, (401, "invalid_client"), False),
        ({}, {"client_id": "nobody"}, (401, "invalid_client"), False),
        ({}, {"client_id": "form", "client_secret": "wrong" * 9}, (401, "invalid_client"), False),
        ({}, {"client_id": "first", "client_secret": "@first"}, (401, "invalid_client"), False),
        ({}, {"client_id": "spa", "client_secret": "x" * 40}, (401, "invalid_client"), False),
        (
            {},
            {"client_assertion": "a.b.c", "client_assertion_type": "urn:x", "client_id": "first"},
            (401, "invalid_client"),
            False,
        ),
        ({"authorization": basic("first", "wrong" * 9)}, {}, (401, "invalid_client"), True),
        ({"authorization": basic("nobody", "wrong" * 9)}, {}, (401, "invalid_client"), True),
        ({"authorization": basic("form", "@form")}, {}, (401, "invalid_client"), True),
        ({"authorization": basic("spa", "x" * 40)}, {}, (401, "invalid_client"), True),
        ({"authorization": basic("spa", "")}, {}, (401, "invalid_client"), True),
        ({"authorization": raw_basic("no colon")}, {}, (401, "invalid_client"), True),
        ({"authorization": raw_basic(":secret")}, {}, (401, "invalid_client"), True),
        ({"authorization": "Basic !!!"}, {}, (401, "invalid_client"), True),
        ({"authorization": "Basic"}, {}, (401, "invalid_client"), True),
        ({"authorization": "Bearer x"}, {}, (401, "invalid_client"), False),
        (
            {"authorization": basic("first", "@first")},
            {"client_secret": "@first"},
            (400, "invalid_request"),
            False,
        ),
        (
            {"authorization": basic("first", "@first")},
            {"client_assertion": "x"},
            (400, "invalid_request"),
            False,
        ),
        ({"authorization": basic("first", "@first")}, {"client_id": "other"}, (400, "invalid_request"), False),
        (
            {},
            {"client_id": "form", "client_secret": "@form", "client_assertion": "a.b.c"},
            (400, "invalid_request"),
            False,
        ),
    ],
)
@pytest.mark.parametrize("path", ["/token", "/revoke"])
def test_a_client_that_does_not_prove_itself_gets_nothing(
    op: Provider,
    headers: dict[str, str],
    form: dict[str, str],
    expected: tuple[int, str],
    challenge: bool,
    path: str,
) -> None:
    headers = {name: filled(value) for name, value in headers.items()}
    form = {name: secret_of(value[1:]) if value.startswith("@") else value for name, value in form.items()}
    answer = op.ask(
        "POST",
        path,
        data={"grant_type": "refresh_token", "refresh_token": "x", "token": "x", **form},
        headers=headers,
    )
    assert error_of(answer) == expected
    assert answer.headers.get("www-authenticate", "").startswith("Basic ") is challenge


def filled(header: str) -> str:
    """`@client` as a secret stands for that client's secret."""
    if not header.startswith("Basic "):
        return header
    try:
        client_id, _, secret = base64.b64decode(header[6:], validate=True).decode().partition(":")
    except ValueError:
        return header
    return basic(client_id, secret_of(secret[3:])) if secret.startswith("%40") else header


@pytest.mark.spec("V16-16.5.1", "V6-6.3.8")
def test_unknown_client_and_wrong_secret_are_told_apart_by_nobody(op: Provider) -> None:
    answers = [
        op.ask("POST", "/token", data=ASKED, headers={"authorization": basic(name, "wrong" * 9)})
        for name in ("nobody", "machine", "form")
    ]
    assert len({(one.status_code, one.text, one.headers["www-authenticate"]) for one in answers}) == 1


@pytest.mark.spec("6749-2.3.1-a", "O21-2.4.1-a")
def test_odd_identifiers_and_secrets_travel_form_encoded(op: Provider) -> None:
    answer = op.party(ODD_ID, redirect_uri="", scope="").client_token(scope="orders:read", resource=API)
    assert answer.status_code == 200, answer.text
    assert claims_of(Secret(answer.json()["access_token"]))["client_id"] == ODD_ID
    by_hand = raw_basic(f"{quote_plus(ODD_ID)}:{quote_plus(ODD_SECRET)}")
    assert op.ask("POST", "/token", data=ASKED, headers={"authorization": by_hand}).status_code == 200
    lower = by_hand.replace("Basic", "bAsIc")
    assert op.ask("POST", "/token", data=ASKED, headers={"authorization": lower}).status_code == 200
    unencoded = raw_basic(f"{ODD_ID}:{ODD_SECRET}")
    assert op.ask("POST", "/token", data=ASKED, headers={"authorization": unencoded}).status_code == 401


@pytest.mark.spec("6749-2.3-a")
def test_the_client_id_may_stand_beside_basic(op: Provider) -> None:
    assert op.party("machine").client_token(client_id="machine").status_code == 200
    assert error_of(op.party("machine").client_token(client_id="other")) == (400, "invalid_request")


@pytest.mark.spec("6749-2.3.1-a", "O21-2.4.1-a")
def test_a_secret_in_the_body_works_where_it_is_registered(op: Provider) -> None:
    assert op.party("form").sign_in(op.person()).id_token is not None


@pytest.mark.spec("6749-2.3.1-b", "O21-2.4.1-b", "V6-6.1.1")
def test_guessing_a_secret_is_slowed_down_for_the_guesser_alone(op: Provider) -> None:
    wrong = op.party("guessed", secret=Secret("wrong" * 9), http=op.http())
    answers = [wrong.client_token() for _ in range(50)]
    statuses = [one.status_code for one in answers]
    assert statuses.index(429) <= 25
    assert set(statuses) == {401, 429}
    limited = next(one for one in answers if one.status_code == 429)
    assert int(limited.headers["retry-after"]) >= 1
    assert limited.headers["cache-control"] == "no-store"
    guesser = op.party("guessed", http=wrong.http)
    assert guesser.client_token().status_code == 429, "the right secret waits as well, else the answer tells"
    assert op.party("machine", http=wrong.http).client_token().status_code == 200, "another client there"
    assert op.party("guessed").client_token().status_code == 200, "the client elsewhere"


@pytest.mark.spec("6749-5.1-a", "O21-3.2.3-a")
def test_what_holds_tokens_is_kept_nowhere(op: Provider) -> None:
    party = op.party("first")
    answer = party.redeem(*party.code(op.person()))
    tokens = party.tokens(answer)
    assert answer.json()["token_type"] == "Bearer"
    assert answer.json()["expires_in"] == 900
    answers = [
        answer,
        party.refresh(tokens.refresh_token),
        party.userinfo(tokens.access_token),
        party.revoke(tokens.refresh_token),
        op.party("machine").client_token(),
    ]
    for one in answers:
        assert one.status_code == 200
        assert one.headers["cache-control"] == "no-store"
        assert one.headers["pragma"] == "no-cache"
        assert one.headers["x-content-type-options"] == "nosniff"
        assert one.headers["content-type"] == "application/json"


@pytest.mark.spec("X-host-a", "9700-4.13-b", "threats §1.3")
@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.test"},
        {"host": "evil.test:443", "x-forwarded-host": "evil.test", "x-forwarded-proto": "https"},
        {"forwarded": "host=evil.test;proto=https", "x-original-host": "evil.test", "x-forwarded-prefix": "/evil"},
    ],
)
def test_names_come_from_the_configuration_alone(op: Provider, headers: dict[str, str]) -> None:
    document = op.ask("GET", "/.well-known/openid-configuration", headers=headers)
    assert document.json() == op.ask("GET", "/.well-known/openid-configuration").json()
    party = op.party("first")
    login = op.ask("GET", party.start().url, headers=headers)
    assert login.headers["location"].startswith(op.url("/interaction/"))
    assert sent_back(op.ask("GET", party.start(scope="bogus").url, headers=headers))["iss"] == op.issuer
    poisoned = {**headers, "authorization": basic("machine", MACHINE)}
    token = op.ask("POST", "/token", data=ASKED, headers=poisoned).json()["access_token"]
    claims = claims_of(Secret(token))
    assert (claims["iss"], claims["aud"]) == (op.issuer, op.issuer)
    for path in ("/authorize", "/end-session", "/signed-out", "/nowhere"):
        assert "evil" not in op.ask("GET", path, headers={**headers, "accept": "text/html"}).text


@pytest.mark.spec("6749-6-a", "OC-12.1")
def test_a_refresh_token_is_its_clients_and_gives_no_more_than_was_granted(op: Provider) -> None:
    party = op.party("first")
    tokens = party.sign_in(op.person())
    for other in ("other", "rsa", "spa"):
        assert error_of(op.party(other).refresh(tokens.refresh_token)) == (400, "invalid_grant")
    unproven = op.ask(
        "POST",
        "/token",
        data={"grant_type": "refresh_token", "refresh_token": reveal(tokens.refresh_token), "client_id": "first"},
    )
    assert error_of(unproven) == (401, "invalid_client")
    wider = party.refresh(tokens.refresh_token, scope=f"{party.scope} orders:write")
    assert error_of(wider) == (400, "invalid_scope")
    narrow = party.refresh(tokens.refresh_token, scope="openid orders:read").json()
    assert narrow["scope"] == "openid orders:read"
    assert claims_of(Secret(narrow["access_token"]))["scope"] == "openid orders:read"
    full = party.refresh(Secret(narrow["refresh_token"])).json()
    assert full["scope"] == party.scope


@pytest.mark.spec("6749-4.4-a", "9700-4.15-a", "9068-2.2")
def test_a_client_on_its_own_gets_an_access_token_and_nothing_about_people(op: Provider) -> None:
    document: dict[str, Any] = op.party("machine").client_token(resource=API).json()
    assert set(document) == {"access_token", "token_type", "expires_in", "scope"}
    assert document["scope"] == "orders:read", "without a scope it gets all of its own"
    claims = claims_of(Secret(document["access_token"]))
    assert claims["sub"] == claims["client_id"] == "machine"
    assert set(claims) == {"iss", "sub", "aud", "client_id", "iat", "exp", "jti", "scope"}
    assert claims["aud"] == API
    assert document["expires_in"] == claims["exp"] - claims["iat"] == 600
    scoped = op.party("machine").client_token(resource=API, scope="openid orders:read").json()
    assert (
        scoped["scope"] == claims["scope"] == claims_of(Secret(scoped["access_token"]))["scope"] == "orders:read"
    )


@pytest.mark.spec("6749-4.4-a", "V10-10.4.4", "8707-2-a")
@pytest.mark.parametrize(
    ("client", "form", "error"),
    [
        ("spa", {}, "unauthorized_client"),
        ("native", {}, "unauthorized_client"),
        ("first", {}, "unauthorized_client"),
        ("machine", {"scope": "openid profile"}, "invalid_scope"),
        ("machine", {"scope": "orders:write"}, "invalid_scope"),
        ("machine", {"scope": "a  b"}, "invalid_scope"),
        ("machine", {"resource": "https://unknown.test"}, "invalid_target"),
        ("machine", {"resource": [API, MAIL]}, "invalid_target"),
        ("machine", {"resource": "relative"}, "invalid_target"),
    ],
)
def test_what_a_client_on_its_own_may_not_have(
    op: Provider, client: str, form: dict[str, Any], error: str
) -> None:
    assert error_of(op.party(client).client_token(**form)) == (400, error)


@pytest.mark.spec("threats §2")
def test_both_workers_answer_alike(op: Provider) -> None:
    party = op.party("machine")
    answers = []
    for _ in range(12):
        with httpx2.Client(trust_env=False) as client:
            answers.append(op.party("machine", http=client).client_token())
    assert {one.status_code for one in answers} == {200}
    assert len({one.json()["access_token"] for one in answers}) == 12
    assert party.client_token().status_code == 200


def reveal(token: Secret | None) -> str:
    assert token is not None
    return token.reveal()
