"""What protecting an endpoint costs: whole requests to a real uvicorn, and to the application alone.

Every figure is a share of the same endpoint behind one async dependency that does nothing, taken in turns in one
run: the server's own CPU time, which others on the machine disturb least. Both get the same request with a token.
The guard around an application is held against the same application without one. Each endpoint has an
application of its own, so that no request looks at more routes than another.
"""

import asyncio
import json
import os
import socket
import subprocess
import sys
from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from time import process_time, sleep
from typing import Annotated, Any

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from fastapi import Depends, FastAPI, Security
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from benchmarks.ratio import Ratio
from proofkey.fastapi import AccessToken, Protect
from proofkey.protocol.jose import SigningAlgorithm
from proofkey.testing.issuer import AUDIENCE, LocalIssuer
from proofkey.testing.tokens import key_for_tests


@dataclass(frozen=True, slots=True)
class Candidate:
    """A way to protect the endpoint, and its bars behind uvicorn and without a server."""

    algorithm: SigningAlgorithm
    remember_tokens: int
    uvicorn: float
    alone: float


CANDIDATES: Mapping[str, Candidate] = {
    "RS256": Candidate("RS256", 0, 0.70, 0.40),
    "ES256": Candidate("ES256", 0, 0.38, 0.26),
    "RS256 remembered": Candidate("RS256", 1000, 0.90, 0.75),
}
"""0.70 and 0.90 behind uvicorn are the bars that were set: RS256 of 2048 bits, verified and remembered. The others
guard against getting slower."""
GUARD = "guard"
"""A guard around the whole application, remembered tokens, and no dependency."""
GUARD_BAR, GUARD_ALONE_BAR = 0.85, 0.75
OPEN = "open"
"""The same application without one."""
BARE = "bare"
"""A dependency that does the signature check of `cryptography` and nothing else: what no protection can beat."""
BARE_BAR = 0.75
ROUNDS = 60
REQUESTS = 80
CONNECTIONS = 8


def run() -> list[Ratio]:
    """One ratio for each candidate and way of serving."""
    served, alone = _over_uvicorn(), _in_process()
    name = "request {} with scopes / no-op dependency, {}"
    return [
        *(Ratio(name.format(key, "uvicorn"), served[key], c.uvicorn, "high") for key, c in CANDIDATES.items()),
        Ratio(
            "request RS256 with scopes / bare signature check, uvicorn",
            served["RS256"] / served[BARE],
            BARE_BAR,
            "high",
        ),
        *(Ratio(name.format(key, "no server"), alone[key], c.alone, "high") for key, c in CANDIDATES.items()),
        Ratio("guarded application / unprotected one, uvicorn", served[GUARD] / served[OPEN], GUARD_BAR, "high"),
        Ratio(
            "guarded application / unprotected one, no server",
            alone[GUARD] / alone[OPEN],
            GUARD_ALONE_BAR,
            "high",
        ),
    ]


def create_app() -> ASGIApp:
    """The same answer behind the no-op dependency and behind `Protect`, for each candidate."""
    apps: dict[str, FastAPI] = {}
    tokens = {name: _protect(apps, name, candidate) for name, candidate in CANDIDATES.items()}
    tokens[BARE] = tokens["RS256"]
    _check_bare(apps, tokens[BARE])
    tokens[GUARD] = tokens[OPEN] = _guard(apps)

    async def nothing() -> None:
        return None

    async def noop(none: Annotated[None, Depends(nothing)]) -> str:
        return "orders"

    async def show() -> dict[str, str]:
        return tokens

    async def cpu() -> float:
        return process_time()

    endpoints: dict[str, Callable[..., Any]] = {"/noop": noop, "/tokens": show, "/cpu": cpu}
    for path, endpoint in endpoints.items():
        _app_at(apps, path).get(path)(endpoint)

    async def switch(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await apps[scope["path"]](scope, receive, send)

    return switch


def _app_at(apps: dict[str, FastAPI], path: str) -> FastAPI:
    """An application for that path alone."""
    apps[path] = FastAPI(openapi_url=None)
    return apps[path]


def _guard(apps: dict[str, FastAPI]) -> str:
    """Adds the guarded application and the open one; gives a token."""
    issuer, api = _issuer_and_api(CANDIDATES["RS256 remembered"], GUARD)

    async def orders() -> str:
        return "orders"

    for name in (GUARD, OPEN):
        _app_at(apps, _path(name)).get(_path(name))(orders)
    api.guard(apps[_path(GUARD)])
    return _token(issuer, "RS256")


def _protect(apps: dict[str, FastAPI], name: str, candidate: Candidate) -> str:
    """Adds the endpoint; gives an access token of 1 kB for it."""
    issuer, api = _issuer_and_api(candidate, name)

    @_app_at(apps, _path(name)).get(_path(name))
    async def protected(token: Annotated[AccessToken, Security(api, scopes=["orders:read"])]) -> str:
        return "orders"

    return _token(issuer, candidate.algorithm)


def _issuer_and_api(candidate: Candidate, name: str) -> tuple[LocalIssuer, Protect]:
    issuer = LocalIssuer()
    issuer.keys = [key_for_tests(candidate.algorithm)]
    api = Protect(
        issuer=issuer.url,
        audience=AUDIENCE,
        transport=issuer.transport,
        remember_tokens=candidate.remember_tokens,
        scheme_name=name,
    )
    return issuer, api


def _token(issuer: LocalIssuer, algorithm: SigningAlgorithm) -> str:
    return issuer.token_for(
        scope="openid profile orders:read orders:write",
        roles=["admin", "orders"],
        expires_in=3600,
        auth_time=int(issuer.clock.now()),
        sid="Zr0Ck4b3y3rXzYb5vUJ2Hw",
        acr="urn:example:loa:2",
        name="x" * (100 if algorithm == "RS256" else 290),
    )


def _check_bare(apps: dict[str, FastAPI], token: str) -> None:
    """The dependency has key, message and signature ready."""
    key = key_for_tests("RS256").verification_key.key
    signed, _, signature = token.rpartition(".")
    message, raw = signed.encode(), urlsafe_b64decode(signature + "==")
    padding, digest = PKCS1v15(), SHA256()
    if not isinstance(key, RSAPublicKey):
        raise TypeError("an RSA key is expected")

    async def check() -> None:
        key.verify(raw, message, padding, digest)

    @_app_at(apps, _path(BARE)).get(_path(BARE))
    async def bare(none: Annotated[None, Depends(check)]) -> str:
        return "orders"


def _path(name: str) -> str:
    return "/" + name.replace(" ", "-")


Measure = Callable[[str, str], float]
"""(path, token) → CPU seconds for `REQUESTS` requests."""


def _shares(tokens: Mapping[str, str], measure: Measure) -> dict[str, float]:
    """The no-op's time as a share of the protected endpoint's: the best of rounds in which they take turns."""
    shares: dict[str, float] = {}
    for name, token in tokens.items():
        path = _path(name)
        measure(path, token)
        pairs = [(measure("/noop", token), measure(path, token)) for _ in range(ROUNDS)]
        shares[name] = min(noop for noop, _ in pairs) / min(protected for _, protected in pairs)
    return shares


def _over_uvicorn() -> dict[str, float]:
    with _uvicorn() as address, ExitStack() as stack:
        clients = [stack.enter_context(socket.create_connection(address, 30)) for _ in range(CONNECTIONS)]
        control = clients[0]
        tokens: dict[str, str] = json.loads(_ask(control, "/tokens", ""))

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


def _in_process() -> dict[str, float]:
    app = create_app()
    with asyncio.Runner() as runner:

        async def many(path: str, token: str) -> float:
            scope = scope_of(path, token)
            await call(app, scope)
            start = process_time()
            for _ in range(REQUESTS):
                await call(app, scope)
            return process_time() - start

        tokens: dict[str, str] = json.loads(runner.run(call(app, scope_of("/tokens", ""))))
        return _shares(tokens, lambda path, token: runner.run(many(path, token)))


def scope_of(path: str, token: str) -> dict[str, Any]:
    headers = [(b"host", b"127.0.0.1"), (b"accept", b"*/*"), (b"authorization", f"Bearer {token}".encode())]
    return {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
        "path": path, "raw_path": path.encode(), "root_path": "", "query_string": b"", "headers": headers,
        "server": ("127.0.0.1", 80), "client": ("127.0.0.1", 5),
    }  # fmt: skip


async def call(app: ASGIApp, scope: Mapping[str, Any]) -> bytes:
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
