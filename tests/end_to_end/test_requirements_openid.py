"""requirements.md §1.7 from outside: ID tokens, prompts, UserInfo."""

import base64
import hashlib
import re
from typing import Any

import jwt
import pytest

from proofkey.protocol.text import Secret
from proofkey.testing.headless import Hop
from proofkey.testing.relying_party import Person, RelyingParty, Value
from tests.end_to_end.provider_kit import (
    Provider,
    claims_of,
    header_of,
    page_of,
    sent_back,
)

pytestmark = [pytest.mark.timeout(180)]


def pages_shown(party: RelyingParty, person: Person, **changes: Value) -> tuple[list[str], dict[str, str]]:
    """The pages that came up on the way, and the answer."""
    hops: list[Hop] = []
    person.browser.on_hop = hops.append
    answer = party.authorize(person, party.start(**changes))
    person.browser.on_hop = None
    return [hop.page for hop in hops if hop.page], answer


# --- ID tokens -------------------------------------------------------------------------------------------------


@pytest.mark.spec("OC-2-a", "OC-2-b", "OC-3.1.3.6-a", "OC-15.1-a", "F2-5.3.2.2-14", "F2-5.4.1", "OD-4.3-a")
@pytest.mark.parametrize(
    ("client", "algorithm"),
    [("first", "ES256"), ("rsa", "RS256"), ("pss", "PS256"), ("ed", "Ed25519"), ("eddsa", "EdDSA")],
)
def test_an_id_token_says_who_signed_in_when_and_for_whom(op: Provider, client: str, algorithm: str) -> None:
    party = op.party(client)
    nonce = "n-+/%&=\u00e9 " + "x" * 56
    tokens = party.sign_in(op.person(), nonce=nonce, scope="openid")
    assert tokens.id_token is not None
    header = header_of(tokens.id_token)
    assert set(header) == {"typ", "alg", "kid"}
    assert header["alg"] == algorithm
    (key,) = (key for key in op.ask("GET", "/jwks").json()["keys"] if key["kid"] == header["kid"])
    assert key["alg"] == algorithm
    peers_name = "EdDSA" if algorithm == "Ed25519" else algorithm  # PyJWT knows the older name alone
    public: Any = jwt.PyJWK({**key, "alg": peers_name}).key
    claims = signed_claims(tokens.id_token.reveal(), public, algorithm, peers_name, client, op.issuer)
    basic = {*("iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "at_hash", "sid", "amr", "acr")}
    assert set(claims) == basic
    assert claims["acr"] == "urn:op:password"
    assert claims["nonce"] == nonce
    assert claims["aud"] == client
    assert claims["sub"].isascii()
    assert len(claims["sub"]) <= 255
    assert claims["exp"] - claims["iat"] == 300
    assert claims["auth_time"] <= claims["iat"]
    assert claims["amr"] == ["pwd"]
    whole = (hashlib.sha512 if algorithm in ("Ed25519", "EdDSA") else hashlib.sha256)(
        tokens.access_token.reveal().encode()
    ).digest()
    assert claims["at_hash"] == base64.urlsafe_b64encode(whole[: len(whole) // 2]).rstrip(b"=").decode()


def signed_claims(
    token: str, key: Any, algorithm: str, peers_name: str, client: str, issuer: str
) -> dict[str, Any]:
    """Verified by PyJWT; under the newer name by the key itself."""
    if algorithm == peers_name:
        claims: dict[str, Any] = jwt.decode(token, key, [algorithm], audience=client, issuer=issuer)
        return claims
    signed, _, signature = token.rpartition(".")
    key.verify(base64.urlsafe_b64decode(signature + "=="), signed.encode())
    assert claims_of(Secret(token))["aud"] == client
    return claims_of(Secret(token))


@pytest.mark.spec("OC-12.2-a")
def test_a_refreshed_id_token_keeps_the_time_of_the_sign_in(later: Provider) -> None:
    party = later.party("first")
    first = party.sign_in(later.person())
    later.turn(100)
    before, after = claims_of(first.id_token), claims_of(party.tokens(party.refresh(first.refresh_token)).id_token)
    for claim in ("iss", "sub", "aud", "auth_time", "sid"):
        assert before[claim] == after[claim]
    assert after["iat"] >= before["iat"] + 100
    assert "nonce" not in after


@pytest.mark.spec("OC-2-a")
def test_no_nonce_asked_none_given(op: Provider) -> None:
    assert "nonce" not in claims_of(op.party("first").sign_in(op.person(), nonce=None).id_token)


# --- prompts ---------------------------------------------------------------------------------------------------


@pytest.mark.spec("OC-15.1-a", "OC-3.1.2.1-c", "ST-3")
@pytest.mark.parametrize(
    "changes",
    [
        {"display": "popup"},
        {"display": "nonsense"},
        {"ui_locales": "se de-CH"},
        {"claims_locales": "fr"},
        {"acr_values": "1 2"},
        {"login_hint": "ann"},
        {"prompt": "create"},
        {"prompt": "nonsense"},
        {"claims": '{"id_token": {}}'},
        {"registration": "{}"},
        {"id_token_hint": ""},
        {"max_age": "10000"},
        {"scope": "openid email profile"},
        {"response_mode": "query"},
    ],
)
def test_what_openid_lets_a_client_say_is_no_error(op: Provider, changes: dict[str, Value]) -> None:
    assert "code" in op.party("first").authorize(op.person(), op.party("first").start(**changes))


@pytest.mark.spec("OC-3.1.2.1-b")
def test_prompt_none_never_shows_a_page(op: Provider) -> None:
    web, first = op.party("web"), op.party("first")
    person = op.stranger("hugo")
    assert pages_shown(first, person, prompt="none")[1]["error"] == "login_required"
    first.code(person)
    shown, answer = pages_shown(web, person, prompt="none")
    assert (shown, answer["error"]) == ([], "consent_required")
    shown, answer = pages_shown(first, person, prompt="none")
    assert shown == []
    assert "code" in answer


@pytest.mark.spec("OC-3.1.2.3-a", "OC-15.1-a", "OC-2-a")
@pytest.mark.parametrize(
    "changes",
    [
        {"prompt": "login"},
        {"max_age": "0"},
        {"prompt": "select_account"},
        {"prompt": "login select_account"},
        {"max_age": "60"},
    ],
)
def test_a_person_signs_in_again_where_it_is_asked_and_auth_time_says_so(
    later: Provider, changes: dict[str, Value]
) -> None:
    party, person = later.party("first"), later.stranger("ida")
    before = claims_of(party.sign_in(person).id_token)
    later.turn(61)
    shown, answer = pages_shown(party, person, max_age="1000")
    assert shown == []
    assert "code" in answer
    hops: list[Hop] = []
    person.browser.on_hop = hops.append
    after = claims_of(party.sign_in(person, **changes).id_token)
    assert [hop.page for hop in hops if hop.page] == ["login"]
    assert after["auth_time"] >= before["auth_time"] + 61
    assert after["sub"] == before["sub"]


@pytest.mark.spec("OC-3.1.2.1-b", "OC-3.1.2.3-a")
def test_prompt_none_and_a_sign_in_that_is_too_old(later: Provider) -> None:
    party, person = later.party("first"), later.stranger("ida")
    party.code(person)
    later.turn(61)
    assert pages_shown(party, person, prompt="none", max_age="60")[1]["error"] == "login_required"
    assert "code" in pages_shown(party, person, prompt="none", max_age="90")[1]


@pytest.mark.spec("OC-3.1.2.2-a", "OC-3.1.2.2-b")
def test_a_hint_names_the_person(op: Provider) -> None:
    party = op.party("first")
    anns = party.sign_in(op.person("ann")).id_token
    bobs = party.sign_in(op.person("bob")).id_token
    foreign = op.party("rsa").sign_in(op.person("ann")).id_token
    assert anns is not None
    assert bobs is not None
    assert foreign is not None
    assert "code" in pages_shown(party, op.person(), prompt="none", id_token_hint=anns.reveal())[1]
    answer = pages_shown(party, op.person(), prompt="none", id_token_hint=bobs.reveal())[1]
    assert answer["error"] == "login_required"
    answer = pages_shown(party, op.stranger("ann"), id_token_hint=bobs.reveal())[1]
    assert answer["error"] == "login_required", "ann signed in where bob was asked for"
    spoilt = anns.reveal()[:-4] + "AAAA"
    access = party.sign_in(op.person()).access_token.reveal()
    for hint in (foreign.reveal(), spoilt, access, "a.b.c"):
        assert pages_shown(party, op.person(), prompt="none", id_token_hint=hint)[1]["error"] == "invalid_request"


@pytest.mark.spec("OC-3.1.2.2-a")
def test_an_expired_hint_is_accepted(later: Provider) -> None:
    party = later.party("first")
    hint = party.sign_in(later.person()).id_token
    assert hint is not None
    later.turn(1000)
    assert "code" in pages_shown(party, later.person(), prompt="none", id_token_hint=hint.reveal())[1]


@pytest.mark.spec("OC-15.1-a", "N63-pm", "V6-6.2.7", "N63-3.1.1.2-7")
def test_the_login_page_is_ready_for_a_password_manager(op: Provider) -> None:
    with op.http() as browser:
        answer = browser.get(op.party("first").start(login_hint='ann"><script>').url)
        page = browser.get(answer.headers["location"])
    assert page_of(page) == "login"
    assert 'value="ann&#34;&gt;&lt;script&gt;"' in page.text
    fields = {
        re.search(r'name="(\w+)"', field).group(1): field  # type: ignore[union-attr]  # every field has a name
        for field in re.findall(r"<input[^>]*>", page.text)
    }
    assert set(fields) == {"username", "password"}
    assert 'autocomplete="username webauthn"' in fields["username"]
    assert 'autocomplete="current-password"' in fields["password"]
    assert 'type="password"' in fields["password"]


# --- UserInfo --------------------------------------------------------------------------------------------------


@pytest.mark.spec("OC-5.3-a", "OC-5.4-a", "6749-5.1-a")
@pytest.mark.parametrize(
    ("scope", "claims"),
    [
        ("openid", set()),
        ("openid profile", {"name", "preferred_username", "roles"}),
        ("openid email", {"email", "email_verified"}),
        ("openid profile email", {"name", "preferred_username", "roles", "email", "email_verified"}),
    ],
)
def test_userinfo_tells_what_the_scope_releases_and_nothing_empty(
    op: Provider, scope: str, claims: set[str]
) -> None:
    party = op.party("first")
    tokens = party.sign_in(op.person(), scope=scope)
    answers = [
        party.userinfo(tokens.access_token),
        party.userinfo(tokens.access_token, method="POST"),
        op.ask("POST", "/userinfo", data={"access_token": tokens.access_token.reveal()}),
    ]
    for answer in answers:
        assert answer.status_code == 200, answer.text
        assert set(answer.json()) == {"sub", *claims}
        assert answer.json()["sub"] == claims_of(tokens.id_token)["sub"]
        assert answer.headers["cache-control"] == "no-store"
        assert not [value for value in answer.json().values() if value in (None, "", [])]
    assert set(claims_of(tokens.id_token)) & {"name", "email"} == claims & {"name", "email"}


@pytest.mark.spec("OC-5.7-a")
def test_an_address_nobody_verified_is_not_said_to_be(op: Provider) -> None:
    for name, verified in (("ann", True), ("bob", False)):
        tokens = op.party("first").sign_in(op.person(name), scope="openid email")
        said = op.party("first").userinfo(tokens.access_token).json()
        assert said["email_verified"] is claims_of(tokens.id_token)["email_verified"] is verified


@pytest.mark.spec("OC-5.3-a", "6750-3-a", "6750-2.1-a", "6750-2-b", "9700-4.3.2-a")
def test_userinfo_refuses_as_rfc_6750_says(op: Provider) -> None:
    party = op.party("first")
    tokens = party.sign_in(op.person())
    token = tokens.access_token.reveal()
    narrow = party.sign_in(op.person(), scope="orders:read").access_token.reveal()
    machine = op.party("machine").client_token().json()["access_token"]
    id_token = tokens.id_token.reveal() if tokens.id_token else ""
    bearer = {"authorization": f"Bearer {token}"}
    table: list[tuple[dict[str, Any], int, str | None]] = [
        ({"method": "GET"}, 401, None),
        ({"method": "POST"}, 401, None),
        ({"method": "GET", "params": {"access_token": token}}, 401, None),
        ({"method": "GET", "headers": {"authorization": "Basic eDp5"}}, 401, None),
        ({"method": "GET", "headers": {"authorization": "Bearer"}}, 400, "invalid_request"),
        ({"method": "GET", "headers": {"authorization": "Bearer x"}}, 401, "invalid_token"),
        ({"method": "GET", "headers": {"authorization": f"Bearer {token}A"}}, 401, "invalid_token"),
        ({"method": "GET", "headers": {"authorization": f"Bearer {id_token}"}}, 401, "invalid_token"),
        ({"method": "GET", "headers": {"authorization": f"Bearer {narrow}"}}, 403, "insufficient_scope"),
        ({"method": "GET", "headers": {"authorization": f"Bearer {machine}"}}, 403, "insufficient_scope"),
        ({"method": "GET", "headers": [("authorization", f"Bearer {token}")] * 2}, 400, "invalid_request"),
        ({"method": "POST", "headers": bearer, "data": {"access_token": token}}, 400, "invalid_request"),
        ({"method": "POST", "data": [("access_token", token)] * 2}, 400, "invalid_request"),
    ]
    for request, status, error in table:
        options = dict(request)
        if isinstance(options.get("data"), list):
            options["content"] = "&".join(f"{name}={value}" for name, value in options.pop("data"))
            options["headers"] = {"content-type": "application/x-www-form-urlencoded"}
        answer = op.ask(options.pop("method"), "/userinfo", **options)
        challenge = answer.headers["www-authenticate"]
        assert answer.status_code == status, (request, answer.text)
        assert challenge.startswith("Bearer ")
        assert re.findall(r'error="(\w+)"', challenge) == ([error] if error else []), request
        assert token not in answer.text
    assert (
        'scope="openid"'
        in op.ask("GET", "/userinfo", headers={"authorization": f"Bearer {machine}"}).headers["www-authenticate"]
    )
    assert op.ask("GET", "/userinfo", headers={"authorization": f"bEaReR {token}"}).status_code == 200


@pytest.mark.spec("9207-2-a", "OD-4.3-a")
def test_the_issuer_is_the_same_everywhere(op: Provider, later: Provider) -> None:
    for provider in (op, later):
        party = provider.party("first")
        started = party.start()
        tokens = party.sign_in(provider.person())
        said = {
            provider.ask("GET", "/.well-known/openid-configuration").json()["issuer"],
            sent_back(provider.ask("GET", party.start(prompt="none").url))["iss"],
            party.authorize(provider.person(), started)["iss"],
            claims_of(tokens.access_token)["iss"],
            claims_of(tokens.id_token)["iss"],
            provider.server.public_url,
        }
        assert said == {provider.issuer}


@pytest.mark.spec("OC-3.1.3.7-a", "9700-2.1.1-a")
def test_a_token_of_another_server_is_refused(op: Provider, later: Provider) -> None:
    foreign: Secret = later.party("first").sign_in(later.person()).access_token
    assert op.party("first").userinfo(foreign).status_code == 401
