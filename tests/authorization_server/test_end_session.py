"""RP-initiated logout: at once for this session's hint, else the person is asked."""

from typing import Any

import pytest

from proofkey.authorization_server.answers import Answer, Page, Redirect
from proofkey.errors import InteractionClosed, InvalidGrant, InvalidToken, NoLocation
from proofkey.findings import Finding
from tests.authorization_server.driver import ISSUER, Desk, Visitor, sent_back

BYE = "https://rp.test/bye"


async def _end(visitor: Visitor, **parameters: str) -> Answer:
    return visitor.keep(await visitor.core.end_session(tuple(parameters.items()), visitor.browser))


async def _confirm(visitor: Visitor, page: Page) -> Answer:
    id_ = page.context["action"].removeprefix(f"{ISSUER}/end-session/")
    return visitor.keep(await visitor.core.confirm_end_session(id_, (), visitor.browser))


async def _is_signed_in(visitor: Visitor) -> bool:
    return "code" in sent_back(await visitor.authorize(prompt="none"))


@pytest.mark.spec("RL-2-a", "RL-3-a")
@pytest.mark.parametrize("passed", [0, 3000])
async def test_a_hint_of_this_session_ends_it_at_once(desk: Desk, visitor: Visitor, passed: int) -> None:
    hint = (await visitor.tokens(desk))["id_token"]
    kept = visitor.sign_in
    desk.clock.turn(passed)  # an expired hint will do
    answer = await _end(visitor, id_token_hint=hint, client_id="web", post_logout_redirect_uri=BYE, state="s&t")
    assert isinstance(answer, Redirect)
    assert answer.url == BYE + "?state=s%26t"
    assert answer.cookies.clear_sign_in
    assert not await _is_signed_in(visitor)
    assert not await _is_signed_in(Visitor(desk.core, sign_in=kept))
    assert "sign_in.ended" in desk.event_names()


@pytest.mark.spec("BL-2.7-a")
async def test_logging_out_ends_what_is_not_offline(desk: Desk, visitor: Visitor) -> None:
    online = await visitor.tokens(desk, scope="openid")
    offline = await visitor.tokens(desk, scope="openid offline_access")
    code = (await visitor.walk(scope="openid offline_access"))["code"]
    await _end(visitor, id_token_hint=online["id_token"])
    with pytest.raises(InvalidToken):
        await desk.userinfo(online["access_token"])
    assert await desk.refresh(offline["refresh_token"])
    with pytest.raises(InvalidGrant):
        await desk.redeem(code)


@pytest.mark.parametrize(
    ("parameters", "url"),
    [
        pytest.param({}, None, id="no URI"),
        pytest.param({"state": "x"}, None, id="state alone"),
        pytest.param({"post_logout_redirect_uri": BYE}, BYE, id="no state"),
        pytest.param({"post_logout_redirect_uri": BYE + "?a=1", "state": "x"}, BYE + "?a=1&state=x", id="a query"),
    ],
)
async def test_after_logout_comes(
    desk: Desk, visitor: Visitor, parameters: dict[str, str], url: str | None
) -> None:
    hint = (await visitor.tokens(desk))["id_token"]
    answer = await _end(visitor, id_token_hint=hint, **parameters)
    if url is None:
        assert isinstance(answer, Page)
        assert (answer.name, answer.status, answer.context) == ("logged-out", 200, {})
    else:
        assert isinstance(answer, Redirect)
        assert answer.url == url


@pytest.mark.spec("RL-2-b", "V10-10.6.2", "6749-10.12-b")
async def test_without_a_hint_of_this_session_the_person_is_asked(desk: Desk, visitor: Visitor) -> None:
    bobs = Visitor(desk.core)
    bobs_hint = (await bobs.tokens(desk, username="bob"))["id_token"]
    await visitor.walk()
    elsewhere = Visitor(desk.core)
    own_hint_of_another_browser = (await elsewhere.tokens(desk))["id_token"]
    for parameters in (
        {}, {"client_id": "web"}, {"id_token_hint": bobs_hint}, {"id_token_hint": own_hint_of_another_browser},
    ):  # fmt: skip
        page = await _end(visitor, **parameters)
        assert isinstance(page, Page)
        assert (page.name, page.context["person"]) == ("logout", "ann")
        assert await _is_signed_in(visitor)
    page = await _end(visitor, client_id="web", post_logout_redirect_uri=BYE, state="x")
    assert isinstance(page, Page)
    assert page.form_targets == ("https://rp.test",)
    answer = await _confirm(visitor, page)
    assert isinstance(answer, Redirect)
    assert answer.url == BYE + "?state=x"
    assert not await _is_signed_in(visitor)
    assert await _is_signed_in(elsewhere)
    with pytest.raises(InteractionClosed):
        await _confirm(visitor, page)


async def test_a_confirmed_logout_without_a_client_ends_on_our_page(visitor: Visitor) -> None:
    await visitor.walk()
    page = await _end(visitor)
    assert isinstance(page, Page)
    answer = await _confirm(visitor, page)
    assert isinstance(answer, Page)
    assert (answer.name, answer.context) == ("logged-out", {})


@pytest.mark.spec("6749-10.12-b")
async def test_the_confirmation_belongs_to_one_browser_and_to_logout(desk: Desk, visitor: Visitor) -> None:
    await visitor.walk()
    page = await _end(visitor)
    assert isinstance(page, Page)
    other = Visitor(desk.core, sign_in=visitor.sign_in)
    with pytest.raises(InteractionClosed):
        await _confirm(other, page)
    id_ = page.context["action"].rpartition("/")[2]
    for wrong in (visitor.look(id_), visitor.log_in(id_), visitor.decide(id_)):
        with pytest.raises(InteractionClosed):
            await wrong
    login_id, _ = await visitor.page(prompt="login")
    with pytest.raises(InteractionClosed):
        await desk.core.confirm_end_session(login_id, (), visitor.browser)
    assert await _is_signed_in(visitor)


async def test_nobody_signed_in_with_a_hint_goes_back_at_once(desk: Desk, visitor: Visitor) -> None:
    hint = (await visitor.tokens(desk))["id_token"]
    stranger = Visitor(desk.core)
    answer = await _end(stranger, id_token_hint=hint, post_logout_redirect_uri=BYE)
    assert isinstance(answer, Redirect)
    answer = await _end(stranger, client_id="web", post_logout_redirect_uri=BYE)
    assert isinstance(answer, Page)
    assert answer.context == {"client_name": "Web", "return_url": BYE}
    assert await _is_signed_in(visitor)


@pytest.mark.spec("RL-3-a", "RL-2-a")
@pytest.mark.parametrize(
    ("parameters", "finding"),
    [
        ({"post_logout_redirect_uri": "https://evil.test/"}, Finding.POST_LOGOUT_URI_UNREGISTERED),
        ({"post_logout_redirect_uri": BYE + "?b=1"}, Finding.POST_LOGOUT_URI_UNREGISTERED),
        ({"post_logout_redirect_uri": BYE + "/"}, Finding.POST_LOGOUT_URI_UNREGISTERED),
        ({"post_logout_redirect_uri": "https://rp.test/cb"}, Finding.POST_LOGOUT_URI_UNREGISTERED),
        ({"post_logout_redirect_uri": BYE, "id_token_hint": ""}, Finding.POST_LOGOUT_URI_UNREGISTERED),
        (
            {"post_logout_redirect_uri": BYE, "id_token_hint": "", "client_id": "x"},
            Finding.POST_LOGOUT_URI_UNREGISTERED,
        ),
        ({"client_id": "first"}, Finding.END_SESSION_CLIENT_DIFFERS),
        ({"id_token_hint": "e30.e30.AA"}, Finding.HINT_INVALID),
        ({"id_token_hint": "opaque"}, Finding.HINT_INVALID),
    ],
)  # fmt: skip
async def test_a_faulty_logout_goes_nowhere(
    desk: Desk, visitor: Visitor, parameters: dict[str, str], finding: Finding
) -> None:
    hint = (await visitor.tokens(desk))["id_token"]
    with pytest.raises(NoLocation) as refused:
        await _end(visitor, **{"id_token_hint": hint, **parameters})
    assert refused.value.finding is finding
    assert await _is_signed_in(visitor)


async def test_a_repeated_parameter_goes_nowhere(desk: Desk, visitor: Visitor) -> None:
    pairs: Any = (("client_id", "web"), ("client_id", "web"))
    with pytest.raises(NoLocation):
        await desk.core.end_session(pairs, visitor.browser)


async def test_an_access_token_is_no_hint(desk: Desk, visitor: Visitor) -> None:
    token = (await visitor.tokens(desk))["access_token"]
    with pytest.raises(NoLocation):
        await _end(visitor, id_token_hint=token)
