"""Callbacks that never make a session, and what a person sees instead."""

from typing import Any

import httpx2
import pytest

from proofkey.findings import Finding
from tests.web.login_browser import App, Browser, page_of, set_cookies


async def assert_refused(app: App, answer: httpx2.Response, finding: Finding, status: int) -> None:
    assert (answer.status_code, page_of(answer)) == (status, "error")
    assert finding.id in answer.text
    assert app.login.cookie.name not in set_cookies(answer)
    assert app.store._sessions == {}  # type: ignore[attr-defined]
    assert 'href="/auth/login?next=' in answer.text


@pytest.mark.spec("9700-2.1-b", "9700-4.7.1-a")
async def test_a_login_started_in_browser_a_is_refused_in_browser_b(app: App, browser: Browser) -> None:
    back = await browser.start()
    other = app.browser()
    await assert_refused(app, await other.back(back), Finding.LOGIN_FOREIGN_BROWSER, 403)
    assert app.provider.token_requests() == []
    assert (await browser.back(back)).status_code == 303


@pytest.mark.spec("9700-4.2.4-b")
async def test_a_replayed_callback_is_refused_and_leaves_the_session_alone(app: App, browser: Browser) -> None:
    back = await browser.start()
    await browser.back(back)
    answer = await browser.back(back)
    assert answer.status_code == 400
    assert Finding.LOGIN_STATE_UNKNOWN.id in answer.text
    assert (await browser.get("/me")).status_code == 200


async def test_a_late_callback_is_refused_and_the_way_back_is_kept(app: App, browser: Browser) -> None:
    back = await browser.start("/orders")
    app.clock.turn(600)
    answer = await browser.back(back)
    await assert_refused(app, answer, Finding.LOGIN_EXPIRED, 400)
    assert 'href="/auth/login?next=/orders"' in answer.text
    assert browser.cookie_names() == []


@pytest.mark.spec("9207-2.4-a", "9700-4.7.1-b")
@pytest.mark.parametrize(
    ("changes", "finding", "status"),
    [
        ({"state": "other"}, Finding.LOGIN_STATE_UNKNOWN, 400),
        ({"state": None}, Finding.LOGIN_STATE_UNKNOWN, 400),
        ({"iss": "https://evil.test"}, Finding.LOGIN_ISSUER, 400),
        ({"iss": None}, Finding.LOGIN_ISSUER, 400),
        ({"code": None, "error": "access_denied", "error_description": "<i>theirs"}, Finding.LOGIN_REFUSED, 403),
        ({"code": "other"}, Finding.LOGIN_REFUSED, 403),
    ],
    ids=["edited state", "no state", "foreign iss", "no iss", "an error", "a wrong code"],
)  # fmt: skip
async def test_a_callback_is_refused_with(
    app: App, browser: Browser, changes: dict[str, Any], finding: Finding, status: int
) -> None:
    app.provider.faults.authorization_response = changes
    answer = await browser.back(await browser.start())
    await assert_refused(app, answer, finding, status)
    assert "theirs" not in answer.text


@pytest.mark.spec("OC-5.3.2-a", "OC-3.1.3.7-b")
@pytest.mark.parametrize(
    ("options", "faults", "finding"),
    [
        ({}, {"userinfo": {"sub": "u2", "name": "theirs"}}, Finding.USERINFO_SUBJECT),
        ({}, {"userinfo_signed": True, "userinfo": {"aud": "other"}}, Finding.TOKEN_AUDIENCE),
        ({"userinfo": "signed"}, {}, Finding.USERINFO_MALFORMED),
        ({"acr_values": "gold"}, {"id_token_claims": {"acr": "bronze"}}, Finding.ID_TOKEN_ACR),
    ],
    ids=["another person's UserInfo", "UserInfo for another client", "unsigned UserInfo", "a weaker sign-in"],
)
async def test_nobody_is_signed_in_by(options: dict[str, Any], faults: dict[str, Any], finding: Finding) -> None:
    app = App(**options)
    for name, value in faults.items():
        setattr(app.provider.faults, name, value)
    browser = app.browser()
    answer = await browser.back(await browser.start())
    await assert_refused(app, answer, finding, 400)
    assert "theirs" not in answer.text


async def test_a_request_that_cannot_be_pushed_is_a_page_with_a_way_back() -> None:
    app = App(par="required")
    answer = await app.browser().get("/auth/login?next=/orders")
    await assert_refused(app, answer, Finding.PUSH_NOT_OFFERED, 400)
    assert 'href="/auth/login?next=/orders"' in answer.text


async def test_an_error_beside_a_foreign_issuer_is_not_shown(app: App, browser: Browser) -> None:
    app.provider.faults.authorization_response = {"code": None, "error": "call-0900", "iss": "https://evil.test"}
    answer = await browser.back(await browser.start())
    await assert_refused(app, answer, Finding.LOGIN_ISSUER, 400)
    assert "call-0900" not in answer.text


@pytest.mark.parametrize(
    "query",
    ["", "code=a", "state=a&state=b&code=c", "code=a&code=b&state=c", "%ff=1", "x" * 60_000, "a=1&" * 60],
    ids=["nothing", "no state", "state twice", "code twice", "not UTF-8", "huge", "60 parameters"],
)  # fmt: skip
async def test_a_direct_hit_on_the_callback_is_a_page_and_never_a_crash(
    app: App, browser: Browser, query: str
) -> None:
    answer = await browser.get(f"/auth/callback?{query}")
    assert answer.status_code == 400
    assert page_of(answer) == "error"
    assert app.store._sessions == {}  # type: ignore[attr-defined]


@pytest.mark.spec("V3-3.4.*", "9700-4.16-a")
async def test_pages_carry_the_security_headers(browser: Browser) -> None:
    headers = (await browser.get("/auth/callback")).headers
    assert headers["content-security-policy"].startswith("default-src 'none'")
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert "strict-transport-security" in headers


async def test_the_pages_style_sheet_is_served_under_the_prefix(browser: Browser) -> None:
    page = (await browser.get("/auth/callback")).text
    start = page.index("/auth/static/proofkey.")
    path = page[start : page.index('"', start)]
    answer = await browser.get(path)
    assert answer.headers["content-type"].startswith("text/css")
    assert (await browser.get("/auth/static/none.css")).status_code == 404


async def test_two_tabs_log_in_side_by_side(browser: Browser) -> None:
    first, second = await browser.start("/one"), await browser.start("/two")
    assert (await browser.back(first)).headers["location"] == "/one"
    assert (await browser.back(second)).headers["location"] == "/two"
    assert (await browser.get("/me")).json() == {"sub": "u1"}
