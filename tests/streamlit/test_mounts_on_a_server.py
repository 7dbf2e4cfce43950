"""The same app in a FastAPI application, with another spelling, and by the second way for identity."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.streamlit.conftest import Server, start_server
from tests.streamlit.test_guard_on_a_server import line

VARIANTS: dict[str, dict[str, str]] = {
    "mounted at the root": {"mount": "/"},
    "mounted under a path": {"mount": "/dash"},
    "mounted without its lifespan": {"mount": "/dash", "LIFESPAN": "none"},
    "trusted headers": {"TRANSPORT": "headers"},
    "spelled st.App": {"SPELLING": "st.App"},
    "under a base path": {"BASE_PATH": "team/app"},
}


def test_a_mounted_app_with_a_database_starts_and_ends_cleanly(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path / 'sessions.db'}"
    with start_server(tmp_path, mount="/dash", STORE=store) as running, running.browser() as browser:
        browser.sign_in()
    assert running.process.returncode in {0, -15}
    log = running.log.read_text()
    assert "Application shutdown complete" in log
    assert "Traceback" not in log
    assert '"level": "error"' not in log


@pytest.fixture(params=list(VARIANTS.values()), ids=list(VARIANTS), scope="module")
def variant(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with start_server(tmp_path_factory.mktemp("variant"), **request.param) as running:
        yield running


async def test_everything_works_in(variant: Server) -> None:
    home = variant.mount.rstrip("/") or ""
    variant.control(sub="u1", name="Ann Arbor")
    with variant.browser() as browser:
        assert browser.get(f"{home}/media/x", accept="*/*").status_code == 401
        start = browser.get(f"{home}/page?q=1")
        assert start.headers["location"] == f"/auth/login?next={home}/page%3Fq%3D1"
        assert str(browser.visit(f"{home}/page?q=1").url) == f"{variant.url}{home}/page?q=1"
        async with browser.tab() as tab, browser.tab() as second:
            await tab.run()
            await second.run()
            assert line(tab, "name=").startswith("name=Ann Arbor sub=u1")
            await tab.click("Count")
            variant.control(turn=880)
            await tab.click("Call")
            assert line(tab, "api=") == "api=200 hello"
            assert line(tab, "count=").startswith("count=1")
            await tab.click("Log out")
            assert tab.auth_redirect == "/auth/logout"
            assert browser.visit("/auth/logout", site="same-origin").text == "provider signed out"
            assert await second.read_until_closed() == 4401
            assert second.auth_redirect == f"{home}/_proofkey/signed-out"
            page = browser.visit(second.auth_redirect)
            assert f'href="{home or "/"}' in page.text
        for frame in [*tab.frames, *second.frames]:
            assert not [token for token in variant.state()["given"] if token.encode() in frame]


async def test_a_resumed_page_belongs_to_its_person_in(variant: Server) -> None:
    with variant.browser() as ann, variant.browser() as bob:
        ann.sign_in()
        bob.sign_in("u2", "Bob Lind")
        async with ann.tab() as tab:
            await tab.run()
            await tab.click("Count")
        async with bob.tab(resume=tab.session_id) as stolen:
            await stolen.run()
            assert line(stolen, "name=").startswith("name=Bob Lind")
            assert line(stolen, "count=").startswith("count=0")
        async with ann.tab(resume=tab.session_id) as again:
            await again.run()
            assert line(again, "count=").startswith("count=1")


def test_streamlits_own_login_routes_lead_to_ours_in(variant: Server) -> None:
    home = variant.mount.rstrip("/")
    with variant.browser() as browser:
        if home:
            answer = browser.get(f"{home}/auth/login?provider=x.y.z")
            assert answer.headers["location"] == f"/auth/login?next={home}"
            assert browser.get(f"{home}/auth/logout").headers["location"] == "/auth/logout"
        assert browser.get(f"{home}/oauth2callback?code=1").status_code == 404
