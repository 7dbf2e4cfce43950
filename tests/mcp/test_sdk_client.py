"""The SDK's own client, over HTTP, with our authorization server: discovery, sign-in, scopes per tool."""

import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from proofkey.protocol.pkce import challenge_of
from proofkey.protocol.text import Secret, decode_base64url
from proofkey.testing.headless import HeadlessBrowser
from tests.mcp.mcp_kit import CALLBACK, CLIENT_ID, OTHER, PASSWORD, Person, Wire, World, a_memory, running_world

VERIFIER = "v" * 64


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with running_world(tmp_path_factory.mktemp("mcp")) as world:
        yield world


def claims_of(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = json.loads(decode_base64url(token.split(".")[1]))
    return claims


def token_for(world: World, resource: str | None, scope: str = "orders:read") -> str:
    """A token of the same issuer, client and person, for what `resource` says."""
    asked = {
        "response_type": "code",
        "client_id": CLIENT_ID,
        "redirect_uri": CALLBACK,
        "scope": scope,
        "state": "s",
        "code_challenge": challenge_of(VERIFIER),
        "code_challenge_method": "S256",
        **({"resource": resource} if resource else {}),
    }
    with HeadlessBrowser() as browser:
        url = str(httpx2.URL(f"{world.issuer}/authorize", params=asked))
        back = browser.authorize(url, redirect_uri=CALLBACK, username="ann", password=Secret(PASSWORD))
    form = {
        "grant_type": "authorization_code",
        "code": httpx2.URL(back).params["code"],
        "redirect_uri": CALLBACK,
        "client_id": CLIENT_ID,
        "code_verifier": VERIFIER,
    }
    answer = httpx2.post(f"{world.issuer}/token", data=form, trust_env=False)
    token: str = answer.json()["access_token"]
    return token


HELLO: dict[str, Any] = {
    "protocolVersion": "2025-06-18",
    "capabilities": {},
    "clientInfo": {"name": "test", "version": "1"},
}


def call(world: World, token: str | None = None, tool: str | None = None) -> httpx2.Response:
    """The first message of a client, or the call of a tool; without the SDK's client."""
    headers = {"accept": "application/json, text/event-stream"}
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
    method, parameters = ("initialize", HELLO) if tool is None else ("tools/call", {"name": tool, "arguments": {}})
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}
    return httpx2.post(world.url, json=message, headers=headers, trust_env=False)


@pytest.mark.spec("MCP25", "9728-5.1-a", "8707-cli", "MCP25-pkce", "MCP26-iss")
@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_it_finds_the_issuer_signs_in_and_calls_a_tool(world: World, mode: str) -> None:
    person, wire, memory = Person(), Wire(), a_memory()
    async with world.client(person, memory=memory, wire=wire, mode=mode) as client:
        tools = await client.list_tools()
        answer = await client.call_tool("list_orders", {})
    assert [tool.name for tool in tools.tools] == ["list_orders", "cancel_order"]
    assert answer.structured_content == {"result": ["an order of u-ann"]}

    origin = world.url.removesuffix("/mcp")
    assert wire.urls()[:4] == [
        world.url,
        f"{origin}/.well-known/oauth-protected-resource/mcp",
        f"{world.issuer}/.well-known/oauth-authorization-server",
        f"{world.issuer}/token",
    ]
    (asked,) = person.asked()
    assert asked["resource"] == [world.url]
    assert asked["code_challenge_method"] == ["S256"]
    assert asked["scope"] == ["orders:read offline_access"]
    (redeemed,) = wire.forms("/token")
    assert redeemed["resource"] == [world.url]
    assert redeemed["code_verifier"]
    assert memory.tokens is not None
    claims = claims_of(memory.tokens.access_token)
    assert (claims["aud"], claims["iss"], claims["sub"]) == (world.url, world.issuer, "u-ann")


@pytest.mark.spec("MCP26-scopes", "9470-3-a")
@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_tool_that_needs_more_is_asked_for_at_the_issuer(world: World, mode: str) -> None:
    person, memory = Person(), a_memory()
    async with world.client(person, memory=memory, mode=mode) as client:
        await client.call_tool("list_orders", {})
        assert len(person.visited) == 1
        answer = await client.call_tool("cancel_order", {"number": 7})
    assert answer.structured_content == {"result": "order 7 of u-ann is cancelled"}
    first, second = person.asked()
    assert "orders:write" not in first["scope"][0].split()
    assert {"orders:read", "orders:write"} <= set(second["scope"][0].split())
    assert second["resource"] == [world.url]
    assert memory.tokens is not None
    assert "orders:write" in claims_of(memory.tokens.access_token)["scope"].split()


@pytest.mark.spec("9728-5.1-a", "9728-3.1-a", "6750-3-a", "MCP26")
def test_without_a_token_it_says_where_it_describes_itself(world: World) -> None:
    answer = call(world)
    assert answer.status_code == 401
    challenge = answer.headers["www-authenticate"]
    origin = world.url.removesuffix("/mcp")
    assert f'resource_metadata="{origin}/.well-known/oauth-protected-resource/mcp"' in challenge
    assert 'scope="orders:read"' in challenge
    assert "error=" not in challenge
    assert "offline_access" not in challenge
    for path in ("/.well-known/oauth-protected-resource/mcp", "/.well-known/oauth-protected-resource"):
        document = httpx2.get(f"{origin}{path}", trust_env=False).json()
        assert document == {
            "resource": world.url,
            "authorization_servers": [world.issuer],
            "scopes_supported": ["orders:read", "orders:write"],
            "bearer_methods_supported": ["header"],
        }


@pytest.mark.spec("8725b-3.9-a", "9700-2.3-b")
@pytest.mark.parametrize("resource", [OTHER, None], ids=["another API", "no resource"])
def test_a_token_for_somebody_else_is_refused(world: World, resource: str | None) -> None:
    scope = "orders:read" if resource else "openid"
    answer = call(world, token_for(world, resource, scope))
    assert answer.status_code == 401
    challenge = answer.headers["www-authenticate"]
    assert 'error="invalid_token"' in challenge
    assert "resource_metadata=" in challenge
    assert answer.json()["error"] == "invalid_token"


def test_the_same_person_s_token_for_this_server_is_taken(world: World) -> None:
    """What the refusals above differ from."""
    assert call(world, token_for(world, world.url)).status_code == 200


@pytest.mark.spec("MCP26-scopes")
def test_the_challenge_of_a_tool_names_every_scope_and_the_metadata(world: World) -> None:
    answer = call(world, token_for(world, world.url), tool="cancel_order")
    assert answer.status_code == 403
    challenge = answer.headers["www-authenticate"]
    assert 'error="insufficient_scope"' in challenge
    assert 'scope="orders:read orders:write"' in challenge
    assert "resource_metadata=" in challenge


def test_the_server_announces_no_registration_by_clients(world: World) -> None:
    """They are registered beforehand; the SDK's client then uses the id that it was given."""
    document = httpx2.get(f"{world.issuer}/.well-known/oauth-authorization-server", trust_env=False).json()
    assert "registration_endpoint" not in document
    assert "client_id_metadata_document_supported" not in document
