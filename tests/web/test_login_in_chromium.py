"""A login in a real Chromium, at our own server on another site; and the login's own pages under axe."""

import threading
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Page, expect

from proofkey.protocol.text import ClientId, Secret
from proofkey.runtime.clock import system_clock
from proofkey.runtime.entropy import system_entropy
from proofkey.runtime.master_key import MasterKey
from proofkey.runtime.passwords import PasswordPool
from proofkey.runtime.server_core import ServerCore
from proofkey.store.memory import MemoryServerStore, MemorySessionStore
from proofkey.web.login import Login
from proofkey.web.server import Server
from proofkey.web.uvicorn_run import DrainingServer, Listener, bind
from tests.browser import chromium, fresh_page
from tests.web.login_browser import build_app
from tests.web.real_server import API, PASSWORD, SECRET, build_policy

pytestmark = pytest.mark.browser
VARIANTS = [
    pytest.param({"width": width, "dark": dark}, id=f"{'dark' if dark else 'light'} {width}")
    for width in (320, 1280)
    for dark in (False, True)
]


@contextmanager
def serving(app: Any, listener: Listener) -> Generator[None]:
    """The application on its sockets, in a thread."""
    ready = threading.Event()
    server = DrainingServer(app, ready.set, lifespan=True)
    thread = threading.Thread(target=server.run, kwargs={"sockets": list(listener.sockets)})
    thread.start()
    try:
        assert ready.wait(20)
        yield
    finally:
        server.should_exit = True
        thread.join(20)
        listener.close()


@pytest.fixture(scope="module")
def site() -> Generator[str]:
    """The application's address; the provider is on `localhost`, which is another site."""
    op, rp = bind("localhost", 0), bind("127.0.0.1", 0)
    policy = build_policy(op.url, callback=f"{rp.url}/auth/callback")
    web = replace(policy.clients[0], post_logout_redirect_uris=frozenset({f"{rp.url}/auth/signed-out"}))
    passwords = PasswordPool()
    core = ServerCore(
        replace(policy, clients=(web,)),
        MemoryServerStore(),
        clock=system_clock(),
        entropy=system_entropy,
        master_key=MasterKey(Secret("k" * 43)),
        passwords=passwords,
    )
    login = Login(
        issuer=op.url,
        client_id=ClientId("web"),
        client_secret=SECRET,
        public_url=rp.url,
        audience=API,
        scope="openid profile offline_access orders:read",
        store=MemorySessionStore(),
    )
    with ExitStack() as stack:
        stack.callback(passwords.close)
        stack.enter_context(serving(Server(core).app(), op))
        stack.enter_context(serving(build_app(login, []), rp))
        yield rp.url


@pytest.fixture(scope="module")
def browser() -> Generator[Chromium]:
    with chromium() as started:
        yield started


def give_password(page: Page) -> None:
    """Signs in at the provider's page, and consents when that is asked."""
    page.fill("[name=username]", "ann")
    page.fill("[name=password]", PASSWORD)
    page.click("button[type=submit]")
    page.wait_for_load_state()
    if page.locator("body[data-page=consent]").count():
        page.click("[name=decision][value=allow]")


def sign_in(page: Page, site: str, path: str = "/me") -> None:
    page.goto(f"{site}{path}")
    give_password(page)
    page.wait_for_url(f"{site}{path}")


def test_a_person_signs_in_and_out_and_the_browser_never_holds_a_token(browser: Chromium, site: str) -> None:
    with fresh_page(browser) as page:
        sign_in(page, site, "/me?tab=1")
        expect(page.locator("body")).to_contain_text("u1")
        assert page.evaluate("document.cookie") == ""
        assert page.evaluate("localStorage.length + sessionStorage.length") == 0
        cookies = page.context.cookies(site)
        own = [cookie for cookie in cookies if cookie["name"].startswith("proofkey-session-")]
        assert [(cookie["httpOnly"], cookie["sameSite"]) for cookie in own] == [(True, "Lax")]

        page.goto(f"{site}/auth/logout")  # typed: it asks
        expect(page.locator("body")).to_have_attribute("data-page", "logout")
        page.click("button[type=submit]")
        page.wait_for_url(f"{site}/auth/signed-out*")
        expect(page.locator("h1")).to_have_text("You are signed out")
        assert [c for c in page.context.cookies(site) if c["name"].startswith("proofkey-session-")] == []


def test_two_tabs_of_one_browser_sign_in_side_by_side(browser: Chromium, site: str) -> None:
    with fresh_page(browser) as one:
        two = one.context.new_page()
        one.goto(f"{site}/me?tab=1")
        two.goto(f"{site}/me?tab=2")
        for page in (one, two):
            give_password(page)
        one.wait_for_url(f"{site}/me?tab=1")
        two.wait_for_url(f"{site}/me?tab=2")
        expect(one.locator("body")).to_contain_text("u1")
        expect(two.locator("body")).to_contain_text("u1")


def test_a_foreign_page_signs_nobody_out(browser: Chromium, site: str) -> None:
    with fresh_page(browser) as page:
        sign_in(page, site)
        foreign = site.replace("127.0.0.1", "localhost")  # another site for the browser
        html = EVIL % (site, site)
        page.route(f"{foreign}/evil", lambda route: route.fulfill(content_type="text/html", body=html))
        page.goto(f"{foreign}/evil")  # until its image was asked for
        page.click("button")
        page.wait_for_load_state()
        page.goto(f"{site}/me")
        expect(page.locator("body")).to_contain_text("u1")


EVIL = (
    '<!doctype html><html lang="en"><title>x</title><img src="%s/auth/logout" alt="">'
    '<form method="post" action="%s/auth/logout"><button>Win</button></form></html>'
)


@pytest.mark.parametrize("path", ["/auth/callback", "/auth/logout", "/auth/signed-out"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_the_pages_are_accessible_and_fit(
    browser: Chromium, site: str, path: str, variant: dict[str, Any]
) -> None:
    with fresh_page(browser, **variant) as page:
        page.goto(f"{site}{path}")
        results = Axe().run(page)
        assert results.violations_count == 0, results.generate_report()
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= variant["width"]
        size = page.evaluate("[...document.querySelectorAll('.button, button')].map(b => b.offsetHeight)")
        assert all(height >= 44 for height in size)
