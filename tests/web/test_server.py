"""The server over HTTP, on a stand-in for the authorization server."""

import json
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
from fastapi import FastAPI
from starlette.types import ASGIApp

from proofkey.authorization_server.answers import Json, Page, Redirect
from proofkey.errors import ConfigurationError, InvalidClient, InvalidToken, ServerError, Unavailable
from proofkey.findings import Finding
from proofkey.protocol.text import Secret
from proofkey.web.endpoints import BELOW, PATHS, Endpoints
from proofkey.web.server import Server
from tests.web.asgi import FORM, HTML, Reply, ask
from tests.web.fake_core import CALLBACK, FLOW, FakeCore, consent_page, login_page

PAGES = [
    pytest.param("GET", f"/interaction/{FLOW}", None, id="login"),
    pytest.param("GET", f"/interaction/{FLOW}", login_page("Wrong."), id="login with an error"),
    pytest.param("GET", f"/interaction/{FLOW}", consent_page(), id="consent"),
    pytest.param("GET", "/authorize", ServerError(Finding.INTERNAL), id="error"),
    pytest.param("GET", "/end-session", None, id="logout"),
    pytest.param("GET", "/signed-out", None, id="logged-out"),
    pytest.param("GET", "/nowhere", None, id="not found"),
    pytest.param("DELETE", "/authorize", None, id="wrong method"),
    pytest.param("POST", f"/interaction/{FLOW}", Redirect(url="com.acme.app:/cb?code=c"), id="continuation"),
]
SIGNED_IN = (b"cookie", b"__Host-proofkey-sign-in=" + b"s" * 43)


@asynccontextmanager
async def serving(core: FakeCore | None = None) -> AsyncGenerator[tuple[FakeCore, ASGIApp]]:
    core = core or FakeCore()
    server = Server(core)
    async with server.running():
        yield core, server.asgi()


@pytest.mark.spec("9700-4.16-a", "9700-4.2.4-a", "V3-3.4.1", "threats §2.33")
@pytest.mark.parametrize(("method", "path", "answer"), PAGES)
async def test_every_page_has_the_headers(method: str, path: str, answer: Page | Redirect | None) -> None:
    async with serving() as (core, app):
        core.next = answer
        page = await ask(app, method, path, HTML, FORM, body=b"username=a&password=b")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["x-frame-options"] == "DENY"
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["cross-origin-opener-policy"] == "same-origin"
    assert page.headers["strict-transport-security"] == "max-age=31536000; includeSubDomains"
    assert page.headers["cache-control"] == "no-store"
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'")
    assert policy.endswith("; base-uri 'none'; frame-ancestors 'none'")
    assert "access-control-allow-origin" not in page.headers
    assert "<script" not in page.text
    assert all(f'{name}="http' not in page.text for name in ("src", "action"))


@pytest.mark.spec("providers §4.2")
async def test_the_form_may_lead_on_to_the_client_and_nowhere_else() -> None:
    async with serving() as (core, app):
        core.next = Page(
            name="login", form_targets=("https://rp.test", "com.acme.app:", "http://[::1]:5", "x; y 'z'")
        )
        page = await ask(app, "GET", f"/interaction/{FLOW}")
    assert "form-action 'self' https://rp.test; base-uri" in page.headers["content-security-policy"]


@pytest.mark.spec("9700-4.12-a")
@pytest.mark.parametrize(
    "url", [CALLBACK + "?code=c", "http://127.0.0.1:50001/cb?code=c", "https://op.test/interaction/x"]
)
async def test_after_a_form_the_browser_is_sent_on_by_303(url: str) -> None:
    async with serving() as (core, app):
        core.next = Redirect(url=url)
        reply = await ask(app, "POST", f"/interaction/{FLOW}", FORM, body=b"username=ann&password=x")
    assert (reply.status, reply.headers["location"]) == (303, url)
    assert reply.headers["cache-control"] == "no-store"


@pytest.mark.spec("providers §4.2")
@pytest.mark.parametrize("url", ["com.acme.app:/cb?code=c&state=%3C", "http://[::1]:50001/cb?code=c&state=s"])
async def test_where_the_policy_cannot_name_the_target_a_page_leads_on(url: str) -> None:
    async with serving() as (core, app):
        core.next = Redirect(url=url)
        reply = await ask(app, "POST", f"/interaction/{FLOW}", FORM, body=b"decision=allow")
        core.next = Redirect(url=url)
        direct = await ask(app, "GET", "/authorize")
    escaped = url.replace("&", "&amp;")
    assert reply.status == 200
    assert f'<meta http-equiv="refresh" content="0; url={escaped}">' in reply.text
    assert f'href="{escaped}"' in reply.text
    assert (direct.status, direct.headers["location"]) == (303, url)


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", "//evil.test/"])
async def test_a_target_that_runs_code_is_never_led_on_to(url: str) -> None:
    async with serving() as (core, app):
        core.next = Redirect(url=url)
        reply = await ask(app, "POST", f"/interaction/{FLOW}", FORM, body=b"decision=allow")
    assert reply.status == 500
    assert url not in reply.text


async def test_a_location_is_one_line_of_ascii() -> None:
    async with serving() as (core, app):
        core.next = Redirect(url="https://rp.test/cb?a=é\r\nSet-Cookie: x=y")
        reply = await ask(app, "GET", "/authorize")
    assert reply.headers["location"] == "https://rp.test/cb?a=%C3%A9%0D%0ASet-Cookie:%20x=y"


# --- cookies -----------------------------------------------------------------------------------------------------


async def test_a_flow_is_bound_to_the_browser_by_a_cookie_and_ends_with_it() -> None:
    async with serving() as (core, app):
        begun = await ask(app, "GET", "/authorize", query=b"client_id=web")
        cookie = begun.headers["set-cookie"].partition(";")[0].encode()
        await ask(app, "GET", f"/interaction/{FLOW}", (b"cookie", cookie))
        signed_in = await ask(app, "POST", f"/interaction/{FLOW}", FORM, body=b"username=ann&password=x")
        ended = await ask(app, "POST", f"/interaction/{FLOW}", FORM, body=b"decision=allow")
        out = await ask(app, "POST", f"/end-session/{FLOW}", FORM, body=b"decision=allow")
    assert begun.headers["set-cookie"].startswith("__Host-proofkey-flow-Aa345678=bbb")
    assert "Max-Age=600; Path=/; HttpOnly; SameSite=Lax; Secure" in begun.headers["set-cookie"]
    browser = core.asked[1][1][1]
    assert browser.interactions == {"Aa345678": Secret("b" * 43)}
    assert browser.peer == "203.0.113.9"
    assert signed_in.headers["set-cookie"].startswith("__Host-proofkey-sign-in=sss")
    assert "Max-Age" not in signed_in.headers["set-cookie"]
    assert ended.headers["set-cookie"].startswith("__Host-proofkey-flow-Aa345678=; Max-Age=0")
    assert out.headers["set-cookie"].startswith("__Host-proofkey-sign-in=; Max-Age=0")


async def test_the_oldest_flows_make_room_for_a_new_one() -> None:
    held = b"; ".join(b"__Host-proofkey-flow-%d=v" % number for number in range(10))
    async with serving() as (_, app):
        reply = await ask(app, "GET", "/authorize", (b"cookie", held))
    removed = [line.partition("=")[0] for line in reply.headers.getlist("set-cookie") if "Max-Age=0" in line]
    assert removed == [f"__Host-proofkey-flow-{number}" for number in range(3)]


@pytest.mark.spec("threats §2.22")
@pytest.mark.parametrize(
    "cookie", [b"\xff\xfe=\x00", b"__Host-proofkey-sign-in=a; __Host-proofkey-sign-in=b", b"x" * 20_000]
)
async def test_bad_cookies_make_an_anonymous_browser(cookie: bytes) -> None:
    async with serving() as (core, app):
        reply = await ask(app, "GET", f"/interaction/{FLOW}", (b"cookie", cookie))
    assert reply.status == 200
    assert core.asked[0][1][1].sign_in is None


# --- forms, methods, addresses -----------------------------------------------------------------------------------


@pytest.mark.spec("6749-10.12-b")
@pytest.mark.parametrize("path", [f"/interaction/{FLOW}", f"/end-session/{FLOW}"])
async def test_a_form_from_another_site_does_nothing(path: str) -> None:
    async with serving() as (core, app):
        reply = await ask(app, "POST", path, FORM, (b"origin", b"https://evil.test"), body=b"decision=allow")
    assert reply.status == 403
    assert not core.asked


async def test_the_form_of_the_page_says_which_one_it_is() -> None:
    async with serving() as (core, app):
        await ask(app, "POST", f"/interaction/{FLOW}", FORM, body=b"username=ann&password=x")
        await ask(app, "POST", f"/interaction/{FLOW}", FORM, body=b"decision=deny")
    assert [name for name, _ in core.asked] == ["sign_in", "consent"]


@pytest.mark.spec("6749-3.2-a", "OC-3.1.2.1-a", "OC-5.3-a", "RL-2-a")
@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/authorize", (("a", "query"),)),
        ("POST", "/authorize", (("a", "form"),)),
        ("POST", "/token", (("a", "form"),)),
        ("POST", "/revoke", (("a", "form"),)),
        ("GET", "/userinfo", ()),
        ("POST", "/userinfo", (("a", "form"),)),
        ("GET", "/end-session", (("a", "query"),)),
        ("POST", "/end-session", (("a", "form"),)),
    ],
)
async def test_parameters_come_from(method: str, path: str, expected: tuple[tuple[str, str], ...]) -> None:
    async with serving() as (core, app):
        await ask(app, method, path, FORM, SIGNED_IN, query=b"a=query", body=b"a=form")
    _, args = core.asked[0]
    assert expected in args


async def test_every_authorization_header_reaches_the_core() -> None:
    async with serving() as (core, app):
        await ask(app, "POST", "/token", FORM, (b"authorization", b"Basic a"), (b"authorization", b"Basic b"))
        await ask(app, "GET", "/userinfo", (b"authorization", b"Bearer a"), (b"authorization", b"Bearer b"))
    assert core.asked[0][1][1] == ("Basic a", "Basic b")
    assert core.asked[1][1][0] == ("Bearer a", "Bearer b")


@pytest.mark.spec("6749-3.2-a", "9126-2.3-a")
@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/token", "POST"),
        ("PUT", "/token", "POST"),
        ("GET", "/revoke", "POST"),
        ("POST", "/jwks", "GET, HEAD"),
        ("POST", "/.well-known/openid-configuration", "GET, HEAD"),
        ("DELETE", "/userinfo", "GET, HEAD, POST"),
        ("BREW", "/token", "POST"),
    ],
)
async def test_a_wrong_method_is_405_in_the_words_of_oauth(method: str, path: str, allow: str) -> None:
    async with serving() as (_, app):
        reply = await ask(app, method, path, HTML)
    assert (reply.status, reply.headers["allow"]) == (405, allow)
    assert json.loads(reply.body)["error"] == "invalid_request"


@pytest.mark.spec("6749-3.2-a", "9700-4.12-a")
@pytest.mark.parametrize(
    "path", ["/token/", "//token", "/Token", "/", "", "/authorize/", "/static/", "/static/../server.py"]
)
async def test_other_addresses_are_404_and_never_a_redirect(path: str) -> None:
    async with serving() as (core, app):
        program = await ask(app, "GET", path)
        person = await ask(app, "GET", path, HTML)
    assert program.status == person.status == 404
    assert path.startswith("/static") or json.loads(program.body).keys() == {"error", "error_description"}
    assert 'data-page="error"' in person.text
    assert not core.asked


@pytest.mark.parametrize("id_", ["", "x", "a/b", "../token", "a" * 129, "é" * 10])
async def test_an_id_of_another_form_is_a_page_that_is_over(id_: str) -> None:
    async with serving() as (core, app):
        reply = await ask(app, "GET", f"/interaction/{id_}")
    assert reply.status == 403
    assert "SES-13" in reply.text
    assert not core.asked


@pytest.mark.spec("threats §2.20")
async def test_too_many_or_too_large_headers_are_refused() -> None:
    async with serving() as (core, app):
        many = await ask(app, "GET", "/jwks", *[(b"x-%d" % number, b"y") for number in range(101)])
        large = await ask(app, "GET", "/jwks", (b"x", b"y" * 70_000))
    assert many.status == large.status == 431
    assert not core.asked


# --- documents, CORS ---------------------------------------------------------------------------------------------


@pytest.mark.spec("OD-4-a", "8414-3-a", "X-host-a")
@pytest.mark.parametrize(
    ("issuer", "paths"),
    [
        ("https://op.test", ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"]),
        (
            "https://op.test/a/b",
            [
                "/a/b/.well-known/openid-configuration",
                "/a/b/.well-known/oauth-authorization-server",
                "/.well-known/openid-configuration/a/b",
                "/.well-known/oauth-authorization-server/a/b",
            ],
        ),
    ],
)
async def test_the_metadata_stands_at_every_well_known_address(issuer: str, paths: list[str]) -> None:
    async with serving(FakeCore(issuer)) as (_, app):
        replies = [await ask(app, "GET", path, (b"host", b"evil.test")) for path in paths]
    for reply in replies:
        assert reply.status == 200
        assert json.loads(reply.body)["issuer"] == issuer
        assert reply.headers["content-type"] == "application/json"
        assert reply.headers["cache-control"] == "public, max-age=3600"


async def test_a_document_is_serialised_again_only_when_it_is_another() -> None:
    async with serving() as (core, app):
        first = await ask(app, "GET", "/jwks")
        core._jwks = {"keys": [{"kid": "new"}]}
        second = await ask(app, "GET", "/jwks")
    assert json.loads(first.body) == {"keys": []}
    assert json.loads(second.body) == {"keys": [{"kid": "new"}]}


@pytest.mark.spec("9700-2.6-b", "9700-2.6-c")
@pytest.mark.parametrize(
    ("path", "shared"),
    [
        ("/token", True),
        ("/revoke", True),
        ("/userinfo", True),
        ("/jwks", True),
        ("/.well-known/openid-configuration", True),
        ("/authorize", False),
        (f"/interaction/{FLOW}", False),
        ("/end-session", False),
        (f"/end-session/{FLOW}", False),
        ("/signed-out", False),
        ("/nowhere", False),
    ],
)
async def test_cors_is_for_what_programs_in_browsers_call(path: str, shared: bool) -> None:
    origin = (b"origin", b"https://spa.test")
    async with serving() as (_, app):
        preflight = await ask(app, "OPTIONS", path, origin, (b"access-control-request-method", b"POST"))
        replies = [preflight, await ask(app, "GET", path, origin), await ask(app, "POST", path, origin, FORM)]
    for reply in replies:
        assert reply.headers.get("access-control-allow-origin") == ("*" if shared else None)
        assert "access-control-allow-credentials" not in reply.headers
    assert preflight.status == (204 if shared else 404 if path == "/nowhere" else 405)


@pytest.mark.spec("6749-5.1-a")
async def test_json_with_tokens_is_not_kept() -> None:
    async with serving() as (core, app):
        core.next = Json(body={"access_token": "t"}, headers={"X-Extra": "1"})
        reply = await ask(app, "POST", "/token", FORM)
    assert (reply.headers["cache-control"], reply.headers["pragma"]) == ("no-store", "no-cache")
    assert reply.headers["x-extra"] == "1"


async def test_the_style_sheet_is_ours_and_may_be_kept_for_ever() -> None:
    async with serving(FakeCore("https://op.test/idp")) as (_, app):
        page = await ask(app, "GET", "/idp/signed-out")
        address = page.text.partition('rel="stylesheet" href="')[2].partition('"')[0]
        sheet = await ask(app, "GET", address)
    assert address.startswith("/idp/static/proofkey.")
    assert sheet.status == 200
    assert sheet.headers["content-type"] == "text/css; charset=utf-8"
    assert "immutable" in sheet.headers["cache-control"]
    assert sheet.headers["x-content-type-options"] == "nosniff"
    assert b"url(" not in sheet.body
    assert b"@import" not in sheet.body


# --- errors ------------------------------------------------------------------------------------------------------


@pytest.mark.spec("threats §2.24", "V16-16.5.1")
@pytest.mark.parametrize(("method", "path"), [("POST", "/token"), ("GET", "/authorize"), ("GET", "/userinfo")])
async def test_a_fault_inside_shows_a_reference_and_nothing_else(
    method: str, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving() as (core, app):
        core.next = ValueError("canary-secret")
        with caplog.at_level(logging.DEBUG):
            reply = await ask(app, method, path, FORM, query=b"a=1")
    assert reply.status == 500
    assert "canary" not in reply.text + caplog.text
    logged = next(record.__dict__["proofkey"] for record in caplog.records if record.levelname == "ERROR")
    assert logged["finding"] == "SRV-01"
    assert logged["correlation"] in reply.text


async def test_a_refusal_is_logged_with_its_finding_and_peer(caplog: pytest.LogCaptureFixture) -> None:
    async with serving() as (core, app):
        core.next = InvalidClient(Finding.CLIENT_SECRET_WRONG, client_id="web")
        with caplog.at_level(logging.DEBUG, logger="proofkey"):
            await ask(app, "POST", "/token", FORM)
    logged = caplog.records[-1].__dict__["proofkey"]
    assert (logged["event"], logged["finding"], logged["peer"]) == ("token", "CLI-12", "203.0.113.9")


async def test_userinfo_challenges_as_a_resource_server_does() -> None:
    async with serving() as (core, app):
        core.next = InvalidToken(Finding.TOKEN_EXPIRED)
        reply = await ask(app, "GET", "/userinfo")
    assert reply.status == 401
    assert reply.headers["www-authenticate"].startswith('Bearer realm="userinfo", error="invalid_token"')


async def test_before_the_start_and_after_the_end_the_answer_is_503() -> None:
    server = Server(FakeCore())
    before = await ask(server.asgi(), "POST", "/token", FORM)
    async with server.running():
        pass
    after = await ask(server.asgi(), "GET", "/authorize", HTML)
    assert before.status == after.status == 503
    assert before.headers["retry-after"] == "5"
    assert 'data-page="error"' in after.text


async def test_what_cannot_be_had_now_is_503_and_an_accessible_page() -> None:
    async with serving() as (core, app):
        core.next = Unavailable(Finding.STORE_UNAVAILABLE, retry_after=5)
        reply = await ask(app, "GET", "/authorize")
    assert (reply.status, reply.headers["retry-after"]) == (503, "5")
    assert 'data-page="error"' in reply.text
    assert "Try again in 5 seconds." in reply.text


# --- in another application --------------------------------------------------------------------------------------


@asynccontextmanager
async def mounted(
    prefix: str = "/idp", issuer: str = "https://app.test/idp"
) -> AsyncGenerator[tuple[FastAPI, list[str]]]:
    events: list[str] = []

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[dict[str, str]]:
        events.append("host up")
        yield {"from": "host"}
        events.append("host down")

    host = FastAPI(lifespan=lifespan)

    @host.get("/orders/")
    async def orders() -> dict[str, str]:
        return {"orders": "none"}

    core = FakeCore(issuer)
    Server(core).mount(host, prefix)
    async with host.router.lifespan_context(host) as state:
        assert dict(state or {}) == {"from": "host"}
        assert core.started == 1
        yield host, events
    assert events == ["host up", "host down"]


@pytest.mark.spec("OD-4-a", "8414-3-a")
async def test_a_mounted_server_answers_below_its_prefix_and_at_the_root_well_known_addresses() -> None:
    async with mounted() as (host, _):
        replies = {
            path: (await ask(host, "GET", path)).status
            for path in (
                "/idp/.well-known/openid-configuration",
                "/.well-known/openid-configuration/idp",
                "/.well-known/oauth-authorization-server/idp",
                "/idp/jwks",
                "/idp/authorize",
            )
        }
        begun = await ask(host, "GET", "/idp/authorize")
    assert list(replies.values()) == [200, 200, 200, 200, 303]
    assert begun.headers["location"] == f"https://app.test/idp/interaction/{FLOW}"
    assert begun.headers["referrer-policy"] == "no-referrer"


async def test_the_host_application_stays_as_it_was() -> None:
    async with mounted() as (host, _):
        orders = await ask(host, "GET", "/orders/")
        slash = await ask(host, "GET", "/orders")
        missing = await ask(host, "GET", "/missing")
        schema = await ask(host, "GET", "/openapi.json")
    assert (orders.status, slash.status, missing.status) == (200, 307, 404)
    assert json.loads(missing.body) == {"detail": "Not Found"}
    assert "content-security-policy" not in orders.headers
    assert list(json.loads(schema.body)["paths"]) == ["/orders/"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/idp/token"),
        ("POST", "/idp/token/"),
        ("GET", "/idp/nowhere"),
        ("POST", "/idp/token"),
        ("GET", "/.well-known/openid-configuration/idp/"),
    ],
)
async def test_no_answer_of_a_mounted_server_has_the_framework_s_shape(method: str, path: str) -> None:
    async with mounted() as (host, _):
        reply = await ask(host, method, path)
    assert reply.status in (400, 404, 405)
    assert json.loads(reply.body).keys() == {"error", "error_description"}


@pytest.mark.parametrize("path", ["/token/", "/token", "/interaction/x", "/.well-known/openid-configuration/"])
async def test_a_server_at_the_root_of_a_host_keeps_its_addresses_from_slash_redirects(path: str) -> None:
    async with mounted("", "https://app.test") as (host, _):
        reply: Reply = await ask(host, "POST", path)
        orders = await ask(host, "GET", "/orders/")
    assert reply.status in (400, 403, 404)
    assert b"detail" not in reply.body
    assert orders.status == 200


async def test_a_mounted_server_works_behind_a_proxy_that_strips_the_beginning() -> None:
    core = FakeCore("https://app.test/tools/idp")
    host = FastAPI()
    Server(core).mount(host, "/idp")
    async with host.router.lifespan_context(host):
        reply = await ask(host, "GET", "/idp/.well-known/openid-configuration", root_path="/tools")
    assert json.loads(reply.body)["issuer"] == "https://app.test/tools/idp"


@pytest.mark.parametrize("prefix", ["/other", "idp", "/idp/more"])
def test_a_prefix_that_does_not_fit_the_issuer_is_refused(prefix: str) -> None:
    with pytest.raises(ConfigurationError, match="prefix"):
        Server(FakeCore("https://app.test/idp")).mount(FastAPI(), prefix)


def test_the_list_of_addresses_is_the_list_of_endpoints() -> None:
    server = Server(FakeCore())
    endpoints = Endpoints(FakeCore(), server._responder)
    assert set(endpoints.at) == PATHS
    assert tuple(endpoints.under) == BELOW
