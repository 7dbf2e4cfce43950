"""The device endpoints over HTTP: documents, pages, cookies, and what another site can do (RFC 8628)."""

import json
from collections.abc import AsyncGenerator
from typing import Any
from urllib.parse import urlencode

import pytest
from starlette.types import ASGIApp

from proofkey.protocol.token_messages import DEVICE_CODE
from proofkey.testing.headless import read_page
from tests.web.asgi import FORM, Reply, ask
from tests.web.real_server import PASSWORD, build_policy, build_server

OWN = ((b"sec-fetch-site", b"same-origin"), FORM)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def app() -> AsyncGenerator[ASGIApp]:
    server = build_server(build_policy(devices=True))
    async with server.running():
        yield server.asgi()


async def post(app: ASGIApp, path: str, *headers: tuple[bytes, bytes], **form: str) -> Reply:
    return await ask(app, "POST", path, *(headers or (FORM,)), body=urlencode(form).encode())


async def begun(app: ASGIApp) -> dict[str, Any]:
    answer = await post(app, "/device-authorization", client_id="tv", scope="openid")
    assert answer.status == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"] == "application/json"
    document: dict[str, Any] = json.loads(answer.body)
    return document


async def polled(app: ASGIApp, asked: dict[str, Any]) -> tuple[int, str]:
    form = {"client_id": "tv", "grant_type": DEVICE_CODE, "device_code": asked["device_code"]}
    answer = await post(app, "/token", **form)
    document: dict[str, str] = json.loads(answer.body)
    return answer.status, document.get("error", "tokens")


def cookie_of(answer: Reply) -> bytes:
    return "; ".join(line.partition(";")[0] for line in answer.headers.getlist("set-cookie")).encode()


@pytest.mark.spec("8628-3.1..3.5")
async def test_every_answer_to_a_question_is_an_error_of_the_token_endpoint(app: ASGIApp) -> None:
    asked = await begun(app)
    assert await polled(app, asked) == (400, "authorization_pending")
    assert await polled(app, asked) == (400, "slow_down")
    assert await polled(app, {"device_code": "x"}) == (400, "invalid_grant")


@pytest.mark.spec("8628-3.1..3.5", "6749-10.12-b / OC-3.1.2.3-b")
@pytest.mark.parametrize(
    ("decision", "told"), [("allow", (200, "tokens")), ("deny", (400, "access_denied"))], ids=["allow", "deny"]
)
async def test_a_person_answers(app: ASGIApp, decision: str, told: tuple[int, str]) -> None:
    asked = await begun(app)
    sent = await post(app, "/device", *OWN, user_code=asked["user_code"])
    assert sent.status == 303
    assert "HttpOnly" in sent.headers["set-cookie"]
    place = sent.headers["location"].removeprefix("https://op.test")
    flow = (b"cookie", cookie_of(sent))
    page = await ask(app, "GET", place, flow)
    assert read_page(page.text)[0] == "login"
    signed_in = await post(app, place, *OWN, flow, username="ann", password=PASSWORD)
    both = (b"cookie", flow[1] + b"; " + cookie_of(signed_in))
    page = await ask(app, "GET", place, both)
    assert (read_page(page.text)[0], asked["user_code"] in page.text) == ("device", True)
    assert read_page(page.text)[1][-1].names == {"decision"}
    assert page.headers["cache-control"] == "no-store"
    foreign = await post(app, place, FORM, (b"sec-fetch-site", b"cross-site"), both, decision="allow")
    assert foreign.status == 403
    stranger = await post(app, place, *OWN, decision="allow")
    assert stranger.status == 403
    done = await post(app, place, *OWN, both, decision=decision)
    assert (done.status, read_page(done.text)[0]) == (200, "device")
    assert await polled(app, asked) == told
    again = await post(app, place, *OWN, both, decision=decision)
    assert again.status == 403


@pytest.mark.spec("9700-4.16-a", "6749-10.12-b / OC-3.1.2.3-b")
async def test_the_page_for_the_code_is_ours_alone(app: ASGIApp) -> None:
    asked = await begun(app)
    page = await ask(app, "GET", "/device", query=f"user_code={asked['user_code']}".encode())
    assert page.status == 200
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    assert "set-cookie" not in page.headers
    (form,) = read_page(page.text)[1]
    assert (form.action, form.names) == ("https://op.test/device", {"user_code"})
    foreign = await post(app, "/device", FORM, (b"sec-fetch-site", b"cross-site"), user_code=asked["user_code"])
    assert (foreign.status, read_page(foreign.text)[0]) == (403, "error")
    wrong = await post(app, "/device", *OWN, user_code="BCDF-GHJK")
    assert (wrong.status, read_page(wrong.text)[0]) == (400, "device")


@pytest.mark.spec("8628-5.4 / 10027-6.1")
async def test_it_is_off_by_default() -> None:
    server = build_server(build_policy())
    async with server.running():
        for method, path in (("GET", "/device"), ("POST", "/device"), ("POST", "/device-authorization")):
            assert (await ask(server.asgi(), method, path, FORM)).status == 404
        answer = await post(server.asgi(), "/token", client_id="tv", grant_type=DEVICE_CODE, device_code="x")
        assert json.loads(answer.body)["error"] == "unsupported_grant_type"
