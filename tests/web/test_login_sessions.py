"""Sessions over time, and while provider or store are down."""

from typing import Any

import pytest

from proofkey.errors import Unavailable
from proofkey.findings import Finding
from proofkey.store.memory import MemorySessionStore
from tests.web.login_browser import App, Browser, page_of, set_cookies

FETCH = {"sec-fetch-mode": "cors", "sec-fetch-dest": "empty", "sec-fetch-site": "same-origin", "accept": "*/*"}


# --- sessions over time ----------------------------------------------------------------------------------------
@pytest.mark.spec("V7-7.3.1", "V7-7.3.2")
async def test_idle_and_absolute_limits_hold(app: App, browser: Browser) -> None:
    await browser.sign_in()
    app.clock.turn(1799)
    assert (await browser.get("/me")).status_code == 200
    app.clock.turn(1800)
    assert (await browser.get("/me")).status_code == 303
    await browser.sign_in()
    for _ in range(48):
        assert (await browser.get("/me")).status_code == 200
        app.clock.turn(900)
    assert (await browser.get("/me")).status_code == 303


async def test_a_dead_grant_sends_a_person_to_the_login_and_clears_the_cookie(app: App, browser: Browser) -> None:
    await browser.sign_in()
    app.clock.turn(900)
    app.provider.faults.refresh_error = (400, "invalid_grant")
    answer = await browser.get("/token-life")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/auth/login?next=/token-life"
    assert browser.session_cookie() is None


async def test_a_dead_grant_is_401_for_a_program(app: App, browser: Browser) -> None:
    await browser.sign_in()
    app.clock.turn(900)
    app.provider.faults.refresh_error = (400, "invalid_grant")
    assert (await browser.get("/token-life", FETCH)).status_code == 401


@pytest.mark.parametrize("fault", ["down", "invalid_client"])
async def test_a_token_that_cannot_be_had_now_is_503_and_the_session_stays(
    app: App, browser: Browser, fault: str
) -> None:
    await browser.sign_in()
    app.clock.turn(900)
    if fault == "down":
        app.provider.faults.down = {"token"}
    else:
        app.provider.faults.refresh_error = (401, "invalid_client")
    answer = await browser.get("/token-life")
    assert answer.status_code == 503
    assert answer.headers["retry-after"].isdigit()
    assert (await browser.get("/me")).status_code == 200


# --- faults ----------------------------------------------------------------------------------------------------
async def test_a_provider_that_is_down_gives_a_503_page_and_repairs_itself(app: App, browser: Browser) -> None:
    app.provider.faults.down = {"discovery"}
    answer = await browser.get("/auth/login?next=/orders")
    assert (answer.status_code, page_of(answer)) == (503, "error")
    assert answer.headers["retry-after"].isdigit()
    assert 'href="/auth/login?next=/orders"' in answer.text
    app.provider.faults.down = set()
    app.clock.turn(2)
    await browser.sign_in()


@pytest.mark.parametrize("endpoint", ["token", "jwks"])
async def test_a_provider_that_goes_down_during_the_callback_gives_a_503_page(
    app: App, browser: Browser, endpoint: str
) -> None:
    back = await browser.start()
    app.provider.faults.down = {endpoint}
    answer = await browser.back(back)
    assert (answer.status_code, page_of(answer)) == (503, "error")
    assert app.store._sessions == {}  # type: ignore[attr-defined]
    app.provider.faults.down = set()
    app.clock.turn(60)
    await browser.sign_in()


class BrokenStore(MemorySessionStore):
    """A store that cannot be asked."""

    broken = False

    async def find_session(self, id_: str) -> Any:
        if self.broken:
            raise Unavailable(Finding.STORE_UNAVAILABLE)
        return await super().find_session(id_)


async def test_a_store_that_is_down_is_503_and_nobody_is_signed_out() -> None:
    store = BrokenStore()
    browser = App(store=store).browser()
    await browser.sign_in()
    store.broken = True
    for answer in (
        await browser.get("/me"),
        await browser.get("/maybe"),
        await browser.get("/me", FETCH),
        await browser.post("/auth/logout"),
    ):
        assert answer.status_code == 503
        assert answer.headers["retry-after"].isdigit()
        assert set_cookies(answer) == {}
    store.broken = False
    assert (await browser.get("/me")).status_code == 200
