"""Back-channel logout over HTTP: what the provider's server gets for an answer, and what it does to sessions."""

from collections.abc import AsyncGenerator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import httpx2
import pytest
from fastapi import Depends
from starlette.applications import Starlette

from proofkey.client.session import Session
from proofkey.errors import Unavailable
from proofkey.findings import Finding
from proofkey.protocol.text import Secret
from proofkey.store.memory import MemorySessionStore
from proofkey.store.open import open_session_store
from proofkey.store.sealed import Sealer
from proofkey.testing.logout_tokens import make_logout_token
from proofkey.testing.postgresql_server import running_postgresql
from tests.client.login_kit import RP
from tests.web.login_browser import App, Browser, set_cookies

PATH = "/auth/backchannel-logout"
FORM = "application/x-www-form-urlencoded"
ELSEWHERE = {"origin": "https://op.test", "sec-fetch-site": "cross-site"}


def token_for(app: App, **changes: Any) -> str:
    return make_logout_token(app.provider.key, now=app.clock.now(), **changes)


async def send(app: App, *, headers: dict[str, str] | None = None, **what: Any) -> httpx2.Response:
    """As the provider's server does: no cookie, no Origin."""
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app.asgi), base_url=app.url) as client:
        return await client.post(PATH, headers=headers, **what)


@pytest.mark.spec("BL-2.6-a", "V10-10.5.5")
async def test_a_logout_token_ends_the_session_of_the_browser(app: App, browser: Browser) -> None:
    await browser.sign_in()
    assert (await browser.get("/me")).status_code == 200
    answer = await send(app, data={"logout_token": token_for(app), "more": "1"})
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["cache-control"] == "no-store"
    assert set_cookies(answer) == {}
    assert (await browser.get("/me")).status_code == 303


@pytest.mark.spec("BL-2.6-a", "threats §2 row 38")
@pytest.mark.parametrize(
    ("changes", "finding"),
    [
        ({"client_id": "other"}, Finding.LOGOUT_TOKEN_AUDIENCE),
        ({"issuer": "https://evil.test"}, Finding.TOKEN_ISSUER),
        ({"claims": {"events": None}}, Finding.LOGOUT_TOKEN_EVENT),
        ({"claims": {"events": {"urn:other": {}}}}, Finding.LOGOUT_TOKEN_EVENT),
        ({"claims": {"nonce": "n"}}, Finding.LOGOUT_TOKEN_NONCE),
        ({"header": {"alg": "none"}}, Finding.TOKEN_ALGORITHM),
        ({"header": {"typ": "JWT"}}, Finding.LOGOUT_TOKEN_TYPE),
    ],
    ids=["aud", "iss", "no event", "other event", "nonce", "alg none", "typ"],
)
async def test_a_bad_token_is_400_and_ends_nothing(
    app: App, browser: Browser, changes: dict[str, Any], finding: Finding
) -> None:
    await browser.sign_in()
    answer = await send(app, data={"logout_token": token_for(app, **changes)})
    assert answer.status_code == 400
    assert answer.json() == {"error": "invalid_request", "error_description": finding.sentence}
    assert answer.headers["cache-control"] == "no-store"
    assert (await browser.get("/me")).status_code == 200


@pytest.mark.spec("BL-2.6-a")
@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (b"", FORM),
        (b"logout_token=", FORM),
        (b"logout_token=TOKEN&logout_token=TOKEN", FORM),
        (b"logout_token=%zz", FORM),
        (b"logout_token=\xff", FORM),
        (b"other=TOKEN", FORM),
        (b'{"logout_token": "TOKEN"}', "application/json"),
        (b"logout_token=TOKEN", "text/plain"),
        (b"logout_token=" + b"x" * 70_000, FORM),
    ],
    ids=["empty", "no value", "twice", "percent", "not UTF-8", "another name", "JSON", "text", "huge"],
)
async def test_what_is_no_form_with_one_token_is_400(
    app: App, browser: Browser, content: bytes, content_type: str
) -> None:
    await browser.sign_in()
    content = content.replace(b"TOKEN", token_for(app).encode())
    answer = await send(app, content=content, headers={"content-type": content_type})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert answer.headers["cache-control"] == "no-store"
    assert (await browser.get("/me")).status_code == 200


@pytest.mark.spec("threats §2 row 38")
async def test_a_token_is_taken_once(app: App, browser: Browser) -> None:
    token = token_for(app)
    assert (await send(app, data={"logout_token": token})).status_code == 200
    await browser.sign_in()
    assert (await send(app, data={"logout_token": token})).status_code == 400
    assert (await browser.get("/me")).status_code == 200


async def test_it_is_a_post_of_a_form_and_nothing_else(app: App, browser: Browser) -> None:
    await browser.sign_in()
    url = f"{PATH}?logout_token={token_for(app)}"
    alone = Starlette(routes=app.login.routes())
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(alone), base_url=RP) as client:
        for method in ("GET", "HEAD", "PUT", "DELETE"):
            assert (await client.request(method, url)).status_code == 405
        assert (await client.post(url)).status_code == 400
    assert (await browser.get("/me")).status_code == 200


async def test_the_token_is_the_proof_and_no_origin_is_asked(app: App) -> None:
    assert (await send(app, data={"logout_token": token_for(app)}, headers=ELSEWHERE)).status_code == 200
    alone = Starlette(routes=app.login.routes())
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(alone), base_url=RP) as client:
        answer = await client.post(PATH, data={"logout_token": token_for(app, jti="second")}, headers=ELSEWHERE)
    assert answer.status_code == 200
    assert app.login.has_route(PATH)


@pytest.mark.spec("X-bcl-order")
async def test_keys_that_are_away_are_503_and_the_retry_works(app: App, browser: Browser) -> None:
    app.provider.faults.down = {"discovery", "jwks"}
    token = token_for(app)
    answer = await send(app, data={"logout_token": token})
    assert (answer.status_code, answer.json()["error"]) == (503, "temporarily_unavailable")
    assert answer.headers["retry-after"].isdigit()
    assert answer.headers["cache-control"] == "no-store"
    app.provider.faults.down = set()
    app.clock.turn(2)
    await browser.sign_in()
    assert (await send(app, data={"logout_token": token})).status_code == 200
    assert (await browser.get("/me")).status_code == 303


class Away(MemorySessionStore):
    """Cannot be asked for a person's sessions while `away`."""

    away = False

    async def sessions_of_sub(self, *which: Any) -> tuple[Session, ...]:
        if self.away:
            raise Unavailable(Finding.STORE_UNAVAILABLE)
        return await super().sessions_of_sub(*which)


@pytest.mark.spec("X-bcl-order")
async def test_a_store_that_is_away_is_503_and_the_retry_works() -> None:
    store = Away()
    app = App(store=store)
    browser = app.browser()
    await browser.sign_in()
    token, store.away = token_for(app), True
    assert (await send(app, data={"logout_token": token})).status_code == 503
    store.away = False
    assert (await browser.get("/me")).status_code == 200
    assert (await send(app, data={"logout_token": token})).status_code == 200
    assert (await browser.get("/me")).status_code == 303


async def test_a_flood_of_junk_gets_429(app: App) -> None:
    for _ in range(60):
        assert (await send(app, data={"logout_token": "junk"})).status_code == 400
    answer = await send(app, data={"logout_token": "junk"})
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
    assert answer.headers["cache-control"] == "no-store"


async def test_no_token_is_written_to_the_log(app: App, capfd: pytest.CaptureFixture[str]) -> None:
    good, bad = token_for(app), token_for(app, client_id="other")
    for token in (good, bad, good):
        await send(app, data={"logout_token": token})
    out = "".join(capfd.readouterr())
    for token in (good, bad):
        assert token not in out
        assert token.rpartition(".")[2] not in out


# --- two workers -----------------------------------------------------------------------------------------------
@contextmanager
def store_url(kind: str, folder: Path) -> Any:
    if kind == "sqlite":
        yield f"sqlite:///{folder}/sessions.db"
        return
    with running_postgresql() as server:
        yield server.url


@pytest.fixture(params=["sqlite", "postgresql"])
async def workers(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[list[App]]:
    """Two workers of one application, which share a store and nothing else."""
    with store_url(request.param, tmp_path) as url:
        apps = [App(store=open_session_store(url, Sealer(b"k" * 32))) for _ in range(2)]
        apps[1].provider.key = apps[0].provider.key
        yield apps
        for app in apps:
            await app.login.core.aclose()


@pytest.mark.spec("BL-2.6-a", "threats §2 row 38")
async def test_a_session_is_dead_on_every_worker_at_once(workers: list[App]) -> None:
    first, second = workers
    browser = first.browser()
    await browser.sign_in()
    cookie = {"cookie": f"{first.login.cookie.name}={browser.session_cookie()}"}
    other = second.browser()
    assert (await other.http.get("/me", headers=cookie)).status_code == 200
    token = token_for(second)
    assert (await send(second, data={"logout_token": token})).status_code == 200
    for one in (browser, other):
        assert (await one.http.get("/me", headers=cookie)).status_code == 401
    assert (await send(first, data={"logout_token": token})).status_code == 400, "used at the other worker"


# --- a person's sessions, for the application ------------------------------------------------------------------
async def test_an_application_lists_and_ends_the_sessions_of_a_person(app: App) -> None:
    @app.asgi.post("/everywhere-else")
    async def everywhere_else(session: Annotated[Session, Depends(app.login.user)]) -> dict[str, int]:
        before = len(await app.login.sessions_of(session.sub))
        return {"before": before, "ended": await app.login.end_sessions_of(session.sub, keep=session)}

    app.asgi.router.routes.insert(0, app.asgi.router.routes.pop())
    here, there, third = app.browser(), app.browser(), app.browser()
    for browser in (here, there, third):
        await browser.sign_in()
    third_id = await id_of(app, third)
    (of_third,) = [one for one in await app.login.sessions_of("u1") if one.id == third_id]
    assert await app.login.end_session(of_third)
    assert not await app.login.end_session(of_third)
    assert (await here.post("/everywhere-else")).json() == {"before": 2, "ended": 1}
    assert [(await one.get("/me")).status_code for one in (here, there, third)] == [200, 303, 303]


async def id_of(app: App, browser: Browser) -> str:
    session = await app.login.core.session(Secret(browser.session_cookie() or ""))
    assert session is not None
    return session.id
