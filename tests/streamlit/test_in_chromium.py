"""The guarded app in a real browser: what Streamlit's own front end makes of it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, FilePayload, Page, expect

from tests.browser import chromium
from tests.streamlit.conftest import Server


@pytest.fixture
def context() -> Iterator[BrowserContext]:
    with chromium() as browser:
        context = browser.new_context()
        context.set_default_timeout(30_000)
        expect.set_options(timeout=30_000)
        yield context
        context.close()


def watched(context: BrowserContext, seen: list[str]) -> Page:
    """A tab whose frames, answers and errors are kept."""
    page = context.new_page()

    def keep(frame: Any) -> None:
        seen.append(frame if isinstance(frame, str) else frame.decode("latin-1"))

    page.on("websocket", lambda socket: socket.on("framereceived", keep))
    page.on("console", lambda message: seen.append(f"console {message.type}: {message.text} {message.location}"))
    page.on("pageerror", lambda error: seen.append(f"console error: {error}"))
    return page


@pytest.mark.browser
@pytest.mark.spec("V10-10.1.1", "V7-7.4.1", "ST-7")
def test_a_whole_visit(server: Server, context: BrowserContext, tmp_path: Path) -> None:
    seen: list[str] = []
    page = watched(context, seen)
    page.goto(f"{server.url}/?q=1")
    expect(page.get_by_text("name=Ann Arbor sub=u1")).to_be_visible()
    assert page.url == f"{server.url}/?q=1"

    page.get_by_role("button", name="Count").click()
    expect(page.get_by_text("count=1 note=")).to_be_visible()
    page.get_by_text("File", exact=True).wait_for()
    page.locator('input[type="file"]').set_input_files(
        files=FilePayload(name="a.txt", mimeType="text/plain", buffer=b"hello")
    )
    expect(page.get_by_text("a.txt")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    assert download.value.path().read_text() == "a,b\n1,2\n"

    before = server.state()["refreshes"]
    server.control(turn=880)  # the token's end is near, the page stays open
    page.get_by_role("button", name="Call", exact=True).click()
    expect(page.get_by_text("api=200 hello")).to_be_visible()
    expect(page.get_by_text("count=1 note=")).to_be_visible()
    assert server.state()["refreshes"] == before + 1

    second = watched(context, seen)
    second.goto(server.url)
    expect(second.get_by_text("count=0 note=")).to_be_visible()
    page.reload()
    expect(page.get_by_text("count=0 note=")).to_be_visible()

    shown = "".join(each.content() + each.evaluate(_HELD) for each in (page, second))
    cookies = context.cookies()
    assert sorted(cookie["name"] for cookie in cookies) == sorted(["_streamlit_xsrf", server.cookie_name])
    page.get_by_role("button", name="Log out", exact=True).click()
    expect(page.get_by_text("provider signed out")).to_be_visible()
    expect(second.get_by_text("You are signed out")).to_be_visible()
    assert second.url == f"{server.url}/_proofkey/signed-out"

    everything = "\n".join([*seen, shown, *map(str, cookies)])
    assert not [token for token in server.state()["given"] if token in everything]
    errors = [line for line in seen if line.startswith("console error") and server.url in line]
    # Streamlit 1.61 answers 500 for pictures under this Starlette, guarded or not.
    assert not [line for line in errors if "/favicon.png" not in line]


_HELD = """() => JSON.stringify([document.cookie, {...localStorage}, {...sessionStorage}])"""
