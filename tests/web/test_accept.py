"""Which form of an answer a request asks for."""

import pytest

from proofkey.web.accept import is_accepted
from tests.web.asgi import FORM, ask
from tests.web.fake_core import FakeCore

WANTED = "application/token-introspection+jwt"


@pytest.mark.spec("9701 † / F2M-5.5")
@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param([], False, id="none"),
        pytest.param([WANTED], True, id="named"),
        pytest.param([WANTED.upper()], True, id="in capitals"),
        pytest.param([f"application/json, {WANTED};q=0.5"], True, id="among others"),
        pytest.param(["application/json", WANTED], True, id="in the second header"),
        pytest.param([f"{WANTED};q=0"], False, id="with the weight zero"),
        pytest.param([f"{WANTED}; q=0.000"], False, id="with the weight zero, long"),
        pytest.param([f"{WANTED}; q=1.0"], True, id="with the weight one"),
        pytest.param(["*/*"], False, id="anything"),
        pytest.param(["application/*"], False, id="a range"),
        pytest.param(["application/jwt"], False, id="another"),
        pytest.param([f"text/{WANTED}"], False, id="part of another"),
    ],
)
def test_only_the_name_itself_asks_for_it(headers: list[str], expected: bool) -> None:
    assert is_accepted(headers, WANTED) is expected


@pytest.mark.spec("9701 † / F2M-5.5", "7662-2.1-a")
@pytest.mark.parametrize("signed", [True, False])
async def test_the_endpoint_answers_in_the_form_that_was_asked_for(signed: bool) -> None:
    from proofkey.web.server import Server

    core = FakeCore()
    server = Server(core)
    accept = (b"accept", WANTED.encode() if signed else b"application/json")
    async with server.running():
        reply = await ask(server.asgi(), "POST", "/introspect", FORM, accept, body=b"token=t")
    assert reply.status == 200
    assert reply.headers["content-type"] == ("application/x+jwt" if signed else "application/json")
    assert (reply.headers["cache-control"], reply.headers["pragma"]) == ("no-store", "no-cache")
    assert "access-control-allow-origin" not in reply.headers
    assert reply.text == ("a.b.c" if signed else '{"active":false}')
    assert core.asked[0][1][0] == (("token", "t"),)


@pytest.mark.parametrize("method", ["GET", "PUT", "OPTIONS"])
async def test_a_token_is_never_asked_about_in_a_query(method: str) -> None:
    from proofkey.web.server import Server

    core = FakeCore()
    server = Server(core)
    async with server.running():
        reply = await ask(server.asgi(), method, "/introspect", query=b"token=t")
    assert (reply.status, reply.headers["allow"]) == (405, "POST")
    assert not core.asked
