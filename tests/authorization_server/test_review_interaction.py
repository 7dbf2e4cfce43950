"""What a decision on a page is bound to: who saw it, what it said, and the client as it is registered."""

from dataclasses import replace

import pytest

from proofkey.authorization_server.answers import Page
from proofkey.authorization_server.records import AuditEvent
from proofkey.errors import InteractionClosed, InvalidRequest, NoLocation
from proofkey.findings import Finding
from proofkey.protocol.text import ClientId, Secret, Subject, digest_of
from proofkey.store.memory import MemoryServerStore
from tests.authorization_server.driver import (
    ISSUER,
    Desk,
    Visitor,
    interaction_of,
    sent_back,
)


async def _register(desk: Desk, client_id: str = "web", **changes: object) -> None:
    client = await desk.store.find_client(ClientId(client_id))
    assert client is not None
    await desk.store.put_client(replace(client, **changes), desk.clock.now())  # type: ignore[arg-type]  # by test


@pytest.mark.spec("OC-3.1.2.3-b", "OC-3.1.2.4-a", "6749-10.12-b")
async def test_another_person_does_not_consent_on_the_page_of_the_first(desk: Desk, visitor: Visitor) -> None:
    anns, _ = await visitor.page()
    await visitor.log_in(anns, "ann")
    assert isinstance(await visitor.look(anns), Page)
    other, _ = await visitor.page(prompt="login", state="another tab")
    await visitor.log_in(other, "bob")
    answer = await visitor.decide(anns)  # the form that Ann was shown
    assert interaction_of(answer) == anns
    assert await desk.store.find_consent(Subject("u2"), ClientId("web")) is None
    assert "code.issued" not in desk.event_names()
    page = await visitor.look(anns)
    assert isinstance(page, Page)
    assert page.context["person"] == "bob"
    assert "code" in sent_back(await visitor.decide(anns))


@pytest.mark.spec("OC-3.1.2.4-a")
async def test_a_decision_without_a_page_shows_the_page(desk: Desk, visitor: Visitor) -> None:
    await visitor.walk("first")
    id_ = interaction_of(await visitor.authorize())
    assert interaction_of(await visitor.decide(id_)) == id_
    assert "consent.given" not in desk.event_names()
    await visitor.look(id_)
    assert "code" in sent_back(await visitor.decide(id_))


@pytest.mark.spec("OC-3.1.2.4-a")
async def test_nothing_is_allowed_that_the_page_did_not_say(desk: Desk, visitor: Visitor) -> None:
    await _register(desk, scope=("openid",))
    id_, _ = await visitor.page(scope="openid orders:write")
    await visitor.log_in(id_)
    page = await visitor.look(id_)
    assert isinstance(page, Page)
    assert page.context["scope"] == ("openid",)
    await _register(desk, scope=("openid", "orders:write"))
    assert interaction_of(await visitor.decide(id_)) == id_
    assert await desk.store.find_consent(Subject("u1"), ClientId("web")) is None


@pytest.mark.spec("9700-2.1-a", "6749-4.1.2.1-a")
async def test_a_redirect_uri_that_was_taken_away_meanwhile_gets_nothing(desk: Desk, visitor: Visitor) -> None:
    id_, _ = await visitor.page()
    await _register(desk, redirect_uris=frozenset({"https://rp.test/other"}))
    for step in (visitor.look(id_), visitor.log_in(id_), visitor.decide(id_, "deny")):
        with pytest.raises(InteractionClosed) as refused:
            await step
        assert refused.value.finding is Finding.REDIRECT_URI_UNREGISTERED


@pytest.mark.spec("OC-3.1.2.2-a")
async def test_the_hint_is_checked_once_and_not_kept(desk: Desk, visitor: Visitor) -> None:
    anns = (await visitor.tokens(desk))["id_token"]
    other = Visitor(desk.core)
    id_, _ = await other.page(id_token_hint=anns, acr_values="a " * 99 + "a", ui_locales="de en")
    record = await desk.store.find_interaction(digest_of(id_))
    assert record is not None
    assert record.hint_sub == "u1"
    kept = record.request
    assert (kept.id_token_hint, kept.acr_values, kept.ui_locales) == (None, (), ())
    assert isinstance(desk.store, MemoryServerStore)
    assert anns not in repr(vars(desk.store))
    assert sent_back(await other.log_in(id_, "bob"))["error"] == "login_required"
    id_, _ = await Visitor(desk.core).page(id_token_hint=anns)


# --- logout -------------------------------------------------------------------------------------------


async def _asked(visitor: Visitor, **parameters: str) -> str:
    page = visitor.keep(await visitor.core.end_session(tuple(parameters.items()), visitor.browser))
    assert isinstance(page, Page)
    assert page.name == "logout"
    action: str = page.context["action"]
    return action.removeprefix(f"{ISSUER}/end-session/")


async def _is_signed_in(visitor: Visitor) -> bool:
    return "code" in sent_back(await visitor.authorize("first", prompt="none"))


@pytest.mark.spec("RL-2-b", "RL-3-a")
async def test_whoever_wants_to_stay_signed_in_stays(desk: Desk, visitor: Visitor) -> None:
    await visitor.walk()
    bye = "https://rp.test/bye"
    id_ = await _asked(visitor, client_id="web", post_logout_redirect_uri=bye)
    answer = visitor.keep(await desk.core.confirm_end_session(id_, (("decision", "deny"),), visitor.browser))
    assert isinstance(answer, Page)
    assert (answer.name, answer.context["stayed"]) == ("logout", True)
    assert not answer.cookies.clear_sign_in
    assert await _is_signed_in(visitor)
    assert "sign_in.ended" not in desk.event_names()
    with pytest.raises(InteractionClosed):
        await desk.core.confirm_end_session(id_, (("decision", "allow"),), visitor.browser)


@pytest.mark.parametrize("form", [(("decision", "maybe"),), (("decision", "allow"), ("decision", "deny"))])
async def test_a_decision_about_logout_is_one_of_two(
    desk: Desk, visitor: Visitor, form: tuple[tuple[str, str], ...]
) -> None:
    await visitor.walk()
    id_ = await _asked(visitor)
    with pytest.raises(InvalidRequest):
        await desk.core.confirm_end_session(id_, form, visitor.browser)
    assert await _is_signed_in(visitor)


@pytest.mark.spec("RL-2-b")
async def test_a_logout_request_without_the_cookie_takes_no_cookie_away(desk: Desk, visitor: Visitor) -> None:
    await visitor.walk()
    answer = await desk.core.end_session((), Visitor(desk.core).browser)
    assert isinstance(answer, Page)
    assert not answer.cookies.clear_sign_in
    stale = Visitor(desk.core, sign_in=visitor.sign_in)
    assert isinstance(await desk.core.end_session((), stale.browser), Page)
    assert await _is_signed_in(visitor)


@pytest.mark.spec("RL-3-a")
async def test_a_logout_uri_that_was_taken_away_meanwhile_is_not_gone_to(desk: Desk, visitor: Visitor) -> None:
    await visitor.walk()
    id_ = await _asked(visitor, client_id="web", post_logout_redirect_uri="https://rp.test/bye")
    await _register(desk, post_logout_redirect_uris=frozenset())
    with pytest.raises(NoLocation):
        await desk.core.confirm_end_session(id_, (("decision", "allow"),), visitor.browser)
    assert await _is_signed_in(visitor)


# --- what changes while a password is checked -----------------------------------------------------------


@pytest.mark.spec("9700-4.14.2-d", "V7-7.4.1")
@pytest.mark.parametrize("change", ["password", "disabled"])
@pytest.mark.parametrize("signed_in", [False, True], ids=["first sign-in", "again"])
async def test_a_password_that_is_taken_away_while_it_is_checked_signs_nobody_in(
    desk: Desk, visitor: Visitor, monkeypatch: pytest.MonkeyPatch, change: str, signed_in: bool
) -> None:
    if signed_in:
        await visitor.walk()
    id_, _ = await visitor.page(prompt="login")
    desk.clock.turn(1)
    verify = desk.passwords.verify

    async def slow(encoded: str, password: Secret) -> bool:
        right = await verify(encoded, password)
        now, event = desk.clock.now(), AuditEvent(at=desk.clock.now(), name="meanwhile")
        if change == "password":
            await desk.store.set_password(Subject("u1"), await desk.passwords.hash(Secret("new")), now, event)
        else:
            await desk.store.disable_user(Subject("u1"), now, event)
        return right

    monkeypatch.setattr(desk.passwords, "verify", slow)
    page = await visitor.log_in(id_)
    assert isinstance(page, Page)
    assert (page.name, page.status, page.cookies.sign_in) == ("login", 400, None)
    assert page.context["problem"] == Finding.SIGN_IN_FAILED.sentence
    if change == "disabled":
        await desk.store.enable_user(Subject("u1"), desk.clock.now(), AuditEvent(at=desk.clock.now(), name="x"))
    assert sent_back(await visitor.authorize("first", prompt="none"))["error"] == "login_required"
