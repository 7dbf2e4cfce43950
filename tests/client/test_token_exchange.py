"""The exchange of a received token: what is sent, what of the answer is believed."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proofkey.client.token_exchange import (
    ACCESS_TOKEN,
    GRANT_TYPE,
    JWT,
    JWT_BEARER,
    ExchangedToken,
    ExchangeRules,
    build_exchange_ask,
    build_target,
    check_exchange_rules,
    read_exchange_answer,
)
from proofkey.errors import ConfigurationError, ExchangeFailed, ProofkeyError, Unavailable
from proofkey.findings import Finding
from proofkey.protocol.client_assertion import OutgoingClient
from proofkey.protocol.exchange import Answer
from proofkey.protocol.text import ClientId, Instant, Issuer, Secret

ISSUER = Issuer("https://op.test")
NOW = Instant(1_800_000_000)
SUBJECT = Secret("received-token")
CLIENT = OutgoingClient(
    client_id=ClientId("api"),
    secret=Secret("q7Zr0bX1mGd2Vt8Ky3Lw5Hs9Nc4Jf6PaEuRiTyWo0"),
    method="client_secret_post",
)
RULES = ExchangeRules(issuer=ISSUER, client=CLIENT)
ENTRA = ExchangeRules(issuer=ISSUER, client=CLIENT, kind="on_behalf_of")
TARGET = build_target(RULES, (), ("https://stock.test",), ("stock:read", "stock:write"))
GRAPH = build_target(ENTRA, (), (), ("api://stock/.default",))
GOOD = {
    "access_token": "new-token",
    "issued_token_type": ACCESS_TOKEN,
    "token_type": "Bearer",
    "expires_in": 300,
    "scope": "stock:read",
}


def form_of(rules: ExchangeRules, target: Any, actor: Secret | None = None) -> list[tuple[str, str]]:
    ask = build_exchange_ask(
        rules, f"{ISSUER}/token", SUBJECT, target, actor=actor, now=NOW, fresh_id=lambda: "jti-1"
    )
    assert (ask.method, ask.url) == ("POST", f"{ISSUER}/token")
    assert SUBJECT.reveal() not in repr(ask)
    return [pair for pair in ask.form or () if pair[0] not in ("client_id", "client_secret")]


@pytest.mark.spec("8693-2-a †")
def test_the_request_names_token_types_and_target() -> None:
    assert form_of(RULES, TARGET) == [
        ("grant_type", GRANT_TYPE),
        ("subject_token", "received-token"),
        ("subject_token_type", ACCESS_TOKEN),
        ("requested_token_type", ACCESS_TOKEN),
        ("resource", "https://stock.test"),
        ("scope", "stock:read stock:write"),
    ]


@pytest.mark.spec("8693-2-a †")
def test_several_targets_and_an_actor_can_be_named() -> None:
    target = build_target(RULES, ("stock", "billing"), ("https://a.test", "https://b.test"), ())
    form = form_of(RULES, target, Secret("actor"))
    assert [value for name, value in form if name == "audience"] == ["stock", "billing"]
    assert [value for name, value in form if name == "resource"] == ["https://a.test", "https://b.test"]
    assert ("actor_token", "actor") in form
    assert ("actor_token_type", ACCESS_TOKEN) in form
    assert "scope" not in dict(form)


def test_on_behalf_of_is_microsofts_request() -> None:
    assert form_of(ENTRA, GRAPH) == [
        ("grant_type", JWT_BEARER),
        ("assertion", "received-token"),
        ("requested_token_use", "on_behalf_of"),
        ("scope", "api://stock/.default"),
    ]
    with pytest.raises(ConfigurationError):
        form_of(ENTRA, GRAPH, Secret("actor"))


@pytest.mark.parametrize(
    ("rules", "target"),
    [
        pytest.param(RULES, ((), (), ()), id="nothing"),
        pytest.param(RULES, ((" ",), (), ()), id="an empty audience"),
        pytest.param(RULES, ((), ("not a uri",), ()), id="a resource that is no URI"),
        pytest.param(RULES, ((), ("https://a.test#x",), ()), id="a fragment"),
        pytest.param(RULES, ((), (), ('a"b',)), id="a scope that is none"),
        pytest.param(ENTRA, (("stock",), (), ("api://x/.default",)), id="on behalf of, with an audience"),
        pytest.param(ENTRA, ((), ("https://a.test",), ()), id="on behalf of, without a scope"),
    ],
)
def test_a_target_that_cannot_be_is_refused(rules: ExchangeRules, target: Any) -> None:
    with pytest.raises(ConfigurationError):
        build_target(rules, *target)


@pytest.mark.parametrize(
    "changes",
    [
        {"client": OutgoingClient(client_id=ClientId("api"))},
        {"kind": "magic"},
        {"subject_token_type": "urn:ietf:params:oauth:token-type:id_token"},
        {"requested_token_type": "urn:ietf:params:oauth:token-type:refresh_token"},
    ],
    ids=["no credentials", "kind", "an ID token", "a refresh token"],
)
def test_rules_that_cannot_be_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        check_exchange_rules(ExchangeRules(**{"issuer": ISSUER, "client": CLIENT, **changes}))


# --- the answer ----------------------------------------------------------------------------------------------
def answer(document: Any, status: int = 200) -> Answer:
    return Answer(status, {}, document if isinstance(document, bytes) else json.dumps(document).encode())


def changed(**changes: Any) -> Answer:
    return answer({name: value for name, value in {**GOOD, **changes}.items() if value is not None})


def read(found: Answer, rules: ExchangeRules = RULES) -> ExchangedToken:
    return read_exchange_answer(found, rules, SUBJECT, TARGET, NOW)


@pytest.mark.spec("8693-2-a †")
def test_a_good_answer_is_a_token_that_does_not_show_itself() -> None:
    token = read(changed(refresh_token="rt", token_type="bearer"))
    assert (token.reveal(), token.expires_at, token.scope) == ("new-token", NOW + 300, ("stock:read",))
    assert "new-token" not in repr(token) + str(token) + f"{token}"


def test_what_the_server_does_not_say_is_as_asked() -> None:
    token = read(changed(scope=None, expires_in=None))
    assert (token.scope, token.expires_at) == (("stock:read", "stock:write"), None)
    assert read(changed(issued_token_type=None), ENTRA).reveal() == "new-token"
    as_jwt = ExchangeRules(issuer=ISSUER, client=CLIENT, requested_token_type=JWT)
    assert read(changed(issued_token_type=JWT), as_jwt).reveal() == "new-token"


@pytest.mark.spec("8693-2-a †", "MCP25-pass")
@pytest.mark.parametrize(
    ("found", "finding"),
    [
        pytest.param(changed(issued_token_type=None), Finding.EXCHANGE_ANSWER, id="no issued_token_type"),
        pytest.param(changed(issued_token_type=JWT), Finding.EXCHANGE_ANSWER, id="another type"),
        pytest.param(changed(issued_token_type=[ACCESS_TOKEN]), Finding.EXCHANGE_ANSWER, id="a list"),
        pytest.param(changed(token_type="N_A"), Finding.EXCHANGE_ANSWER, id="N_A"),
        pytest.param(changed(token_type="DPoP"), Finding.EXCHANGE_ANSWER, id="DPoP"),
        pytest.param(changed(token_type=None), Finding.EXCHANGE_ANSWER, id="no token_type"),
        pytest.param(changed(access_token=None), Finding.EXCHANGE_ANSWER, id="no token"),
        pytest.param(changed(access_token="a\nb"), Finding.EXCHANGE_ANSWER, id="a token with a line end"),
        pytest.param(changed(expires_in="soon"), Finding.EXCHANGE_ANSWER, id="expires_in is text"),
        pytest.param(changed(access_token="received-token"), Finding.EXCHANGE_SAME_TOKEN, id="the same token"),
        pytest.param(answer(b"<html>"), Finding.EXCHANGE_ANSWER, id="a page"),
        pytest.param(answer(b'{"access_token":"a","access_token":"b"}'), Finding.EXCHANGE_ANSWER, id="twice"),
        pytest.param(answer({"error": "invalid_client"}, 401), Finding.EXCHANGE_CREDENTIALS, id="401"),
        pytest.param(answer({"error": "unauthorized_client"}, 400), Finding.EXCHANGE_CREDENTIALS, id="400"),
        pytest.param(answer(b"", 302), Finding.OUTGOING_REDIRECT, id="a redirect"),
        pytest.param(answer(b"<html>", 404), Finding.OUTGOING_STATUS, id="404"),
        pytest.param(answer({"error": "x"}, 500), Finding.OUTGOING_STATUS, id="500"),
        pytest.param(answer({"error": "slow_down"}, 429), Finding.OUTGOING_STATUS, id="429"),
    ],
)
def test_an_answer_at_fault_is_never_the_callers_fault(found: Answer, finding: Finding) -> None:
    with pytest.raises(Unavailable) as refused:
        read(found)
    assert refused.value.finding is finding
    assert "received-token" not in str(refused.value)


@pytest.mark.spec("8693-2.2.2")
@pytest.mark.parametrize("error", ["invalid_request", "invalid_grant", "invalid_target", "invalid_scope"])
def test_a_refusal_carries_the_servers_code(error: str) -> None:
    with pytest.raises(ExchangeFailed) as refused:
        read(answer({"error": error, "error_description": "secret words"}, 400))
    assert (refused.value.finding, refused.value.error) == (Finding.EXCHANGE_REFUSED, error)
    assert "secret words" not in str(refused.value)


CLAIMS = '{"access_token":{"acrs":{"essential":true,"value":"c1"}}}'


@pytest.mark.parametrize(
    ("document", "claims"),
    [
        ({"error": "interaction_required", "claims": CLAIMS}, CLAIMS),
        ({"error": "invalid_grant", "suberror": "basic_action", "claims": CLAIMS}, CLAIMS),
        ({"error": "consent_required"}, None),
        ({"error": "interaction_required", "claims": 7}, None),
        ({"error": "interaction_required", "claims": "x" * 5000}, None),
        ({"error": "interaction_required", "claims": "a\r\nb"}, None),
    ],
    ids=["interaction", "claims alone", "consent", "a number", "long", "control characters"],
)
def test_a_server_that_wants_the_person_says_so(document: dict[str, Any], claims: str | None) -> None:
    with pytest.raises(ExchangeFailed) as refused:
        read(answer(document, 400), ENTRA)
    assert (refused.value.finding, refused.value.claims) == (Finding.EXCHANGE_INTERACTION, claims)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=300, deadline=None)
@given(
    changes=st.dictionaries(st.sampled_from([*GOOD, "error", "claims", "refresh_token", "id_token"]), JSON),
    status=st.sampled_from([200, 400, 401, 403, 404, 500]),
)
def test_no_answer_makes_anything_but_our_own_errors(changes: dict[str, Any], status: int) -> None:
    try:
        token = read(answer({**GOOD, **changes}, status))
    except ProofkeyError:
        return
    assert status == 200
    assert token.reveal() != "received-token"
