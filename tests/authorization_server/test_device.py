"""Device authorization (RFC 8628), at the role: endpoint, pages, polling, redemption."""

from dataclasses import replace
from typing import Any

import pytest

from proofkey.authorization_server.answers import Json, Page, Redirect
from proofkey.authorization_server.policy import Lifetimes
from proofkey.authorization_server.sender import Presented
from proofkey.errors import (
    AuthorizationPending,
    InteractionClosed,
    InvalidClient,
    InvalidGrant,
    InvalidRequest,
    InvalidScope,
    InvalidTarget,
    OAuthError,
    TooManyRequests,
    UnauthorizedClient,
    Unavailable,
    UnsupportedGrantType,
)
from proofkey.findings import Finding
from proofkey.protocol.device_authorization import ALPHABET
from proofkey.protocol.text import ClientId, Secret, digest_of
from proofkey.protocol.token_messages import DEVICE_CODE
from proofkey.testing.dpop import DpopKey
from proofkey.testing.tokens import key_for_tests
from tests.authorization_server.device_kit import (
    DEVICE_PEER,
    answer_device,
    ask_device,
    confirm,
    open_devices,
    poll,
    type_code,
)
from tests.authorization_server.driver import API, PEER, Desk, Visitor, claims_of, client, interaction_of
from tests.authorization_server.test_review_faults import FailingStore

SCOPE = "openid profile offline_access orders:read"


@pytest.fixture
async def desk() -> Desk:
    return await open_devices()


def error_of(answer: dict[str, Any]) -> str | None:
    error: str | None = answer.get("error")
    return error


# --- the endpoint ------------------------------------------------------------------------------------------------
@pytest.mark.spec("8628-3.1..3.5", "8628-5.1-a")
async def test_a_device_gets_a_code_for_itself_and_one_for_people(desk: Desk) -> None:
    answer = await ask_device(desk, scope=SCOPE)
    assert answer.keys() == {
        *("device_code", "user_code", "verification_uri", "verification_uri_complete", "expires_in", "interval"),
    }
    assert (answer["expires_in"], answer["interval"]) == (600, 5)
    assert answer["verification_uri"] == "https://op.test/device"
    assert answer["verification_uri_complete"] == f"https://op.test/device?user_code={answer['user_code']}"
    first, dash, second = answer["user_code"].partition("-")
    assert (len(first), dash, len(second)) == (4, "-", 4)
    assert set(first + second) <= set(ALPHABET)
    assert len(answer["device_code"]) == 43
    assert desk.event_names()[-1] == "device.asked"


async def test_no_code_is_kept_as_it_is(desk: Desk) -> None:
    answer = await ask_device(desk)
    standing = await desk.store.find_device_code(digest_of(answer["device_code"]))
    assert standing is not None
    kept = repr([getattr(standing.device, name) for name in standing.device.__slots__])
    assert answer["device_code"] not in kept
    code = answer["user_code"].replace("-", "")
    assert code not in kept
    assert standing.device.user_code_digest != digest_of(code)  # a digest alone could be tried out


@pytest.mark.spec("V10-10.4.10")
async def test_a_client_without_its_secret_gets_nothing(desk: Desk) -> None:
    with pytest.raises(InvalidClient):
        await desk.core.authorize_device((("client_id", "box"),), (), DEVICE_PEER)
    assert "device_code" in await ask_device(desk, "box")


REFUSED: dict[str, tuple[dict[str, str], type[OAuthError]]] = {
    "a scope that it may not have": ({"scope": "admin"}, InvalidScope),
    "a resource that is unknown": ({"resource": "https://other.test"}, InvalidTarget),
    "a scope of another resource": ({"scope": "bills:read", "resource": API}, InvalidScope),
    "prompt=none": ({"prompt": "none"}, InvalidRequest),
    "a faulty max_age": ({"max_age": "soon"}, InvalidRequest),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_what_is_asked_for_is_judged_as_at_the_authorization_endpoint(desk: Desk, case: str) -> None:
    form, expected = REFUSED[case]
    with pytest.raises(expected):
        await ask_device(desk, **form)


async def test_a_parameter_that_stands_twice_is_refused(desk: Desk) -> None:
    pairs = (("client_id", "tv"), ("scope", "openid"), ("scope", "profile"))
    with pytest.raises(InvalidRequest):
        await desk.core.authorize_device(pairs, (), DEVICE_PEER)


async def test_a_client_that_is_not_registered_for_it_is_refused(desk: Desk) -> None:
    with pytest.raises(UnauthorizedClient):
        await ask_device(desk, "web")
    assert error_of(await poll(desk, "x" * 43, "web")) == "unauthorized_client"


@pytest.mark.spec("8628-5.4 / 10027-6.1")
async def test_while_the_feature_is_off_the_grant_is_unknown() -> None:
    desk = await open_devices(features=frozenset())
    for form in ({}, {"device_code": "x" * 43}):
        with pytest.raises(UnsupportedGrantType):
            await desk.token("tv", secret=None, grant_type=DEVICE_CODE, **form)
    document = desk.core.metadata()
    assert "device_authorization_endpoint" not in document
    assert DEVICE_CODE not in document["grant_types_supported"]


async def test_while_it_is_on_it_is_announced(desk: Desk) -> None:
    document = desk.core.metadata()
    assert document["device_authorization_endpoint"] == "https://op.test/device-authorization"
    assert DEVICE_CODE in document["grant_types_supported"]


async def test_a_user_code_that_is_taken_is_made_anew(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    from proofkey.authorization_server import device

    taken = (await ask_device(desk))["user_code"].replace("-", "")
    codes = iter([taken, taken, "BCDFGHJK"])
    monkeypatch.setattr(device, "build_user_code", lambda random: next(codes))
    assert (await ask_device(desk))["user_code"] == "BCDF-GHJK"


# --- the flow ----------------------------------------------------------------------------------------------------
@pytest.mark.spec("8628-3.1..3.5")
@pytest.mark.parametrize("client_id", ["tv", "box", "own"])
async def test_a_person_connects_a_device(desk: Desk, visitor: Visitor, client_id: str) -> None:
    asked = await ask_device(desk, client_id, scope=SCOPE, resource=API, nonce="n-1")
    assert error_of(await poll(desk, asked["device_code"], client_id)) == "authorization_pending"
    done = await answer_device(visitor, asked["user_code"])
    assert (done.name, done.context["state"], done.context["client_name"]) == (
        *("device", "allowed"),
        client_id.title(),
    )
    tokens = await poll(desk, asked["device_code"], client_id)
    assert set(tokens["scope"].split()) == set(SCOPE.split())
    access, identity = claims_of(tokens["access_token"]), claims_of(tokens["id_token"])
    assert (access["aud"], access["sub"], access["client_id"]) == (API, "u1", client_id)
    assert (identity["aud"], identity["sub"], identity["nonce"]) == (client_id, "u1", "n-1")
    assert identity["auth_time"] == desk.clock.now()
    renewed = await desk.token(
        *(client_id,),
        secret=None if client_id == "tv" else Secret("the secret of the client in tests, 32+"),
        grant_type="refresh_token",
        refresh_token=tokens["refresh_token"],
    )
    assert claims_of(renewed["access_token"])["authorization_id"] == access["authorization_id"]
    names = desk.event_names()
    assert [one for one in names if one.startswith("device.")] == [
        *("device.asked", "device.allowed", "device.redeemed")
    ]


async def test_without_offline_access_there_is_no_refresh_token(desk: Desk, visitor: Visitor) -> None:
    asked = await ask_device(desk, scope="openid")
    await answer_device(visitor, asked["user_code"])
    tokens = await poll(desk, asked["device_code"])
    assert "refresh_token" not in tokens
    assert "id_token" in tokens


@pytest.mark.spec("8628-3.1..3.5")
async def test_a_device_code_is_redeemed_once_and_its_tokens_stand(desk: Desk, visitor: Visitor) -> None:
    asked = await ask_device(desk, scope=SCOPE)
    await answer_device(visitor, asked["user_code"])
    tokens = await poll(desk, asked["device_code"])
    again = await poll(desk, asked["device_code"])
    assert (again["error"], again["finding"]) == ("invalid_grant", Finding.DEVICE_CODE_USED)
    assert (await desk.userinfo(tokens["access_token"]))["sub"] == "u1"


async def test_another_client_gets_nothing_and_changes_nothing(desk: Desk, visitor: Visitor) -> None:
    asked = await ask_device(desk, scope=SCOPE)
    await answer_device(visitor, asked["user_code"])
    stolen = await poll(desk, asked["device_code"], "box")
    assert (stolen["error"], stolen["finding"]) == ("invalid_grant", Finding.DEVICE_CODE_FOREIGN_CLIENT)
    assert (await poll(desk, "x" * 43))["finding"] is Finding.DEVICE_CODE_UNKNOWN
    assert "access_token" in await poll(desk, asked["device_code"])


async def test_after_a_refusal_it_can_be_asked_again(desk: Desk, visitor: Visitor) -> None:
    asked = await ask_device(desk, scope=SCOPE, resource=API)
    await answer_device(visitor, asked["user_code"])
    assert error_of(await poll(desk, asked["device_code"], resource="https://billing.test")) == "invalid_target"
    assert "access_token" in await poll(desk, asked["device_code"], resource=API)


@pytest.mark.spec("8628-3.1..3.5")
async def test_who_denies_ends_it(desk: Desk, visitor: Visitor) -> None:
    asked = await ask_device(desk, scope=SCOPE)
    done = await answer_device(visitor, asked["user_code"], "deny")
    assert (done.name, done.context["state"]) == ("device", "denied")
    for _ in range(2):
        assert error_of(await poll(desk, asked["device_code"])) == "access_denied"
    page = await type_code(visitor, asked["user_code"])
    assert isinstance(page, Page)
    assert page.status == 400
    assert "device.denied" in desk.event_names()


# --- time --------------------------------------------------------------------------------------------------------
@pytest.mark.spec("8628-3.1..3.5")
async def test_a_device_that_asks_too_often_is_slowed_down_for_good(desk: Desk) -> None:
    code = (await ask_device(desk))["device_code"]
    pending, slow = "authorization_pending", "slow_down"
    steps = [(0, pending), (5, pending), (1, slow), (10, pending), (10, pending), (5, slow), (10, slow)]
    for seconds, expected in (*steps, (20, pending), (18, slow), (25, pending)):
        desk.clock.turn(seconds)
        assert error_of(await poll(desk, code)) == expected


async def test_the_interval_holds_while_nobody_has_decided(desk: Desk, visitor: Visitor) -> None:
    asked = await ask_device(desk)
    for expected in ("authorization_pending", "slow_down"):
        assert error_of(await poll(desk, asked["device_code"])) == expected
    await answer_device(visitor, asked["user_code"])
    assert "access_token" in await poll(desk, asked["device_code"])


@pytest.mark.spec("8628-3.1..3.5", "threats §2 row 41")
async def test_a_code_is_over_after_ten_minutes(desk: Desk, visitor: Visitor) -> None:
    asked = await ask_device(desk)
    allowed = await ask_device(desk)
    await answer_device(visitor, allowed["user_code"])
    desk.clock.turn(599)
    assert error_of(await poll(desk, asked["device_code"])) == "authorization_pending"
    desk.clock.turn(1)
    for one in (asked, allowed):
        assert error_of(await poll(desk, one["device_code"])) == "expired_token"
    page = await type_code(visitor, asked["user_code"])
    assert isinstance(page, Page)
    assert page.context["problem"] == Finding.USER_CODE_UNKNOWN.sentence


async def test_a_page_that_was_left_open_too_long_decides_nothing(desk: Desk, visitor: Visitor) -> None:
    asked = await ask_device(desk)
    desk.clock.turn(300)
    id_, _ = await confirm(visitor, asked["user_code"])
    desk.clock.turn(300)
    with pytest.raises(InteractionClosed) as closed:
        await visitor.decide(id_)
    assert closed.value.finding is Finding.USER_CODE_OVER


async def test_the_operator_can_make_it_shorter() -> None:
    desk = await open_devices(lifetimes=Lifetimes(device_code=60))
    asked = await ask_device(desk)
    assert asked["expires_in"] == 60
    desk.clock.turn(60)
    assert error_of(await poll(desk, asked["device_code"])) == "expired_token"


async def test_rows_that_are_over_are_purged(desk: Desk) -> None:
    asked = await ask_device(desk)
    desk.clock.turn(900)
    assert await desk.store.purge(desk.clock.now()) > 0
    assert error_of(await poll(desk, asked["device_code"])) == "invalid_grant"


# --- the pages ---------------------------------------------------------------------------------------------------
@pytest.mark.spec("8628-5.4 / 10027-6.1")
async def test_the_page_that_asks_says_what_and_for_whom(desk: Desk, visitor: Visitor) -> None:
    asked = await ask_device(desk, scope=SCOPE, resource=API)
    desk.clock.turn(130)
    _, page = await confirm(visitor, asked["user_code"])
    assert page.name == "device"
    told = {
        "state": "confirm",
        "user_code": asked["user_code"],
        "client_name": "Tv",
        "person": "ann",
        "asked_from": DEVICE_PEER,
        "asked_here": False,
        "asked_minutes_ago": 2,
        "resource": (API,),
    }
    assert {name: page.context[name] for name in told} == told
    assert set(page.context["scope"]) == set(SCOPE.split())
    assert page.form_targets == ()


async def test_a_device_at_the_same_address_is_told_so(desk: Desk) -> None:
    asked = await ask_device(desk)
    _, page = await confirm(Visitor(desk.core, peer=DEVICE_PEER), asked["user_code"])
    assert page.context["asked_here"] is True


@pytest.mark.spec("8628-5.1-a")
async def test_a_code_may_be_typed_as_people_do(desk: Desk, visitor: Visitor) -> None:
    code = (await ask_device(desk))["user_code"]
    for typed in (code, code.lower(), code.replace("-", ""), f" {code[:3]} {code[3:]}. "):
        assert isinstance(await type_code(visitor, typed), Redirect)


@pytest.mark.spec("8628-5.4 / 10027-6.1")
async def test_a_code_in_the_address_is_shown_and_decides_nothing(desk: Desk, visitor: Visitor) -> None:
    asked = await ask_device(desk)
    for sent, shown in ((asked["user_code"], asked["user_code"]), ("<script>", ""), ("", "")):
        page = await desk.core.device((("user_code", sent),))
        assert isinstance(page, Page)
        assert (page.context["state"], page.context["user_code"]) == ("enter", shown)
    assert error_of(await poll(desk, asked["device_code"])) == "authorization_pending"


async def test_even_a_first_party_client_whose_person_is_signed_in_asks(desk: Desk, visitor: Visitor) -> None:
    for _ in range(2):
        asked = await ask_device(desk, "own", scope=SCOPE)
        id_ = interaction_of(await type_code(visitor, asked["user_code"]))
        page = await visitor.look(id_)
        assert isinstance(page, Page)
        if page.name == "login":
            await visitor.log_in(id_)
            page = await visitor.look(id_)
        assert isinstance(page, Page)
        assert (page.name, page.context["state"]) == ("device", "confirm")
        assert error_of(await poll(desk, asked["device_code"], "own")) == "authorization_pending"


async def test_prompt_login_asks_for_the_password_of_who_is_signed_in(desk: Desk, visitor: Visitor) -> None:
    await answer_device(visitor, (await ask_device(desk))["user_code"])
    asked = await ask_device(desk, prompt="login")
    page = await visitor.look(interaction_of(await type_code(visitor, asked["user_code"])))
    assert isinstance(page, Page)
    assert page.name == "login"
    assert page.context["client_host"] == ""


@pytest.mark.spec("8628-5.4 / 10027-6.1", "6749-10.12-b / OC-3.1.2.3-b")
async def test_another_browser_decides_nothing(desk: Desk, visitor: Visitor) -> None:
    asked = await ask_device(desk)
    id_, _ = await confirm(visitor, asked["user_code"])
    thief = Visitor(desk.core)
    with pytest.raises(InteractionClosed) as closed:
        await thief.decide(id_)
    assert closed.value.finding is Finding.INTERACTION_FOREIGN_BROWSER
    assert error_of(await poll(desk, asked["device_code"])) == "authorization_pending"


@pytest.mark.spec("8628-5.4 / 10027-6.1")
async def test_somebody_else_in_the_same_browser_sees_the_page_anew(desk: Desk, visitor: Visitor) -> None:
    asked = await ask_device(desk)
    id_, _ = await confirm(visitor, asked["user_code"])
    await visitor.walk("first", username="bob", prompt="login")
    again = await visitor.decide(id_)
    assert isinstance(again, Redirect)
    assert error_of(await poll(desk, asked["device_code"])) == "authorization_pending"
    page = await visitor.look(id_)
    assert isinstance(page, Page)
    assert page.context["person"] == "bob"
    await visitor.decide(id_)
    desk.clock.turn(5)
    assert claims_of((await poll(desk, asked["device_code"]))["access_token"])["sub"] == "u2"


async def test_of_two_people_with_one_code_the_first_decides(desk: Desk, visitor: Visitor) -> None:
    asked = await ask_device(desk, scope="openid")
    other = Visitor(desk.core, peer="203.0.113.8")
    mine, _ = await confirm(visitor, asked["user_code"])
    hers, _ = await confirm(other, asked["user_code"], "bob")
    await other.decide(hers)
    with pytest.raises(InteractionClosed) as closed:
        await visitor.decide(mine)
    assert closed.value.finding is Finding.USER_CODE_OVER
    assert claims_of((await poll(desk, asked["device_code"]))["access_token"])["sub"] == "u2"


@pytest.mark.parametrize("decision", ["allow", "deny"])
async def test_a_page_is_answered_once(desk: Desk, visitor: Visitor, decision: str) -> None:
    asked = await ask_device(desk)
    id_, _ = await confirm(visitor, asked["user_code"])
    kept = dict(visitor.interactions)
    await visitor.decide(id_, decision)
    visitor.interactions = kept
    with pytest.raises(InteractionClosed):
        await visitor.decide(id_)


async def test_a_client_that_was_disabled_meanwhile_gets_no_answer(desk: Desk, visitor: Visitor) -> None:
    asked = await ask_device(desk)
    id_, _ = await confirm(visitor, asked["user_code"])
    event = desk.events[-1]
    await desk.store.disable_client(ClientId("tv"), desk.clock.now(), event)
    with pytest.raises(InteractionClosed) as closed:
        await visitor.decide(id_)
    assert closed.value.finding is Finding.CLIENT_DISABLED


async def test_what_the_client_may_no_longer_have_is_not_given(desk: Desk, visitor: Visitor) -> None:
    asked = await ask_device(desk, scope="openid profile email")
    id_, _ = await confirm(visitor, asked["user_code"])
    standing = await desk.store.find_device_code(digest_of(asked["device_code"]))
    assert standing is not None
    assert standing.client is not None
    await desk.store.put_client(replace(standing.client, scope=("openid",)), desk.clock.now())
    assert isinstance(await visitor.decide(id_), Redirect)  # another page than was shown
    page = await visitor.look(id_)
    assert isinstance(page, Page)
    assert page.context["scope"] == ("openid",)


# --- guessing ----------------------------------------------------------------------------------------------------
WRONG = "BBBB-BBBB"


@pytest.mark.spec("8628-5.1-a", "threats §2 row 41")
async def test_the_sixth_guess_of_an_address_is_not_looked_at(desk: Desk, visitor: Visitor) -> None:
    asked = await ask_device(desk)
    for _ in range(5):
        page = await type_code(visitor, WRONG)
        assert isinstance(page, Page)
        assert (page.status, page.context["invalid"]) == (400, True)
    right = await type_code(visitor, asked["user_code"])
    assert isinstance(right, Page)
    assert (right.status, right.retry_after) == (429, 30)
    assert isinstance(right.told, TooManyRequests)
    elsewhere = await type_code(Visitor(desk.core, peer="203.0.113.99"), asked["user_code"])
    assert isinstance(elsewhere, Redirect)
    desk.clock.turn(30)
    assert isinstance(await type_code(visitor, asked["user_code"]), Redirect)


@pytest.mark.spec("8628-5.1-a")
async def test_a_code_of_ones_own_buys_no_further_guesses(desk: Desk, visitor: Visitor) -> None:
    asked = await ask_device(desk)
    for _ in range(4):
        await type_code(visitor, WRONG)
    assert isinstance(await type_code(visitor, asked["user_code"]), Redirect)
    page = await type_code(visitor, WRONG)
    assert isinstance(page, Page)
    assert page.status == 429


@pytest.mark.spec("8628-5.1-a")
async def test_an_account_guesses_no_more_from_many_addresses(desk: Desk, visitor: Visitor) -> None:
    await visitor.walk("first")
    statuses = []
    for number in range(7):
        visitor.peer = f"203.0.113.{number}"
        page = await type_code(visitor, WRONG)
        assert isinstance(page, Page)
        statuses.append(page.status)
    assert statuses == [400] * 5 + [429] * 2


@pytest.mark.spec("8628-5.1-a")
async def test_all_addresses_together_leave_more_than_twenty_bits(desk: Desk) -> None:
    from proofkey.authorization_server.throttles import USER_CODE_OF_ALL as RULE

    guesses = RULE.burst + 600 / RULE.period
    assert len(ALPHABET) ** 8 / guesses > 2**20
    for _ in range(RULE.burst + 1):
        await desk.store.take(RULE, "all", desk.clock.now())
    page = await type_code(Visitor(desk.core, peer=PEER), WRONG)
    assert isinstance(page, Page)
    assert page.status == 429


@pytest.mark.parametrize("text", ["", "BCDF", "AEIO-UAEI", "BCDF-GHJK-L", "ÄÖÜß-BCDF", "1234-5678"])
async def test_what_can_be_no_code_is_no_guess(desk: Desk, visitor: Visitor, text: str) -> None:
    for _ in range(8):
        page = await type_code(visitor, text)
        assert isinstance(page, Page)
        assert page.status == 400
        assert page.context["user_code"] == text


async def test_device_authorizations_of_one_address_are_throttled(desk: Desk) -> None:
    for _ in range(60):
        await ask_device(desk)
    with pytest.raises(TooManyRequests):
        await ask_device(desk)


# --- bound tokens ------------------------------------------------------------------------------------------------
async def test_a_client_that_is_bound_needs_its_proof_to_poll(desk: Desk) -> None:
    asked = await ask_device(desk, "bound")
    assert error_of(await poll(desk, asked["device_code"], "bound")) == "invalid_dpop_proof"


async def ask_with_proof(desk: Desk, key: DpopKey, client_id: str, **form: str) -> dict[str, Any]:
    pairs = (("client_id", client_id), *form.items())
    proof = key.proof("POST", "https://op.test/token")
    answer = await desk.core.token(pairs, (), DEVICE_PEER, Presented((proof,)))
    assert isinstance(answer, Json)
    return dict(answer.body)


@pytest.mark.spec("9449-5-a")
async def test_tokens_are_bound_to_the_proof_that_brings_them(desk: Desk, visitor: Visitor) -> None:
    key, other = (DpopKey(key=key_for_tests("ES256", name), clock=desk.clock) for name in ("device", "other"))
    asked = await ask_device(desk, "bound", scope=SCOPE)
    form = {"grant_type": DEVICE_CODE, "device_code": asked["device_code"]}
    with pytest.raises(AuthorizationPending):
        await ask_with_proof(desk, other, "bound", **form)
    await answer_device(visitor, asked["user_code"])
    assert error_of(await poll(desk, asked["device_code"], "bound")) == "invalid_dpop_proof"
    tokens = await ask_with_proof(desk, key, "bound", **form)
    assert tokens["token_type"] == "DPoP"
    assert claims_of(tokens["access_token"])["cnf"] == key.cnf
    renewal = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    with pytest.raises(InvalidGrant):
        await ask_with_proof(desk, other, "bound", **renewal)
    assert (await ask_with_proof(desk, key, "bound", **renewal))["token_type"] == "DPoP"


async def test_opaque_tokens_come_from_the_same_place(visitor: Visitor) -> None:
    from tests.authorization_server.device_kit import DEVICE, NO_SECRET

    opaque = client("tv", **DEVICE, **NO_SECRET, access_token_format="opaque")
    desk = await open_devices(clients=(opaque,))
    asked = await ask_device(desk, scope="openid")
    await answer_device(Visitor(desk.core), asked["user_code"])
    tokens = await poll(desk, asked["device_code"])
    assert "." not in tokens["access_token"]
    assert (await desk.userinfo(tokens["access_token"]))["sub"] == "u1"


# --- a store that fails ----------------------------------------------------------------------------------------
@pytest.mark.spec("threats §2.9")
async def test_wherever_the_store_fails_a_device_gets_nothing_and_can_ask_again() -> None:
    async def begun() -> tuple[Desk, FailingStore, dict[str, Any]]:
        store = FailingStore()
        desk = await open_devices(store)
        asked = await ask_device(desk, scope=SCOPE)
        await answer_device(Visitor(desk.core), asked["user_code"])
        store.calls.clear()
        return desk, store, asked

    desk, store, asked = await begun()
    await poll(desk, asked["device_code"])
    assert {"find_device_code", "use_code"} <= set(store.calls)
    for number, name in enumerate(list(store.calls)):
        if name == "list_signing_keys":
            continue  # the keys that are there go on
        desk, store, asked = await begun()
        store.fails_at = number
        with pytest.raises(Unavailable):
            await poll(desk, asked["device_code"])
        store.fails_at = None
        assert "access_token" in await poll(desk, asked["device_code"])


@pytest.mark.spec("threats §2.9")
@pytest.mark.parametrize("method", ["find_user_code", "decide_device_code", "add_consent", "use_interaction"])
async def test_a_decision_that_cannot_be_written_is_none(method: str) -> None:
    store = FailingStore()
    desk = await open_devices(store)
    visitor = Visitor(desk.core)
    asked = await ask_device(desk, scope=SCOPE)
    id_, _ = await confirm(visitor, asked["user_code"])
    store.fails_on = method
    with pytest.raises(Unavailable):
        await visitor.decide(id_)
    store.fails_on = None
    assert error_of(await poll(desk, asked["device_code"])) == "authorization_pending"
    assert (await answer_device(visitor, asked["user_code"])).context["state"] == "allowed"


async def test_what_the_endpoint_answers_is_a_document(desk: Desk) -> None:
    answer = await desk.core.authorize_device((("client_id", "tv"),), (), DEVICE_PEER)
    assert isinstance(answer, Json)


@pytest.mark.parametrize("decision", ["allow", "deny"])
async def test_a_decision_that_another_one_was_faster_than_is_none(
    desk: Desk, visitor: Visitor, decision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    id_, _ = await confirm(visitor, (await ask_device(desk))["user_code"])

    async def lost(*_arguments: object) -> bool:
        return False

    monkeypatch.setattr(desk.store, "decide_device_code", lost)
    with pytest.raises(InteractionClosed):
        await visitor.decide(id_, decision)
