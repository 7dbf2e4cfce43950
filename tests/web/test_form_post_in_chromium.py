"""The page of a form post in a real Chromium: it reaches the client by itself, without a script by its button."""

import os
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page
from playwright.sync_api import Route as Caught
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from proofkey.testing.server import free_port, serving
from proofkey.web.pages import SUBMIT
from tests.browser import chromium, fresh_page
from tests.web.real_server import CHALLENGE, PASSWORD, build_policy, build_server

pytestmark = pytest.mark.browser
STATE = '"><script>document.title="broken"</script> \'&amp; é'
SCREENSHOTS = os.environ.get("SCREENSHOTS_FOLDER")


class World:
    """A browser, the server on localhost, and an application on 127.0.0.1 that keeps what is posted to it."""

    def __init__(self, browser: Browser, issuer: str, application: str) -> None:
        self.browser = browser
        self.issuer = issuer
        self.application = application
        self.posted: list[dict[str, str]] = []

    def url(self, **changes: str) -> str:
        query = {
            "client_id": "web",
            "redirect_uri": f"{self.application}/cb",
            "response_type": "code",
            "response_mode": "form_post",
            "scope": "openid",
            "state": STATE,
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
            **changes,
        }
        return f"{self.issuer}/authorize?{urlencode(query)}"


@pytest.fixture(scope="module")
def world() -> Generator[World]:
    port, other = free_port("localhost"), free_port()
    issuer, application = f"http://localhost:{port}", f"http://127.0.0.1:{other}"

    async def callback(request: Request) -> Response:
        sent = parse_qs((await request.body()).decode())
        found.posted.append({name: values[0] for name, values in sent.items()})
        return RedirectResponse("/done", 303)

    async def done(request: Request) -> Response:
        return HTMLResponse("<title>done</title>")

    routes = [Route("/cb", callback, methods=["POST"]), Route("/done", done)]
    with ExitStack() as stack:
        op = build_server(build_policy(issuer, callback=f"{application}/cb"))
        stack.enter_context(serving(op.app(), host="localhost", port=port))
        stack.enter_context(serving(Starlette(routes=routes), port=other))
        found = World(stack.enter_context(chromium()), issuer, application)
        yield found


def sign_in(page: Page) -> None:
    page.fill("#username", "ann")
    page.fill("#password", PASSWORD)
    page.click("button[type=submit]")
    page.click("button[value=allow]")


@pytest.mark.spec("FP-2-a", "providers §4.2")
@pytest.mark.parametrize("javascript", [True, False], ids=["with JavaScript", "without JavaScript"])
def test_the_answer_reaches_the_client(world: World, javascript: bool) -> None:
    world.posted.clear()
    with fresh_page(world.browser, javascript=javascript) as page:
        problems: list[str] = []
        page.on("console", lambda message: problems.append(message.text))
        page.goto(world.url(prompt="consent"))
        sign_in(page)
        if not javascript:
            page.click('body[data-page="form-post"] button[type=submit]')
        page.wait_for_url(f"{world.application}/done")
    (answer,) = world.posted
    assert answer.keys() == {"code", "state", "iss"}
    assert (answer["state"], answer["iss"]) == (STATE, world.issuer)
    assert not any("Content Security" in text for text in problems)


@pytest.mark.spec("FP-2-a")
def test_an_error_reaches_the_client_without_a_page_before(world: World) -> None:
    world.posted.clear()
    with fresh_page(world.browser) as page:
        page.goto(world.url(prompt="none"))
        page.wait_for_url(f"{world.application}/done")
    (answer,) = world.posted
    assert (answer["error"], answer["state"]) == ("login_required", STATE)


def without_script(route: Caught) -> None:
    """The page as it comes, but it stays."""
    answer = route.fetch()
    route.fulfill(response=answer, body=answer.text().replace(f"<script>{SUBMIT}</script>", ""))


@pytest.mark.spec("providers §4.1", "WCAG 2.2 AA")
@pytest.mark.parametrize("width", [1280, 320])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_page_is_accessible(world: World, dark: bool, width: int) -> None:
    with fresh_page(world.browser, width=width, height=640, dark=dark) as page:
        page.route(f"{world.issuer}/authorize*", without_script)
        page.goto(world.url(prompt="none"))
        assert page.title().startswith("Back to ")
        if SCREENSHOTS:
            name = f"form-post-{'dark' if dark else 'light'}-{width}.png"
            page.screenshot(path=Path(SCREENSHOTS) / name, full_page=True)
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        box = page.locator("button[type=submit]").bounding_box()
        assert box
        assert min(box["height"], box["width"]) >= 44
        assert urlsplit(world.application).netloc in page.inner_text("main")
