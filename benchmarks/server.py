"""CPU time of the authorization server for each kind of request beside oidc-provider (npm), in one run.

Both are processes of their own on loopback with the same client, person, key and scope; eight connections keep
them busy, and they take turns. The database's own CPU time is on neither side.
"""

import asyncio
import json
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from benchmarks.http_load import Connection, Operation, Reply, cpu_seconds, drive
from benchmarks.providers import (
    BASIC,
    REDIRECT_URI,
    RESOURCE,
    VERIFIER,
    NotInstalled,
    Served,
    authorization_path,
    oidc_provider,
    ours,
)
from benchmarks.ratio import Ratio
from proofkey.protocol.jose import SigningAlgorithm

ROUNDS = 5
TIMES = {"code": 400, "refresh": 600, "client_credentials": 1000, "introspect": 1000}
TIMES_OF_DOCUMENTS = 2000
BARS: Mapping[str, float] = {
    "code": 0.6, "refresh": 0.6, "client_credentials": 0.8, "introspect": 0.8, "discovery": 0.9, "jwks": 0.9,
}  # fmt: skip
DATABASE_BARS: Mapping[str, float] = {"code": 0.7, "refresh": 0.7}
"""PostgreSQL against the peer's Redis adapter."""


def run() -> list[Ratio]:
    """Nothing but a word on stderr where the peer cannot be had."""
    ratios: list[Ratio] = []
    try:
        ratios += _compare("ES256", "memory", "memory", BARS)
        ratios += _compare("RS256", "memory", "memory", {"code": None, "refresh": None})
        ratios += _compare("ES256", "postgresql", "redis", DATABASE_BARS)
    except NotInstalled:
        print("oidc-provider is not here: its packages could not be downloaded", file=sys.stderr)
    return ratios


def _compare(
    algorithm: SigningAlgorithm, store: str, peers_store: str, bars: Mapping[str, float | None]
) -> list[Ratio]:
    with ExitStack() as stack:
        sides = [
            Load(stack.enter_context(ours(algorithm, store))),
            Load(stack.enter_context(oidc_provider(algorithm, peers_store))),
        ]
        where = f"{algorithm}, {store}" + (f" / {peers_store}" if store != peers_store else "")
        ratios: list[Ratio] = []
        for name, bar in bars.items():
            mine, theirs = _best(name, sides)
            print(f"  {name}, {where}: {mine * 1e6:.0f} and {theirs * 1e6:.0f} µs of CPU", file=sys.stderr)
            ratios.append(Ratio(f"server {name} / oidc-provider, {where}", mine / theirs, bar, "low"))
    return ratios


def _best(name: str, sides: list["Load"]) -> list[float]:
    """CPU seconds per operation of each side: the best of rounds in which they take turns."""
    best = [float("inf")] * len(sides)
    for turn in range(ROUNDS + 1):
        for place, side in enumerate(sides):
            spent = asyncio.run(side.measure(name))
            if turn:  # the first round warms up
                best[place] = min(best[place], spent)
    return best


@dataclass
class Load:
    """What a client does at one server."""

    server: Served
    refresh_tokens: list[str] = field(default_factory=list[str])

    async def measure(self, name: str) -> float:
        """CPU seconds of the server per operation."""
        operations: dict[str, Callable[[], Operation]] = {
            "code": lambda: self.code,
            "refresh": lambda: self.refresh,
            "client_credentials": lambda: self.client_credentials,
            "introspect": lambda: self.introspect,
            "discovery": lambda: self._document(self.server.paths.discovery),
            "jwks": lambda: self._document(self.server.paths.jwks),
        }
        self.refresh_tokens.clear()
        await drive(self.server.port, self.code, 16)
        times = TIMES.get(name, TIMES_OF_DOCUMENTS)
        begun = cpu_seconds(self.server.pid)
        await drive(self.server.port, operations[name](), times)
        return (cpu_seconds(self.server.pid) - begun) / times

    async def code(self, connection: Connection) -> None:
        """Authorization of a person who is signed in, and redemption."""
        paths = self.server.paths
        answer = await connection.get(authorization_path(paths), cookie=self.server.cookie)
        code = parse_qs(urlsplit(answer.headers.get("location", "")).query).get("code")
        if not code:
            raise RuntimeError(f"{self.server.name}: {answer}")
        form = {
            "grant_type": "authorization_code",
            "code": code[0],
            "redirect_uri": REDIRECT_URI,
            "code_verifier": VERIFIER,
        }
        self._keep(await connection.post(paths.token, form, authorization=BASIC))

    async def refresh(self, connection: Connection) -> None:
        form = {"grant_type": "refresh_token", "refresh_token": self.refresh_tokens.pop(0)}
        self._keep(await connection.post(self.server.paths.token, form, authorization=BASIC))

    async def client_credentials(self, connection: Connection) -> None:
        form = {"grant_type": "client_credentials", "scope": "orders:read", "resource": RESOURCE}
        self._check(await connection.post(self.server.paths.token, form, authorization=BASIC))

    async def introspect(self, connection: Connection) -> None:
        """Of a refresh token, which both servers look up."""
        form = {"token": self.refresh_tokens[0]}
        told = self._check(await connection.post(self.server.paths.introspect, form, authorization=BASIC))
        if json.loads(told)["active"] is not True:
            raise RuntimeError(f"{self.server.name}: the token is not active")

    def _document(self, path: str) -> Operation:
        async def fetch(connection: Connection) -> None:
            self._check(await connection.get(path))

        return fetch

    def _keep(self, reply: Reply) -> None:
        told = json.loads(self._check(reply))
        self.refresh_tokens.append(told["refresh_token"])

    def _check(self, reply: Reply) -> bytes:
        if reply.status != 200:
            raise RuntimeError(f"{self.server.name}: {reply}")
        return reply.body
