"""Back-channel logout: who is told of the end of a sign-in, in which words, and what becomes of the answers."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import anyio
import pytest

from proofkey.authorization_server.answers import Answer as ServerAnswer
from proofkey.authorization_server.answers import Page, Redirect
from proofkey.authorization_server.logout import LEASE, RETRY_AFTER
from proofkey.authorization_server.records import AuditEvent
from proofkey.authorization_server.registration import check_registration
from proofkey.errors import ConfigurationError, Unavailable
from proofkey.findings import Finding
from proofkey.protocol.exchange import Answer, Ask
from proofkey.protocol.jws import verify_compact
from proofkey.protocol.key_set import KeySet, parse_public_jwk
from proofkey.protocol.text import ClientId, Instant, Subject
from proofkey.protocol.token_kind import LOGOUT_EVENT
from proofkey.runtime import logout_sender
from proofkey.store.memory import MemoryServerStore
from tests.authorization_server.driver import (
    ISSUER,
    POLICY,
    Desk,
    Visitor,
    claims_of,
    client,
    header_of,
    open_desk,
)

BYE = "https://rp.test/bye"


def told(client_id: str, **changes: Any) -> Any:
    return client(
        client_id, skip_consent=True, backchannel_logout_uri=f"https://{client_id}.test/logout", **changes
    )


CLIENTS = (
    told("web"),
    told("shop", id_token_signed_response_alg="RS256"),
    told("bank", subject_type="pairwise", redirect_uris=frozenset({"https://rp.test/cb"})),
    client("deaf", skip_consent=True),
)


@dataclass
class Receivers:
    """All clients: a `Transport` that remembers what came and answers as it is told."""

    asks: list[Ask] = field(default_factory=list)
    answers: dict[str, int | Unavailable | anyio.Event] = field(default_factory=dict)
    """By host: a status, no answer at all, or silence until the event."""

    async def send(self, ask: Ask) -> Answer:
        self.asks.append(ask)
        answer = self.answers.get(ask.url.split("/")[2], 200)
        if isinstance(answer, Unavailable):
            raise answer
        if isinstance(answer, anyio.Event):
            await answer.wait()
            return Answer(200)
        return Answer(answer)

    @property
    def told(self) -> list[str]:
        return sorted(ask.url for ask in self.asks)

    @property
    def tokens(self) -> list[str]:
        forms = [ask.form for ask in self.asks]
        assert all(form and [name for name, _ in form] == ["logout_token"] for form in forms)
        return [value for form in forms for _, value in form or ()]


@pytest.fixture
def receivers() -> Receivers:
    return Receivers()


@pytest.fixture
async def desk(receivers: Receivers) -> Desk:
    return await open_desk(replace(POLICY, clients=CLIENTS), foreign=receivers)


def url(client_id: str) -> str:
    return f"https://{client_id}.test/logout"


async def send_due(desk: Desk) -> None:
    """One round of the background, to the end of all that it began."""
    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            await desk.core._logouts.send_due(group)


async def log_out(visitor: Visitor, hint: str, **more: str) -> ServerAnswer:
    pairs = {"id_token_hint": hint, "post_logout_redirect_uri": BYE, **more}
    return visitor.keep(await visitor.core.end_session(tuple(pairs.items()), visitor.browser))


def names(desk: Desk) -> list[str]:
    return [name for name in desk.event_names() if name.startswith("logout.")]


# --- what a logout token says ------------------------------------------------------------------------------------


@pytest.mark.spec("BL-2.4-a")
@pytest.mark.parametrize("client_id", ["web", "shop", "bank"])
async def test_a_logout_token_says_what_the_id_token_said(
    desk: Desk, visitor: Visitor, receivers: Receivers, client_id: str
) -> None:
    id_token = (await visitor.tokens(desk, client_id))["id_token"]
    await log_out(visitor, id_token)
    (token,) = receivers.tokens
    known, claims = claims_of(id_token), dict(claims_of(token))
    jti = claims.pop("jti")
    assert claims == {
        "iss": ISSUER,
        "sub": known["sub"],
        "sid": known["sid"],
        "aud": client_id,
        "iat": desk.clock.now(),
        "exp": desk.clock.now() + 120,
        "events": {LOGOUT_EVENT: {}},
    }
    assert len(jti) == 43
    assert header_of(token) == {**header_of(id_token), "typ": "logout+jwt"}
    algorithm = header_of(id_token)["alg"]
    assert algorithm == ("RS256" if client_id == "shop" else "ES256")
    keys = KeySet(parse_public_jwk(key) for key in desk.core.jwks()["keys"])
    assert verify_compact(token, keys, frozenset({algorithm})).header["typ"] == "logout+jwt"


@pytest.mark.spec("BL-2.4-a", "OC-8")
async def test_clients_of_two_sectors_cannot_tell_that_it_is_the_same_person(
    desk: Desk, visitor: Visitor, receivers: Receivers
) -> None:
    await visitor.tokens(desk, "bank")
    await log_out(visitor, (await visitor.tokens(desk, "web"))["id_token"])
    bank, web = (claims_of(token) for token in sorted(receivers.tokens, key=lambda one: claims_of(one)["aud"]))
    assert not {bank["sub"], bank["sid"], bank["jti"]} & {web["sub"], web["sid"], web["jti"]}


@pytest.mark.spec("BL-2.5-a")
async def test_it_is_a_form_that_holds_the_token_alone(desk: Desk, visitor: Visitor, receivers: Receivers) -> None:
    await log_out(visitor, (await visitor.tokens(desk))["id_token"])
    (ask,) = receivers.asks
    assert (ask.method, ask.url) == ("POST", url("web"))
    assert ask.form is not None
    assert ask.form[0][1] not in repr(ask)


# --- who is told -------------------------------------------------------------------------------------------------


@pytest.mark.spec("BL-2.3-a")
async def test_everybody_who_got_tokens_is_told_before_the_person_goes_on(
    desk: Desk, visitor: Visitor, receivers: Receivers
) -> None:
    hint = (await visitor.tokens(desk, "web"))["id_token"]
    await visitor.tokens(desk, "web", scope="openid")
    await visitor.tokens(desk, "shop", scope="openid")
    await visitor.tokens(desk, "deaf")
    await visitor.walk("bank")  # its code was never redeemed
    await Visitor(desk.core).tokens(desk, "bank")  # in another browser
    answer = await log_out(visitor, hint, state="s")
    assert isinstance(answer, Redirect)
    assert answer.url == f"{BYE}?state=s"
    assert receivers.told == [url("shop"), url("web")]
    assert names(desk) == ["logout.delivered"] * 2
    await send_due(desk)
    assert len(receivers.asks) == 2


@pytest.mark.spec("BL-2.3-a")
async def test_who_is_asked_and_agrees_is_signed_out_everywhere(
    desk: Desk, visitor: Visitor, receivers: Receivers
) -> None:
    await visitor.tokens(desk, "web")
    page = visitor.keep(await desk.core.end_session((), visitor.browser))
    assert isinstance(page, Page)
    id_ = page.context["action"].removeprefix(f"{ISSUER}/end-session/")
    assert receivers.asks == []
    visitor.keep(await desk.core.confirm_end_session(id_, (("decision", "allow"),), visitor.browser))
    assert receivers.told == [url("web")]


@pytest.mark.spec("BL-2.3-a")
async def test_who_is_asked_and_stays_is_signed_out_nowhere(
    desk: Desk, visitor: Visitor, receivers: Receivers
) -> None:
    await visitor.tokens(desk, "web")
    page = visitor.keep(await desk.core.end_session((), visitor.browser))
    assert isinstance(page, Page)
    id_ = page.context["action"].removeprefix(f"{ISSUER}/end-session/")
    visitor.keep(await desk.core.confirm_end_session(id_, (("decision", "deny"),), visitor.browser))
    await send_due(desk)
    assert receivers.asks == []


End = Callable[[Desk, AuditEvent], Awaitable[object]]
ANN = Subject("u1")
ENDS: list[Any] = [
    pytest.param(lambda desk, event: desk.store.end_user_sessions(ANN, event.at, event), id="signed out"),
    pytest.param(lambda desk, event: desk.store.disable_user(ANN, event.at, event), id="disabled"),
    pytest.param(lambda desk, event: desk.store.delete_user(ANN, event.at, event), id="deleted"),
    pytest.param(lambda desk, event: desk.store.set_password(ANN, "h", event.at, event), id="another password"),
]


@pytest.mark.spec("BL-2.3-a", "9700-4.14.2-d")
@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("client_id", ["web", "bank"])
async def test_what_ends_all_of_a_users_sign_ins_is_told_in_the_background(
    desk: Desk, visitor: Visitor, receivers: Receivers, end: End, client_id: str
) -> None:
    here = claims_of((await visitor.tokens(desk, client_id))["id_token"])
    there = claims_of((await Visitor(desk.core).tokens(desk, client_id))["id_token"])
    await Visitor(desk.core).tokens(desk, client_id, username="bob")
    await end(desk, AuditEvent(at=desk.clock.now(), name="test"))
    await send_due(desk)
    said = [claims_of(token) for token in receivers.tokens]
    assert {one["sid"] for one in said} == {here["sid"], there["sid"]}
    assert {one["sub"] for one in said} == {here["sub"]}, "known by the same name, even if deleted"


@pytest.mark.spec("BL-2.3-a", "V7-7.2.4")
async def test_another_person_in_the_same_browser_ends_the_first_ones_sessions(
    desk: Desk, visitor: Visitor, receivers: Receivers
) -> None:
    ann = claims_of((await visitor.tokens(desk, "web"))["id_token"])
    bob = claims_of((await visitor.tokens(desk, "web", username="bob", prompt="login"))["id_token"])
    assert ann["sub"] != bob["sub"]
    await send_due(desk)
    (token,) = receivers.tokens
    assert claims_of(token)["sid"] == ann["sid"]


async def test_the_same_person_who_signs_in_again_stays_signed_in(
    desk: Desk, visitor: Visitor, receivers: Receivers
) -> None:
    first = claims_of((await visitor.tokens(desk, "web"))["id_token"])
    hint = (await visitor.tokens(desk, "web", prompt="login"))["id_token"]
    await send_due(desk)
    assert receivers.asks == []
    await log_out(visitor, hint)
    (token,) = receivers.tokens
    assert claims_of(token)["sid"] == first["sid"]


@pytest.mark.spec("BL-2.3-a")
async def test_a_client_is_told_long_after_its_tokens_are_dead_and_purged(
    desk: Desk, visitor: Visitor, receivers: Receivers
) -> None:
    hint = (await visitor.tokens(desk, "web", scope="openid"))["id_token"]
    for _ in range(20):
        desk.clock.turn(3000)
        await visitor.walk("deaf", prompt="none")
    await desk.core.upkeep()
    await log_out(visitor, hint)
    assert receivers.told == [url("web")]


async def test_a_client_that_is_disabled_is_told_as_well(
    desk: Desk, visitor: Visitor, receivers: Receivers
) -> None:
    await visitor.tokens(desk, "web")
    event = AuditEvent(at=desk.clock.now(), name="test")
    await desk.store.disable_client(ClientId("web"), event.at, event)
    await desk.store.end_user_sessions(ANN, event.at, event)
    await send_due(desk)
    assert receivers.told == [url("web")]


async def test_a_client_that_has_no_address_any_more_is_given_up(
    desk: Desk, visitor: Visitor, receivers: Receivers
) -> None:
    hint = (await visitor.tokens(desk, "web"))["id_token"]
    await desk.store.put_client(client("web"), desk.clock.now())
    await log_out(visitor, hint)
    assert receivers.asks == []
    assert names(desk) == ["logout.given_up"]


# --- what becomes of the answers -------------------------------------------------------------------------------


@pytest.mark.spec("BL-2.5-a")
@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (200, "logout.delivered"),
        (204, "logout.delivered"),
        (400, "logout.refused"),
        *((status, None) for status in (201, 202, 302, 307, 401, 403, 404, 408, 429, 500, 502, 503, 504)),
        (Unavailable(Finding.OUTGOING_FAILED, address="https://web.test", reason="Timeout"), None),
        (Unavailable(Finding.OUTGOING_TOO_LARGE, address="https://web.test", limit="1"), None),
    ],
    ids=str,
)
async def test_an_answer_ends_it_or_it_is_tried_again(
    desk: Desk, visitor: Visitor, receivers: Receivers, answer: int | Unavailable, name: str | None
) -> None:
    receivers.answers["web.test"] = answer
    await log_out(visitor, (await visitor.tokens(desk))["id_token"])
    assert names(desk) == ([name] if name else [])
    desk.clock.turn(RETRY_AFTER[0] - 1)
    await send_due(desk)
    assert len(receivers.asks) == 1, "not so soon"
    desk.clock.turn(1)
    receivers.answers.clear()
    await send_due(desk)
    assert len(receivers.asks) == (1 if name else 2)
    assert names(desk) == [name or "logout.delivered"]


@pytest.mark.spec("BL-2.4-a", "BL-2.5-a")
async def test_each_attempt_has_a_token_of_its_own(desk: Desk, visitor: Visitor, receivers: Receivers) -> None:
    receivers.answers["web.test"] = 503
    await log_out(visitor, (await visitor.tokens(desk))["id_token"])
    desk.clock.turn(RETRY_AFTER[0])
    await send_due(desk)
    first, second = (claims_of(token) for token in receivers.tokens)
    assert first["jti"] != second["jti"]
    assert (second["iat"], second["exp"]) == (desk.clock.now(), desk.clock.now() + 120)


@pytest.mark.spec("BL-2.5-a")
async def test_who_never_answers_is_given_up_after_seven_attempts_further_and_further_apart(
    desk: Desk, visitor: Visitor, receivers: Receivers
) -> None:
    receivers.answers["web.test"] = 503
    await log_out(visitor, (await visitor.tokens(desk))["id_token"])
    began = desk.clock.now()
    at = [0]
    while names(desk) == []:
        desk.clock.turn(1 if desk.clock.now() - began < 200 else 60)
        before = len(receivers.asks)
        await send_due(desk)
        at += [desk.clock.now() - began] * (len(receivers.asks) - before)
        assert desk.clock.now() - began < 86_400
    assert len(at) == len(RETRY_AFTER) + 1 == 7
    gaps = [later - earlier for earlier, later in pairwise(at)]
    assert all(wanted <= gap < wanted + 60 for gap, wanted in zip(gaps, RETRY_AFTER, strict=True)), gaps
    assert names(desk) == ["logout.given_up"]
    (event,) = [event for event in desk.events if event.name == "logout.given_up"]
    assert (event.client_id, event.sub) == ("web", "u1")
    desk.clock.turn(86_400)
    await send_due(desk)
    assert len(receivers.asks) == 7


@pytest.mark.spec("BL-2.5-a")
async def test_a_worker_that_died_in_the_middle_is_taken_over_after_its_lease(
    desk: Desk, visitor: Visitor, receivers: Receivers
) -> None:
    await visitor.tokens(desk)
    event = AuditEvent(at=desk.clock.now(), name="test")
    await desk.store.end_user_sessions(ANN, event.at, event)
    (due,) = await desk.store.list_due_logouts(event.at, most=9, per_client=9)
    assert await desk.store.claim_logout(due, event.at, Instant(event.at + LEASE)), "and is never heard of again"
    for seconds, sent in ((LEASE - 1, 0), (1, 1)):
        desk.clock.turn(seconds)
        await send_due(desk)
        assert len(receivers.asks) == sent


async def test_a_delivery_whose_workers_always_die_is_given_up_too(
    desk: Desk, visitor: Visitor, receivers: Receivers
) -> None:
    await visitor.tokens(desk)
    event = AuditEvent(at=desk.clock.now(), name="test")
    await desk.store.end_user_sessions(ANN, event.at, event)
    for _ in range(len(RETRY_AFTER) + 1):
        now = desk.clock.now()
        (due,) = await desk.store.list_due_logouts(now, most=9, per_client=9)
        assert await desk.store.claim_logout(due, now, Instant(now + LEASE))
        desk.clock.turn(LEASE)
    await send_due(desk)
    assert receivers.asks == []
    assert names(desk) == ["logout.given_up"]


# --- what must not hold a logout up ------------------------------------------------------------------------------


@pytest.mark.spec("BL-2.3-a")
async def test_a_client_that_hangs_delays_nobody_else_and_is_asked_again_later(
    desk: Desk, visitor: Visitor, receivers: Receivers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logout_sender, "WAIT", 0.2)
    receivers.answers["web.test"] = anyio.Event()
    await visitor.tokens(desk, "shop")
    hint = (await visitor.tokens(desk, "web"))["id_token"]
    with anyio.fail_after(30):
        answer = await log_out(visitor, hint)
    assert isinstance(answer, Redirect)
    assert answer.url == BYE
    assert receivers.told == [url("shop"), url("web")]
    assert names(desk) == ["logout.delivered"]
    receivers.answers.clear()
    desk.clock.turn(RETRY_AFTER[0])
    await send_due(desk)
    assert names(desk) == ["logout.delivered"] * 2


async def test_clients_are_asked_at_the_same_time(desk: Desk, visitor: Visitor, receivers: Receivers) -> None:
    meeting = anyio.Event()
    hint = ""
    for name in ("web", "shop", "bank"):
        hint = (await visitor.tokens(desk, name))["id_token"]
        receivers.answers[f"{name}.test"] = meeting

    async def meet() -> None:
        while len(receivers.asks) < 3:
            await anyio.lowlevel.checkpoint()
        meeting.set()

    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            group.start_soon(meet)
            await log_out(visitor, hint)
    assert names(desk) == ["logout.delivered"] * 3


class Forgetful(MemoryServerStore):
    """Cannot be read when deliveries are asked for, until it is mended."""

    broken = True

    async def list_logouts(self, sid: str) -> Any:
        if self.broken:
            raise Unavailable(Finding.STORE_UNAVAILABLE)
        return await super().list_logouts(sid)


async def test_a_store_that_fails_then_does_not_hold_a_logout_up(
    receivers: Receivers,
) -> None:
    desk = await open_desk(replace(POLICY, clients=CLIENTS), store=Forgetful(), foreign=receivers)
    visitor = Visitor(desk.core)
    answer = await log_out(visitor, (await visitor.tokens(desk))["id_token"])
    assert isinstance(answer, Redirect)
    assert receivers.asks == []
    desk.clock.turn(LEASE)
    await send_due(desk)
    assert receivers.told == [url("web")]


async def test_the_background_goes_on_after_faults(
    desk: Desk, visitor: Visitor, receivers: Receivers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logout_sender, "ROUND", 0.0)
    await visitor.tokens(desk)
    event = AuditEvent(at=desk.clock.now(), name="test")
    await desk.store.end_user_sessions(ANN, event.at, event)
    faults: list[Exception] = [Unavailable(Finding.STORE_UNAVAILABLE), RuntimeError("a secret text")]
    real = desk.store.list_due_logouts

    async def fails_twice(*args: Any, **keywords: Any) -> Any:
        if faults:
            raise faults.pop(0)
        return await real(*args, **keywords)

    monkeypatch.setattr(desk.store, "list_due_logouts", fails_twice)
    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            group.start_soon(desk.core.deliver_logouts)
            while names(desk) == []:
                await anyio.lowlevel.checkpoint()
            group.cancel_scope.cancel()
    assert receivers.told == [url("web")]


async def test_broken_off_by_the_end_of_the_server_it_is_due_again_soon(
    desk: Desk, visitor: Visitor, receivers: Receivers
) -> None:
    await visitor.tokens(desk)
    event = AuditEvent(at=desk.clock.now(), name="test")
    await desk.store.end_user_sessions(ANN, event.at, event)
    receivers.answers["web.test"] = anyio.Event()
    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            group.start_soon(desk.core.deliver_logouts)
            while not receivers.asks:
                await anyio.lowlevel.checkpoint()
            group.cancel_scope.cancel()
    receivers.answers.clear()
    desk.clock.turn(RETRY_AFTER[0])
    await send_due(desk)
    assert names(desk) == ["logout.delivered"]


async def test_no_more_are_under_way_than_there_are_places(
    desk: Desk, visitor: Visitor, receivers: Receivers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logout_sender, "AT_ONCE", 2)
    for name in ("web", "shop", "bank"):
        await visitor.tokens(desk, name)
        receivers.answers[f"{name}.test"] = anyio.Event()
    event = AuditEvent(at=desk.clock.now(), name="test")
    await desk.store.end_user_sessions(ANN, event.at, event)
    async with anyio.create_task_group() as group:
        for _ in range(3):
            await desk.core._logouts.send_due(group)
            await anyio.wait_all_tasks_blocked()
        assert len(receivers.asks) == 2
        for answer in receivers.answers.values():
            assert isinstance(answer, anyio.Event)
            answer.set()
    await send_due(desk)
    assert names(desk) == ["logout.delivered"] * 3


# --- registration ------------------------------------------------------------------------------------------------


@pytest.mark.spec("BL-2.2", "X-redir-a")
@pytest.mark.parametrize(
    ("uri", "issuer", "taken"),
    [
        ("https://rp.test/out", ISSUER, True),
        ("https://rp.test:8443/out?a=1", ISSUER, True),
        ("http://127.0.0.1:9000/out", "http://127.0.0.1:9001", True),
        ("http://127.0.0.1:9000/out", ISSUER, False),
        ("http://rp.test/out", ISSUER, False),
        ("http://rp.test/out", "http://127.0.0.1:9001", False),
        ("https://rp.test/out#fragment", ISSUER, False),
        ("https://rp.test/out#", ISSUER, False),
        ("https://user@rp.test/out", ISSUER, False),
        ("https://rp.test/a/../out", ISSUER, False),
        ("https://rp.test\\@evil.test/out", ISSUER, False),
        ("com.acme.app:/out", ISSUER, False),
        ("/out", ISSUER, False),
        ("", ISSUER, False),
    ],
)
@pytest.mark.parametrize("native", [False, True])
def test_an_address_to_be_told_at(uri: str, issuer: str, taken: bool, native: bool) -> None:
    one = client("web", backchannel_logout_uri=uri, backchannel_logout_session_required=True)
    one = replace(one, application_type="native") if native else one
    if taken:
        check_registration(one, issuer)
        return
    with pytest.raises(ConfigurationError) as refused:
        check_registration(one, issuer)
    assert refused.value.finding is Finding.CLIENT_METADATA_BAD
    assert refused.value.facts["member"] == "backchannel_logout_uri"


@pytest.mark.spec("BL-2.2")
def test_a_session_can_be_required_only_where_there_is_an_address() -> None:
    with pytest.raises(ConfigurationError) as refused:
        check_registration(client("web", backchannel_logout_session_required=True), ISSUER)
    assert refused.value.facts["member"] == "backchannel_logout_session_required"
