"""The guard in front of the SDK's server: who is let in, to which tool, and what the server then knows."""

import json
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import FastAPI
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.mcpserver import Context, MCPServer
from starlette.testclient import TestClient

from proofkey.errors import ConfigurationError
from proofkey.fastapi import Protect
from proofkey.fastapi.mcp import ProtectedMcp, received_token, token_of
from proofkey.testing.issuer import ISSUER, LocalIssuer
from proofkey.testing.tokens_for import TokensFor

URL = "https://mcp.test/mcp"
CALLED: list[dict[str, Any]] = []


def a_server() -> MCPServer:
    server = MCPServer("Orders")

    @server.tool()
    async def look(context: Context) -> str:
        request = context.request_context.request
        assert request is not None
        own = get_access_token()
        assert own is not None
        CALLED.append(
            {
                "headers": dict(request.headers),
                "sdk": own,
                "scope": dict(request.scope),
                "received": received_token(context),
            }
        )
        return f"{token_of(context).sub} {' '.join(token_of(context).scope)}"

    @server.tool()
    async def change(number: int) -> str:
        CALLED.append({"number": number})
        return f"changed {number}"

    return server


def an_app(issuer: LocalIssuer, **options: Any) -> FastAPI:
    return an_api_and_app(issuer, **options)[1]


def an_api_and_app(issuer: LocalIssuer, **options: Any) -> tuple[Protect, FastAPI]:
    api = Protect(issuer=ISSUER, audience=URL, transport=issuer.transport, clock=issuer.clock)
    protected = ProtectedMcp(api, a_server(), json_response=True, **{"stateless_http": True, **options})
    app = FastAPI(lifespan=api.lifespan_with(protected.lifespan))
    protected.mount(app)
    return api, app


@pytest.fixture(autouse=True)
def _nothing_called_yet() -> None:
    CALLED.clear()


@pytest.fixture
def client(issuer: LocalIssuer) -> Iterator[TestClient]:
    app = an_app(issuer, scopes=["read"], tools={"look": [], "change": ["write", "orders"]})
    with TestClient(app, base_url="https://mcp.test", follow_redirects=False) as client:
        yield client


def call(tool: str, **arguments: Any) -> bytes:
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}
    return json.dumps(message).encode()


def post(client: TestClient, body: bytes, headers: dict[str, str], path: str = "/mcp") -> Any:
    sent = {"accept": "application/json, text/event-stream", "content-type": "application/json", **headers}
    return client.post(path, content=body, headers=sent)


def token(token_for: TokensFor, scope: str | Sequence[str] = "read", **claims: Any) -> dict[str, str]:
    return dict(token_for(**{"scope": scope, "aud": URL, **claims}))


@pytest.mark.parametrize("path", ["/mcp", "/mcp/"])
def test_a_token_with_the_scope_opens_the_server(client: TestClient, token_for: TokensFor, path: str) -> None:
    answer = post(client, call("look"), token(token_for, sub="ann"), path)
    assert answer.status_code == 200
    assert answer.json()["result"]["content"][0]["text"] == "ann read"


@pytest.mark.spec("6750-3-a", "9728-5.1-a")
@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
def test_nobody_gets_in_without_a_token(client: TestClient, method: str) -> None:
    answer = client.request(method, "/mcp", content=call("look"))
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert "error=" not in answer.headers["www-authenticate"]
    assert CALLED == []


@pytest.mark.spec("8725b-3.9-a", "MCP25")
def test_a_token_for_another_server_is_refused(client: TestClient, token_for: TokensFor) -> None:
    for audience in ("https://mcp.test", "https://mcp.test/mcp/", "https://other.test/mcp"):
        answer = post(client, call("look"), token(token_for, aud=audience))
        assert answer.status_code == 401
        assert 'error="invalid_token"' in answer.headers["www-authenticate"]
    assert CALLED == []


@pytest.mark.spec("MCP26-scopes")
@pytest.mark.parametrize(
    ("scope", "tool", "status", "asked"),
    [
        ("", "look", 403, "read"),
        ("read", "look", 200, None),
        ("read", "change", 403, "read write orders"),
        ("read write", "change", 403, "read write orders"),
        ("write orders", "change", 403, "read"),
        ("read write orders", "change", 200, None),
    ],
)
def test_a_tool_asks_for_all_its_scopes_at_once(
    client: TestClient, token_for: TokensFor, scope: str, tool: str, status: int, asked: str | None
) -> None:
    arguments = {"number": 3} if tool == "change" else {}
    answer = post(client, call(tool, **arguments), token(token_for, scope))
    assert answer.status_code == status
    if asked is not None:
        challenge = answer.headers["www-authenticate"]
        assert 'error="insufficient_scope"' in challenge
        assert f'scope="{asked}"' in challenge
        assert CALLED == []
    else:
        assert len(CALLED) == 1


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"look","name":"change"}}', 400),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call","params":{"name":"change"}}', 400),
        (
            b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"look"},"params":{"name":"change"}}',
            400,
        ),
        (b"[" + call("change", number=1) + b"]", 400),
        (b"not json", 400),
        (b"", 400),
        (b"\xff\xfe" + call("change", number=1), 400),
        (call("change", number=1).decode().encode("utf-16"), 400),
        (b"\xef\xbb\xbf" + call("change", number=1), 400),
        (b'"text"', 400),
        (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400),
        (b'{"padding":"' + b"a" * 5_000_000 + b'"}', 413),
        (b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"\\u006eame":"change","arguments":{}}}', 403),
        (b'{"jsonrpc":"2.0","id":1,"method":"tools\\/call","params":{"name":"ch\\u0061nge"}}', 403),
    ],
    ids=[
        *(
            "two names",
            "two methods",
            "two params",
            "batch",
            "text",
            "empty",
            "bytes",
            "utf-16",
            "byte order mark",
        ),
        *("a string", "deep", "large", "escaped key", "escaped values"),
    ],
)
def test_no_spelling_gets_past_the_scopes_of_a_tool(
    client: TestClient, token_for: TokensFor, body: bytes, status: int
) -> None:
    assert post(client, body, token(token_for, "read")).status_code == status
    assert CALLED == []


def test_a_tool_that_is_not_there_is_the_servers_matter(client: TestClient, token_for: TokensFor) -> None:
    answer = post(client, call("nothing"), token(token_for))
    assert answer.status_code == 200
    assert answer.json()["result"]["isError"] or "error" in answer.json()


@pytest.mark.spec("MCP25-pass")
def test_the_server_knows_the_caller_and_never_the_token(client: TestClient, token_for: TokensFor) -> None:
    headers = token(token_for, sub="ann")
    raw = headers["Authorization"].partition(" ")[2]
    post(client, call("look"), {**headers, "x-other": "kept"})
    (seen,) = CALLED
    assert "authorization" not in seen["headers"]
    assert seen["headers"]["x-other"] == "kept"
    assert raw not in repr(seen)
    assert seen["received"].reveal() == raw  # for a token exchange, and nothing else
    assert (seen["sdk"].token, seen["sdk"].client_id, seen["sdk"].subject) == ("", "app", "ann")
    assert seen["sdk"].scopes == ["read"]
    assert seen["sdk"].claims == {"iss": ISSUER}


def test_a_session_is_of_whoever_began_it(issuer: LocalIssuer, token_for: TokensFor) -> None:
    app = an_app(issuer, stateless_http=False)
    hello = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"},
        },
    }
    with TestClient(app, base_url="https://mcp.test") as client:
        begun = post(client, json.dumps(hello).encode(), token(token_for, sub="ann"))
        session = {"mcp-session-id": begun.headers["mcp-session-id"]}
        ping = b'{"jsonrpc":"2.0","id":2,"method":"ping"}'
        assert post(client, ping, {**session, **token(token_for, sub="ann")}).status_code == 200
        assert post(client, ping, {**session, **token(token_for, sub="bob")}).status_code == 404
        assert post(client, ping, {**session, **token(token_for, sub="ann", client_id="x")}).status_code == 404


@pytest.mark.spec("threats 1.7 DNS rebinding")
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.test"}, 421),
        ({"origin": "https://evil.test"}, 403),
        ({"origin": "https://mcp.test"}, 200),
        ({"host": "mcp.test:443"}, 200),
    ],
    ids=["foreign host", "foreign origin", "own origin", "own host with port"],
)
def test_its_own_host_alone_is_answered(
    client: TestClient, token_for: TokensFor, headers: dict[str, str], status: int
) -> None:
    assert post(client, call("look"), {**token(token_for), **headers}).status_code == status


@pytest.mark.parametrize(
    ("tools", "said"),
    [
        ({"look": [], "chnge": ["write"]}, "did_you_mean='change'"),
        ({"look": []}, "a tool without an entry"),
        ({"look": [], "change": [], "gone": []}, "no tool of the server"),
    ],
    ids=["misspelt", "forgotten", "too many"],
)
def test_tools_that_differ_from_the_servers_end_the_start(
    issuer: LocalIssuer, tools: dict[str, list[str]], said: str
) -> None:
    with pytest.raises(ConfigurationError, match=said), TestClient(an_app(issuer, tools=tools)):
        pass


def test_an_audience_that_is_no_address_needs_a_public_url(issuer: LocalIssuer) -> None:
    api = Protect(issuer=ISSUER, audience="api://orders", transport=issuer.transport)
    with pytest.raises(ConfigurationError, match="public_url"):
        ProtectedMcp(api, a_server())


def test_a_lifespan_that_does_not_run_is_named(issuer: LocalIssuer, token_for: TokensFor) -> None:
    client = TestClient(an_app(issuer))  # not entered, so that its lifespan does not run
    with pytest.raises(RuntimeError, match=r"lifespan_with\(protected\.lifespan\)"):
        post(client, call("look"), token(token_for))


def test_it_starts_again_after_it_has_ended(issuer: LocalIssuer, token_for: TokensFor) -> None:
    app = an_app(issuer)
    for _ in range(2):
        with TestClient(app, base_url="https://mcp.test") as client:
            assert post(client, call("look"), token(token_for)).status_code == 200


def test_a_context_without_a_request_has_no_token() -> None:
    outside: Context = Context(request_context=SimpleNamespace(request=None))  # type: ignore[arg-type] # as on stdio
    for read in (token_of, received_token):
        with pytest.raises(LookupError, match="ProtectedMcp"):
            read(outside)


def test_a_listing_of_open_routes_knows_that_it_is_closed(issuer: LocalIssuer) -> None:
    api, app = an_api_and_app(issuer)
    assert [route.path for route in api.unprotected(app) if route.path.startswith("/mcp")] == []
