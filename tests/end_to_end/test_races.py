"""Real races over HTTP: two worker processes on one SQLite file. Each race runs again on a server whose store
looks first and writes later; there it must show more than one winner, else it shows nothing."""

import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import anyio
import httpx2
import pytest

from proofkey.protocol.text import Secret
from proofkey.testing.relying_party import Person, RelyingParty, Value
from proofkey.testing.server import ServerProcess, free_port, write_server_config
from tests.end_to_end.provider_kit import PEOPLE, Provider, page_of, server_settings

pytestmark = [pytest.mark.timeout(180)]

COMPETITORS = 50
LOCKED_SECONDS = 0.7


@dataclass
class Racing:
    """A provider, and the processes that answer."""

    provider: Provider
    workers: list[int]


@pytest.fixture
def right(later: Provider) -> Racing:
    return Racing(later, children(later.server.pid))


@pytest.fixture(scope="module")
def wrong(tmp_path_factory: pytest.TempPathFactory) -> Generator[Racing]:
    with check_then_set(tmp_path_factory.mktemp("check-then-set")) as racing:
        yield racing


@contextmanager
def check_then_set(folder: Path, **changes: Any) -> Generator[Racing]:
    """The server that is wrong on purpose."""
    port = free_port()
    issuer = f"http://127.0.0.1:{port}"
    people = {name: PEOPLE[name] for name in ("ann", "raced")}
    config = write_server_config(folder, server_settings(issuer, people, **changes))
    clock = folder / "clock"
    clock.write_text("0")
    log = config.with_suffix(".log")
    command = [sys.executable, "-m", "tests.end_to_end.check_then_set_server", str(config), str(port)]
    with log.open("w") as stderr:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            cwd=Path(__file__).parents[2],
        )
    with process:
        assert process.stdout is not None
        said = process.stdout.readline().split()
        assert said[:1] == ["ready"], log.read_text()[-2000:]
        server = ServerProcess(process, log, issuer, issuer, process.pid)
        provider = Provider(server, issuer, config, clock)
        yield Racing(provider, [int(pid) for pid in said[1:]])
        provider.close()
        process.communicate("", timeout=30)


async def race(racing: Racing, url: str, bodies: list[tuple[dict[str, str], str]]) -> list[httpx2.Response]:
    """Sends all at once, each on a connection that is open already; both workers hold some of them. Nobody writes
    before everybody has read."""
    assert len(racing.workers) == 2
    answers: list[httpx2.Response] = []
    async with held_by_both(racing, len(bodies)) as client:

        async def compete(headers: dict[str, str], body: str) -> None:
            answers.append(await client.post(url, content=body, headers=headers))

        async with anyio.create_task_group() as group, locked(racing.provider.config.parent / "server.db"):
            for headers, body in bodies:
                group.start_soon(compete, headers, body)
    return answers


@asynccontextmanager
async def held_by_both(racing: Racing, number: int) -> AsyncGenerator[httpx2.AsyncClient]:
    """A client with that many connections. Which worker takes one is the kernel's choice, and now and then one
    worker takes all: then they are opened again."""
    limits = httpx2.Limits(max_connections=number, max_keepalive_connections=number)
    held: list[int] = []
    for _ in range(50):
        async with httpx2.AsyncClient(limits=limits, timeout=60, trust_env=False) as client:

            async def warm(client: httpx2.AsyncClient = client) -> None:
                await client.get(racing.provider.url("/jwks"))

            await at_once(warm for _ in range(number))
            held = [connections(worker) for worker in racing.workers]
            if all(count > 0 for count in held):
                yield client
                return
    raise AssertionError(f"one worker sat idle: {held}")


@asynccontextmanager
async def locked(database: Path) -> AsyncGenerator[None]:
    """Holds the write lock until the requests of the block have read what they need."""
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        await anyio.sleep(LOCKED_SECONDS)
        connection.execute("ROLLBACK")


async def at_once(works: Any) -> None:
    async with anyio.create_task_group() as group:
        for work in works:
            group.start_soon(work)


def body_of(party: RelyingParty, **form: Value) -> tuple[dict[str, str], str]:
    headers, pairs = party.authenticated(form)
    return {**headers, "content-type": "application/x-www-form-urlencoded"}, urlencode(pairs)


async def redeem_at_once(racing: Racing, *, valid: int) -> list[httpx2.Response]:
    """One code, `valid` redemptions with its verifier and the others of fifty with a wrong one."""
    party = racing.provider.party("first")
    code, started = party.code(racing.provider.person())
    form = party.redemption(code, started)
    bodies = [body_of(party, **form)] * valid
    bodies += [body_of(party, **{**form, "code_verifier": "w" * 43})] * (COMPETITORS - valid)
    return await race(racing, party.metadata.token_endpoint, bodies)


async def refresh_at_once(racing: Racing) -> tuple[Secret, list[httpx2.Response], Counter[str]]:
    """The token, fifty answers to it, and what the log says about it."""
    party = racing.provider.party("first")
    token = party.sign_in(racing.provider.person()).refresh_token
    assert token is not None
    before = racing.provider.log_size()
    body = body_of(party, grant_type="refresh_token", refresh_token=token.reveal())
    answers = await race(racing, party.metadata.token_endpoint, [body] * COMPETITORS)
    names = Counter(event["event"] for event in racing.provider.events(before))
    return token, answers, names


async def post_at_once(racing: Racing, person: Person, page: httpx2.Response, form: str) -> list[httpx2.Response]:
    """Fifty times the form of that page, from the person's browser."""
    cookies = "; ".join(f"{one.name}={one.value}" for one in person.browser.client.cookies.jar)
    headers = {
        "cookie": cookies,
        "content-type": "application/x-www-form-urlencoded",
        "sec-fetch-site": "same-origin",
        "x-forwarded-for": person.browser.client.headers["x-forwarded-for"],
    }
    return await race(racing, str(page.url), [(headers, form)] * COMPETITORS)


def open_page(person: Person, url: str) -> httpx2.Response:
    """The page that an authorization request leads to."""
    return person.browser.client.get(person.browser.client.get(url).headers["location"])


async def consent_at_once(racing: Racing) -> tuple[int, list[httpx2.Response]]:
    """How many of fifty answers to one consent form brought a code, and the others."""
    party, person = racing.provider.party("web"), racing.provider.person()
    party.code(person)
    page = open_page(person, party.start(prompt="consent").url)
    assert page_of(page) == "consent"
    answers = await post_at_once(racing, person, page, "decision=allow")
    losers = [one for one in answers if "code=" not in one.headers.get("location", "")]
    return len(answers) - len(losers), losers


async def bring_at_once(racing: Racing) -> tuple[int, list[httpx2.Response]]:
    """How many of fifty uses of one request_uri by a browser that is signed in brought a code, and the others."""
    party, person = racing.provider.party("first"), racing.provider.person()
    party.code(person)
    asked = dict(parse_qsl(urlsplit(party.start().url).query))
    pushed = party.post(racing.provider.url("/par"), asked)
    assert pushed.status_code == 201
    cookies = "; ".join(f"{one.name}={one.value}" for one in person.browser.client.cookies.jar)
    headers = {"cookie": cookies, "content-type": "application/x-www-form-urlencoded"}
    body = urlencode({"client_id": party.client_id, "request_uri": pushed.json()["request_uri"]})
    answers = await race(racing, racing.provider.url("/authorize"), [(headers, body)] * COMPETITORS)
    losers = [one for one in answers if "code=" not in one.headers.get("location", "")]
    return len(answers) - len(losers), losers


async def guess_at_once(racing: Racing) -> Counter[int]:
    """The statuses of fifty wrong passwords for one account."""
    person = racing.provider.stranger("raced")
    page = open_page(person, racing.provider.party("first").start().url)
    assert page_of(page) == "login"
    answers = await post_at_once(racing, person, page, "username=raced&password=wrong+password+here")
    return Counter(one.status_code for one in answers)


def outcomes(answers: list[httpx2.Response]) -> Counter[str]:
    return Counter("won" if one.status_code == 200 else one.json()["error"] for one in answers)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.spec("6749-4.1.2-a", "V10-10.4.2", "O21-7.5.2-a")
async def test_of_fifty_redemptions_one_wins_and_the_valid_replays_revoke_it(
    right: Racing, anyio_backend: str
) -> None:
    answers = await redeem_at_once(right, valid=COMPETITORS)
    assert outcomes(answers) == {"won": 1, "invalid_grant": COMPETITORS - 1}
    assert {one.status_code for one in answers} == {200, 400}
    party = right.provider.party("first")
    won = party.tokens(next(one for one in answers if one.status_code == 200))
    assert party.userinfo(won.access_token).status_code == 401
    assert party.refresh(won.refresh_token).json()["error"] == "invalid_grant"


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.spec("O21-7.5.2-a")
async def test_one_valid_redemption_among_forty_nine_invalid_ones_wins_and_stands(
    right: Racing, anyio_backend: str
) -> None:
    answers = await redeem_at_once(right, valid=1)
    assert outcomes(answers) == {"won": 1, "invalid_grant": COMPETITORS - 1}
    party = right.provider.party("first")
    won = party.tokens(next(one for one in answers if one.status_code == 200))
    assert party.userinfo(won.access_token).status_code == 200
    assert party.refresh(won.refresh_token).status_code == 200


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_the_redemption_race_finds_many_winners_where_the_store_checks_then_sets(
    wrong: Racing, anyio_backend: str
) -> None:
    answers = await redeem_at_once(wrong, valid=COMPETITORS)
    assert outcomes(answers)["won"] > 1


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.spec("X-rot-a", "9700-2.2.2-a", "9700-4.14.2-a")
async def test_fifty_refreshes_of_one_token_give_one_successor_until_the_grace_is_over(
    right: Racing, anyio_backend: str
) -> None:
    party = right.provider.party("first")
    token, answers, names = await refresh_at_once(right)
    assert outcomes(answers) == {"won": COMPETITORS}
    successors = {one.json()["refresh_token"] for one in answers}
    assert len(successors) == 1
    assert successors != {token.reveal()}
    assert names["refresh.rotated"] == 1
    assert names["refresh.repeated"] == COMPETITORS - 1
    successor = Secret(successors.pop())
    newest = party.tokens(party.refresh(successor))
    assert party.userinfo(newest.access_token).status_code == 200

    right.provider.turn(11)

    assert party.refresh(successor).json()["error"] == "invalid_grant"
    assert party.refresh(newest.refresh_token).json()["error"] == "invalid_grant"
    assert party.userinfo(newest.access_token).status_code == 401


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_the_refresh_race_finds_many_rotations_where_the_store_checks_then_sets(
    wrong: Racing, anyio_backend: str
) -> None:
    _, _, names = await refresh_at_once(wrong)
    assert names["refresh.rotated"] > 1


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.spec("6749-4.1.2-a", "6749-10.12-b")
async def test_one_page_answered_fifty_times_gives_one_code(right: Racing, anyio_backend: str) -> None:
    winners, losers = await consent_at_once(right)
    assert winners == 1
    assert {one.status_code for one in losers} == {403}


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.spec("9126-4-a / 7.3")
async def test_a_pushed_request_used_fifty_times_gives_one_code(right: Racing, anyio_backend: str) -> None:
    winners, losers = await bring_at_once(right)
    assert winners == 1
    assert {one.status_code for one in losers} == {400}


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_the_pushed_request_race_gives_many_codes_where_the_store_checks_then_sets(
    wrong: Racing, anyio_backend: str
) -> None:
    winners, _ = await bring_at_once(wrong)
    assert winners > 1


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_the_page_race_gives_many_codes_where_the_store_checks_then_sets(
    wrong: Racing, anyio_backend: str
) -> None:
    assert (await consent_at_once(wrong))[0] > 1


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.spec("N63-3.2.2", "V6-6.1.1", "threats §0.4")
async def test_fifty_passwords_at_once_are_five_attempts(right: Racing, anyio_backend: str) -> None:
    right.provider.turn(2 * 86_400)
    assert await guess_at_once(right) == {400: 5, 429: COMPETITORS - 5}


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_more_passwords_are_tried_where_the_store_checks_then_sets(
    wrong: Racing, anyio_backend: str
) -> None:
    assert (await guess_at_once(wrong))[400] > 5


def children(pid: int) -> list[int]:
    """The processes whose parent is `pid`."""
    file = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(one) for one in file.read_text().split()]


def connections(pid: int) -> int:
    """How many TCP connections that process holds."""
    inodes = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            columns = line.split()
            if columns[3] == "01":  # established
                inodes.add(f"socket:[{columns[9]}]")
    found = 0
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found += str(descriptor.readlink()) in inodes
        except OSError:
            continue
    return found
