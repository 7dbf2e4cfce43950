"""Clients that carry a fresh token, to one origin only."""

import asyncio
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Mount

from proofkey.errors import ProofkeyError, Unavailable
from proofkey.findings import Finding
from proofkey.testing.server import serving as serving_app
from proofkey.transport.bearer import async_bearer_client, bearer_client
from tests.transport.loopback_server import http, saying, serving


class Tokens:
    """Gives t1, t2, …"""

    def __init__(self) -> None:
        self.given = 0

    def sync(self) -> str:
        self.given += 1
        return f"t{self.given}"

    async def fresh(self) -> str:
        return self.sync()


def seen_by(requests: list[httpx2.Request], status: int = 200, **headers: str) -> httpx2.MockTransport:
    def answer(request: httpx2.Request) -> httpx2.Response:
        requests.append(request)
        return httpx2.Response(status, headers=headers)

    return httpx2.MockTransport(answer)


@pytest.mark.spec("6750-2.1")
def test_each_request_gets_a_fresh_token_below_the_base_url():
    requests: list[httpx2.Request] = []
    with bearer_client("https://api.test/v1", Tokens().sync, transport=seen_by(requests)) as client:
        client.get("/orders", params={"state": "open"})
        client.post("/orders", json={"code": 1})
    assert [str(request.url) for request in requests] == [
        "https://api.test/v1/orders?state=open",
        "https://api.test/v1/orders",
    ]
    assert [request.headers["authorization"] for request in requests] == ["Bearer t1", "Bearer t2"]


async def test_each_request_of_the_async_client_gets_a_fresh_token():
    requests: list[httpx2.Request] = []
    async with async_bearer_client("http://127.0.0.1:8000", Tokens().fresh, transport=seen_by(requests)) as client:
        await client.get("/orders")
        await client.get("/orders")
    assert [request.headers["authorization"] for request in requests] == ["Bearer t1", "Bearer t2"]


@pytest.mark.spec("ST-8")
@pytest.mark.parametrize(
    "url",
    [
        "https://evil.test/",
        "http://api.test/orders",
        "https://api.test:444/",
        "https://api.test.evil.test/",
        "https://api.test@evil.test/",
    ],
)
async def test_the_token_never_goes_to_another_origin(url: str):
    requests: list[httpx2.Request] = []
    tokens = Tokens()
    with bearer_client("https://api.test", tokens.sync, transport=seen_by(requests)) as client:
        with pytest.raises(ProofkeyError) as caught:
            client.get(url)
        assert caught.value.finding is Finding.OUTGOING_FOREIGN
    async with async_bearer_client("https://api.test", tokens.fresh, transport=seen_by(requests)) as client:
        with pytest.raises(ProofkeyError):
            await client.get(url)
    assert not requests
    assert tokens.given == 0


def test_a_redirect_is_returned_and_not_followed():
    requests: list[httpx2.Request] = []
    transport = seen_by(requests, 307, location="https://evil.test/")
    with bearer_client("https://api.test", Tokens().sync, transport=transport) as client:
        assert client.get("/orders").status_code == 307
    assert len(requests) == 1


def test_a_redirect_asked_for_outright_does_not_take_the_token_away():
    requests: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        requests.append(request)
        return (
            httpx2.Response(307, headers={"location": "https://evil.test/"})
            if len(requests) == 1
            else httpx2.Response(200)
        )

    with bearer_client("https://api.test", Tokens().sync, transport=httpx2.MockTransport(answer)) as client:
        client.get("/orders", follow_redirects=True)
    assert [request.url.host for request in requests] == ["api.test", "evil.test"]
    assert "authorization" not in requests[1].headers


@pytest.mark.parametrize("url", ["http://api.test", "api.test", ""])
def test_a_base_url_is_https_or_loopback(url: str):
    with pytest.raises(Unavailable):
        bearer_client(url, lambda: "t")


def test_a_failing_token_sends_nothing():
    requests: list[httpx2.Request] = []

    def fail() -> str:
        raise ProofkeyError(Finding.SESSION_NONE)

    client = bearer_client("https://api.test", fail, transport=seen_by(requests))
    with client, pytest.raises(ProofkeyError):
        client.get("/orders")
    assert not requests


async def test_the_clients_work_over_a_real_connection():
    async with serving(saying(http(b'{"orders":[]}'))) as port:
        base_url = f"http://127.0.0.1:{port}"
        async with async_bearer_client(base_url, Tokens().fresh) as client:
            assert (await client.get("/orders")).json() == {"orders": []}

        def call() -> object:
            with bearer_client(base_url, lambda: "t") as sync_client:
                return sync_client.get("/orders").json()

        assert await asyncio.to_thread(call) == {"orders": []}


def test_a_client_that_nobody_closes_keeps_no_connection_open():
    with serving_app(Starlette(routes=[Mount("/", JSONResponse({}))])) as url:  # a server that would keep it
        client: Any = bearer_client(url, lambda: "t")
        assert client.get("/orders").status_code == 200
        assert client._transport._pool.connections == []
