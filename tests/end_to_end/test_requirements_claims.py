"""requirements.md §1.7 from outside: claims asked for one by one, authentication context, signed UserInfo."""

import base64
import json
from typing import Any

import httpx2
import jwt
import pytest

from proofkey.protocol.text import Secret
from proofkey.testing.relying_party import Person, RelyingParty, Value
from tests.end_to_end.provider_kit import Provider, claims_of, everywhere, header_of, page_of, wait_until

pytestmark = [pytest.mark.timeout(180)]

PASSWORD, TWO = "urn:op:password", "urn:op:two-factors"


def asked(**places: Any) -> dict[str, Value]:
    """The claims parameter."""
    return {"claims": json.dumps(places)}


def consent_page(op: Provider, party: RelyingParty, person: Person, **changes: Value) -> httpx2.Response:
    """The consent page, after the person signed in."""
    browser = person.browser.client
    page = browser.get(browser.get(party.start(**changes).url).headers["location"])
    assert page_of(page) == "login"
    form = {"username": person.username, "password": person.password.reveal()}
    sent = browser.post(
        str(page.url), data=form, headers={"origin": op.server.url, "sec-fetch-site": "same-origin"}
    )
    page = browser.get(sent.headers["location"])
    assert page_of(page) == "consent"
    return page


# --- the claims parameter --------------------------------------------------------------------------------------


@pytest.mark.spec("OC-5.4-a", "OC-3.1.2.4-a", "V10-10.7.1")
def test_single_claims_go_where_they_were_asked_for_once_the_person_has_read_them(op: Provider) -> None:
    party, person = op.party("curious"), op.stranger("ann")
    request = {
        **asked(id_token={"email": None, "nickname": {"essential": True}}, userinfo={"name": None}),
        "scope": "openid orders:read",
    }
    page = consent_page(op, party, person, **request)
    assert "See your e-mail address" in page.text
    assert "See your name" in page.text
    tokens = party.sign_in(person, **request)
    in_token, at_userinfo = claims_of(tokens.id_token), party.userinfo(tokens.access_token).json()
    assert in_token["email"] == "ann@op.test"
    assert "nickname" not in in_token, "what is empty is left out, also when it is essential"
    assert "name" not in in_token
    assert set(at_userinfo) == {"sub", "name"}


@pytest.mark.spec("OC-5.4-a", "OC-3.1.2.4-a")
def test_what_was_allowed_once_is_asked_again_only_for_more(op: Provider) -> None:
    party, person = op.party("curious"), op.stranger("otto")
    narrow = {"scope": "openid", **asked(userinfo={"email": None})}
    assert "code" in party.authorize(person, party.start(**narrow))
    assert "code" in party.authorize(person, party.start(**narrow, prompt="none"))
    more = {"scope": "openid", **asked(userinfo={"email": None, "phone_number": None})}
    assert party.authorize(person, party.start(**more, prompt="none"))["error"] == "consent_required"
    whole = {"scope": "openid email"}
    assert party.authorize(person, party.start(**whole, prompt="none"))["error"] == "consent_required"


@pytest.mark.spec("OC-5.4-a", "V10-10.4.4")
def test_a_client_gets_no_single_claim_of_a_scope_it_is_not_registered_for(op: Provider) -> None:
    party, person = op.party("bare"), op.stranger("ann")
    wish = asked(id_token={"email": {"essential": True}}, userinfo={"name": None, "nonsense": None})
    assert (
        "e-mail address</li>" in consent_page(op, party, person, **wish, scope="openid").text.split("not get")[1]
    )
    tokens = party.sign_in(person, **wish, scope="openid")
    assert "email" not in claims_of(tokens.id_token)
    assert set(party.userinfo(tokens.access_token).json()) == {"sub"}


@pytest.mark.spec("OC-12.2-a", "OC-5.4-a")
def test_a_refreshed_id_token_has_the_single_claims_too(op: Provider) -> None:
    party = op.party("first")
    tokens = party.sign_in(op.person(), scope="openid offline_access", **asked(id_token={"email": None}))
    again = party.tokens(party.refresh(tokens.refresh_token))
    assert claims_of(again.id_token)["email"] == claims_of(tokens.id_token)["email"] == "ann@op.test"


@pytest.mark.spec("OC-5.4-a")
@pytest.mark.parametrize(
    ("wish", "told"),
    [
        ({"value": "ann@op.test"}, True),
        ({"values": ["x@op.test", "ann@op.test"]}, True),
        ({"value": "bob@op.test", "essential": True}, False),
        ({"values": []}, True),
    ],
    ids=["its value", "one of its values", "another value", "no value"],
)
def test_a_claim_whose_value_the_client_cannot_use_is_left_out(
    op: Provider, wish: dict[str, Any], *, told: bool
) -> None:
    tokens = op.party("first").sign_in(op.person(), scope="openid", **asked(id_token={"email": wish}))
    assert ("email" in claims_of(tokens.id_token)) is told


@pytest.mark.spec("OC-5.4-a", "OC-5.7-a")
@pytest.mark.parametrize(
    ("person", "told"),
    [
        (
            "olga",
            {
                "phone_number": "+47 22 00 00 00",
                "phone_number_verified": True,
                "address": {"locality": "Oslo", "country": "NO"},
            },
        ),
        ("bob", {}),
    ],
)
def test_address_and_telephone_number(op: Provider, person: str, told: dict[str, Any]) -> None:
    party = op.party("curious")
    tokens = party.sign_in(op.stranger(person), scope="openid phone address")
    said = party.userinfo(tokens.access_token).json()
    assert {name: value for name, value in said.items() if name != "sub"} == told


@pytest.mark.spec("OC-3.1.2.2-b", "OC-3.1.2.1-b")
def test_a_value_for_sub_is_that_person_or_nobody(op: Provider) -> None:
    party = op.party("first")
    for place in ("id_token", "userinfo"):
        for wish, error in (({"value": "sub-of-ann"}, None), ({"values": ["sub-of-bob", 7]}, "login_required")):
            request = party.start(prompt="none", **asked(**{place: {"sub": wish}}))
            assert party.authorize(op.person("ann"), request).get("error") == error
    answer = party.authorize(op.stranger("ann"), party.start(**asked(id_token={"sub": {"value": "sub-of-bob"}})))
    assert answer["error"] == "login_required", "ann signed in where bob was asked for"


@pytest.mark.spec("6749-3.1-a", "OC-15.1-a")
@pytest.mark.parametrize(
    "text",
    [
        *(
            "nonsense",
            "[]",
            '{"id_token": []}',
            '{"id_token": {"email": "x"}}',
            '{"id_token": {"email": {"essential": 1}}}',
        ),
        *('{"userinfo": {"email": {"values": "x"}}}', '{"a": 1, "a": 2}', '{"x": "' + "y" * 8200 + '"}'),
    ],
)
def test_a_claims_parameter_that_is_none_is_refused(op: Provider, text: str) -> None:
    party = op.party("first")
    assert party.authorize(op.person(), party.start(claims=text))["error"] == "invalid_request"


@pytest.mark.spec("OC-15.1-a", "6749-3.1-a")
@pytest.mark.parametrize("text", ["", "{}", '{"id_token": null, "other": {}}', '{"id_token": {"email#de": null}}'])
def test_a_claims_parameter_that_says_little_is_no_error(op: Provider, text: str) -> None:
    assert "code" in op.party("first").authorize(op.person(), op.party("first").start(claims=text))


# --- authentication context ------------------------------------------------------------------------------------


@pytest.mark.spec("9470-4-a", "OC-15.1-a")
@pytest.mark.parametrize(
    "changes",
    [
        {"acr_values": f"{TWO} {PASSWORD}"},
        {"acr_values": "urn:nobody:knows"},
        asked(id_token={"acr": None}),
        asked(id_token={"acr": {"values": [TWO]}}),
        asked(id_token={"acr": {"essential": True}}),
        asked(id_token={"acr": {"essential": True, "values": [TWO, PASSWORD]}}),
        asked(id_token={"auth_time": {"essential": True}}),
    ],
)
def test_the_class_that_was_reached_stands_in_both_tokens(op: Provider, changes: dict[str, Value]) -> None:
    tokens = op.party("first").sign_in(op.person(), **changes)
    for token in (tokens.id_token, tokens.access_token):
        assert claims_of(token)["acr"] == PASSWORD
        assert isinstance(claims_of(token)["auth_time"], int)


@pytest.mark.spec("9470-4-a", "OC-3.1.2.1-b")
@pytest.mark.parametrize("wish", [{"value": TWO}, {"values": [TWO, "urn:x"]}, {"values": [1]}])
def test_a_class_that_cannot_be_reached_is_said_so_at_once(op: Provider, wish: dict[str, Any]) -> None:
    party = op.party("first")
    request = asked(id_token={"acr": {"essential": True, **wish}})
    for person in (op.person(), op.stranger("ann")):
        for prompt in (None, "none"):
            answer = party.authorize(person, party.start(**request, prompt=prompt))
            assert answer["error"] == "unmet_authentication_requirements"
            assert answer["iss"] == op.issuer


@pytest.mark.spec("9470-4-a")
def test_a_client_has_defaults_for_age_and_class(later: Provider) -> None:
    aged, person = later.party("aged"), later.stranger("ida")
    first = claims_of(aged.sign_in(person).id_token)
    later.turn(61)
    assert aged.authorize(person, aged.start(prompt="none"))["error"] == "login_required"
    assert "code" in aged.authorize(person, aged.start(prompt="none", max_age="1000"))
    again = claims_of(aged.sign_in(person).id_token)
    assert again["auth_time"] >= first["auth_time"] + 61
    assert claims_of(later.party("strong").sign_in(person).access_token)["acr"] == PASSWORD


# --- UserInfo as a JWT -----------------------------------------------------------------------------------------


@pytest.mark.spec("OC-5.3-a", "6749-5.1-a", "9700-2.6-c / OD-3")
@pytest.mark.parametrize(("client", "algorithm"), [("pss", "RS256"), ("ed", "PS256"), ("eddsa", "EdDSA")])
def test_userinfo_is_signed_for_a_client_that_asked_for_it(op: Provider, client: str, algorithm: str) -> None:
    party = op.party(client)
    tokens = party.sign_in(op.person(), scope="openid email")
    token = tokens.access_token
    origin = {"origin": "https://spa.test"}
    answers = [
        party.userinfo(token),
        party.userinfo(token, method="POST"),
        op.ask("POST", "/userinfo", data={"access_token": token.reveal()}, headers=origin),
    ]
    for answer in answers:
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/jwt"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["access-control-allow-origin"] == "*"
        header = header_of(Secret(answer.text))
        assert header["alg"] == algorithm
        (key,) = (key for key in op.ask("GET", "/jwks").json()["keys"] if key["kid"] == header["kid"])
        claims: dict[str, Any] = jwt.decode(
            answer.text, jwt.PyJWK(key).key, [algorithm], audience=client, issuer=op.issuer
        )
        assert claims == {
            **{"iss": op.issuer, "aud": client, "sub": claims_of(tokens.id_token)["sub"]},
            **{"email": "ann@op.test", "email_verified": True},
        }
    hint = party.start(prompt="none", id_token_hint=answers[0].text)
    assert party.authorize(op.person(), hint)["error"] == "invalid_request", "it is no ID token"
    assert party.userinfo(Secret(answers[0].text)).status_code == 401


@pytest.mark.spec("9700-2.6-c / OD-3", "OC-5.3-a")
def test_userinfo_lets_browsers_ask(op: Provider) -> None:
    asks = {"origin": "https://spa.test", "access-control-request-method": "GET"}
    answer = op.ask("OPTIONS", "/userinfo", headers={**asks, "access-control-request-headers": "authorization"})
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "authorization" in answer.headers["access-control-allow-headers"].lower()
    assert {"GET", "POST"} <= set(answer.headers["access-control-allow-methods"].split(", "))
    assert "access-control-allow-credentials" not in answer.headers


# --- keys ------------------------------------------------------------------------------------------------------


@pytest.mark.spec("OC-10.1.1-a", "8725b-3.1-a", "F2-5.4.2", "V11-11.2.3")
@pytest.mark.parametrize(("client", "algorithm"), [("pss", "PS256"), ("ed", "Ed25519"), ("eddsa", "EdDSA")])
def test_keys_of_every_algorithm_rotate_with_an_overlap(op: Provider, client: str, algorithm: str) -> None:
    party = op.party(client)
    before = party.sign_in(op.person()).id_token
    assert before is not None
    old = header_of(before)["kid"]
    (made,) = json.loads(op.run("keys", "rotate", "--algorithm", algorithm, "--now", "--json").stdout)
    new = made["kid"]
    wait_until(lambda: everywhere(op, new))
    wait_until(lambda: header_of(party.sign_in(op.person()).id_token)["kid"] == new)
    keys: dict[str, Any] = {}

    def has_both() -> bool:
        """A worker that nobody asked meanwhile reads the new key within a second."""
        keys.clear()
        keys.update({key["kid"]: key for key in op.ask("GET", "/jwks").json()["keys"]})
        return {old, new} <= keys.keys()

    wait_until(has_both)
    assert keys[old]["alg"] == keys[new]["alg"] == algorithm
    listed = {key["kid"]: key["state"] for key in json.loads(op.run("keys", "list", "--json").stdout)}
    assert (listed[old], listed[new]) == ("retired", "signing")
    answer = party.authorize(op.person(), party.start(prompt="none", id_token_hint=before.reveal()))
    assert "code" in answer, "what the old key signed is still proven"


@pytest.mark.spec("OC-10.1.1-a", "OC-15.1-a")
def test_a_client_that_is_added_later_brings_the_key_that_it_needs(later: Provider) -> None:
    """Here a client has brought that key before; another one does not make it twice."""
    kids = [key["kid"] for key in later.ask("GET", "/jwks").json()["keys"]]
    made = later.run(
        "client", "add", "late", "--redirect", "https://late.test/cb", "--id-token-alg", "PS256", "--json"
    )
    document = json.loads(made.stdout)
    assert (document["id_token_signed_response_alg"], document["subject_type"]) == ("PS256", "public")
    assert [key["kid"] for key in later.ask("GET", "/jwks").json()["keys"]] == kids
    assert base64.urlsafe_b64decode(document["client_secret"] + "==")
    later.run("client", "disable", "late")
