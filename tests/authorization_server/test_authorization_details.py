"""Rich authorization requests (RFC 9396): asked for, shown, consented to by value, granted, narrowed."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from proofkey.authorization_server.answers import Page
from proofkey.authorization_server.authorization_details import consent_items_of, words_of_details
from proofkey.authorization_server.decision import check_may_act
from proofkey.authorization_server.metadata import build_metadata
from proofkey.authorization_server.policy import DetailType, Policy
from proofkey.authorization_server.registration import check_registration
from proofkey.errors import ConfigurationError, InvalidAuthorizationDetails, InvalidGrant
from proofkey.findings import Finding
from proofkey.protocol.registration import ClientRegistration
from tests.authorization_server.driver import (
    API,
    ISSUER,
    Desk,
    Visitor,
    claims_of,
    client,
    interaction_of,
    open_desk,
    sent_back,
)
from tests.authorization_server.requests_kit import (
    EVERYTHING,
    JWKS,
    begin,
    finish,
    push,
    pushed,
    signed,
)
from tests.authorization_server.tokens_kit import ask

PAY: dict[str, Any] = {
    "type": "payment",
    "actions": ["start", "look"],
    "instructedAmount": {"currency": "EUR", "amount": "100.00"},
    "creditor": "Bob's shop",
}
LOOK: dict[str, Any] = {"type": "account", "locations": [API], "identifier": "DE02", "days": 7, "joint": True}
SAME_PAY = {name: PAY[name] for name in reversed(PAY)}
OTHER_PAY = PAY | {"instructedAmount": {"currency": "EUR", "amount": "900.00"}}
TYPES = ("payment", "account", "even", "once")


def check_even(detail: Mapping[str, Any]) -> None:
    if detail.get("number", 0) % 2:
        raise ValueError("odd")


DETAILS: Policy = replace(
    EVERYTHING,
    default_resource=API,
    authorization_details_types={
        "payment": DetailType(
            type="payment",
            title="Start this payment",
            required=("instructedAmount",),
            fields=("creditor",),
            actions=("start", "look"),
        ),
        "account": DetailType(type="account", fields=("days", "joint")),
        "even": DetailType(type="even", fields=("number",), check=check_even),
        "other": DetailType(type="other"),
        "once": DetailType(type="once", ask_again=True),
    },
    clients=(
        client("web", authorization_details_types=TYPES),
        client("first", authorization_details_types=TYPES, skip_consent=True),
        client("signs", authorization_details_types=TYPES, jwks=JWKS),
        client("opaque", authorization_details_types=TYPES, access_token_format="opaque"),
        client("plain"),
    ),
)


@pytest.fixture
async def desk() -> Desk:
    return await open_desk(DETAILS)


def text(*details: Any) -> str:
    return json.dumps(list(details))


async def grant(desk: Desk, *details: Any, client_id: str = "web", **changes: Any) -> dict[str, Any]:
    """The tokens of a person that allows it."""
    visitor = Visitor(desk.core)
    uri = await pushed(desk, client_id, authorization_details=text(*details), **changes)
    back = sent_back(await finish(visitor, await begin(visitor, client_id, uri)))
    return await desk.redeem(back["code"], client_id)


# --- granted --------------------------------------------------------------------------------------------------


@pytest.mark.spec("9396-7", "9396-9.1", "9396-9.2")
@pytest.mark.parametrize("client_id", ["web", "first", "opaque"])
async def test_what_was_granted_stands_in_response_token_and_introspection(desk: Desk, client_id: str) -> None:
    tokens = await grant(desk, PAY, LOOK, client_id=client_id)
    assert tokens["authorization_details"] == [PAY, LOOK]
    told = await ask(desk, tokens["access_token"], client_id)
    assert told["authorization_details"] == [PAY, LOOK]
    if client_id != "opaque":
        assert claims_of(tokens["access_token"])["authorization_details"] == [PAY, LOOK]
    again = await desk.refresh(tokens["refresh_token"], client_id)
    assert again["authorization_details"] == [PAY, LOOK]


@pytest.mark.spec("9396-3.1")
async def test_whoever_asks_by_details_alone_gets_no_scope(desk: Desk) -> None:
    tokens = await grant(desk, PAY, scope=None)
    assert "scope" not in tokens
    assert "scope" not in claims_of(tokens["access_token"])
    assert tokens["authorization_details"] == [PAY]


@pytest.mark.spec("9396-7")
async def test_without_details_nothing_is_added(desk: Desk) -> None:
    tokens = await Visitor(desk.core).tokens(desk)
    assert "authorization_details" not in tokens
    assert "authorization_details" not in claims_of(tokens["access_token"])


@pytest.mark.spec("9396-6")
async def test_a_client_of_its_own_account_asks_at_the_token_endpoint(desk: Desk) -> None:
    tokens = await desk.token(grant_type="client_credentials", authorization_details=text(LOOK))
    assert tokens["authorization_details"] == [LOOK]
    assert "scope" not in tokens
    assert claims_of(tokens["access_token"])["authorization_details"] == [LOOK]
    with pytest.raises(InvalidAuthorizationDetails):
        await desk.token("plain", grant_type="client_credentials", authorization_details=text(LOOK))


# --- refused --------------------------------------------------------------------------------------------------

WRONG: dict[str, tuple[str, Finding]] = {
    "no JSON": ("{", Finding.DETAILS_MALFORMED),
    "an object": (json.dumps(PAY), Finding.DETAILS_MALFORMED),
    "a list and more": ('[{"type":"account"}],"x":1', Finding.DETAILS_MALFORMED),
    "an empty list": ("[]", Finding.DETAILS_MALFORMED),
    "a list of names": ('["payment"]', Finding.DETAILS_MALFORMED),
    "no type": (text({"actions": ["look"]}), Finding.DETAILS_MALFORMED),
    "an empty type": (text({"type": ""}), Finding.DETAILS_MALFORMED),
    "a type that is no text": (text({"type": 1}), Finding.DETAILS_MALFORMED),
    "a member twice": ('[{"type":"account","days":1,"days":2}]', Finding.DETAILS_MALFORMED),
    "text that reads backwards": (text(PAY | {"creditor": "a\u202eb"}), Finding.DETAILS_MALFORMED),
    "a line break in a value": (text(PAY | {"creditor": "a\nb"}), Finding.DETAILS_MALFORMED),
    "a name that reads as a value": (
        text(PAY | {"instructedAmount": {"amount: 1 EUR, in truth": 9}}),
        Finding.DETAILS_MALFORMED,
    ),
    "a line break in a name": (text(LOOK | {"da\nys": 1}), Finding.DETAILS_MALFORMED),
    "too many": (text(*({"type": "account", "days": n} for n in range(21))), Finding.DETAILS_MALFORMED),
    "too long": (text({"type": "account", "days": "9" * 8200}), Finding.DETAILS_MALFORMED),
    "an unknown type": (text({"type": "transfer"}), Finding.DETAILS_TYPE),
    "a type of other clients": (text({"type": "other"}), Finding.DETAILS_TYPE),
    "one good, one unknown": (text(PAY, {"type": "transfer"}), Finding.DETAILS_TYPE),
    "a missing member": (text({"type": "payment"}), Finding.DETAILS_MEMBER),
    "an unknown member": (text(PAY | {"tip": 1}), Finding.DETAILS_MEMBER),
    "an unknown action": (text(PAY | {"actions": ["refund"]}), Finding.DETAILS_MEMBER),
    "actions that are no list": (text(PAY | {"actions": "start"}), Finding.DETAILS_MEMBER),
    "an identifier that is no text": (text(LOOK | {"identifier": 2}), Finding.DETAILS_MEMBER),
    "another API": (text(LOOK | {"locations": ["https://billing.test"]}), Finding.DETAILS_MEMBER),
    "what the rule refuses": (text({"type": "even", "number": 3}), Finding.DETAILS_MEMBER),
}


@pytest.mark.spec("9396-5")
@pytest.mark.parametrize(("sent", "finding"), WRONG.values(), ids=WRONG)
async def test_what_is_not_right_is_refused_wherever_it_is_sent(desk: Desk, sent: str, finding: Finding) -> None:
    with pytest.raises(InvalidAuthorizationDetails) as refused:
        await push(desk, authorization_details=sent)
    assert refused.value.finding is finding
    with pytest.raises(InvalidAuthorizationDetails) as refused:
        await desk.token(grant_type="client_credentials", authorization_details=sent)
    assert refused.value.finding is finding
    answer = await Visitor(desk.core).authorize(
        "signs", request=signed(authorization_details=sent), scope=None, authorization_details=None
    )
    assert sent_back(answer)["error"] == "invalid_authorization_details"


@pytest.mark.spec("V10-10.4.15", "9396-12")
async def test_a_confidential_client_does_not_ask_in_the_open(desk: Desk) -> None:
    answer = await Visitor(desk.core).authorize("web", authorization_details=text(PAY))
    assert sent_back(answer)["error"] == "invalid_request"
    visitor = Visitor(desk.core)
    answer = await visitor.authorize("signs", request=signed(authorization_details=[PAY]))
    assert "code" in sent_back(await finish(visitor, answer))


@pytest.mark.spec("9396-5")
async def test_a_server_without_types_never_ignores_what_is_asked() -> None:
    desk = await open_desk(replace(DETAILS, authorization_details_types={}, clients=(client("plain"),)))
    with pytest.raises(InvalidAuthorizationDetails):
        await push(desk, "plain", authorization_details=text(PAY))


# --- consent --------------------------------------------------------------------------------------------------


@pytest.mark.spec("9396-12")
async def test_the_consent_page_says_it_all(desk: Desk) -> None:
    visitor = Visitor(desk.core)
    answer = await begin(visitor, "web", await pushed(desk, authorization_details=text(PAY, LOOK)))
    id_ = interaction_of(answer)
    visitor.keep(await visitor.log_in(id_))
    page = await visitor.look(id_)
    assert isinstance(page, Page)
    assert page.context["details"] == (
        (
            "Start this payment",
            "actions: start\nactions: look\ncreditor: Bob's shop\n"
            "instructed amount, amount: 100.00\ninstructed amount, currency: EUR",
        ),
        (
            "Use the permission “account”",
            f"days: 7\nidentifier: DE02\njoint: yes\nlocations: {API}",
        ),
    )


def test_every_kind_of_value_has_a_line_of_its_own() -> None:
    detail: dict[str, Any] = {
        "type": "account",
        "days": None,
        "joint": False,
        "next_one": [1, {"a": []}],
        "b": {},
        "c": 1.5,
    }
    lines = ["days: none", "joint: no", "next one: 1", "next one, a: none", "b: none", "c: 1.5"]
    assert words_of_details([detail], DETAILS)[0][1].split("\n") == lines


@pytest.mark.spec("9396-12")
async def test_consent_is_compared_by_value(desk: Desk) -> None:
    visitor = Visitor(desk.core)

    async def goes_through(*details: Any) -> bool:
        uri = await pushed(desk, authorization_details=text(*details))
        answer = await begin(visitor, "web", uri)
        if "/interaction/" not in getattr(answer, "url", ""):
            return True
        await finish(visitor, answer)
        return False

    assert not await goes_through(PAY)
    assert await goes_through(SAME_PAY), "the order of members says nothing"
    assert not await goes_through(OTHER_PAY)
    assert not await goes_through(PAY, LOOK)
    assert await goes_through(LOOK, OTHER_PAY)


@pytest.mark.spec("9396-12")
@pytest.mark.parametrize(("client_id", "asked"), [("web", True), ("first", False)])
async def test_for_what_happens_once_the_person_is_asked_each_time(
    desk: Desk, client_id: str, asked: bool
) -> None:
    visitor, once = Visitor(desk.core), text({"type": "once"})
    for _ in range(3):
        uri = await pushed(desk, client_id, authorization_details=once)
        back = sent_back(await finish(visitor, await begin(visitor, client_id, uri)))
        assert await desk.redeem(back["code"], client_id)
        uri = await pushed(desk, client_id, authorization_details=once, prompt="none")
        silent = sent_back(await begin(visitor, client_id, uri))
        assert silent.get("error") == ("consent_required" if asked else None)


@pytest.mark.spec("9700-4.14.2")
async def test_a_consent_without_the_details_ends_the_grant(desk: Desk) -> None:
    tokens = await grant(desk, PAY)
    authorization_id = claims_of(tokens["access_token"])["authorization_id"]
    standing = await desk.store.find_authorization(authorization_id)
    assert standing
    assert standing.consent
    check_may_act(standing, desk.clock.now())
    less = replace(standing.consent, scope=standing.consent.scope - set(consent_items_of([PAY])))
    with pytest.raises(InvalidGrant) as refused:
        check_may_act(replace(standing, consent=less), desk.clock.now())
    assert refused.value.finding is Finding.GRANT_CONSENT_WITHDRAWN


# --- narrowed -------------------------------------------------------------------------------------------------

NARROWED: dict[str, tuple[list[Any], bool]] = {
    "one of two": ([PAY], True),
    "the other, in another order": ([SAME_PAY], True),
    "fewer actions": ([PAY | {"actions": ["look"]}], True),
    "more money": ([OTHER_PAY], False),
    "no actions": ([PAY | {"actions": []}], False),
    "a member less": ([{name: PAY[name] for name in PAY if name != "creditor"}], False),
    "more actions": ([PAY | {"actions": ["look", "stop"]}], False),
    "one granted, one not": ([LOOK, OTHER_PAY], False),
    "true for one": ([LOOK | {"joint": 1}], False),
}


@pytest.mark.spec("9396-6")
@pytest.mark.parametrize(("details", "allowed"), NARROWED.values(), ids=NARROWED)
async def test_a_token_request_narrows_and_never_widens(desk: Desk, details: list[Any], allowed: bool) -> None:
    tokens = await grant(desk, PAY, LOOK)
    visitor = Visitor(desk.core)
    uri = await pushed(desk, authorization_details=text(PAY, LOOK))
    code = sent_back(await finish(visitor, await begin(visitor, "web", uri)))["code"]
    if not allowed:
        with pytest.raises(InvalidAuthorizationDetails) as refused:
            await desk.refresh(tokens["refresh_token"], authorization_details=text(*details))
        assert refused.value.finding is Finding.DETAILS_WIDER
        with pytest.raises(InvalidAuthorizationDetails):
            await desk.redeem(code, authorization_details=text(*details))
        assert await desk.redeem(code), "a refused request uses nothing up"
        return
    narrow = await desk.refresh(tokens["refresh_token"], authorization_details=text(*details))
    assert narrow["authorization_details"] == details
    assert claims_of(narrow["access_token"])["authorization_details"] == details
    assert (await desk.redeem(code, authorization_details=text(*details)))["authorization_details"] == details
    full = await desk.refresh(narrow["refresh_token"])
    assert full["authorization_details"] == [PAY, LOOK], "the grant stays what it was"


@pytest.mark.spec("9396-7")
async def test_a_type_that_was_taken_away_gives_nothing_any_more(desk: Desk) -> None:
    tokens = await grant(desk, PAY, LOOK)
    kept = {"account": DETAILS.authorization_details_types["account"]}
    clients = tuple(replace(one, authorization_details_types=("account",)) for one in DETAILS.clients)
    later = await open_desk(
        replace(DETAILS, authorization_details_types=kept, clients=clients), desk.store, desk.clock
    )
    assert (await later.refresh(tokens["refresh_token"]))["authorization_details"] == [LOOK]


# --- announced and registered ---------------------------------------------------------------------------------


@pytest.mark.spec("9396-10")
def test_types_are_announced_and_registered() -> None:
    assert build_metadata(DETAILS)["authorization_details_types_supported"] == [
        "payment",
        "account",
        "even",
        "other",
        "once",
    ]
    assert "authorization_details_types_supported" not in build_metadata(EVERYTHING)
    registration: ClientRegistration = client("web", authorization_details_types=("payment",))
    check_registration(registration, ISSUER, policy=DETAILS)
    with pytest.raises(ConfigurationError) as refused:
        check_registration(registration, ISSUER, policy=EVERYTHING)
    assert refused.value.facts["member"] == "authorization_details_types"


def test_nothing_of_the_details_is_a_scope() -> None:
    (item,) = consent_items_of([PAY])
    assert item.startswith('"')
    assert " " not in item
    assert item == consent_items_of([SAME_PAY])[0] != consent_items_of([OTHER_PAY])[0]
