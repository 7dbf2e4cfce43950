"""A browser login over HTTP: the way in, and its cookies."""

from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from tests.client.login_kit import RP
from tests.web.login_browser import NAVIGATION, App, Browser, page_of, set_cookies

LOOPBACK = "http://127.0.0.1:8501"
FETCH = {"sec-fetch-mode": "cors", "sec-fetch-dest": "empty", "sec-fetch-site": "same-origin", "accept": "*/*"}


# --- the way in ----------------------------------------------------------------------------------------------
@pytest.mark.spec("O21-2.3.6-a", "9700-4.12-a")
async def test_a_login_ends_at_the_clean_stored_path_with_a_303(browser: Browser) -> None:
    answer = await browser.sign_in("/me?tab=1")
    assert answer.headers["location"] == "/me?tab=1"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"
    assert (await browser.get("/me")).json() == {"sub": "u1"}


async def test_a_person_who_is_not_signed_in_is_led_to_the_login_and_back(browser: Browser) -> None:
    answer = await browser.get("/me?tab=1&x=%20y")
    assert answer.status_code == 303
    assert "detail" not in answer.text
    assert parse_qs(urlsplit(answer.headers["location"]).query)["next"] == ["/me?tab=1&x=%20y"]
    started = await browser.get(answer.headers["location"])
    back = await browser.back(browser.app.provider.authorize(started.headers["location"]))
    assert back.headers["location"] == "/me?tab=1&x=%20y"


async def test_a_form_that_comes_too_late_is_led_to_the_login_without_a_way_back(browser: Browser) -> None:
    answer = await browser.post("/needs-user", {**NAVIGATION, "origin": RP})
    assert (answer.status_code, answer.headers["location"]) == (303, "/auth/login")


async def test_a_program_gets_401_with_a_hint_and_no_detail(browser: Browser) -> None:
    for headers in (FETCH, {"accept": "application/json"}, {"accept": "*/*"}):
        answer = await browser.get("/me", headers)
        assert answer.status_code == 401
        assert answer.json() == {
            "error": "login_required",
            "error_description": "There is no session.",
            "login": "/auth/login",
        }
        assert answer.headers["cache-control"] == "no-store"


async def test_an_optional_user_is_nobody_or_somebody(browser: Browser) -> None:
    assert (await browser.get("/maybe")).json() == {"sub": None}
    await browser.sign_in()
    assert (await browser.get("/maybe")).json() == {"sub": "u1"}


@pytest.mark.spec("9700-2.1-c", "9700-4.11.1-a")
@pytest.mark.parametrize(
    "path",
    [
        "//evil.test",
        "/\\evil.test",
        "\\\\evil.test",
        "https:evil.test",
        "https://evil.test",
        "javascript:alert(1)",
        "%2f%2fevil.test",
        "/%2f%2fevil.test",
        "/%5cevil.test",
        "/\t/evil.test",
        "/\n/evil.test",
        " //evil.test",
        "///evil.test",
        "/..//evil.test",
        "/%252f%252fevil.test",
        "evil.test",
        "",
        "/" + "x" * 3000,
    ],
)
async def test_a_return_path_never_leaves_the_origin(browser: Browser, path: str) -> None:
    answer = await browser.sign_in(quote(path, safe=""))
    assert answer.headers["location"] == "/"


@pytest.mark.parametrize("path", ["/auth/login", "/auth/logout?x", "/auth/callback?code=1"])
async def test_a_return_path_never_leads_into_the_login_itself(browser: Browser, path: str) -> None:
    assert (await browser.sign_in(quote(path))).headers["location"] == "/"


@pytest.mark.spec("F2-5.3.3.1-12")
@pytest.mark.parametrize("destination", ["iframe", "image", "script", "frame", "embed", "object", "empty"])
async def test_a_login_does_not_start_from_inside_a_page(browser: Browser, destination: str) -> None:
    headers = {"sec-fetch-site": "cross-site", "sec-fetch-dest": destination, "sec-fetch-mode": "no-cors"}
    answer = await browser.get("/auth/login?next=/me", headers)
    assert answer.status_code == 403
    assert "location" not in answer.headers
    assert browser.cookie_names() == []


async def test_a_link_from_elsewhere_may_start_a_login(browser: Browser) -> None:
    headers = {**NAVIGATION, "sec-fetch-site": "cross-site"}
    assert (await browser.get("/auth/login", headers)).status_code == 303


@pytest.mark.parametrize("path", ["/auth/login", "/auth/callback?state=x&code=y"])
async def test_head_starts_and_uses_up_nothing(browser: Browser, path: str) -> None:
    answer = await browser.http.head(path, headers=NAVIGATION)
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")
    assert browser.cookie_names() == []


async def test_a_repeated_parameter_is_refused_at_the_start(browser: Browser) -> None:
    answer = await browser.get("/auth/login?next=/a&next=/b")
    assert (answer.status_code, page_of(answer)) == (400, "error")


# --- cookies -------------------------------------------------------------------------------------------------
@pytest.mark.spec("10017-6.1.3.2-a", "10017-6.1.3.2-b", "N63-5.1.1")
async def test_cookies_under_https_have_every_attribute(browser: Browser) -> None:
    started = set_cookies(await browser.get("/auth/login"))
    ((name, line),) = started.items()
    assert name.startswith("__Host-proofkey-login-")
    assert line.endswith("; Max-Age=600; Path=/; HttpOnly; SameSite=Lax; Secure")
    cookies = set_cookies(await browser.sign_in())
    line = cookies["__Host-proofkey-session"]
    assert line.endswith("; Path=/; HttpOnly; SameSite=Lax; Secure")
    assert "Domain" not in line


async def test_cookies_over_http_on_loopback_carry_the_port_in_their_name() -> None:
    browser = App(LOOPBACK).browser()
    started = set_cookies(await browser.get("/auth/login"))
    ((name, line),) = started.items()
    assert name.startswith("proofkey-login-8501-")
    assert "Secure" not in line
    cookies = set_cookies(await browser.sign_in())
    assert cookies["proofkey-session-8501"].endswith("; Path=/; HttpOnly; SameSite=Lax")


@pytest.mark.spec("V10-10.1.1", "N63-5.1.1")
async def test_nothing_that_the_browser_gets_holds_a_token(app: App, browser: Browser) -> None:
    seen: list[str] = []
    answer = await browser.get("/auth/login")
    seen += [answer.text, str(answer.headers)]
    answer = await browser.back(app.provider.authorize(answer.headers["location"]))
    seen += [answer.text, str(answer.headers)]
    answer = await browser.get("/me")
    seen += [answer.text, str(answer.headers)]
    session = next(iter(app.store._sessions.values()))  # type: ignore[attr-defined]
    tokens = session.tokens
    secrets = [tokens.access_token, tokens.refresh_token, tokens.id_token]
    assert all(secret is not None and secret.reveal() not in text for secret in secrets for text in seen)
    assert "u1" not in (browser.session_cookie() or "")


async def test_the_flows_cookie_is_gone_after_the_callback(browser: Browser) -> None:
    await browser.sign_in()
    assert browser.cookie_names() == ["__Host-proofkey-session"]


async def test_one_browser_holds_eight_flows_at_most_and_the_newest_finish(app: App, browser: Browser) -> None:
    backs = [await browser.start(f"/{number}") for number in range(12)]
    assert len(browser.cookie_names()) == 8
    assert (await browser.back(backs[-1])).status_code == 303


@pytest.mark.spec("V7-7.2.3")
async def test_a_planted_session_cookie_is_ignored_and_replaced(app: App, browser: Browser) -> None:
    browser.http.cookies.set(app.login.cookie.name, "A" * 43, domain="rp.test", path="/")
    assert (await browser.get("/me")).status_code == 303
    await browser.sign_in()
    assert browser.session_cookie() != "A" * 43
    stranger = app.browser()
    answer = await stranger.http.get("/me", headers={"cookie": f"{app.login.cookie.name}={'A' * 43}"})
    assert answer.status_code == 401


@pytest.mark.spec("V7-7.2.4")
async def test_a_new_login_gives_a_new_handle_and_kills_the_old_one(app: App, browser: Browser) -> None:
    await browser.sign_in()
    old = browser.session_cookie()
    await browser.sign_in()
    assert browser.session_cookie() != old
    answer = await app.browser().http.get("/me", headers={"cookie": f"{app.login.cookie.name}={old}"})
    assert answer.status_code == 401


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda name, value: f"{name}={value}x", id="a character more"),
        pytest.param(lambda name, value: f"{name}={value[:-1]}", id="a character less"),
        pytest.param(lambda name, value: f"{name}={value}; {name}={value}", id="sent twice"),
        pytest.param(lambda name, value: f"{name}={value}; {name}=other", id="a second one planted"),
        pytest.param(lambda name, value: f"{name} ={value}", id="a space in its name"),
        pytest.param(lambda name, value: f"{name.lower()}={value}", id="another case"),
        pytest.param(lambda name, value: f'{name}="{value}"', id="quoted"),
        pytest.param(lambda name, value: f"{name}=", id="empty"),
        pytest.param(lambda name, value: f"{name}={'x' * 9000}", id="huge"),
        pytest.param(lambda name, value: f"{name}=\u00ff\u00fe", id="not ASCII"),
    ],
)
async def test_a_tampered_session_cookie_is_anonymous(app: App, browser: Browser, spoil: Any) -> None:
    await browser.sign_in()
    name, value = app.login.cookie.name, browser.session_cookie() or ""
    raw = spoil(name, value).encode("latin-1")
    answer = await app.browser().http.get("/maybe", headers=[(b"cookie", raw)])
    assert (answer.status_code, answer.json()) == (200, {"sub": None})


async def test_a_flows_cookie_is_no_session(app: App, browser: Browser) -> None:
    started = set_cookies(await browser.get("/auth/login"))
    ((_, line),) = started.items()
    value = line.partition("=")[2].partition(";")[0]
    answer = await app.browser().http.get("/maybe", headers={"cookie": f"{app.login.cookie.name}={value}"})
    assert answer.json() == {"sub": None}
