"""URLs that clients name, over real TLS: `proofkey serve` asks the host that the operator allowed, no other."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest

from proofkey.authorization_server.policy import FEATURES
from proofkey.protocol.client_assertion import build_client_assertion
from proofkey.protocol.client_authentication import ASSERTION_TYPE
from proofkey.protocol.pkce import challenge_of
from proofkey.protocol.text import ClientId
from proofkey.runtime.clock import system_clock
from proofkey.runtime.entropy import system_entropy
from proofkey.testing.server import free_port, running_server
from proofkey.testing.tokens import key_for_tests
from proofkey.testing.toml import toml_document
from tests.transport.loopback_server import certificate, http, serving

KEY = key_for_tests("ES256", "reports")
CALLBACK = "https://rp.test/cb"


@dataclass
class Web:
    """Documents by path, over TLS; `asked` holds the paths, and `elsewhere` counts connections at another port."""

    port: int = 0
    ca_file: Path = Path()
    documents: dict[str, Any] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    other_port: int = 0
    elsewhere: int = 0

    def url(self, path: str) -> str:
        return f"https://127.0.0.1:{self.port}{path}"

    async def answer(self, request: bytes, writer: asyncio.StreamWriter) -> None:
        path = request.split(b" ")[1].decode()
        self.asked.append(path)
        document = self.documents.get(path)
        body = b"" if document is None else json.dumps(document).encode()
        writer.write(http(body, status="200 OK" if body else "404 Not Found"))
        await writer.drain()

    async def refuse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.elsewhere += 1
        writer.close()


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def web(folder_of_this_module: Path) -> AsyncIterator[Web]:
    found = Web()
    found.ca_file, context = certificate(folder_of_this_module)
    other = await asyncio.start_server(found.refuse, "127.0.0.1", 0)
    found.other_port = other.sockets[0].getsockname()[1]
    async with serving(found.answer, context) as found.port:
        yield found
    other.close()


@pytest.fixture(scope="module")
async def op(folder_of_this_module: Path, web: Web) -> AsyncIterator[str]:
    folder = folder_of_this_module
    (folder / "master.key").write_text(system_entropy())
    port = free_port()
    issuer = f"http://127.0.0.1:{port}"
    reports = {
        "client_id": "reports",
        "grant_types": ["client_credentials"],
        "response_types": [],
        "scope": "orders:read",
    }
    server = {
        "issuer": issuer,
        "workers": 2,
        "store": "sqlite:///server.db",
        "master_key_file": "master.key",
        "features": list(FEATURES),
        "resources": [{"identifier": "https://api.test", "scopes": ["orders:read"]}],
        "clients": [
            {**reports, "jwks_uri": web.url("/jwks")},
            {**reports, "client_id": "private", "jwks_uri": f"https://127.0.0.1:{web.other_port}/jwks"},
        ],
    }
    outgoing = {"ca_file": web.ca_file.name, "allow_insecure_private_hosts": [f"127.0.0.1:{web.port}"]}
    config = folder / "proofkey.toml"
    config.write_text(toml_document({"server": server, "outgoing": outgoing}))
    with running_server(config, port=port):
        yield issuer


async def authorize(op: str, client_id: str) -> httpx2.Response:
    query = {
        "client_id": client_id,
        "redirect_uri": CALLBACK,
        "response_type": "code",
        "scope": "openid",
        "state": "s",
        "code_challenge": challenge_of("v" * 43),
        "code_challenge_method": "S256",
    }
    async with httpx2.AsyncClient() as client:
        return await client.get(f"{op}/authorize", params=query)


async def token(op: str, client_id: str) -> httpx2.Response:
    assertion = build_client_assertion(
        KEY, client_id=ClientId(client_id), audience=op, now=system_clock().now(), jti=system_entropy()
    )
    form = {
        "grant_type": "client_credentials",
        "resource": "https://api.test",
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": assertion,
    }
    async with httpx2.AsyncClient() as client:
        return await client.post(f"{op}/token", data=form)


@pytest.mark.spec("CIMD-6.5-a", "CIMD-4-a", "threats 3 row 17")
async def test_a_client_describes_itself_at_an_allowed_host_and_at_no_other(op: str, web: Web) -> None:
    web.asked.clear()
    client_id = web.url("/client.json")
    web.documents["/client.json"] = {"client_id": client_id, "client_name": "App", "redirect_uris": [CALLBACK]}
    answer = await authorize(op, client_id)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith(f"{op}/interaction/")
    assert web.asked == ["/client.json"]
    for refused in (
        f"https://127.0.0.1:{web.other_port}/client.json",
        f"https://localhost:{web.port}/client.json",
        f"https://2130706433:{web.port}/client.json",
        f"https://[::1]:{web.port}/client.json",
        f"https://[::ffff:127.0.0.1]:{web.port}/client.json",
        web.url("/other.json"),
    ):
        answer = await authorize(op, refused)
        assert answer.status_code == 400
        assert "location" not in answer.headers
    assert web.asked == ["/client.json", "/other.json"]
    assert web.elsewhere == 0


@pytest.mark.spec("7591-2", "CIMD-6.5-a")
async def test_a_clients_keys_are_fetched_from_an_allowed_host_and_from_no_other(op: str, web: Web) -> None:
    web.asked.clear()
    web.documents["/jwks"] = {"keys": [KEY.public_jwk]}
    answer = await token(op, "reports")
    assert answer.json()["token_type"] == "Bearer"
    assert (await token(op, "private")).status_code == 503
    assert web.asked == ["/jwks"]
    assert web.elsewhere == 0
