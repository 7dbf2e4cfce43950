"""How a session ends, and how its token stays fresh, on the real server."""

import asyncio
import json

import httpx2
import pytest
from websockets.exceptions import InvalidStatus

from proofkey.protocol.text import digest_of
from proofkey.testing.streamlit_session import StreamlitSession
from tests.streamlit.conftest import Browser, Server
from tests.streamlit.test_guard_on_a_server import line

GOODBYE = "/_proofkey/signed-out"


# --- refresh -----------------------------------------------------------------------------------------------------
@pytest.mark.spec("ST-7")
async def test_the_token_is_refreshed_on_a_live_socket_and_the_state_stays(
    server: Server, browser: Browser
) -> None:
    browser.sign_in()
    async with browser.tab() as tab:
        await tab.run()
        await tab.click("Count")
        assert line(tab, "minutes=") == "minutes=15 claims=[]"
        before = server.state()["refreshes"]
        server.control(turn=880)
        await tab.click("Call")
        assert line(tab, "api=") == "api=200 hello"
        assert line(tab, "count=").startswith("count=1")
        assert line(tab, "minutes=") == "minutes=15 claims=[]"
    assert server.state()["refreshes"] == before + 1


async def test_twenty_threads_make_one_token_request(server: Server, browser: Browser) -> None:
    browser.sign_in()
    async with browser.tab() as tab:
        await tab.run()
        server.control(turn=880)
        before = server.state()["refreshes"]
        await tab.click("Race")
        assert line(tab, "race=") == "race=20"
    assert server.state()["refreshes"] == before + 1


async def test_a_refused_refresh_ends_the_session(server: Server, browser: Browser) -> None:
    browser.sign_in()
    async with browser.tab() as tab:
        await tab.run()
        server.control(turn=880, refuse=1)
        try:
            await tab.click("Call")
            code = tab.close_code or await tab.read_until_closed()
        finally:
            server.control(refuse=0)
    assert code == 4401
    assert browser.get("/").status_code == 303


# --- no token in the browser -------------------------------------------------------------------------------------
@pytest.mark.spec("V10-10.1.1", "10017-6.1.3.2-c")
async def test_no_token_reaches_the_browser(server: Server, browser: Browser) -> None:
    browser.sign_in()
    frames: list[bytes] = []
    async with browser.tab() as tab:
        await tab.run()
        await tab.click("Call")
        server.control(turn=880)
        await tab.click("Call")
        await tab.click("Refresh")
        assert line(tab, "leak=") == "leak=***"
        frames += tab.frames
        await tab.click("Log out")
        browser.visit(tab.auth_redirect or "", site="same-origin")
        frames += tab.frames
    tokens = server.state()["given"]
    assert len(tokens) >= 6
    seen = b"\n".join([*frames, *(text.encode() for text in [*browser.set_cookies, *browser.bodies])])
    sent_to_provider = {line for line in browser.set_cookies if "=" in line}
    assert sent_to_provider
    assert not [token for token in tokens if token.encode() in seen]
    assert browser.cookies.keys() <= {server.cookie_name, "_streamlit_xsrf"} | {
        name for name in browser.cookies if "-logout-" in name
    }
    log = server.log.read_text()
    assert not [token for token in tokens if token in log]
    assert "code=" not in log


# --- the end -----------------------------------------------------------------------------------------------------
@pytest.mark.spec("V7-7.4.1")
@pytest.mark.parametrize("button", ["Log out", "Log out plainly"])
async def test_logging_out_empties_every_tab(server: Server, browser: Browser, button: str) -> None:
    browser.sign_in()
    cookies = browser.cookies
    async with browser.tab() as tab, browser.tab() as second, browser.tab() as third:
        for each in (tab, second, third):
            await each.run()
        await tab.click(button)
        assert tab.auth_redirect == "/auth/logout"
        assert server.state()["logins"]
        left = browser.visit("/auth/logout", site="same-origin")
        assert left.text == "provider signed out"
        for each in (second, third):
            assert await each.read_until_closed() == 4401
            assert each.auth_redirect == GOODBYE
        page = browser.visit(GOODBYE)
        assert page.status_code == 200
        assert "You are signed out" in page.text
        assert tab.close_code is None  # it is on its way to the provider, and must not be sent elsewhere
    with pytest.raises(InvalidStatus):
        async with StreamlitSession(server.url, cookies=cookies):
            pass
    browser.client.cookies.update(cookies)
    assert browser.get("/").status_code == 303
    async with StreamlitSession(server.url, cookies=cookies, resume=second.session_id) as stale:
        assert await stale.read_until_closed() == 4401
        assert stale.auth_redirect == GOODBYE
        assert stale.session_id is None


async def test_a_session_that_another_process_ended_is_noticed(server: Server, browser: Browser) -> None:
    browser.sign_in()
    async with browser.tab() as tab:
        await tab.run()
        server.control(vanish=digest_of(browser.session_cookie))
        async with asyncio.timeout(5):
            assert await tab.read_until_closed() == 4401
    assert tab.auth_redirect == GOODBYE


@pytest.mark.spec("BL-2.6-a", "threats §2 row 38")
async def test_a_logout_token_of_the_provider_empties_every_tab(server: Server, browser: Browser) -> None:
    browser.sign_in()
    form = server.control(logout="of-every-tab")
    async with browser.tab() as tab, browser.tab() as second:
        for each in (tab, second):
            await each.run()
        answer = httpx2.post(f"{server.url}/auth/backchannel-logout", data=form, trust_env=False)
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
        for each in (tab, second):
            assert await each.read_until_closed() == 4401
            assert each.auth_redirect == GOODBYE
    assert browser.get("/").status_code == 303


async def test_a_logged_out_tab_ends_at_once_for_its_own_process(server: Server, browser: Browser) -> None:
    browser.sign_in()
    async with browser.tab() as tab:
        await tab.run()
        server.control(end=digest_of(browser.session_cookie))
        assert await tab.read_until_closed() == 4401


@pytest.mark.spec("V7-7.3.1/2")
async def test_the_absolute_limit_ends_an_open_tab_however_busy(server: Server, browser: Browser) -> None:
    browser.sign_in()
    async with browser.tab() as tab:
        await tab.run()
        for _ in range(28):
            server.control(turn=1600)
            if tab.close_code is not None:
                break
            await tab.click("Count")
        assert tab.close_code == 4401


@pytest.mark.spec("N63-5.1.2", "V7-7.3.1/2")
async def test_only_what_a_person_does_keeps_a_session_alive(server: Server, browser: Browser) -> None:
    browser.sign_in()
    async with browser.tab() as tab:
        await tab.run()
        for _ in range(2):
            server.control(turn=1000)
            await tab.click("Count")  # a person: 2000 s are over, and the session lives
        assert line(tab, "count=").startswith("count=2")
        server.control(turn=1000)
        await tab.run(auto=True)  # a timer
        server.control(turn=1000)
        assert await tab.read_until_closed() == 4401


# --- several logins ----------------------------------------------------------------------------------------------
async def test_two_parallel_logins_both_end_well(server: Server, browser: Browser) -> None:
    first = browser.get("/auth/login?next=/one")
    second = browser.get("/auth/login?next=/two")
    done = browser.visit(first.headers["location"])
    assert str(done.url).endswith("/one")
    async with browser.tab() as tab:
        await tab.run()
        done = browser.visit(second.headers["location"])
        assert str(done.url).endswith("/two")
        assert done.status_code == 200
        await tab.read_until_closed()  # its session is replaced, and the page it is sent to leads back to work
        assert tab.auth_redirect == GOODBYE
        assert str(browser.visit(GOODBYE).url) == f"{server.url}/"


async def test_the_page_can_send_to_the_login_with_a_way_back(browser: Browser) -> None:
    browser.sign_in()
    async with browser.tab() as tab:
        await tab.run()
        await tab.click("Log in again")
    assert tab.auth_redirect == "/auth/login?next=/elsewhere%3Fx%3D1"


# --- rights and addresses ----------------------------------------------------------------------------------------
async def test_a_missing_right_is_named_and_the_page_stops(server: Server, browser: Browser) -> None:
    browser.sign_in()
    async with browser.tab() as tab:
        await tab.run()
        await tab.click("Admin")
    refusal = next(text for text in tab.texts if text.startswith("This page needs"))
    assert "the scope `orders:write` and the role `admin`" in refusal
    assert "Ann Arbor" in refusal
    assert "secret report" not in tab.texts
    lines = [json.loads(row) for row in server.log.read_text().splitlines() if row.startswith("{")]
    assert [row["finding"] for row in lines if row["event"] == "streamlit.page.refused"] == ["RS-05"]


@pytest.mark.spec("ST-8")
async def test_the_token_goes_to_named_apis_only(browser: Browser) -> None:
    browser.sign_in()
    async with browser.tab() as tab:
        await tab.run()
        await tab.click("Call foreign")
    assert line(tab, "refused=") == "refused=STL-10"
