"""The guard in front of the real Streamlit server."""

from typing import Any

import httpx2
import pytest
from websockets.exceptions import InvalidStatus

from proofkey.testing.streamlit_session import StreamlitSession
from tests.streamlit.conftest import Browser, Server


def line(tab: StreamlitSession, start: str) -> str:
    """The one text of the page that begins so."""
    found = [text for text in tab.texts if text.startswith(start)]
    assert len(found) == 1, tab.texts
    return found[0]


# --- anonymous ---------------------------------------------------------------------------------------------------
@pytest.mark.spec("ST-10")
@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/_stcore/health", 200),
        ("/_stcore/host-config", 200),
        ("/media/0123.png", 401),
        ("/component/some/index.html", 401),
        ("/_stcore/bidi-components/some/index.js", 401),
        ("/_stcore/upload_file/a/b", 401),
        ("/_stcore/metrics", 401),
        ("/_stcore/script-health-check", 401),
        ("/_stcore/agent/openapi.json", 401),
        ("/app/static/file.txt", 401),
        ("/index.html", 401),
        ("/", 401),
        ("/oauth2callback?code=1&state=2", 404),
    ],
)
def test_an_anonymous_fetch_gets(server: Server, path: str, status: int) -> None:
    answer = httpx2.get(server.url + path, headers={"accept": "*/*"}, trust_env=False)
    assert answer.status_code == status
    if status == 401:
        assert answer.json()["error"] == "login_required"
        assert answer.headers["cache-control"] == "no-store"


def test_an_anonymous_person_is_sent_to_the_login_and_back(server: Server, browser: Browser) -> None:
    answer = browser.get("/reports/q?year=2026&x=%C3%A9")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/auth/login?next=/reports/q%3Fyear%3D2026%26x%3D%25C3%25A9"
    assert answer.headers["cache-control"] == "no-store"
    final = browser.visit("/reports/q?year=2026&x=%C3%A9")
    assert final.status_code == 200
    assert str(final.url) == f"{server.url}/reports/q?year=2026&x=%C3%A9"


def test_a_browser_that_came_by_another_name_is_sent_to_the_public_one(server: Server, browser: Browser) -> None:
    port = server.url.rpartition(":")[2]
    answer = browser.get("/page", host=f"localhost:{port}")
    assert answer.headers["location"] == f"{server.url}/auth/login?next=/page"


@pytest.mark.parametrize("path", ["//evil.test/x", "/\\evil.test", "/..;/x"])
def test_a_hostile_path_never_becomes_the_way_back(server: Server, browser: Browser, path: str) -> None:
    request = httpx2.Request("GET", server.url, headers={"accept": "text/html"})
    request.url = request.url.copy_with(raw_path=path.encode())
    answer = browser.client.send(request)
    assert answer.status_code in {303, 400}
    if answer.status_code == 303:
        assert "evil" not in answer.headers["location"]


def test_a_frame_is_not_sent_to_the_login(browser: Browser) -> None:
    assert browser.get("/", **{"sec-fetch-dest": "iframe"}).status_code == 401


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"headers": {"X-Proofkey-Sub": "u1", "X-Proofkey-Session": "s", "X-Proofkey-Is-Logged-In": "true"}},
        {"headers": {"X_Proofkey_Sub": "u1"}},
        {"cookies": {"_streamlit_user": "forged"}},
        {"cookies": {"proofkey-session-1": "A" * 43}},
        {"resume": "0b6f1d0e-0000-4000-8000-000000000000"},
        {"origin": None},
        {"xsrf": False},
    ],
    ids=["plain", "headers", "underscores", "cookie", "other session", "resume", "no origin", "no xsrf"],
)
async def test_an_anonymous_socket_is_refused(server: Server, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidStatus) as caught:
        async with StreamlitSession(server.url, **options):
            pass
    assert caught.value.response.status_code == 403


# --- identity ----------------------------------------------------------------------------------------------------
async def test_the_page_knows_the_person(server: Server, browser: Browser) -> None:
    browser.sign_in()
    async with browser.tab() as tab:
        await tab.run()
    assert line(
        tab, "name="
    ) == "name=Ann Arbor sub=u1 roles=['reader'] scopes=['openid', 'profile', 'email', " + (
        "'offline_access', 'orders:read']"
    )
    assert line(tab, "st.user=") == (
        "st.user=['email', 'expires_at', 'is_logged_in', 'iss', 'name', 'roles', 'session', 'sub'] "
        "logged_in=True native=list"
    )


@pytest.mark.spec("V10-10.1.1", "ST-8")
async def test_the_page_sees_no_cookie_of_ours(browser: Browser) -> None:
    browser.sign_in()
    async with browser.tab() as tab:
        await tab.run()
    assert line(tab, "cookies=") == "cookies=['_streamlit_user', '_streamlit_xsrf']"
    assert line(tab, "headers=") == "headers=[]"


@pytest.mark.parametrize(
    "forged",
    [
        {"Cookie": "_streamlit_user=forged"},
        {"Cookie": "_streamlit_user=chunks-2; _streamlit_user_1=a; _streamlit_user_2=b"},
        {"X-Proofkey-Sub": "root", "X-Proofkey-Name": "Root"},
        {"x_proofkey_sub": "root"},
    ],
    ids=["cookie", "chunks", "header", "underscores"],
)
async def test_forged_identity_beside_a_session_changes_nothing(browser: Browser, forged: dict[str, str]) -> None:
    browser.sign_in()
    cookies = browser.cookies
    async with browser.tab() as first:
        cookies["_streamlit_xsrf"] = first.cookies["_streamlit_xsrf"]
    forged = dict(forged)
    for piece in forged.pop("Cookie", "").split("; "):
        name, _, value = piece.partition("=")
        cookies[name] = value
    cookies.pop("", None)
    async with browser.tab(cookies=cookies, headers=forged) as tab:
        await tab.run()
    assert line(tab, "name=").startswith("name=Ann Arbor sub=u1")


@pytest.mark.parametrize(
    "origin",
    ["http://localhost:3000", "https://evil.test", "null", "", "{url}/", "{url}.evil.test"],
)
async def test_a_foreign_origin_is_refused(server: Server, browser: Browser, origin: str) -> None:
    browser.sign_in()
    with pytest.raises(InvalidStatus) as caught:
        async with browser.tab(origin=origin.format(url=server.url) or "null"):
            pass
    assert caught.value.response.status_code == 403


async def test_a_missing_origin_is_refused(browser: Browser) -> None:
    browser.sign_in()
    with pytest.raises(InvalidStatus):
        async with browser.tab(origin=None):
            pass


async def test_two_origins_are_refused(server: Server, browser: Browser) -> None:
    browser.sign_in()
    with pytest.raises(InvalidStatus):
        async with browser.tab(headers={"Origin": "https://evil.test"}):
            pass


async def test_the_host_that_a_proxy_sends_does_not_matter(browser: Browser) -> None:
    browser.sign_in()
    async with browser.tab(headers={"Host": "internal:8501"}) as tab:
        await tab.run()
    assert line(tab, "name=").startswith("name=Ann Arbor")


async def test_without_the_xsrf_token_the_page_has_no_identity(browser: Browser) -> None:
    browser.sign_in()
    async with browser.tab(xsrf=False) as tab:
        await tab.run()
    assert tab.texts == []
    assert tab.auth_redirect == "/auth/login?next=/"


# --- resuming ----------------------------------------------------------------------------------------------------
async def test_the_same_person_resumes_the_page_with_its_state(browser: Browser) -> None:
    browser.sign_in()
    async with browser.tab() as tab:
        await tab.run()
        await tab.click("Count")
        await tab.set_text("Note", "private")
        assert line(tab, "count=") == "count=1 note=private"
    async with browser.tab(resume=tab.session_id) as again:
        await again.run()
    assert again.session_id == tab.session_id
    assert line(again, "count=").startswith("count=1")


async def test_another_person_who_resumes_it_gets_a_fresh_page(server: Server, browser: Browser) -> None:
    browser.sign_in()
    with server.browser() as other:
        other.sign_in("u2", "Bob Lind")
        async with browser.tab() as tab:
            await tab.run()
            await tab.click("Count")
            async with other.tab(resume=tab.session_id) as stolen:
                await stolen.run()
        assert stolen.session_id != tab.session_id
        assert line(stolen, "name=").startswith("name=Bob Lind sub=u2")
        assert line(stolen, "count=").startswith("count=0")
        async with other.tab(resume=tab.session_id) as stolen:
            await stolen.run()
        assert line(stolen, "count=").startswith("count=0")


async def test_nobody_resumes_anything_anonymously(server: Server, browser: Browser) -> None:
    browser.sign_in()
    async with browser.tab() as tab:
        await tab.run()
        with pytest.raises(InvalidStatus):
            async with StreamlitSession(server.url, resume=tab.session_id):
                pass


async def test_a_reload_and_a_second_tab_are_signed_in(browser: Browser) -> None:
    browser.sign_in()
    async with browser.tab() as tab, browser.tab() as second:
        await tab.run()
        await tab.click("Count")
        await second.run()
        assert line(second, "count=").startswith("count=0")
        assert line(second, "name=").startswith("name=Ann Arbor")
    assert browser.visit("/").status_code == 200
    async with browser.tab() as reloaded:
        await reloaded.run()
        assert line(reloaded, "name=").startswith("name=Ann Arbor")


# --- files -------------------------------------------------------------------------------------------------------
async def test_media_is_for_sessions_only(server: Server, browser: Browser) -> None:
    browser.sign_in()
    async with browser.tab() as tab:
        await tab.run()
        file = next(
            element.download_button.url
            for element in tab.elements
            if element.WhichOneof("type") == "download_button"
        )
        mine = browser.client.get(server.url + file)
        assert mine.text == "a,b\n1,2\n"
        assert mine.headers["cache-control"] == "private, no-store"
        assert httpx2.get(server.url + file, trust_env=False).status_code == 401
        forged = {"cookie": f"{server.cookie_name}={'A' * 43}"}
        assert httpx2.get(server.url + file, headers=forged, trust_env=False).status_code == 401


async def test_an_upload_goes_to_the_browsers_own_page_only(server: Server, browser: Browser) -> None:
    browser.sign_in()
    with server.browser() as other:
        other.sign_in("u2", "Bob Lind")
        async with browser.tab() as tab:
            await tab.run()
            token = tab.cookies["_streamlit_xsrf"]

            def upload(by: Browser, **headers: str) -> int:
                by.client.cookies.set("_streamlit_xsrf", token)
                return by.client.put(
                    f"{server.url}/_stcore/upload_file/{tab.session_id}/f1",
                    files={"file": ("a.txt", b"hello")},
                    headers={"x-xsrftoken": token, "origin": server.url, **headers},
                ).status_code

            assert upload(browser) == 204
            assert upload(browser, **{"x-xsrftoken": ""}) == 403
            assert upload(browser, origin="https://evil.test") == 403
            assert upload(browser, **{"sec-fetch-site": "cross-site"}) == 403
            assert upload(other) == 403
            with httpx2.Client(trust_env=False) as nobody:
                assert upload(Browser(server, nobody)) == 401


# --- Streamlit's own login routes --------------------------------------------------------------------------------
async def test_a_header_of_8_kilobytes_is_no_cliff(browser: Browser) -> None:
    browser.sign_in()
    assert len("; ".join(f"{name}={value}" for name, value in browser.cookies.items())) < 300
    async with browser.tab(cookies={**browser.cookies, "padding": "x" * 7700}) as tab:
        await tab.run()
    assert line(tab, "name=").startswith("name=Ann Arbor")
