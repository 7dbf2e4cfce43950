"""Throttles in full: owners are not locked out by strangers, spraying is seen, nothing evades by another name."""

from collections.abc import Sequence
from itertools import count
from typing import Any, cast

import pytest

from proofkey.authorization_server.answers import Page, Redirect
from proofkey.authorization_server.known_device import MOST_ACCOUNTS, KnownDevices
from proofkey.authorization_server.records import AuditEvent
from proofkey.authorization_server.throttles import (
    CLIENT_ALARM,
    CLIENT_SECRET_BY_ADDRESS,
    CLIENT_SECRET_IN_ALARM,
    INVALID_GRANT,
    PAGE,
    SIGN_IN_ALARM,
    SIGN_IN_BY_ACCOUNT,
    SIGN_IN_BY_ADDRESS,
    SIGN_IN_BY_DEVICE,
    SIGN_IN_IN_ALARM,
    SIGN_IN_KNOWN,
    SIGN_IN_SPRAYED,
    account_key,
)
from proofkey.errors import InvalidClient, InvalidGrant, SignInFailed, TooManyRequests
from proofkey.protocol.text import Secret
from proofkey.testing.stores import a_user
from tests.authorization_server.driver import PASSWORDS, SECRET, Desk, Visitor, credentials, open_desk

WRONG = "not the password"
DAY = 86_400
_addresses = count(1)


def address() -> str:
    """One that nobody has used before."""
    number = next(_addresses)
    return f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"


async def attempt(desk: Desk, username: str = "ann", password: str = WRONG, **visitor: Any) -> Page | Redirect:
    """In a new browser, unless it is given, from a new address, unless it is given."""
    browser = visitor.pop("browser", None) or Visitor(desk.core, **{"peer": address(), **visitor})
    id_, _ = await browser.page(prompt="login")
    answer: Page | Redirect = await browser.log_in(id_, username, password)
    return answer


def status(answer: Page | Redirect) -> int:
    return answer.status if isinstance(answer, Page) else 303


def told(answer: Page | Redirect) -> Any:
    return answer.told


async def exhaust(desk: Desk, username: str = "ann", **visitor: Any) -> None:
    """Strangers until the account waits."""
    for _ in range(SIGN_IN_BY_ACCOUNT.free):
        assert status(await attempt(desk, username, **visitor)) == 400
    assert status(await attempt(desk, username, **visitor)) == 429


@pytest.fixture
async def owner(desk: Desk) -> Visitor:
    """Ann's own browser: she has signed in with it once; her session there is over."""
    browser = Visitor(desk.core, peer="198.51.100.77")
    assert "code" in await browser.walk()
    browser.sign_in = None
    return browser


# --- the owner and strangers -------------------------------------------------------------------------------------


@pytest.mark.spec("N63-3.2.2", "V6-6.3.1", "threats §2 row 29")
async def test_strangers_do_not_lock_the_owner_out_of_a_known_browser(desk: Desk, owner: Visitor) -> None:
    for _ in range(1000):
        assert status(await attempt(desk)) in (400, 429)
        desk.clock.turn(60)
    assert status(await attempt(desk, password=PASSWORDS["ann"])) == 429
    assert status(await attempt(desk, browser=owner)) == 400, "a slip of her own"
    assert status(await attempt(desk, password=PASSWORDS["ann"], browser=owner)) == 303


@pytest.mark.spec("N63-3.2.2", "threats §2 row 29")
async def test_the_owner_gets_in_where_a_whole_network_waits(desk: Desk, owner: Visitor) -> None:
    """Somebody behind the same address sprays."""
    for number in range(SIGN_IN_BY_ADDRESS.burst):
        await attempt(desk, f"sprayed{number}", peer=owner.peer)
    assert status(await attempt(desk, "bob", PASSWORDS["bob"], peer=owner.peer)) == 429
    assert status(await attempt(desk, password=PASSWORDS["ann"], browser=owner)) == 303


@pytest.mark.spec("N63-3.2.2")
async def test_a_known_browser_has_five_slips_and_then_waits(desk: Desk, owner: Visitor) -> None:
    for _ in range(SIGN_IN_BY_DEVICE.free):
        assert status(await attempt(desk, browser=owner)) == 400
    waiting = await attempt(desk, password=PASSWORDS["ann"], browser=owner)
    assert isinstance(waiting, Page)
    assert (waiting.status, waiting.retry_after) == (429, 30)
    assert told(waiting).facts["rule"] == SIGN_IN_BY_DEVICE.name
    assert status(await attempt(desk, password=PASSWORDS["ann"])) == 303, "strangers are counted apart"
    desk.clock.turn(30)
    assert status(await attempt(desk, password=PASSWORDS["ann"], browser=owner)) == 303
    assert status(await attempt(desk, browser=owner)) == 400, "a success forgets"


@pytest.mark.spec("N63-3.2.2")
async def test_a_hundred_consecutive_failures_are_the_end(desk: Desk, owner: Visitor) -> None:
    """Eighty of strangers and twenty of a browser that was stolen; then the right password as well."""
    failures = 0
    for browser in (None, owner):
        for _ in range(110):
            failures += status(await attempt(desk, browser=browser)) == 400
            desk.clock.turn(3600)
        assert status(await attempt(desk, password=PASSWORDS["ann"], browser=browser)) == 429
    assert failures == SIGN_IN_BY_ACCOUNT.most + SIGN_IN_BY_DEVICE.most == 100
    await desk.store.reset(SIGN_IN_BY_ACCOUNT, account_key("ann"))  # as `proofkey user password` does
    assert status(await attempt(desk, password=PASSWORDS["ann"])) == 303


@pytest.mark.spec("V6-6.1.1")
async def test_an_account_of_his_own_does_not_let_anybody_keep_the_hashing_busy(
    desk: Desk, owner: Visitor
) -> None:
    statuses = [
        status(await attempt(desk, password=PASSWORDS["ann"], browser=owner))
        for _ in range(SIGN_IN_KNOWN.burst + 5)
    ]
    assert statuses == [303] * SIGN_IN_KNOWN.burst + [429] * 5
    hashed = len(desk.passwords.verified)
    await attempt(desk, password=PASSWORDS["ann"], browser=owner)
    assert len(desk.passwords.verified) == hashed
    desk.clock.turn(5)
    assert status(await attempt(desk, password=PASSWORDS["ann"], browser=owner)) == 303


async def test_what_was_counted_is_forgotten_after_a_day_of_silence(desk: Desk) -> None:
    for _ in range(110):
        await attempt(desk)
        desk.clock.turn(3600)
    desk.clock.turn(DAY)
    await desk.core.upkeep()
    assert status(await attempt(desk, password=PASSWORDS["ann"])) == 303


async def test_strangers_gain_nothing_when_the_owner_signs_in(desk: Desk, owner: Visitor) -> None:
    await exhaust(desk)
    assert status(await attempt(desk, password=PASSWORDS["ann"], browser=owner)) == 303
    assert status(await attempt(desk)) == 429


@pytest.mark.parametrize("spoil", ["another account", "another password", "made up", "of no form", "another key"])
async def test_a_device_cookie_is_of_no_use(desk: Desk, owner: Visitor, spoil: str) -> None:
    assert owner.device is not None
    name, mark = owner.device.reveal()[:21], owner.device.reveal()[21:]
    username = "ann"
    if spoil == "another account":
        username = "bob"
    elif spoil == "another password":
        user = await desk.store.find_username("ann")
        assert user is not None
        event = AuditEvent(at=desk.clock.now(), name="x")
        desk.clock.turn(1)
        hashed = await desk.passwords.hash(Secret(PASSWORDS["ann"]))
        await desk.store.set_password(user.sub, hashed, desk.clock.now(), event)
    elif spoil == "made up":
        owner.device = Secret(f"{name}{'A' * 22}")
    elif spoil == "of no form":
        owner.device = Secret(f"{name}{mark}~")
    else:
        user = await desk.store.find_username("ann")
        assert user is not None
        owner.device = KnownDevices(b"another").remember(None, user, "f" * 43)
    await exhaust(desk, username)
    assert status(await attempt(desk, username, PASSWORDS[username], browser=owner)) == 429


async def test_a_device_cookie_signs_nobody_in(desk: Desk, owner: Visitor) -> None:
    owner.interactions.clear()
    answer = await owner.authorize(prompt="none")
    assert isinstance(answer, Redirect)
    assert "error=login_required" in answer.url


async def test_one_browser_is_known_for_several_people(desk: Desk, owner: Visitor) -> None:
    assert status(await attempt(desk, "bob", PASSWORDS["bob"], browser=owner)) == 303
    for name in ("ann", "bob"):
        await exhaust(desk, name)
        assert status(await attempt(desk, name, PASSWORDS[name], browser=owner)) == 303


def test_a_browser_is_known_for_so_many_people_and_no_more() -> None:
    devices = KnownDevices(b"key")
    people = [a_user(f"user{number}") for number in range(MOST_ACCOUNTS + 1)]
    cookie: Secret | None = None
    for person in people:
        cookie = devices.remember(cookie, person, "f" * 43)
    assert devices.find(cookie, people[0]) is None
    assert {devices.find(cookie, person) for person in people[1:]} == {"f" * 21}
    again = devices.remember(cookie, people[1], "g" * 43)
    assert cookie is not None
    assert len(again.reveal()) == len(cookie.reveal()) == 21 + 22 * MOST_ACCOUNTS
    assert {devices.find(again, person) for person in people[1:]} == {"f" * 21}


# --- spraying ----------------------------------------------------------------------------------------------------


@pytest.mark.spec("V6-6.1.1", "V6-6.3.1", "threats §2 row 28")
async def test_an_address_that_fails_at_many_accounts_is_seen_and_stopped(desk: Desk) -> None:
    peer = address()
    for number in range(SIGN_IN_SPRAYED.burst):
        assert status(await attempt(desk, f"sprayed{number}", peer=peer)) == 400
        desk.clock.turn(3)  # or it would be too many attempts, whoever's
    stopped = await attempt(desk, "another", peer=peer)
    assert status(stopped) == 429
    assert told(stopped).facts["rule"] == SIGN_IN_SPRAYED.name
    desk.clock.turn(600)
    assert status(await attempt(desk, "another", peer=peer)) == 400
    assert status(await attempt(desk, "a third", peer=peer)) == 429


async def test_slips_at_one_account_are_no_spraying(desk: Desk) -> None:
    peer = address()
    for _ in range(SIGN_IN_BY_ACCOUNT.most):
        await attempt(desk, peer=peer)
        desk.clock.turn(3600)
    assert status(await attempt(desk, "bob", PASSWORDS["bob"], peer=peer)) == 303


@pytest.mark.spec("V6-6.1.1", "V6-6.3.1")
async def test_one_password_from_many_addresses_raises_an_alarm(desk: Desk, owner: Visitor) -> None:
    """Each address tries once, each account is tried once: only all together show it."""
    alarms = set[str]()
    for number in range(40 * SIGN_IN_ALARM.burst):
        answer = await attempt(desk, f"user{number}")
        alarms.add(told(answer).facts.get("alarm", ""))
    assert alarms == {"", SIGN_IN_ALARM.name}

    peer = address()
    statuses = [status(await attempt(desk, f"more{number}", peer=peer)) for number in range(6)]
    assert statuses == [400] * SIGN_IN_IN_ALARM.burst + [429] * 3
    assert status(await attempt(desk, password=PASSWORDS["ann"], browser=owner)) == 303, "known browsers go on"
    assert status(await attempt(desk, "bob", PASSWORDS["bob"])) == 303, "and so do new ones, with less to waste"

    desk.clock.turn(3600)
    statuses = [status(await attempt(desk, f"later{number}", peer=peer)) for number in range(6)]
    assert statuses == [400] * 6


@pytest.mark.parametrize("typed", ["ANN", " Ann ", "\uff41nn"], ids=["case", "space and case", "full width"])
async def test_the_spelling_of_a_name_evades_nothing(desk: Desk, typed: str) -> None:
    await exhaust(desk)
    assert status(await attempt(desk, typed, PASSWORDS["ann"])) == 429


async def test_an_ipv6_customer_is_one_address(desk: Desk) -> None:
    for number in range(SIGN_IN_BY_ADDRESS.burst):
        await attempt(desk, f"user{number}", peer=f"2001:db8:1:2:{number:x}::{number:x}")
    assert status(await attempt(desk, "bob", PASSWORDS["bob"], peer="2001:db8:1:2:ffff::1")) == 429
    assert status(await attempt(desk, "bob", PASSWORDS["bob"], peer="2001:db8:1:3::1")) == 303


async def test_pages_are_rows_and_limited_by_address(desk: Desk) -> None:
    visitor = Visitor(desk.core, peer=address())
    for _ in range(PAGE.burst):
        await visitor.authorize()
    with pytest.raises(TooManyRequests) as refused:
        await visitor.authorize()
    assert refused.value.facts["rule"] == PAGE.name
    assert await Visitor(desk.core, peer=address()).page()


async def test_who_needs_no_page_is_not_counted(desk: Desk) -> None:
    visitor = Visitor(desk.core, peer=address())
    await visitor.walk("first")
    for _ in range(PAGE.burst + 5):
        answer = await visitor.authorize("first")
        assert isinstance(answer, Redirect)
        assert "code=" in answer.url


# --- clients -----------------------------------------------------------------------------------------------------


async def refusals(desk: Desk, tries: Sequence[tuple[str, str]], **form: str) -> list[type[Exception]]:
    """What wrong secrets at those clients, from those addresses, are refused with."""
    found: list[type[Exception]] = []
    for client_id, peer in tries:
        with pytest.raises((InvalidClient, TooManyRequests)) as refused:
            await desk.token(
                client_id, secret=Secret("w" * 40), peer=peer, **{"grant_type": "client_credentials", **form}
            )
        found.append(refused.type)
    return found


@pytest.mark.spec("6749-2.3.1-b", "V6-6.1.1", "threats §2 row 28")
@pytest.mark.parametrize("evasion", ["grant", "post", "revoke", "introspect", "push", "case of the scheme"])
async def test_the_way_by_which_a_secret_is_tried_evades_nothing(desk: Desk, evasion: str) -> None:
    peer = address()
    assert set(await refusals(desk, [("web", peer)] * 20)) == {InvalidClient}
    authorization, pairs = credentials("web", SECRET)
    form: Any = (("grant_type", "client_credentials"),)
    ask: Any = desk.core.token
    if evasion == "grant":
        form = (("grant_type", "refresh_token"), ("refresh_token", "x"))
    elif evasion == "post":
        authorization, pairs = (), (("client_id", "web"), ("client_secret", SECRET.reveal()))
    elif evasion == "case of the scheme":
        authorization = tuple(value.replace("Basic", "bASIC") for value in authorization)
    else:
        ask, form = getattr(desk.core, evasion), (("token", "x"),)
    with pytest.raises(TooManyRequests):
        await ask((*pairs, *form), authorization, peer)


@pytest.mark.spec("6749-2.3.1-b", "threats §3 item 23")
async def test_what_one_worker_has_seen_the_others_know_a_second_later(desk: Desk) -> None:
    """Also where the right secret comes to a worker that has seen no wrong one."""
    peer, other = address(), await open_desk(store=desk.store, clock=desk.clock)
    assert set(await refusals(desk, [("web", peer)] * 20)) == {InvalidClient}
    desk.clock.turn(1)
    with pytest.raises(TooManyRequests):
        await other.token(grant_type="client_credentials", peer=peer)
    assert await other.token(grant_type="client_credentials", peer=address())
    desk.clock.turn(6)
    assert await other.token(grant_type="client_credentials", peer=peer)


async def test_an_address_that_fails_at_many_clients_learns_nothing_more(desk: Desk) -> None:
    peer = address()
    tries = [(f"client{number}", peer) for number in range(CLIENT_SECRET_BY_ADDRESS.burst + 20)]
    found = await refusals(desk, tries)
    assert set(found[: CLIENT_SECRET_BY_ADDRESS.burst - 10]) == {InvalidClient}
    assert set(found[CLIENT_SECRET_BY_ADDRESS.burst :]) == {TooManyRequests}
    assert await refusals(desk, [("web", peer), ("nobody", peer)]) == [TooManyRequests] * 2, "known or not"
    assert await desk.token("robot", grant_type="client_credentials", peer=peer), "who proves itself goes on"


async def test_a_client_that_is_tried_from_everywhere_is_left_to_its_owner(desk: Desk) -> None:
    tries = [("web", address()) for _ in range(CLIENT_ALARM.burst + 1)]
    assert set(await refusals(desk, tries)) == {InvalidClient}
    found = await refusals(desk, [("web", address())] * 6)
    few = CLIENT_SECRET_IN_ALARM.burst + 1
    assert found == [InvalidClient] * few + [TooManyRequests] * (6 - few)
    assert await desk.token(grant_type="client_credentials", peer="192.0.2.55")
    assert await desk.token(grant_type="client_credentials")


@pytest.mark.parametrize("client_id", ["web", "native"])
async def test_bad_grants_slow_the_guesser_down_and_good_ones_never_wait(
    desk: Desk, visitor: Visitor, client_id: str
) -> None:
    good = (await visitor.tokens(desk, client_id))["refresh_token"]
    for _ in range(INVALID_GRANT.burst):
        with pytest.raises(InvalidGrant):
            await desk.refresh("no refresh token", client_id)
    for grant, name in (("refresh_token", "refresh_token"), ("authorization_code", "code")):
        with pytest.raises(TooManyRequests) as refused:
            await desk.token(client_id, grant_type=grant, **cast("dict[str, Any]", {name: "x"}))
        assert refused.value.facts["rule"] == INVALID_GRANT.name
    assert await desk.refresh(good, client_id)
    with pytest.raises(InvalidGrant):
        await desk.refresh("no refresh token", client_id, peer=address())


async def test_a_disabled_account_reads_like_a_wrong_password_also_in_a_known_browser(
    desk: Desk, owner: Visitor
) -> None:
    user = await desk.store.find_username("ann")
    assert user is not None
    await desk.store.disable_user(user.sub, desk.clock.now(), AuditEvent(at=desk.clock.now(), name="x"))
    answers = [await attempt(desk, password=one, browser=owner) for one in (WRONG, PASSWORDS["ann"])]
    assert {status(one) for one in answers} == {400}
    assert {type(told(one)) for one in answers} == {SignInFailed}
    contexts = [one.context for one in answers if isinstance(one, Page)]
    assert len(contexts) == 2
    assert contexts[0] == contexts[1]
