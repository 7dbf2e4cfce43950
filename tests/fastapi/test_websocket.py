from typing import Any

import pytest
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.types import Message

from proofkey.testing.tokens_for import TokensFor, bearer
from tests.fastapi.api import INVALID_TOKEN, MALFORMED, World, challenge


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def world() -> World:
    return World()


def test_a_token_with_the_scope_opens_the_socket(world: World) -> None:
    headers = TokensFor(world.issuer)(scope="orders:read", sub="ann")
    with TestClient(world.app).websocket_connect("/ws", headers=headers) as socket:
        assert socket.receive_json() == {"sub": "ann"}


@pytest.mark.spec("6750-3-a")
@pytest.mark.parametrize(
    ("headers", "status", "challenge"),
    [
        ({}, 401, challenge(scope="orders:read", published=False)),
        (bearer("bad"), 401, challenge(INVALID_TOKEN, scope="orders:read", published=False)),
        (
            {"authorization": "Bearer"},
            400,
            challenge(MALFORMED, scope="orders:read", published=False),
        ),
        (
            None,
            403,
            'Bearer error="insufficient_scope", error_description="The access token does not allow this.", '
            'scope="orders:read"',
        ),
    ],
    ids=["no token", "bad token", "malformed", "scope missing"],
)  # fmt: skip
def test_a_refusal_is_the_http_answer_to_the_handshake(
    world: World, headers: dict[str, str] | None, status: int, challenge: str
) -> None:
    sent = TokensFor(world.issuer)(scope="orders:write") if headers is None else headers
    with (
        pytest.raises(WebSocketDenialResponse) as caught,
        TestClient(world.app).websocket_connect("/ws", headers=sent),
    ):
        pytest.fail("the socket was accepted")
    assert (caught.value.status_code, caught.value.headers["www-authenticate"]) == (status, challenge)


async def test_a_server_that_cannot_answer_the_handshake_closes_with_1008(world: World) -> None:
    sent: list[Message] = []
    scope: dict[str, Any] = {
        "type": "websocket",
        "path": "/ws",
        "raw_path": b"/ws",
        "query_string": b"",
        "headers": [(b"authorization", b"Bearer bad")],
        "subprotocols": [],
        "extensions": {},
        "scheme": "ws",
        "server": ("api.test", 80),
        "client": ("127.0.0.1", 5),
    }

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    await world.app(scope, receive, send)
    assert [(message["type"], message.get("code")) for message in sent] == [("websocket.close", 1008)]
