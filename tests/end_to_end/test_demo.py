"""The main job, as a person does it: a real browser, a real provider, a real API, a real Streamlit server."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Response, WebSocket, expect

from proofkey.protocol.messages import AuthorizationRequest, build_authorization_request_url
from proofkey.protocol.pkce import challenge_of
from proofkey.protocol.text import ClientId
from proofkey.runtime.loopback import LoopbackListener
from proofkey.testing.demo_process import RunningDemo, running_demo
from tests.browser import chromium

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

JWT = re.compile(rb"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}")
FIRST_ORDER = "Field notebook, dotted"
ACCESS_TOKEN_LIFE = 900

expect.set_options(timeout=20_000)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDemo]:
    with running_demo(tmp_path_factory.mktemp("demo") / "demo.log") as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@dataclass
class Seen:
    """Everything that one browser got from the Streamlit app's origin."""

    frames: list[bytes] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    headers: list[str] = field(default_factory=list)

    def watch(self, page: Page, origin: str) -> Page:
        page.on("websocket", self._watch_socket)

        def on_response(response: Response) -> None:
            if response.url.startswith(origin):
                self.headers.append(str(response.headers_array()))
                kind = response.headers.get("content-type", "")
                if response.ok and ("html" in kind or "json" in kind):
                    self.bodies.append(response.body())

        page.on("response", on_response)
        return page

    def _watch_socket(self, socket: WebSocket) -> None:
        for event in ("framereceived", "framesent"):
            socket.on(event, lambda data: self.frames.append(data if isinstance(data, bytes) else data.encode()))


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    opened = browser.new_context(viewport={"width": 1280, "height": 900})
    opened.set_default_timeout(30_000)
    yield opened
    opened.close()


def enter(page: Page, demo: RunningDemo, username: str) -> None:
    """The login page, filled in; afterwards the consent page or the client's."""
    expect(page.locator("body")).to_have_attribute("data-page", "login")
    page.fill("[name=username]", username)
    page.fill("[name=password]", demo.passwords[username])
    with page.expect_navigation():
        page.keyboard.press("Enter")


def sign_in(page: Page, demo: RunningDemo, username: str = "ann") -> None:
    """From the app's address to the orders, consent included where it is asked."""
    page.goto(demo.streamlit)
    enter(page, demo, username)
    if page.locator("body[data-page=consent]").count():
        page.click("button[name=decision][value=allow]")
    expect(page.get_by_text(FIRST_ORDER)).to_be_visible()


def minutes_left(page: Page) -> int:
    return int(page.get_by_text(re.compile(r"^\d+ min left$")).inner_text().split()[0])


@pytest.mark.spec("V10-10.1.1", "ST-8")
def test_a_person_signs_in_and_sees_orders_that_only_the_api_can_give_and_no_token_reaches_the_browser(
    demo: RunningDemo, context: BrowserContext, seen: Seen
) -> None:
    page = seen.watch(context.new_page(), demo.streamlit)
    sign_in(page, demo)

    assert page.url == f"{demo.streamlit}/"
    expect(page.get_by_text("1,824.60 €")).to_be_visible()
    storage = page.evaluate("JSON.stringify([document.cookie, {...localStorage}, {...sessionStorage}])")
    cookies = "".join(cookie.get("value", "") for cookie in context.cookies(demo.streamlit))
    everything = [page.content(), storage, cookies, *seen.headers]
    assert seen.frames
    assert seen.bodies
    for blob in [*seen.frames, *seen.bodies, *(text.encode() for text in everything)]:
        assert not JWT.search(blob)
        assert b"refresh_token" not in blob
        assert b"access_token" not in blob
    session = [cookie for cookie in context.cookies(demo.streamlit) if "session" in cookie.get("name", "")]
    assert len(session) == 1
    assert session[0].get("httpOnly")
    assert session[0].get("sameSite") == "Lax"


def test_the_jwt_pattern_would_find_a_token() -> None:
    token = b"eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJlc2lnbmF0dXJl"

    assert JWT.search(b"\x00frame" + token + b"\x01")


@pytest.mark.spec("10017-6.1.3.2-a")
def test_reload_and_second_tab_stay_signed_in(demo: RunningDemo, context: BrowserContext) -> None:
    first = context.new_page()
    sign_in(first, demo)

    first.reload()
    expect(first.get_by_text(FIRST_ORDER)).to_be_visible()
    second = context.new_page()
    second.goto(demo.streamlit)
    expect(second.get_by_text(FIRST_ORDER)).to_be_visible()


@pytest.mark.spec("ST-7", "X-refresh-lock")
def test_the_access_token_is_refreshed_while_the_page_stays_open(
    demo: RunningDemo, context: BrowserContext
) -> None:
    page = context.new_page()
    sign_in(page, demo)
    page.evaluate("window.stayed = true")
    life = ACCESS_TOKEN_LIFE // 60
    assert minutes_left(page) in (life - 1, life)

    demo.turn_clocks(ACCESS_TOKEN_LIFE + 60)
    page.get_by_role("button", name="Refresh the view").click()

    expect(page.get_by_text(re.compile(rf"^({life - 1}|{life}) min left$"))).to_be_visible()
    expect(page.get_by_text(FIRST_ORDER)).to_be_visible()
    assert page.evaluate("window.stayed") is True


@pytest.mark.spec("V7-7.4.1", "RL-2-c")
def test_logging_out_empties_every_tab_and_an_old_cookie_does_nothing(
    demo: RunningDemo, context: BrowserContext, browser: Browser
) -> None:
    first, second = context.new_page(), context.new_page()
    sign_in(first, demo)
    second.goto(demo.streamlit)
    expect(second.get_by_text(FIRST_ORDER)).to_be_visible()
    stolen = context.cookies(demo.streamlit)

    first.get_by_role("button", name="Log out").click()

    for tab in (first, second):
        expect(tab.get_by_text(FIRST_ORDER)).to_have_count(0)
    expect(second).to_have_url(re.compile("signed-out|logged-out|/interaction/"))
    thief = browser.new_context()
    thief.add_cookies(
        [{"name": str(c.get("name")), "value": str(c.get("value")), "url": demo.streamlit} for c in stolen]
    )
    page = thief.new_page()
    page.goto(demo.streamlit)
    expect(page.locator("body")).to_have_attribute("data-page", "login")
    thief.close()


@pytest.mark.spec("ST-10", "6750-3-a")
def test_only_the_admin_opens_the_report_and_the_other_is_told_why_not(
    demo: RunningDemo, context: BrowserContext, browser: Browser
) -> None:
    page = context.new_page()
    sign_in(page, demo, "bob")
    page.get_by_role("button", name="Open the report").click()
    expect(page.get_by_text("the report needs the role admin; Bob Lind has no role")).to_be_visible()

    other = browser.new_context()
    page = other.new_page()
    sign_in(page, demo, "ann")
    page.get_by_role("button", name="Open the report").click()
    expect(page.get_by_text("best customer: Café Miro")).to_be_visible()
    other.close()


def test_the_token_inspector_shows_claims_and_never_the_token(demo: RunningDemo, context: BrowserContext) -> None:
    page = context.new_page()
    sign_in(page, demo)

    page.get_by_text("Token inspector").click()

    expect(page.get_by_text(demo.issuer, exact=False).first).to_be_visible()
    assert not JWT.search(page.content().encode())


@pytest.mark.spec("9207-2-a", "OC-3.1.2.4-a")
def test_a_refused_consent_goes_back_to_the_client_with_state_and_iss(
    demo: RunningDemo, context: BrowserContext
) -> None:
    page = context.new_page()
    with LoopbackListener() as listener:
        request = AuthorizationRequest(
            client_id=ClientId("cli"),
            redirect_uri=listener.redirect_uri,
            scope=("openid",),
            state="of this request",
            code_challenge=challenge_of("v" * 43),
            code_challenge_method="S256",
        )
        page.goto(build_authorization_request_url(f"{demo.issuer}/authorize", request))
        enter(page, demo, "bob")
        expect(page.locator("body")).to_have_attribute("data-page", "consent")
        page.click("button[name=decision][value=deny]")
        answer = dict(listener.wait(20))

    assert answer["error"] == "access_denied"
    assert answer["state"] == "of this request"
    assert answer["iss"] == demo.issuer
    assert "code" not in answer


@pytest.mark.spec("9700-2.6-c")
def test_the_api_documentation_signs_in_with_pkce_and_asks_no_other_host(
    demo: RunningDemo, context: BrowserContext
) -> None:
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{demo.api}/docs")
    page.click("button.authorize")
    with context.expect_page() as opened:
        page.click(".auth-btn-wrapper button.authorize")
    popup = opened.value
    enter(popup, demo, "ann")
    expect(popup.locator("body")).to_have_attribute("data-page", "consent")
    popup.click("button[name=decision][value=allow]")
    page.click(".auth-btn-wrapper button.btn-done")

    page.click("#operations-default-orders_orders_get")
    page.get_by_role("button", name="Try it out").click()
    page.get_by_role("button", name="Execute").click()

    expect(page.locator(".live-responses-table .response-col_status").last).to_have_text("200")
    expect(page.locator(".live-responses-table")).to_contain_text(FIRST_ORDER)
    assert all(url.startswith((demo.api, demo.issuer, "data:")) for url in asked)
    assert popup.is_closed()


@pytest.mark.spec("9700-4.9.3-a", "V16-16.2.5")
def test_no_password_and_no_token_stands_in_a_log(demo: RunningDemo) -> None:
    log = demo.log.read_bytes()

    assert log
    assert demo.passwords["ann"].encode() not in log
    assert not JWT.search(log)
    assert b"code=" not in log
