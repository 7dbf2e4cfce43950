"""Sign-in and consent pages: bound to one browser, used once, throttled, and silent about who exists."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from proofkey.authorization_server.answers import Answer, Browser, Page, Redirect
from proofkey.authorization_server.records import AuditEvent
from proofkey.authorization_server.throttles import address_key
from proofkey.errors import InteractionClosed, InvalidRequest, SignInFailed, TooManyRequests
from proofkey.findings import Finding
from proofkey.protocol.text import Secret, Subject
from tests.authorization_server.driver import (
    API,
    CALLBACK,
    LOOPBACK,
    PASSWORDS,
    Desk,
    Visitor,
    interaction_of,
    sent_back,
)


async def test_the_login_page_says_who_asks(visitor: Visitor) -> None:
    _, page = await visitor.page(login_hint="ann")
    assert (page.name, page.status) == ("login", 200)
    assert page.context == {"client_name": "Web", "client_host": "rp.test", "username": "ann", "person": ""}
    assert page.form_targets == ("https://rp.test",)


@pytest.mark.spec("V10-10.7.2")
async def test_the_consent_page_says_who_asks_for_what_and_for_how_long(visitor: Visitor) -> None:
    id_, _ = await visitor.page("native", resource=API)
    await visitor.log_in(id_)
    page = await visitor.look(id_)
    assert isinstance(page, Page)
    assert page.context == {
        "client_name": "Native",
        "client_host": "127.0.0.1:50001",
        "person": "ann",
        "scope": ("openid", "profile", "email", "offline_access", "orders:read"),
        "claims": (),
        "details": (),
        "resource": (API,),
        "refresh_seconds": 8 * 3600,
        "self_registered": False,
        "described_at": "",
    }
    assert page.form_targets == (LOOPBACK.removesuffix("/cb"),)


async def test_denying_sends_back_access_denied(desk: Desk, visitor: Visitor) -> None:
    id_, _ = await visitor.page()
    await visitor.log_in(id_)
    back = sent_back(await visitor.decide(id_, "deny"))
    assert (back["error"], back["state"], back["iss"]) == ("access_denied", "the state", "https://op.test")
    assert "consent.given" not in desk.event_names()
    assert not visitor.interactions


@pytest.mark.parametrize("form", [(), (("decision", "maybe"),), (("decision", "allow"), ("decision", "allow"))])
async def test_a_decision_is_allow_or_deny(
    desk: Desk, visitor: Visitor, form: tuple[tuple[str, str], ...]
) -> None:
    id_, _ = await visitor.page()
    await visitor.log_in(id_)
    with pytest.raises(InvalidRequest):
        await desk.core.consent(id_, form, visitor.browser)


async def test_a_decision_without_a_sign_in_leads_to_the_login_page(desk: Desk, visitor: Visitor) -> None:
    id_, _ = await visitor.page()
    answer = await visitor.decide(id_)
    assert interaction_of(answer) == id_
    page = await visitor.look(id_)
    assert isinstance(page, Page)
    assert page.name == "login"
    assert "code.issued" not in desk.event_names()


# --- bound to the browser, used once --------------------------------------------------------------


def _no_cookie(browser: Browser) -> Browser:
    return Browser(sign_in=browser.sign_in, peer=browser.peer)


def _other_secret(browser: Browser) -> Browser:
    others = dict.fromkeys(browser.interactions, Secret("of another browser"))
    return Browser(sign_in=browser.sign_in, interactions=others, peer=browser.peer)


@pytest.mark.spec("6749-10.12-b", "OC-3.1.2.3-b")
@pytest.mark.parametrize("spoil", [_no_cookie, _other_secret], ids=["no cookie", "another browser's cookie"])
@pytest.mark.parametrize("step", ["interaction", "sign_in", "consent"])
async def test_a_page_belongs_to_one_browser(
    desk: Desk, visitor: Visitor, step: str, spoil: Callable[[Browser], Browser]
) -> None:
    id_, _ = await visitor.page()
    await visitor.log_in(id_)
    browser = spoil(visitor.browser)
    form = (("username", "ann"), ("password", PASSWORDS["ann"]), ("decision", "allow"))
    calls: dict[str, Callable[[], Awaitable[Answer]]] = {
        "interaction": lambda: desk.core.interaction(id_, browser),
        "sign_in": lambda: desk.core.sign_in(id_, form, browser),
        "consent": lambda: desk.core.consent(id_, form, browser),
    }
    with pytest.raises(InteractionClosed) as refused:
        await calls[step]()
    assert refused.value.finding is Finding.INTERACTION_FOREIGN_BROWSER
    assert "code.issued" not in desk.event_names()


async def test_a_page_that_never_was_is_refused(visitor: Visitor) -> None:
    with pytest.raises(InteractionClosed) as refused:
        await visitor.look("nothing-of-that-name")
    assert refused.value.finding is Finding.INTERACTION_UNKNOWN


async def test_a_page_is_open_for_ten_minutes(desk: Desk, visitor: Visitor) -> None:
    id_, _ = await visitor.page()
    desk.clock.turn(599)
    assert isinstance(await visitor.look(id_), Page)
    desk.clock.turn(1)
    with pytest.raises(InteractionClosed):
        await visitor.log_in(id_)


async def test_a_page_may_be_reloaded(visitor: Visitor) -> None:
    id_, _ = await visitor.page()
    assert await visitor.look(id_) == await visitor.look(id_)


async def test_submitting_twice_gives_one_code(desk: Desk, visitor: Visitor) -> None:
    id_, _ = await visitor.page()
    await visitor.log_in(id_)
    browser, form = visitor.browser, (("decision", "allow"),)
    answers = await asyncio.gather(
        *(desk.core.consent(id_, form, browser) for _ in range(10)), return_exceptions=True
    )
    codes = [answer for answer in answers if isinstance(answer, Redirect)]
    assert len(codes) == 1
    assert sum(isinstance(answer, InteractionClosed) for answer in answers) == 9
    assert desk.event_names().count("code.issued") == 1


async def test_the_back_button_gives_no_second_code(desk: Desk, visitor: Visitor) -> None:
    id_, _ = await visitor.page()
    await visitor.log_in(id_)
    before = dict(visitor.interactions)
    await visitor.decide(id_)
    assert not visitor.interactions
    visitor.interactions = before
    for again in (visitor.look(id_), visitor.log_in(id_), visitor.decide(id_)):
        with pytest.raises(InteractionClosed) as refused:
            await again
        assert refused.value.finding is Finding.INTERACTION_UNKNOWN
    assert desk.event_names().count("code.issued") == 1


async def test_two_tabs_finish_both(visitor: Visitor) -> None:
    first, _ = await visitor.page(state="one")
    second, _ = await visitor.page(state="two")
    assert len(visitor.interactions) == 2
    await visitor.log_in(first)
    assert sent_back(await visitor.decide(first))["state"] == "one"
    going_on = await visitor.look(second)  # signed in and allowed in the other tab
    assert sent_back(going_on)["state"] == "two"


async def test_a_client_that_was_disabled_meanwhile_gets_nothing(desk: Desk, visitor: Visitor) -> None:
    from proofkey.protocol.text import ClientId

    id_, _ = await visitor.page()
    event = AuditEvent(at=desk.clock.now(), name="client.disabled")
    await desk.store.disable_client(ClientId("web"), desk.clock.now(), event)
    with pytest.raises(InteractionClosed):
        await visitor.log_in(id_)


# --- signing in -----------------------------------------------------------------------------------


async def _failure(visitor: Visitor, id_: str, username: str, password: str) -> Page:
    page = await visitor.log_in(id_, username, password)
    assert isinstance(page, Page)
    return page


async def _disable(desk: Desk, sub: str) -> None:
    await desk.store.disable_user(Subject(sub), desk.clock.now(), AuditEvent(at=desk.clock.now(), name="x"))


@pytest.mark.spec("V6-6.3.8")
async def test_unknown_disabled_and_wrong_look_and_cost_the_same(desk: Desk, visitor: Visitor) -> None:
    await _disable(desk, "u2")
    id_, _ = await visitor.page()
    desk.passwords.verified.clear()
    pages = [
        await _failure(visitor, id_, "nobody", "some password"),
        await _failure(visitor, id_, "bob", PASSWORDS["bob"]),
        await _failure(visitor, id_, "ann", "some password"),
    ]
    assert len(desk.passwords.verified) == 3
    shown = [
        (page.name, page.status, page.context["problem"], page.context["invalid"], page.retry_after)
        for page in pages
    ]
    assert shown == [("login", 400, Finding.SIGN_IN_FAILED.sentence, True, None)] * 3
    assert [page.context["username"] for page in pages] == ["nobody", "bob", "ann"]
    assert all(page.cookies.sign_in is None for page in pages)
    assert all(isinstance(page.told, SignInFailed) for page in pages)


@pytest.mark.spec("V16-16.2.5")
async def test_what_the_log_hears_of_a_failure_is_no_password_and_no_unknown_name(visitor: Visitor) -> None:
    id_, _ = await visitor.page()
    page = await _failure(visitor, id_, "my password in the wrong field", "hunter2 hunter2")
    assert isinstance(page.told, SignInFailed)
    told = repr((page.told, page.told.facts, str(page.told)))
    assert "hunter2" not in told
    assert "wrong field" not in told


@pytest.mark.parametrize("form", [(), (("username", "ann"),), (("password", "x"),), (("username", ""),)])
async def test_an_incomplete_form_is_shown_again(
    desk: Desk, visitor: Visitor, form: tuple[tuple[str, str], ...]
) -> None:
    id_, _ = await visitor.page()
    page = await desk.core.sign_in(id_, form, visitor.browser)
    assert isinstance(page, Page)
    assert page.status == 400


async def test_usernames_are_compared_in_one_form(visitor: Visitor) -> None:
    id_, _ = await visitor.page("first")
    assert "code" in sent_back(await visitor.log_in(id_, "  ANN ", PASSWORDS["ann"]))


@pytest.mark.spec("N63-hash")
async def test_an_old_hash_is_replaced_after_a_sign_in(desk: Desk, visitor: Visitor) -> None:
    desk.passwords.version = "v2"
    await visitor.walk()
    user = await desk.store.find_user(Subject("u1"))
    assert user is not None
    assert user.password_hash.startswith("v2$")
    assert "code" in await visitor.walk(prompt="login")


@pytest.mark.spec("V7-7.2.4", "N63-5.1")
async def test_every_sign_in_has_a_new_handle_and_the_old_one_is_dead(desk: Desk, visitor: Visitor) -> None:
    planted = Visitor(desk.core, sign_in=Secret("planted by somebody else, never ours"))
    await planted.walk()
    assert planted.sign_in != Secret("planted by somebody else, never ours")
    await visitor.walk()
    first = visitor.sign_in
    assert first is not None
    assert len(first.reveal()) == 43
    await visitor.walk(prompt="login")
    assert visitor.sign_in not in (None, first)
    old = Visitor(desk.core, sign_in=first)
    assert sent_back(await old.authorize(prompt="none"))["error"] == "login_required"
    assert "code" in sent_back(await visitor.authorize(prompt="none"))


async def test_another_person_in_the_same_browser_ends_the_sign_in_before(desk: Desk, visitor: Visitor) -> None:
    tokens = await visitor.tokens(desk, scope="openid")
    await visitor.walk(prompt="login", username="bob")
    assert "sign_in.ended" in desk.event_names()
    from proofkey.errors import InvalidToken

    with pytest.raises(InvalidToken):
        await desk.userinfo(tokens["access_token"])


async def test_the_same_person_again_keeps_other_applications_signed_in(desk: Desk, visitor: Visitor) -> None:
    tokens = await visitor.tokens(desk, scope="openid")
    await visitor.walk("first", prompt="login")
    assert (await desk.userinfo(tokens["access_token"]))["sub"] == "u1"


@pytest.mark.parametrize(
    ("steps", "alive"),
    [
        pytest.param([3599], True, id="idle for less than an hour"),
        pytest.param([3600], False, id="idle for an hour"),
        pytest.param([3000] * 28, True, id="used for 23 h 20 min"),
        pytest.param([3000] * 29, False, id="used for more than a day"),
    ],
)
async def test_a_sign_in_has_an_idle_and_an_absolute_end(
    desk: Desk, visitor: Visitor, steps: list[int], alive: bool
) -> None:
    await visitor.walk()
    back: dict[str, str] = {}
    for seconds in steps:
        desk.clock.turn(seconds)
        back = sent_back(await visitor.authorize(prompt="none"))
    assert ("code" in back) is alive


# --- throttles ------------------------------------------------------------------------------------


@pytest.mark.spec("N63-3.2.2", "V6-6.1.1")
async def test_an_account_is_throttled_whoever_tries_and_opens_again(desk: Desk, visitor: Visitor) -> None:
    id_, _ = await visitor.page()
    for number in range(5):
        visitor.peer = f"198.51.100.{number}"
        assert (await _failure(visitor, id_, "ann", "wrong")).status == 400
    page = await _failure(visitor, id_, "ann", PASSWORDS["ann"])
    assert (page.status, page.retry_after) == (429, 30)
    assert isinstance(page.told, TooManyRequests)
    assert page.context["problem"] == Finding.THROTTLED.sentence
    desk.clock.turn(30)
    assert isinstance(await visitor.log_in(id_), Redirect)


async def test_an_unknown_account_is_throttled_alike(visitor: Visitor) -> None:
    id_, _ = await visitor.page()
    statuses = [(await _failure(visitor, id_, "nobody", "wrong")).status for _ in range(7)]
    assert statuses == [400] * 5 + [429] * 2


async def test_a_success_forgets_the_failures(desk: Desk, visitor: Visitor) -> None:
    for _ in range(3):
        id_, _ = await visitor.page(prompt="login")
        for _ in range(4):
            assert (await _failure(visitor, id_, "ann", "wrong")).status == 400
        assert isinstance(await visitor.log_in(id_), Redirect)


@pytest.mark.spec("V6-6.1.1")
async def test_an_address_is_throttled_over_many_accounts(desk: Desk, visitor: Visitor) -> None:
    id_, _ = await visitor.page()
    statuses = [(await _failure(visitor, id_, f"user{number}", "wrong")).status for number in range(101)]
    assert statuses == [400] * 100 + [429]
    other = Visitor(desk.core, peer="198.51.100.9")
    assert "code" in await other.walk()


async def test_no_throttles_only_when_switched_off_by_its_loud_name() -> None:
    from dataclasses import replace

    from tests.authorization_server.driver import POLICY, open_desk

    desk = await open_desk(replace(POLICY, allow_insecure_no_throttles=True))
    visitor = Visitor(desk.core)
    id_, _ = await visitor.page()
    assert {(await _failure(visitor, id_, "ann", "wrong")).status for _ in range(150)} == {400}


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("unix", "unix", True),
        ("", "192.0.2.2", False),
    ],
)
def test_addresses_are_counted_by_network(one: str, other: str, same: bool) -> None:
    assert (address_key(one) == address_key(other)) is same


def _all_texts(value: Any) -> str:
    return repr(value)


async def test_no_page_holds_a_secret(desk: Desk, visitor: Visitor) -> None:
    id_, page = await visitor.page()
    failed = await _failure(visitor, id_, "ann", "a wrong password that must not come back")
    for shown in (page, failed):
        text = _all_texts(shown) + _all_texts(shown.context)
        assert "must not come back" not in text
        assert CALLBACK not in text
