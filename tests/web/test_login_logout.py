"""Signing out, and requests from other sites that change state."""

from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from starlette.applications import Starlette

from proofkey.testing.headless import read_page
from tests.client.login_kit import ISSUER, RP
from tests.web.login_browser import NAVIGATION, App, Browser, page_of, set_cookies


# --- logout ----------------------------------------------------------------------------------------------------
@pytest.mark.spec("RL-2-c", "V7-7.4.1")
async def test_logout_kills_the_session_and_leads_to_the_provider_and_back(app: App, browser: Browser) -> None:
    await browser.sign_in()
    copied = browser.session_cookie()
    answer = await browser.post("/auth/logout")
    assert answer.status_code == 303
    target = urlsplit(answer.headers["location"])
    sent = parse_qs(target.query)
    assert answer.headers["location"].startswith(f"{ISSUER}/end-session?")
    assert sent["client_id"] == ["web"]
    assert sent["post_logout_redirect_uri"] == [f"{RP}/auth/signed-out"]
    assert browser.session_cookie() is None
    stolen = await app.browser().http.get("/me", headers={"cookie": f"{app.login.cookie.name}={copied}"})
    assert stolen.status_code == 401
    back = await browser.get(f"/auth/signed-out?state={sent['state'][0]}")
    assert (back.status_code, page_of(back)) == (200, "logged-out")
    assert browser.cookie_names() == []


@pytest.mark.spec("RL-2-c")
@pytest.mark.parametrize("query", ["?state=other", "", "?state=a&state=b"], ids=["other", "none", "twice"])
async def test_the_way_back_from_a_logout_is_refused_with_another_state(browser: Browser, query: str) -> None:
    await browser.sign_in()
    await browser.post("/auth/logout")
    answer = await browser.get(f"/auth/signed-out{query}")
    assert (answer.status_code, page_of(answer)) == (400, "error")


async def test_the_signed_out_page_sends_whoever_is_signed_in_to_the_application(browser: Browser) -> None:
    assert page_of(await browser.get("/auth/signed-out")) == "logged-out"
    await browser.sign_in()
    answer = await browser.get("/auth/signed-out")
    assert (answer.status_code, answer.headers["location"]) == (303, f"{RP}/")


@pytest.mark.spec("X-logout-post", "10017-6.1.3.3-a")
@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.test"},
        {"origin": "https://evil.test", "sec-fetch-site": "cross-site"},
        {"origin": "https://blog.rp.test", "sec-fetch-site": "same-site"},
        {"origin": "null"},
    ],
    ids=["origin", "both", "sibling", "null"],
)
async def test_a_logout_from_another_site_is_refused(browser: Browser, headers: dict[str, str]) -> None:
    await browser.sign_in()
    answer = await browser.post("/auth/logout", headers)
    assert answer.status_code == 403
    assert set_cookies(answer) == {}
    assert (await browser.get("/me")).status_code == 200


@pytest.mark.spec("X-logout-post")
async def test_the_routes_alone_refuse_a_foreign_logout_too(app: App) -> None:
    alone = Starlette(routes=app.login.routes())
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(alone), base_url=RP) as client:
        answer = await client.post("/auth/logout", headers={"origin": "https://evil.test"})
        assert (answer.status_code, set_cookies(answer)) == (403, {})
        assert (await client.post("/auth/logout", headers={"origin": RP})).status_code == 303


async def test_head_on_logout_signs_nobody_out(browser: Browser) -> None:
    await browser.sign_in()
    await browser.http.head("/auth/logout", headers={**NAVIGATION, "sec-fetch-site": "same-origin"})
    assert (await browser.get("/me")).status_code == 200


@pytest.mark.spec("X-logout-post")
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"sec-fetch-site": "cross-site", "sec-fetch-dest": "document", "sec-fetch-mode": "navigate"},
        {"sec-fetch-site": "cross-site", "sec-fetch-dest": "image", "sec-fetch-mode": "no-cors"},
        {"sec-fetch-site": "same-origin", "sec-fetch-dest": "image", "sec-fetch-mode": "no-cors"},
        {"sec-fetch-site": "same-site", "sec-fetch-dest": "document"},
        {"sec-fetch-site": "none", "sec-fetch-dest": "document"},
    ],
    ids=["no headers", "a foreign link", "a foreign image", "an image of ours", "a sibling", "typed"],
)
async def test_a_get_on_logout_asks_first(browser: Browser, headers: dict[str, str]) -> None:
    await browser.sign_in()
    answer = await browser.get("/auth/logout", headers)
    assert (answer.status_code, page_of(answer)) == (200, "logout")
    assert ISSUER in answer.headers["content-security-policy"]
    form = read_page(answer.text)[1][0]
    assert form.action == "/auth/logout"
    assert (await browser.get("/me")).status_code == 200


async def test_logout_asks_also_while_the_provider_is_down(app: App, browser: Browser) -> None:
    app.provider.faults.down = {"discovery"}
    answer = await browser.get("/auth/logout")
    assert (answer.status_code, page_of(answer)) == (200, "logout")


async def test_st_logouts_navigation_from_our_own_page_signs_out(browser: Browser) -> None:
    await browser.sign_in()
    answer = await browser.get("/auth/logout", {**NAVIGATION, "sec-fetch-site": "same-origin"})
    assert answer.status_code == 303
    assert (await browser.get("/me")).status_code == 303
    assert browser.session_cookie() is None


async def test_without_an_end_session_endpoint_logout_leads_home(app: App, browser: Browser) -> None:
    app.provider.faults.metadata = {"end_session_endpoint": None}
    await browser.sign_in()
    assert (await browser.post("/auth/logout")).headers["location"] == f"{RP}/"
    assert (await browser.post("/auth/logout")).headers["location"] == f"{RP}/"


# --- state-changing routes of the application --------------------------------------------------------------------
@pytest.mark.spec("10017-6.1.3.3-a", "V3-3.5.1", "X-csrf-naive")
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    "headers",
    [{"origin": "https://evil.test"}, {"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}],
    ids=["origin", "cross-site", "sibling"],
)
async def test_a_cross_site_request_with_the_cookie_never_reaches_the_handler(
    app: App, browser: Browser, method: str, headers: dict[str, str]
) -> None:
    await browser.sign_in()
    answer = await browser.http.request(method, "/things", headers=headers)
    assert answer.status_code == 403
    assert answer.json()["error"] == "access_denied"
    assert app.handled == []


@pytest.mark.parametrize(
    "headers",
    [{"origin": RP}, {"origin": RP, "sec-fetch-site": "same-origin"}, {}],
    ids=["origin", "both", "a program"],
)
async def test_a_request_of_our_own_page_reaches_the_handler(
    app: App, browser: Browser, headers: dict[str, str]
) -> None:
    await browser.sign_in()
    assert (await browser.http.post("/things", headers=headers)).status_code == 200
    assert app.handled == ["things"]


async def test_a_cross_site_request_without_the_cookie_is_not_our_business(app: App) -> None:
    answer = await app.browser().http.post("/things", headers={"origin": "https://evil.test"})
    assert answer.status_code == 200
