"""The pages in a real Chromium: accessible, at home on any screen, and the flow finishes without a script."""

import os
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from proofkey.protocol.token_messages import DEVICE_CODE
from proofkey.testing.server import free_port, serving
from tests.browser import chromium, fresh_page
from tests.web.real_server import CHALLENGE, NATIVE, PASSWORD, build_policy, build_server

SCREENSHOTS = os.environ.get("SCREENSHOTS_FOLDER")
"""A folder for pictures of every page; none are kept otherwise."""

pytestmark = pytest.mark.browser


class World:
    """A browser, the authorization server on localhost and an application on 127.0.0.1: two sites."""

    def __init__(self, browser: Browser, issuer: str, application: str) -> None:
        self.browser = browser
        self.issuer = issuer
        self.application = application

    def authorize_url(self, **changes: str) -> str:
        query = {
            "client_id": "web",
            "redirect_uri": f"{self.application}/cb",
            "response_type": "code",
            "scope": "openid profile offline_access orders:read",
            "resource": "https://api.test",
            "state": "s1",
            "prompt": "consent",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
            **changes,
        }
        return f"{self.issuer}/authorize?{urlencode(query)}"

    def ask_device(self, scope: str = "openid profile offline_access orders:read") -> dict[str, Any]:
        """What the television is answered."""
        form = {"client_id": "tv", "scope": scope, "resource": "https://api.test"}
        answer = httpx2.post(f"{self.issuer}/device-authorization", data=form, trust_env=False)
        document: dict[str, Any] = answer.raise_for_status().json()
        return document

    def poll(self, asked: dict[str, Any]) -> dict[str, Any]:
        """What the television is answered when it asks for its tokens."""
        form = {"client_id": "tv", "grant_type": DEVICE_CODE, "device_code": asked["device_code"]}
        document: dict[str, Any] = httpx2.post(f"{self.issuer}/token", data=form, trust_env=False).json()
        return document


@pytest.fixture(scope="module")
def world() -> Generator[World]:
    port, other = free_port("localhost"), free_port()
    issuer, application = f"http://localhost:{port}", f"http://127.0.0.1:{other}"
    policy = build_policy(issuer, callback=f"{application}/cb", after_logout=f"{application}/bye", devices=True)

    async def page(request: Request) -> HTMLResponse:
        return HTMLResponse(f"<title>{request.url.path}</title>")

    async def framing(request: Request) -> HTMLResponse:
        return HTMLResponse(f'<iframe src="{issuer}/signed-out"></iframe>')

    routes = [Route("/cb", page), Route("/bye", page), Route("/frame", framing)]
    with ExitStack() as stack:
        stack.enter_context(serving(build_server(policy).app(), host="localhost", port=port))
        stack.enter_context(serving(Starlette(routes=routes), port=other))
        yield World(stack.enter_context(chromium()), issuer, application)


def sign_in(page: Page, password: str = PASSWORD) -> None:
    page.fill("#username", "ann")
    page.fill("#password", password)
    page.click("button[type=submit]")


def shown(page: Page) -> str:
    return page.locator("body").get_attribute("data-page") or ""


def walk(world: World, page: Page) -> Iterator[str]:
    """Every page in turn, each as it really comes up; the name of the one that is shown now."""
    page.goto(world.authorize_url())
    yield "login"
    sign_in(page, "wrong")
    yield "login-error"
    sign_in(page)
    yield "consent"
    page.click("button[value=allow]")
    page.goto(world.authorize_url(prompt="select_account"))
    yield "login-chooser"
    yield from walk_with_a_device(world, page)
    page.goto(world.authorize_url(redirect_uri="https://evil.test/"))
    yield "error"
    page.goto(f"{world.issuer}/end-session")
    yield "logout"
    page.click("button[value=allow]")
    yield "logged-out"
    page.goto(world.authorize_url(client_id="native", redirect_uri=NATIVE, scope="openid profile", resource=""))
    sign_in(page)
    page.click("button[value=allow]")
    yield "continue"


def walk_with_a_device(world: World, page: Page) -> Iterator[str]:
    """The pages of a device; the person is signed in."""
    page.goto(f"{world.issuer}/device")
    yield "device"
    type_code(page, "bbbb-bbbb")
    page.wait_for_selector("#problem")
    yield "device-error"
    page.goto(world.ask_device()["verification_uri_complete"])
    yield "device-prefilled"
    page.click("button[type=submit]")
    page.wait_for_selector(".code")
    yield "device-confirm"
    page.click("button[value=allow]")
    page.wait_for_selector("text=The device is connected")
    yield "device-allowed"
    page.goto(world.ask_device()["verification_uri_complete"])
    page.click("button[type=submit]")
    page.click("button[value=deny]")
    page.wait_for_selector("text=The device gets nothing")
    yield "device-denied"


def type_code(page: Page, code: str) -> None:
    page.fill("#user_code", code)
    page.click("button[type=submit]")


@pytest.mark.spec("providers §4.1", "WCAG 2.2 AA")
@pytest.mark.parametrize("width", [1280, 320])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_page_is_accessible(world: World, dark: bool, width: int) -> None:
    seen = []
    with fresh_page(world.browser, width=width, height=800 if width > 400 else 640, dark=dark) as page:
        errors: list[str] = []
        page.on(
            "console", lambda message: errors.append(message.text) if "Content Security" in message.text else None
        )
        for name in walk(world, page):
            seen.append(name)
            picture(page, f"{name}-{'dark' if dark else 'light'}-{width}")
            assert name.startswith(shown(page)), name
            found = Axe().run(page)
            assert found.violations_count == 0, f"{name}: {found.generate_report()}"
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
            check_targets(page, name)
    before = ["login", "login-error", "consent", "login-chooser"]
    device = ["device", "device-error", "device-prefilled", "device-confirm", "device-allowed", "device-denied"]
    assert seen == [*before, *device, "error", "logout", "logged-out", "continue"]
    assert errors == []


def check_targets(page: Page, name: str) -> None:
    """WCAG 2.5.8 asks for 24 px; we keep 44. Both answers of a question have the same size."""
    boxes: list[dict[str, Any]] = page.evaluate(
        "[...document.querySelectorAll('button, .button, input')].map(e => e.getBoundingClientRect().toJSON())"
    )
    assert all(box["height"] >= 44 and box["width"] >= 44 for box in boxes), name
    if name in ("consent", "logout", "device-confirm"):
        (deny, allow) = boxes
        assert (deny["width"], deny["height"]) == (allow["width"], allow["height"])


@pytest.mark.spec("providers §4.1", "WCAG 3.3.1", "N63-pm")
def test_a_wrong_password_is_told_first_and_takes_the_focus(world: World) -> None:
    with fresh_page(world.browser) as page:
        page.goto(world.authorize_url())
        assert not page.title().startswith("Error:")
        sign_in(page, "wrong")
        assert page.title().startswith("Error:")
        assert (
            page.locator("main [role=alert]").inner_text().endswith("The username or the password is not right.")
        )
        assert page.evaluate("document.activeElement.id") == "username"
        for field in ("username", "password"):
            assert page.get_attribute(f"#{field}", "aria-invalid") == "true"
            assert page.get_attribute(f"#{field}", "aria-describedby") == "problem"
        assert page.input_value("#username") == "ann"
        assert page.input_value("#password") == ""
        assert page.get_attribute("#username", "autocomplete") == "username webauthn"
        assert page.get_attribute("#password", "autocomplete") == "current-password"
        assert page.evaluate("[...document.querySelectorAll('[onpaste]')].length") == 0


@pytest.mark.spec("providers §4", "V10-10.7.2", "OC-3.1.2.4-a")
def test_the_consent_page_says_who_asks_for_what_and_for_how_long(world: World) -> None:
    with fresh_page(world.browser) as page:
        page.goto(world.authorize_url())
        assert "Orders dashboard" in page.inner_text("main")
        host = urlsplit(world.application).netloc
        assert host in page.inner_text("main")
        assert urlsplit(world.issuer).netloc in page.inner_text("footer")
        sign_in(page)
        text = page.inner_text("main")
    for words in ("Orders dashboard", host, "ann", "See your name", "Read your orders", "https://api.test"):
        assert words in text
    for words in ("Your password", "Your e-mail address", "30 days", "This app runs on this computer."):
        assert words in text


@pytest.mark.spec("providers §4.2", "9700-4.12-a")
@pytest.mark.parametrize("javascript", [True, False], ids=["with JavaScript", "without JavaScript"])
def test_the_flow_finishes_at_another_site(world: World, javascript: bool) -> None:
    with fresh_page(world.browser, javascript=javascript) as page:
        page.goto(world.authorize_url())
        sign_in(page)
        page.click("button[value=allow]")
        page.wait_for_url(f"{world.application}/cb?*")
        answer = parse_qs(urlsplit(page.url).query)
    assert answer.keys() == {"code", "state", "iss"}
    assert answer["iss"] == [world.issuer]


@pytest.mark.spec("OC-3.1.2.1-c")
@pytest.mark.parametrize("javascript", [True, False], ids=["with JavaScript", "without JavaScript"])
def test_an_account_is_chosen_with_one_press_of_a_key_or_another_one_is_typed(
    world: World, javascript: bool
) -> None:
    with fresh_page(world.browser, javascript=javascript) as page:
        page.goto(world.authorize_url())
        sign_in(page)
        page.click("button[value=allow]")
        page.wait_for_url(f"{world.application}/cb?*")
        page.goto(world.authorize_url(prompt="select_account"))
        assert page.locator("button:focus").inner_text().endswith("Continue as ann")
        page.keyboard.press("Enter")
        page.wait_for_url(f"{world.application}/cb?*")
        page.goto(world.authorize_url(prompt="select_account"))
        page.fill("#username", "ann")
        page.fill("#password", "wrong")
        page.keyboard.press("Enter")
        page.wait_for_selector("#problem")  # the form with the password was sent, not the other one


@pytest.mark.spec("9207-2-a")
def test_who_denies_returns_with_an_error(world: World) -> None:
    with fresh_page(world.browser, javascript=False) as page:
        page.goto(world.authorize_url())
        sign_in(page)
        page.click("button[value=deny]")
        page.wait_for_url(f"{world.application}/cb?*")
        answer = parse_qs(urlsplit(page.url).query)
    assert (answer["error"], answer["state"], answer["iss"]) == (["access_denied"], ["s1"], [world.issuer])


@pytest.mark.spec("providers §4.2")
def test_a_native_app_gets_its_code_by_a_page_that_leads_on(world: World) -> None:
    with fresh_page(world.browser, javascript=False) as page:
        page.goto(world.authorize_url(client_id="native", redirect_uri=NATIVE, scope="openid", resource=""))
        sign_in(page)
        page.click("button[value=allow]")
        page.wait_for_selector("body[data-page=continue]")
        target = page.get_attribute("a.button", "href") or ""
    assert target.startswith(f"{NATIVE}?")
    assert parse_qs(urlsplit(target).query).keys() == {"code", "state", "iss"}


@pytest.mark.spec("RL-2-b", "RL-3-a")
def test_signing_out_asks_and_returns_to_the_application(world: World) -> None:
    query = urlencode({"client_id": "web", "post_logout_redirect_uri": f"{world.application}/bye", "state": "s2"})
    with fresh_page(world.browser, javascript=False) as page:
        page.goto(world.authorize_url())
        sign_in(page)
        page.goto(f"{world.issuer}/end-session?{query}")
        assert shown(page) == "logout"
        page.click("button[value=allow]")
        if shown(page) == "logged-out":
            page.click("a.button")
        page.wait_for_url(f"{world.application}/bye?*")
        page.goto(world.authorize_url(prompt="none"))
        assert "error=login_required" in page.url


@pytest.mark.spec("8628-3.1..3.5", "8628-5.4 / 10027-6.1")
@pytest.mark.parametrize("javascript", [True, False], ids=["with JavaScript", "without JavaScript"])
def test_a_device_is_connected_by_who_types_its_code(world: World, javascript: bool) -> None:
    asked = world.ask_device()
    with fresh_page(world.browser, javascript=javascript) as page:
        page.goto(asked["verification_uri"])
        assert page.evaluate("document.activeElement.id") == "user_code" if javascript else True
        type_code(page, asked["user_code"].lower().replace("-", " "))
        page.wait_for_selector("body[data-page=login]")
        assert "Acme Television" in page.inner_text("main")
        sign_in(page)
        page.wait_for_selector(".code")
        text = page.inner_text("main")
        for words in (asked["user_code"], "Acme Television", "ann", "Read your orders", "127.0.0.1", "support"):
            assert words in text
        assert world.poll(asked)["error"] == "authorization_pending"
        page.click("button[value=allow]")
        page.wait_for_selector("text=The device is connected")
    tokens = world.poll(asked)
    assert {"access_token", "refresh_token", "id_token"} <= tokens.keys()
    assert world.poll(asked)["error"] == "invalid_grant"


@pytest.mark.spec("8628-5.4 / 10027-6.1")
def test_a_link_with_the_code_never_connects_by_itself(world: World) -> None:
    asked = world.ask_device()
    with fresh_page(world.browser, javascript=False) as page:
        page.goto(world.authorize_url())
        sign_in(page)
        page.goto(asked["verification_uri_complete"])
        assert page.input_value("#user_code") == asked["user_code"]
        page.click("button[type=submit]")
        page.wait_for_selector(".code")
        assert "user_code" not in page.url
        assert page.locator("button[value=allow]").count() == 1
        assert world.poll(asked)["error"] == "authorization_pending"
        page.click("button[value=deny]")
        page.wait_for_selector("text=The device gets nothing")
    assert world.poll(asked)["error"] == "access_denied"


@pytest.mark.spec("9700-4.16-a")
def test_no_page_stands_in_a_frame(world: World) -> None:
    with fresh_page(world.browser) as page:
        page.goto(f"{world.application}/frame")
        page.wait_for_timeout(300)
        inside = [frame.url for frame in page.frames if frame is not page.main_frame]
        assert all(not url.startswith(world.issuer) for url in inside), inside


def test_two_flows_in_one_browser_do_not_disturb_each_other(world: World) -> None:
    with fresh_page(world.browser) as page:
        second = page.context.new_page()
        page.goto(world.authorize_url(state="first"))
        second.goto(world.authorize_url(state="second"))
        sign_in(page)
        second.reload()
        for one in (second, page):
            one.click("button[value=allow]")
            one.wait_for_url(f"{world.application}/cb?*")
        states = [parse_qs(urlsplit(one.url).query)["state"] for one in (page, second)]
    assert states == [["first"], ["second"]]


@pytest.mark.spec("providers §4.1")
def test_forced_colours_keep_the_borders(world: World) -> None:
    context = world.browser.new_context(forced_colors="active")
    page = context.new_page()
    page.goto(world.authorize_url())
    styles: list[str] = page.evaluate(
        "[...document.querySelectorAll('main, input, button')].map(e => getComputedStyle(e).borderTopStyle)"
    )
    context.close()
    assert set(styles) == {"solid"}


def picture(page: Page, name: str) -> None:
    if SCREENSHOTS:
        page.screenshot(path=str(Path(SCREENSHOTS) / f"{name}.png"), full_page=True)
