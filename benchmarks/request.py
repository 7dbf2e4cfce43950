"""What protecting an endpoint costs: whole requests to a real uvicorn, and to the application alone.

Every figure is a share of the same endpoint behind one async dependency that does nothing, taken in turns in one
run: the server's own CPU time, which others on the machine disturb least. Both get the same request with a token.
"""

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from time import process_time, sleep
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Security
from starlette.types import Message

from benchmarks.ratio import Ratio
from proofkey.fastapi import AccessToken, Protect
from proofkey.protocol.jose import SigningAlgorithm
from proofkey.testing.issuer import AUDIENCE, LocalIssuer
from proofkey.testing.tokens import key_for_tests

UVICORN: Mapping[SigningAlgorithm, float] = {"RS256": 0.70, "ES256": 0.50}
"""The bar is for RS256 of 2048 bits, which most providers sign with. An ES256 signature takes 40 µs more in
`cryptography` itself: with no work of ours at all it would reach about 0.65."""
ALONE: Mapping[SigningAlgorithm, float] = {"RS256": 0.50, "ES256": 0.33}
"""Without the server there is less to share the cost with: these only guard against getting slower."""
ROUNDS = 60
REQUESTS = 80
CONNECTIONS = 8


def run() -> list[Ratio]:
    """One ratio for each algorithm and way of serving."""
    return [
        Ratio(f"request {algorithm} with scopes / no-op dependency, {where}", share, bars[algorithm], "high")
        for where, bars, shares in (
            ("uvicorn", UVICORN, _over_uvicorn()),
            ("without server", ALONE, _in_process()),
        )
        for algorithm, share in shares.items()
    ]


def create_app() -> FastAPI:
    """The same answer behind the no-op dependency and behind `Protect`, for each algorithm."""
    app = FastAPI()
    tokens = {candidate: _protect(app, candidate) for candidate in UVICORN}

    async def nothing() -> None:
        return None

    @app.get("/noop")
    async def noop(none: Annotated[None, Depends(nothing)]) -> str:
        return "orders"

    @app.get("/tokens")
    async def show() -> dict[SigningAlgorithm, str]:
        return tokens

    @app.get("/cpu")
    async def cpu() -> float:
        return process_time()

    return app


def _protect(app: FastAPI, algorithm: SigningAlgorithm) -> str:
    """Adds the endpoint; gives an access token of 1 kB for it."""
    issuer = LocalIssuer()
    issuer.keys = [key_for_tests(algorithm)]
    api = Protect(issuer=issuer.url, audience=AUDIENCE, transport=issuer.transport, scheme_name=algorithm)

    @app.get(f"/{algorithm}")
    async def protected(token: Annotated[AccessToken, Security(api, scopes=["orders:read"])]) -> str:
        return "orders"

    return issuer.token_for(
        scope="openid profile orders:read orders:write",
        roles=["admin", "orders"],
        expires_in=3600,
        auth_time=int(issuer.clock.now()),
        sid="Zr0Ck4b3y3rXzYb5vUJ2Hw",
        acr="urn:example:loa:2",
        name="x" * (100 if algorithm == "RS256" else 290),
    )


Measure = Callable[[str, str], float]
"""(path, token) → CPU seconds for `REQUESTS` requests."""


def _shares(tokens: Mapping[SigningAlgorithm, str], measure: Measure) -> dict[SigningAlgorithm, float]:
    """The no-op's time as a share of the protected endpoint's: the best of rounds in which they take turns."""
    shares: dict[SigningAlgorithm, float] = {}
    for algorithm, token in tokens.items():
        measure(f"/{algorithm}", token)
        pairs = [(measure("/noop", token), measure(f"/{algorithm}", token)) for _ in range(ROUNDS)]
        shares[algorithm] = min(noop for noop, _ in pairs) / min(protected for _, protected in pairs)
    return shares


def _over_uvicorn() -> dict[SigningAlgorithm, float]:
    with _uvicorn() as address, ExitStack() as stack:
        clients = [stack.enter_context(socket.create_connection(address, 30)) for _ in range(CONNECTIONS)]
        control = clients[0]
        tokens: dict[SigningAlgorithm, str] = json.loads(_ask(control, "/tokens", ""))

        def measure(path: str, token: str) -> float:
            request = _request(path, token)
            length = max(len(_exchange(client, request)) for client in clients)
            start = float(_ask(control, "/cpu", ""))
            _drive(clients, request, length)
            return float(_ask(control, "/cpu", "")) - start

        return _shares(tokens, measure)


@contextmanager
def _uvicorn() -> Iterator[tuple[str, int]]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        address: tuple[str, int] = free.getsockname()
    options = ["--port", str(address[1]), "--log-level", "warning", "--no-access-log"]
    server = subprocess.Popen(
        [sys.executable, "-m", "uvicorn", "--factory", "benchmarks.request:create_app", *options],
        env={**os.environ, "PYTHONPATH": f"src{os.pathsep}."},
    )
    try:
        _wait_for(address)
        yield address
    finally:
        server.terminate()
        server.wait()


def _wait_for(address: tuple[str, int]) -> None:
    for _ in range(600):
        with suppress(ConnectionRefusedError), socket.create_connection(address):
            return
        sleep(0.05)
    raise RuntimeError("uvicorn does not start")


def _drive(clients: list[socket.socket], request: bytes, length: int) -> None:
    """Each connection has one request on its way, all the time; the answers are equally long."""
    for client in clients:
        client.sendall(request)
    for left in range(REQUESTS // CONNECTIONS, 0, -1):
        for client in clients:
            missing = length
            while missing > 0:
                missing -= len(_receive(client))
            if left > 1:
                client.sendall(request)


def _receive(client: socket.socket) -> bytes:
    data = client.recv(65536)
    if not data:
        raise ConnectionError("the server closed the connection")
    return data


def _request(path: str, token: str) -> bytes:
    lines = [f"GET {path} HTTP/1.1", "Host: 127.0.0.1", "Accept: */*", "User-Agent: benchmark"]
    return "\r\n".join([*lines, f"Authorization: Bearer {token}", "", ""]).encode()


def _ask(client: socket.socket, path: str, token: str) -> bytes:
    return _exchange(client, _request(path, token)).partition(b"\r\n\r\n")[2]


def _exchange(client: socket.socket, request: bytes) -> bytes:
    client.sendall(request)
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += _receive(client)
    head, _, body = answer.partition(b"\r\n\r\n")
    missing = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]) - len(body)
    while missing > 0:
        more = _receive(client)
        answer, missing = answer + more, missing - len(more)
    if b" 200 " not in head[:16]:
        raise RuntimeError(head.decode("latin-1"))
    return answer


def _in_process() -> dict[SigningAlgorithm, float]:
    app = create_app()
    with asyncio.Runner() as runner:

        async def many(path: str, token: str) -> float:
            scope = _scope(path, token)
            await _call(app, scope)
            start = process_time()
            for _ in range(REQUESTS):
                await _call(app, scope)
            return process_time() - start

        tokens: dict[SigningAlgorithm, str] = json.loads(runner.run(_call(app, _scope("/tokens", ""))))
        return _shares(tokens, lambda path, token: runner.run(many(path, token)))


def _scope(path: str, token: str) -> dict[str, Any]:
    headers = [(b"host", b"127.0.0.1"), (b"accept", b"*/*"), (b"authorization", f"Bearer {token}".encode())]
    return {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
        "path": path, "raw_path": path.encode(), "root_path": "", "query_string": b"", "headers": headers,
        "server": ("127.0.0.1", 80), "client": ("127.0.0.1", 5),
    }  # fmt: skip


async def _call(app: FastAPI, scope: Mapping[str, Any]) -> bytes:
    body = b""

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    async def send(message: Message) -> None:
        nonlocal body
        if message.get("status", 200) != 200:
            raise RuntimeError(str(message))
        body += message.get("body", b"")

    await app(dict(scope), receive, send)
    return body
