"""Requests to applications in the same process."""

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from proofkey.errors import Unavailable
from proofkey.findings import Finding
from proofkey.protocol.exchange import Ask
from proofkey.testing.transport import AsgiTransport


async def echo(request: Request) -> Response:
    body = (await request.body()).decode()
    return JSONResponse(
        {
            "method": request.method,
            "url": str(request.url),
            "body": body,
            "type": request.headers.get("content-type"),
        }
    )


async def big(_request: Request) -> Response:
    return Response(b"x" * 1000)


async def away(_request: Request) -> Response:
    return RedirectResponse("https://evil.test/", 302)


APP = Starlette(routes=[Route("/echo", echo, methods=["GET", "POST"]), Route("/big", big), Route("/away", away)])


@pytest.fixture
def transport() -> AsgiTransport:
    return AsgiTransport({"https://op.test": APP, "http://127.0.0.1:9000": APP})


@pytest.mark.parametrize(
    "origin", ["https://op.test", "https://op.test:443", "http://127.0.0.1:9000", "https://OP.test"]
)
async def test_an_origin_is_its_application(transport: AsgiTransport, origin: str):
    answer = await transport.send(Ask("POST", f"{origin}/echo?x=1", form=(("a", "b c"),)))
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert b'"body":"a=b+c"' in answer.body
    assert b'"type":"application/x-www-form-urlencoded"' in answer.body
    assert transport.asked[0].url == f"{origin}/echo?x=1"


@pytest.mark.parametrize(
    ("url", "finding"),
    [
        ("https://other.test/echo", Finding.OUTGOING_FAILED),
        ("https://op.test:444/echo", Finding.OUTGOING_FAILED),
        ("http://op.test/echo", Finding.OUTGOING_INSECURE),
        ("https://op.test/big", Finding.OUTGOING_TOO_LARGE),
    ],
)
async def test_the_rules_of_the_real_transport_hold(transport: AsgiTransport, url: str, finding: Finding):
    with pytest.raises(Unavailable) as caught:
        await transport.send(Ask("GET", url, max_bytes=999))
    assert caught.value.finding is finding


async def test_a_redirect_is_an_answer(transport: AsgiTransport):
    assert (await transport.send(Ask("GET", "https://op.test/away"))).status == 302


async def test_an_origin_that_is_down_does_not_answer_until_it_is_up(transport: AsgiTransport):
    transport.down.add("https://op.test")
    with pytest.raises(Unavailable):
        await transport.send(Ask("GET", "https://op.test/echo"))
    assert (await transport.send(Ask("GET", "http://127.0.0.1:9000/echo"))).status == 200
    transport.down.clear()
    assert (await transport.send(Ask("GET", "https://op.test/echo"))).status == 200
    await transport.aclose()
