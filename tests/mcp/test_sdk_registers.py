"""The SDK's own client at a server that has never heard of it: it registers itself."""

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from proofkey.protocol.text import ClientId
from tests.mcp.mcp_kit import CALLBACK, Memory, Person, Wire, World, running_world
from tests.mcp.test_sdk_client import claims_of


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    registration = {"allow_insecure_open": True, "whole_scope": True}
    folder = tmp_path_factory.mktemp("mcp")
    with running_world(
        folder, workers=2, features=["registration"], registration=registration, clients=[]
    ) as world:
        yield world


@pytest.mark.spec("7591-3-a", "MCP26-reg", "MCP25", "8707-cli")
@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_it_registers_itself_signs_in_and_calls_a_tool(world: World, mode: str) -> None:
    person, wire, memory = Person(), Wire(), Memory(None)
    async with world.client(person, memory=memory, wire=wire, mode=mode) as client:
        answer = await client.call_tool("list_orders", {})
    assert answer.structured_content == {"result": ["an order of u-ann"]}
    assert f"{world.issuer}/register" in wire.urls()
    assert memory.client is not None
    assert memory.client.client_secret is None
    assert [str(uri) for uri in memory.client.redirect_uris or ()] == [CALLBACK]
    (asked,) = person.asked()
    assert asked["client_id"] == [memory.client.client_id]
    assert memory.tokens is not None
    claims = claims_of(memory.tokens.access_token)
    assert (claims["aud"], claims["client_id"], claims["sub"]) == (world.url, memory.client.client_id, "u-ann")


@pytest.mark.spec("7591-3-a", "MCP26-scopes")
async def test_it_gets_more_when_a_tool_needs_more(world: World) -> None:
    person, memory = Person(), Memory(None)
    async with world.client(person, memory=memory) as client:
        await client.call_tool("list_orders", {})
        answer = await client.call_tool("cancel_order", {"number": 7})
    assert answer.structured_content == {"result": "order 7 of u-ann is cancelled"}
    assert len(person.visited) == 2
    assert memory.tokens is not None
    assert "orders:write" in claims_of(memory.tokens.access_token)["scope"].split()


async def test_registered_once_it_comes_back_as_the_same_client(world: World) -> None:
    person, memory = Person(), Memory(None)
    async with world.client(person, memory=memory) as client:
        await client.call_tool("list_orders", {})
    assert memory.client is not None
    before, wire = ClientId(memory.client.client_id), Wire()
    memory.tokens = None
    async with world.client(person, memory=memory, wire=wire) as client:
        await client.call_tool("list_orders", {})
    assert f"{world.issuer}/register" not in wire.urls()
    assert [asked["client_id"] for asked in person.asked()] == [[before], [before]]


def test_the_server_says_where_clients_register(world: World) -> None:
    document: dict[str, Any] = httpx2.get(
        f"{world.issuer}/.well-known/oauth-authorization-server", trust_env=False
    ).json()
    assert document["registration_endpoint"] == f"{world.issuer}/register"
