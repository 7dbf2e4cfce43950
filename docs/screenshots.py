"""Takes the pictures of `docs/screenshots.md` from a running demonstration: `make screenshots`.

Each is what Chromium shows, at one pixel per point. Nothing is retouched; run it again after a change of a page.
"""

import re
import sys
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

from playwright.sync_api import Browser, Page, expect

from proofkey.testing.demo_process import RunningDemo, running_demo
from tests.browser import chromium, fresh_page

IMAGES = Path(__file__).with_name("images")
FIRST_ORDER = "Field notebook, dotted"
PATIENCE = 30_000
"""Milliseconds."""


expect.set_options(timeout=PATIENCE)


class Camera:
    """A browser in front of one demonstration."""

    def __init__(self, browser: Browser, demo: RunningDemo) -> None:
        self._browser = browser
        self.demo = demo

    @contextmanager
    def page(self, *, width: int = 1000, height: int = 720, dark: bool = False) -> Generator[Page]:
        with fresh_page(self._browser, width=width, height=height, dark=dark) as page:
            page.set_default_timeout(PATIENCE)
            yield page

    def sign_in(self, page: Page, username: str, *, as_far_as: str = "app") -> None:
        """As a person does, as far as the login page, the consent page or the app."""
        page.goto(self.demo.streamlit)
        expect(page.locator("body")).to_have_attribute("data-page", "login")
        if as_far_as == "login":
            return
        page.fill("[name=username]", username)
        page.fill("[name=password]", self.demo.passwords[username])
        page.keyboard.press("Enter")
        page.wait_for_selector(f"body[data-page=consent], :text('{FIRST_ORDER}')")
        if as_far_as == "consent":
            return
        if page.locator("body[data-page=consent]").count():
            page.click("button[value=allow]")
        expect(page.get_by_text(FIRST_ORDER)).to_be_visible()
        self.settle(page)

    def settle(self, page: Page) -> None:
        """Waits until Streamlit has drawn everything."""
        expect(page.locator("[data-testid=stStatusWidget]")).to_have_count(0)
        expect(page.locator("[data-stale=true]")).to_have_count(0)
        page.wait_for_timeout(700)  # fonts and animations


def shoot(page: Page, name: str, *, whole: bool = False) -> None:
    """Writes `images/NAME.png`; `whole` takes the page to its end."""
    path = str(IMAGES / f"{name}.png")
    page.screenshot(path=path, full_page=whole, animations="disabled", caret="hide")
    sys.stdout.write(f"{name}.png  {Path(path).stat().st_size // 1024} kB\n")


def login(camera: Camera) -> None:
    """The sign-in page: light, dark and on a phone, and after a wrong password."""
    for name, dark, width, height in (
        ("login-light", False, 800, 600),
        ("login-dark", True, 800, 600),
        ("login-narrow", False, 360, 640),
    ):
        with camera.page(width=width, height=height, dark=dark) as page:
            camera.sign_in(page, "ann", as_far_as="login")
            page.fill("[name=username]", "ann")
            shoot(page, name)
    with camera.page(width=800, height=720) as page:
        camera.sign_in(page, "ann", as_far_as="login")
        page.fill("[name=username]", "ann")
        page.fill("[name=password]", "not this one")
        page.keyboard.press("Enter")
        page.wait_for_selector("[role=alert]")
        shoot(page, "login-error")


def consent(camera: Camera) -> None:
    """What the application asks for, before ann has said yes."""
    with camera.page(width=640, height=600) as page:
        camera.sign_in(page, "ann", as_far_as="consent")
        shoot(page, "consent", whole=True)


def error(camera: Camera) -> None:
    """A redirect URI that is not registered: the browser is not sent there."""
    query = {"client_id": "streamlit", "response_type": "code", "redirect_uri": "https://evil.example/callback"}
    with camera.page(width=800, height=600) as page:
        page.goto(f"{camera.demo.issuer}/authorize?{urlencode(query)}")
        shoot(page, "error")


def app(camera: Camera) -> None:
    """The Streamlit page as ann sees it, with the token inspector, and signed out."""
    with camera.page(width=1040, height=780) as page:
        camera.sign_in(page, "ann")
        shoot(page, "app")
        page.get_by_text("Token inspector").click()
        expect(page.get_by_text("authorization_id", exact=False).first).to_be_visible()
        camera.settle(page)
        page.set_viewport_size({"width": 1040, "height": 640})
        page.get_by_text("Token inspector").evaluate("element => element.scrollIntoView()")
        camera.settle(page)
        shoot(page, "token-inspector")
        page.get_by_role("button", name="Log out").click()
        page.wait_for_url(re.compile("signed-out"))
        page.set_viewport_size({"width": 800, "height": 480})
        shoot(page, "signed-out")


def report(camera: Camera) -> None:
    """Bob is told why not."""
    with camera.page(width=1040, height=780) as page:
        camera.sign_in(page, "bob")
        page.get_by_role("button", name="Open the report").click()
        refusal = page.get_by_text("the report needs the role admin")
        expect(refusal).to_be_visible()
        camera.settle(page)
        refusal.scroll_into_view_if_needed()
        shoot(page, "report-refused")


def swagger(camera: Camera) -> None:
    """The API's documentation page, signed in with PKCE."""
    with camera.page(width=1040, height=780) as page:
        page.goto(f"{camera.demo.api}/docs")
        page.click("button.authorize")
        expect(page.locator(".auth-container").first).to_be_visible()
        shoot(page, "swagger")


PICTURES: tuple[Callable[[Camera], None], ...] = (login, consent, error, app, report, swagger)


def main(*names: str) -> None:
    """Takes the pictures of these functions, or all."""
    IMAGES.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        running_demo(Path(folder) / "demo.log") as demo,
        chromium() as browser,
    ):
        camera = Camera(browser, demo)
        for take in PICTURES:
            if not names or take.__name__ in names:
                take(camera)


if __name__ == "__main__":
    main(*sys.argv[1:])
