"""Two nodes with two workers each on one PostgreSQL server. Each request goes to the next node, on a connection
of its own."""

import itertools
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import httpx2
import pytest

from proofkey.protocol.text import Secret
from proofkey.runtime.clock import CLOCK_FILE
from proofkey.testing.postgresql_server import PASSWORD, PostgresqlServer, running_postgresql
from proofkey.testing.relying_party import RelyingParty
from proofkey.testing.server import free_port, running_server, write_server_config
from tests.end_to_end.provider_kit import PEOPLE, Provider, check_log, server_settings, wait_until
from tests.end_to_end.test_races import body_of
from tests.end_to_end.workers_kit import HANGS, judged

pytestmark = [pytest.mark.timeout(240)]
COMPETITORS = 200
FAMILIES = 6


class RoundRobin(httpx2.BaseTransport):
    """Each request to the next node, whatever port its URL names."""

    def __init__(self, ports: list[int]) -> None:
        self._inner = httpx2.HTTPTransport(limits=httpx2.Limits(max_keepalive_connections=0), trust_env=False)
        self._turn = itertools.cycle(ports)

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        sent = httpx2.Request(
            request.method,
            request.url.copy_with(port=next(self._turn)),
            headers=request.headers,
            content=request.read(),
            extensions=request.extensions,
        )
        return self._inner.handle_request(sent)

    def close(self) -> None:
        self._inner.close()


@dataclass
class Nodes(Provider):
    """Two servers as one."""

    ports: list[int] = field(default_factory=list)
    logs: list[Path] = field(default_factory=list)
    database: PostgresqlServer | None = None

    def http(self, **headers: str) -> httpx2.Client:
        client = super().http(**headers)
        client._transport = RoundRobin(self.ports)
        client._mounts = {}
        return client

    def on_each(self, path: str, times: int = 6) -> list[httpx2.Response]:
        """Answers of every node, on new connections, so that every worker has its turn."""
        answers = []
        for port in self.ports * times:
            with httpx2.Client(trust_env=False, headers={"host": self.issuer.split("//")[1]}) as client:
                answers.append(client.get(f"http://127.0.0.1:{port}{path}"))
        return answers

    def happened(self, name: str) -> int:
        return sum(
            log.read_text().count(f'"event": "{name}"') + log.read_text().count(f'"event":"{name}"')
            for log in self.logs
        )


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Generator[Nodes]:
    folder = tmp_path_factory.mktemp("nodes")
    issuer = f"http://127.0.0.1:{free_port()}"
    clock = folder / "clock"
    clock.write_text("0")
    people = {name: PEOPLE[name] for name in ("ann", "bob")}
    with running_postgresql() as database, ExitStack() as stack:
        settings = server_settings(issuer, people, store=database.url)
        ports, servers, configs = [free_port(), free_port()], [], []
        for name, port in zip(("a", "b"), ports, strict=True):
            config = write_server_config(folder, settings, name=f"{name}.toml")
            config.write_text(config.read_text() + '[log]\nlevel = "debug"\n')
            configs.append(config)
            environ = {CLOCK_FILE: str(clock)}
            servers.append(stack.enter_context(running_server(config, port=port, environ=environ)))
        logs = [server.log for server in servers]
        provider = Nodes(servers[0], issuer, configs[0], clock, ports=ports, logs=logs, database=database)
        provider.seen.update({PASSWORD, *people.values()})
        yield provider
        provider.close()
        for server in servers:
            provider.server = server
            check_log(provider)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.spec("threats §5 bar g")
def test_a_login_goes_over_both_nodes(nodes: Nodes) -> None:
    party, person = nodes.party("web"), nodes.person()
    tokens = party.sign_in(person)
    assert all(party.userinfo(tokens.access_token).status_code == 200 for _ in range(8))
    renewed = party.tokens(party.refresh(tokens.refresh_token))
    assert party.refresh(tokens.refresh_token).json()["refresh_token"] == renewed.refresh_token.reveal()  # type: ignore[union-attr]  # there is one
    code, started = party.code(person)
    assert party.redeem(code, started).status_code == 200
    assert party.redeem(code, started).status_code == 400


def test_a_revocation_is_seen_by_every_worker(nodes: Nodes) -> None:
    party = nodes.party("web")
    tokens = party.sign_in(nodes.person())
    assert party.revoke(tokens.refresh_token).status_code == 200
    assert {party.userinfo(tokens.access_token).status_code for _ in range(12)} == {401}
    assert {party.refresh(tokens.refresh_token).status_code for _ in range(12)} == {400}


def test_every_worker_has_the_same_keys_also_after_a_rotation(nodes: Nodes) -> None:
    def published() -> set[tuple[str, ...]]:
        return {tuple(sorted(key["kid"] for key in one.json()["keys"])) for one in nodes.on_each("/jwks")}

    before = published()
    assert len(before) == 1
    done = nodes.run("keys", "rotate")
    assert done.returncode == 0, done.stderr
    wait_until(lambda: len(now := published()) == 1 and now != before, seconds=HANGS)


def test_a_user_that_is_disabled_on_the_command_line_is_out_everywhere(nodes: Nodes) -> None:
    party = nodes.party("web")
    tokens = party.sign_in(nodes.person("bob"))
    done = nodes.run("user", "disable", "bob")
    assert done.returncode == 0, done.stderr
    assert PASSWORD not in done.stdout + done.stderr
    assert {party.userinfo(tokens.access_token).status_code for _ in range(12)} == {401}
    assert nodes.run("db", "upgrade").stdout.count("postgresql://127.0.0.1") == 1
    assert nodes.run("purge").returncode == 0


async def at_once(nodes: Nodes, url: str, bodies: list[tuple[dict[str, str], str]]) -> list[httpx2.Response]:
    """Sends all at once, half to each node."""
    answers: list[httpx2.Response] = []
    limits = httpx2.Limits(max_connections=len(bodies), max_keepalive_connections=0)
    async with httpx2.AsyncClient(limits=limits, timeout=60, trust_env=False) as client:

        async def send(port: int, headers: dict[str, str], body: str) -> None:
            target = httpx2.URL(url).copy_with(port=port)
            answers.append(await client.post(target, content=body, headers=headers))

        async with anyio.create_task_group() as group:
            for port, (headers, body) in zip(itertools.cycle(nodes.ports), bodies, strict=False):
                group.start_soon(send, port, headers, body)
    return answers


@pytest.mark.spec("6749-4.1.2-a", "threats §2 row 12")
async def test_of_two_hundred_redemptions_one_wins(nodes: Nodes, anyio_backend: str) -> None:
    party = nodes.party("first")
    code, started = party.code(nodes.person())
    bodies = [body_of(party, **party.redemption(code, started))] * COMPETITORS
    answers = await at_once(nodes, party.metadata.token_endpoint, bodies)
    found = judged(answers)
    assert found["won"] == 1
    assert found["won"] + found["invalid_grant"] + found["busy"] == COMPETITORS


@pytest.mark.spec("X-rot-a", "threats §2 row 12")
async def test_two_hundred_refreshes_of_one_token_give_one_successor(nodes: Nodes, anyio_backend: str) -> None:
    party = nodes.party("first")
    token = party.sign_in(nodes.person()).refresh_token
    assert token is not None
    before = nodes.happened("refresh.rotated")
    body = body_of(party, grant_type="refresh_token", refresh_token=token.reveal())
    answers = await at_once(nodes, party.metadata.token_endpoint, [body] * COMPETITORS)
    found = judged(answers)
    assert found["won"] + found["busy"] == COMPETITORS
    assert len({one.json()["refresh_token"] for one in answers if one.status_code == 200}) == 1
    assert nodes.happened("refresh.rotated") == before + 1


@dataclass
class Family:
    """A refresh token that is renewed without end, and what became of it."""

    token: Secret
    renewed: int = 0
    refused: Counter[int] = field(default_factory=Counter)

    async def go_on(self, nodes: Nodes, party: RelyingParty, until: Callable[[], bool]) -> None:
        async with httpx2.AsyncClient(timeout=30, trust_env=False) as client:
            for port in itertools.cycle(nodes.ports):
                if until():
                    return
                headers, body = body_of(party, grant_type="refresh_token", refresh_token=self.token.reveal())
                target = httpx2.URL(party.metadata.token_endpoint).copy_with(port=port)
                answer = await client.post(target, content=body, headers=headers)
                if answer.status_code == 200:
                    self.token = Secret(answer.json()["refresh_token"])
                    self.renewed += 1
                else:
                    self.refused[answer.status_code] += 1
                await anyio.sleep(0.02)


@pytest.mark.spec("threats §2 row 9", "threats §2 row 10")
@pytest.mark.parametrize("end", ["stop", "kill"])
async def test_a_restart_of_the_database_under_load_loses_nothing(
    nodes: Nodes, anyio_backend: str, end: str
) -> None:
    assert nodes.database is not None
    party = nodes.party("first")
    families = []
    for _ in range(FAMILIES):
        token = party.sign_in(nodes.person()).refresh_token
        assert token is not None
        families.append(Family(token))
    is_over = anyio.Event()

    async def until(condition: Callable[[Family], bool]) -> None:
        while not all(condition(family) for family in families):
            await anyio.sleep(0.02)

    with anyio.fail_after(HANGS):
        async with anyio.create_task_group() as group:
            for family in families:
                group.start_soon(family.go_on, nodes, party, is_over.is_set)
            await until(lambda family: family.renewed > 0)
            await anyio.to_thread.run_sync(getattr(nodes.database, end))
            await until(lambda family: family.refused[503] > 0)
            await anyio.to_thread.run_sync(nodes.database.start)
            renewed = {id(family): family.renewed for family in families}
            await until(lambda family: family.renewed > renewed[id(family)])
            is_over.set()
    for family in families:
        assert set(family.refused) == {503}, family.refused
        assert party.refresh(family.token).status_code == 200
