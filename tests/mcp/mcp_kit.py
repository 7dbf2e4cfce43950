"""An MCP server, `proofkey serve` beside it, and the SDK's own client with a person at a headless browser."""

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import anyio.to_thread
import httpx2
from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from pydantic import AnyUrl

from proofkey.protocol.text import Secret
from proofkey.testing.headless import HeadlessBrowser
from proofkey.testing.server import free_port, running_server, serving, write_server_config
from proofkey.testing.toml import toml_document
from tests.docs.blocks import ROOT

CALLBACK: Final = "http://127.0.0.1/callback"
PASSWORD: Final = "brave-otter-river-41"
CLIENT_ID: Final = "inspector"
OTHER: Final = "https://other.test"


@dataclass(slots=True)
class Wire:
    """What the client sent and got, in order."""

    exchanges: list[tuple[httpx2.Request, httpx2.Response]] = field(default_factory=list)

    async def keep(self, response: httpx2.Response) -> None:
        self.exchanges.append((response.request, response))

    def urls(self) -> list[str]:
        return [str(request.url).partition("?")[0] for request, _ in self.exchanges]

    def forms(self, path: str) -> list[dict[str, list[str]]]:
        return [
            parse_qs(request.content.decode())
            for request, _ in self.exchanges
            if request.url.path == path and request.method == "POST"
        ]


@dataclass(slots=True)
class Memory:
    """The SDK's store of tokens, and of the client that was registered beforehand or registers itself."""

    client: OAuthClientInformationFull | None
    tokens: OAuthToken | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        assert self.client is None, "the client is registered already"
        self.client = client_info


@dataclass(slots=True)
class Person:
    """Ann, at a browser that the SDK's client opens."""

    name: str = "ann"
    visited: list[str] = field(default_factory=list)
    came_back: str = ""

    async def open(self, url: str) -> None:
        self.visited.append(url)
        self.came_back = await anyio.to_thread.run_sync(self._walk, url)

    def _walk(self, url: str) -> str:
        with HeadlessBrowser() as browser:
            return browser.authorize(url, redirect_uri=CALLBACK, username=self.name, password=Secret(PASSWORD))

    async def answer(self) -> AuthorizationCodeResult:
        told = {name: values[0] for name, values in parse_qs(urlsplit(self.came_back).query).items()}
        return AuthorizationCodeResult(code=told["code"], state=told["state"], iss=told.get("iss"))

    def asked(self) -> list[dict[str, list[str]]]:
        return [parse_qs(urlsplit(url).query) for url in self.visited]


@dataclass(frozen=True, slots=True)
class World:
    issuer: str
    url: str
    """Of the MCP server."""
    module: ModuleType
    log: Path
    """Of the authorization server."""

    @asynccontextmanager
    async def client(
        self,
        person: Person,
        *,
        memory: Memory | None = None,
        wire: Wire | None = None,
        mode: Any = "auto",
        document: str | None = None,
    ) -> AsyncGenerator[Client]:
        """The SDK's client, which signs in when it is told to; `document` is where it describes itself."""
        metadata = OAuthClientMetadata(redirect_uris=[AnyUrl(CALLBACK)], token_endpoint_auth_method="none")
        signing_in = OAuthClientProvider(
            self.url,
            metadata,
            memory or a_memory(),
            redirect_handler=person.open,
            callback_handler=person.answer,
            client_metadata_url=document,
        )
        hooks = {"response": [(wire or Wire()).keep]}
        async with (
            httpx2.AsyncClient(auth=signing_in, event_hooks=hooks, timeout=20, trust_env=False) as http,
            Client(streamable_http_client(self.url, http_client=http), mode=mode) as client,
        ):
            yield client


def a_memory(token: str | None = None) -> Memory:
    registered = OAuthClientInformationFull(
        client_id=CLIENT_ID, redirect_uris=[AnyUrl(CALLBACK)], token_endpoint_auth_method="none"
    )
    return Memory(registered, None if token is None else OAuthToken(access_token=token, expires_in=900))


def load_example(folder: Path, issuer: str, url: str) -> ModuleType:
    """`examples/mcp_server.py` with the addresses of this run."""
    text = (ROOT / "examples" / "mcp_server.py").read_text(encoding="utf-8")
    for shown, here in (("http://localhost:9000", issuer), ("http://localhost:8000/mcp", url)):
        assert text.count(shown) == 1
        text = text.replace(shown, here)
    file = folder / "mcp_server_here.py"
    file.write_text(text, encoding="utf-8")
    spec = spec_from_file_location("mcp_server_here", file)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextmanager
def running_world(folder: Path, outgoing: dict[str, Any] | None = None, **changes: Any) -> Generator[World]:
    """`changes` are of `[server]`, `outgoing` is that section."""
    port, own = free_port(), free_port()
    issuer, url = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{own}/mcp"
    config = write_server_config(
        folder,
        {
            "issuer": issuer,
            "resources": [
                {"identifier": url, "scopes": ["orders:read", "orders:write"]},
                {"identifier": OTHER, "scopes": ["orders:read"]},
            ],
            "clients": [
                {
                    "client_id": CLIENT_ID,
                    "client_name": "MCP inspector",
                    "application_type": "native",
                    "token_endpoint_auth_method": "none",
                    "redirect_uris": [CALLBACK],
                    "scope": "openid offline_access orders:read orders:write",
                }
            ],
            "users": [{"username": "ann", "password": PASSWORD, "sub": "u-ann"}],
            **changes,
        },
    )
    if outgoing:
        with config.open("a", encoding="utf-8") as file:
            file.write(toml_document({"outgoing": outgoing}))
    module = load_example(folder, issuer, url)
    with running_server(config, port=port), serving(module.app, port=own):
        yield World(issuer, url, module, config.with_suffix(".log"))
