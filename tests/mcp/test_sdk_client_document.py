"""The SDK's own client at a server that has never heard of it: its client_id is where it describes itself."""

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from tests.mcp.mcp_kit import CALLBACK, Memory, Person, Wire, World, running_world
from tests.mcp.published import Published, publishing
from tests.mcp.test_sdk_client import claims_of

DOCUMENT: dict[str, Any] = {
    "client_name": "Inspector of its own",
    "application_type": "native",
    "redirect_uris": [CALLBACK],
    "grant_types": ["authorization_code", "refresh_token"],
    "response_types": ["code"],
    "token_endpoint_auth_method": "none",
}


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Published]:
    with publishing(tmp_path_factory.mktemp("published"), DOCUMENT) as published:
        yield published


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, published: Published) -> Iterator[World]:
    outgoing = {
        "ca_file": str(published.ca_file),
        "allow_insecure_private_hosts": [f"127.0.0.1:{published.port}"],
    }
    folder = tmp_path_factory.mktemp("mcp")
    with running_world(folder, outgoing, workers=2, features=["par", "cimd"], clients=[]) as world:
        yield world


@pytest.mark.spec("MCP26-reg", "CIMD-4-a", "MCP25", "8707-cli")
@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_it_signs_in_by_its_document_and_calls_a_tool(world: World, published: Published, mode: str) -> None:
    person, wire, memory = Person(), Wire(), Memory(None)
    async with world.client(person, memory=memory, wire=wire, mode=mode, document=published.url) as client:
        answer = await client.call_tool("list_orders", {})
    assert answer.structured_content == {"result": ["an order of u-ann"]}
    assert f"{world.issuer}/register" not in wire.urls()
    assert published.asked
    (asked,) = person.asked()
    assert asked["client_id"] == [published.url]
    assert memory.tokens is not None
    claims = claims_of(memory.tokens.access_token)
    assert (claims["aud"], claims["client_id"], claims["sub"]) == (world.url, published.url, "u-ann")


@pytest.mark.spec("MCP26-reg", "MCP26-scopes")
async def test_it_gets_more_when_a_tool_needs_more(world: World, published: Published) -> None:
    person, memory = Person(), Memory(None)
    async with world.client(person, memory=memory, document=published.url) as client:
        await client.call_tool("list_orders", {})
        answer = await client.call_tool("cancel_order", {"number": 7})
    assert answer.structured_content == {"result": "order 7 of u-ann is cancelled"}
    assert len(person.visited) == 2


@pytest.mark.spec("MCP26-reg")
def test_the_server_says_that_clients_may_describe_themselves(world: World) -> None:
    document = httpx2.get(f"{world.issuer}/.well-known/oauth-authorization-server", trust_env=False).json()
    assert document["client_id_metadata_document_supported"] is True
    assert "registration_endpoint" not in document
