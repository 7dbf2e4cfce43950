"""One node with two worker processes on PostgreSQL: the real server, and servers whose store is odd on purpose."""

from collections import Counter
from collections.abc import AsyncGenerator, Generator, Iterable
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

import anyio
import httpx2
import psycopg

from proofkey.runtime.clock import CLOCK_FILE
from proofkey.testing.postgresql_server import PASSWORD, PostgresqlServer
from proofkey.testing.relying_party import Person, RelyingParty
from proofkey.testing.server import free_port, running_server, write_server_config
from tests.end_to_end.odd_server import running_odd_server
from tests.end_to_end.provider_kit import PEOPLE, Provider, check_log, server_settings
from tests.end_to_end.test_devices import CHANGES, answer_device, ask_device, question
from tests.end_to_end.test_races import body_of

HANGS = 60
"""Seconds after which a test gives up; nothing is decided by them."""
Sent = tuple[dict[str, str], str]
"""Headers and body of a form."""


@dataclass
class Node(Provider):
    """A provider on a database of its own."""

    database: PostgresqlServer | None = None
    name: str = ""

    @property
    def trap(self) -> Path:
        """The worker that commits a redemption or rotation next takes this file away and dies."""
        return self.config.with_suffix(".trap")

    @property
    def url_of_database(self) -> str:
        assert self.database is not None
        return self.database.url.replace("/postgres", f"/{self.name}")

    def sql(self, statement: str) -> str:
        assert self.database is not None
        return self.database.sql(statement, database=self.name)

    def log_says(self, event: str) -> bool:
        return any(one["event"] == event for one in self.events())

    def deadlocks(self) -> str:
        return self.sql("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")


@contextmanager
def running_node(
    database: PostgresqlServer, folder: Path, name: str, *, odd: str | None = None
) -> Generator[Node]:
    """`proofkey serve` with two workers, or an odd server of that kind; no secret stands in its log at the end."""
    database.sql(f"CREATE DATABASE {name}")
    port, people = free_port(), {one: PEOPLE[one] for one in ("ann", "bob")}
    issuer, clock = f"http://127.0.0.1:{port}", folder / f"{name}.clock"
    clock.write_text("0")
    settings = server_settings(issuer, people, store=database.url.replace("/postgres", f"/{name}"), **CHANGES)
    config = write_server_config(folder, settings, name=f"{name}.toml")
    running = (
        running_odd_server(config, port, odd, clock)
        if odd
        else running_server(config, port=port, environ={CLOCK_FILE: str(clock)})
    )
    with running as server:
        node = Node(server, issuer, config, clock, database=database, name=name)
        node.seen.update({PASSWORD, *people.values()})
        yield node
        node.close()
    check_log(node)


@asynccontextmanager
async def writes_held(node: Node, table: str) -> AsyncGenerator[None]:
    """Nobody writes to the table before two have read what they need and want to."""
    async with (
        await psycopg.AsyncConnection.connect(node.url_of_database) as holder,
        await psycopg.AsyncConnection.connect(node.url_of_database, autocommit=True) as watcher,
    ):
        await holder.execute(f"LOCK TABLE {table} IN EXCLUSIVE MODE")
        yield
        with anyio.fail_after(HANGS):
            while await _count_of_waiting(watcher) < 2:
                await anyio.sleep(0.02)
        await holder.rollback()


async def _count_of_waiting(watcher: psycopg.AsyncConnection[tuple[object, ...]]) -> int:
    found = await watcher.execute(
        "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    return len(await found.fetchall())


async def at_once(node: Node, url: str, bodies: list[Sent], table: str) -> list[httpx2.Response]:
    """Sends all at once, each on a connection of its own; `table` is where the winner writes."""
    answers: list[httpx2.Response] = []
    limits = httpx2.Limits(max_connections=len(bodies), max_keepalive_connections=0)
    async with httpx2.AsyncClient(limits=limits, timeout=HANGS, trust_env=False) as client:

        async def send(headers: dict[str, str], body: str) -> None:
            answers.append(await client.post(url, content=body, headers=headers))

        async with anyio.create_task_group() as group, writes_held(node, table):
            for headers, body in bodies:
                group.start_soon(send, headers, body)
    return answers


def redemptions(node: Provider, number: int) -> tuple[RelyingParty, list[Sent]]:
    """One code, so many times."""
    party = node.party("first")
    code, started = party.code(node.person())
    return party, [body_of(party, **party.redemption(code, started))] * number


def refreshes(node: Provider, number: int) -> tuple[RelyingParty, list[Sent]]:
    """One refresh token, so many times."""
    party = node.party("first")
    token = party.sign_in(node.person()).refresh_token
    assert token is not None
    return party, [body_of(party, grant_type="refresh_token", refresh_token=token.reveal())] * number


def uses_of_a_pushed_request(node: Provider, number: int) -> list[Sent]:
    """One request_uri in the browser of somebody who is signed in, so many times."""
    party, person = node.party("first"), node.person()
    party.code(person)
    pushed = party.post(node.url("/par"), dict(parse_qsl(urlsplit(party.start().url).query)))
    assert pushed.status_code == 201
    headers = {"cookie": cookies_of(person), "content-type": "application/x-www-form-urlencoded"}
    body = urlencode({"client_id": party.client_id, "request_uri": pushed.json()["request_uri"]})
    return [(headers, body)] * number


def redemptions_of_a_device(node: Provider, number: int) -> list[Sent]:
    """One device code that somebody has allowed, so many times."""
    asked = ask_device(node)
    assert answer_device(node, asked).status_code == 200
    return [({"content-type": "application/x-www-form-urlencoded"}, urlencode(question(asked)))] * number


def cookies_of(person: Person) -> str:
    return "; ".join(f"{one.name}={one.value}" for one in person.browser.client.cookies.jar)


def judged(answers: Iterable[httpx2.Response]) -> Counter[str]:
    """How the answers came out: a win, a refusal by its code, or busy with a time to come back; nothing else."""
    found: Counter[str] = Counter()
    for one in answers:
        if one.status_code == 503:
            assert int(one.headers["retry-after"]) >= 1
            found["busy"] += 1
        elif one.status_code == 200 or "code=" in one.headers.get("location", ""):
            found["won"] += 1
        else:
            assert one.status_code == 400, (one.status_code, one.text[:300])
            is_json = one.headers["content-type"].startswith("application/json")
            found[one.json()["error"] if is_json else "refused"] += 1
    return found
