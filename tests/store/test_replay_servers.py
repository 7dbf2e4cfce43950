"""Replay memories whose server stops, dies, freezes or is another's: refused in time, and back by itself."""

import asyncio
import contextlib
import os
import socket
import subprocess
import tempfile
from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import pytest

from proofkey.errors import Unavailable
from proofkey.findings import Finding
from proofkey.protocol.replay import ReplayMemory
from proofkey.protocol.text import Instant
from proofkey.store.open import open_replay_memory
from proofkey.store.redis import RedisReplay
from proofkey.store.sql.postgresql import SIZE
from proofkey.store.sql.replay import SqliteReplay
from proofkey.testing import postgresql_server
from proofkey.testing.postgresql_server import PostgresqlServer
from proofkey.testing.redis_server import RedisServer
from proofkey.testing.server import free_port
from proofkey.testing.stores import START
from tests.store.replay_kit import CANARIES, add, refusal

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=["postgresql", "redis"])
def server(request: pytest.FixtureRequest) -> Generator[PostgresqlServer | RedisServer]:
    server: PostgresqlServer | RedisServer = request.getfixturevalue(request.param)
    yield server
    if server.process is None or server.process.poll() is not None:
        server.start()


@pytest.fixture
async def memory(server: PostgresqlServer | RedisServer) -> AsyncGenerator[ReplayMemory]:
    memory = open_replay_memory(server.url)
    yield memory
    await memory.aclose()


# --- stopped, killed, started again ------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["stop", "kill"])
@pytest.mark.spec("X-jti", "threats §2 row 9", "threats §2 row 10", "threats §2 row 14")
async def test_a_server_that_goes_is_unavailable_and_comes_back_without_a_restart(
    server: PostgresqlServer | RedisServer, memory: ReplayMemory, how: str
) -> None:
    assert all(await asyncio.gather(*(add(memory, f"before {number}") for number in range(20))))
    getattr(server, how)()
    assert (await refusal(memory)).finding is Finding.STORE_UNAVAILABLE
    refused = await asyncio.gather(*(refusal(memory, f"at once {number}") for number in range(20)))
    assert {error.finding for error in refused} == {Finding.STORE_UNAVAILABLE}
    server.start()
    if isinstance(server, RedisServer):  # it kept nothing: what is as old as the memory is refused for a moment
        assert (await refusal(memory, "a", at=5)).finding is Finding.STORE_UNAVAILABLE
    assert await add(memory, "after", at=10)
    assert not await add(memory, "after", at=10)
    await memory.purge(Instant(START + 10))


@pytest.mark.spec("threats §2 row 10")
async def test_what_postgresql_acknowledged_survives_a_kill(postgresql: PostgresqlServer) -> None:
    memory = open_replay_memory(postgresql.url)
    acknowledged: list[str] = []

    async def work(name: int) -> None:
        with contextlib.suppress(Unavailable):
            for number in range(10_000):
                if await add(memory, f"{name} {number}"):
                    acknowledged.append(f"{name} {number}")

    workers = [asyncio.create_task(work(name)) for name in range(8)]
    while len(acknowledged) < 200:
        await asyncio.sleep(0.01)
    postgresql.kill()
    await asyncio.gather(*workers)
    postgresql.start()
    again = [key for key in acknowledged if await add(memory, key)]
    assert len(acknowledged) >= 200
    assert again == []
    await memory.aclose()


@pytest.mark.parametrize("scheme", ["postgresql", "redis"])
async def test_a_server_that_is_down_at_the_start_is_taken_when_it_comes(scheme: str) -> None:
    port = free_port()
    memory = open_replay_memory(f"{scheme}://user:canary-of-{scheme}@127.0.0.1:{port}/0")
    assert (await refusal(memory)).facts["store"] == f"{scheme}://127.0.0.1:{port}/0"
    if scheme == "redis":
        with tempfile.TemporaryDirectory() as folder:
            server = RedisServer(Path(folder), port=port)
            server.start()
            memory = open_replay_memory(server.url)
            assert await add(memory, "a")
            await memory.aclose()
            server.stop()


@pytest.mark.parametrize("scheme", ["postgresql", "redis"])
async def test_a_server_that_takes_connections_and_says_nothing_is_given_up_in_time(scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        memory = open_replay_memory(f"{scheme}://user:canary-of-{scheme}@127.0.0.1:{silent.getsockname()[1]}/0")
        await asyncio.gather(*(refusal(memory, str(number)) for number in range(10)))
        await memory.aclose()


class Cable:
    """Carries bytes between a memory and its server; while it is cut, both stay connected and hear nothing."""

    def __init__(self, port: int) -> None:
        self.cut = False
        self._port = port
        self._tasks: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def laid(self) -> AsyncGenerator[int]:
        server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
        for source, target in ((reader, far_writer), (far_reader, writer)):
            self._tasks.add(asyncio.ensure_future(self._carry(source, target)))

    async def _carry(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                if not self.cut:
                    target.write(data)
        finally:
            target.close()


async def test_a_network_that_was_cut_is_used_again_at_once(server: PostgresqlServer | RedisServer) -> None:
    cable = Cable(server.port)
    async with cable.laid() as port:
        memory = open_replay_memory(server.url.replace(f":{server.port}/", f":{port}/"))
        assert all(await asyncio.gather(*(add(memory, f"before {number}") for number in range(20))))
        cable.cut = True
        for number in range(2):
            await asyncio.gather(*(refusal(memory, f"cut {number} {other}") for other in range(20)))
        cable.cut = False
        assert await add(memory, "after")
        assert not await add(memory, "after")
        await memory.aclose()


async def test_a_redis_that_freezes_is_given_up_in_time_and_used_again(redis: RedisServer) -> None:
    memory = open_replay_memory(redis.url)
    assert await add(memory, "a")
    redis.freeze()
    try:
        await asyncio.gather(*(refusal(memory, str(number)) for number in range(20)))
    finally:
        redis.freeze(False)
    assert await add(memory, "b")
    assert not await add(memory, "b")
    await memory.aclose()


@pytest.mark.spec("threats §2 row 13")
async def test_a_table_that_is_locked_is_given_up_in_time(postgresql: PostgresqlServer) -> None:
    memory = open_replay_memory(postgresql.url)
    assert await add(memory, "a")
    command = [postgresql_server.postgresql_binary("psql"), "-qtA", postgresql.url]
    locker = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
    assert locker.stdin
    assert locker.stdout
    locker.stdin.write("BEGIN; LOCK TABLE proofkey_replays; SELECT 'locked';\n")
    assert locker.stdout.readline().strip() == "locked"
    refused = await asyncio.gather(*(refusal(memory, f"b {number}") for number in range(3 * SIZE)))
    assert {error.facts["reason"] for error in refused} == {"no answer in time"}
    locker.stdin.close()
    assert locker.wait(10) == 0
    locker.stdout.close()
    assert await add(memory, "c")
    await asyncio.sleep(0.1)  # the abandoned connections end
    await memory.aclose()


async def test_an_answer_that_was_lost_is_asked_for_again_and_the_caller_stays_the_first(
    redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same call twice, as a driver sends it when the connection died between the write and the answer."""
    memory = RedisReplay(redis.url)
    monkeypatch.setattr(os, "urandom", lambda size: b"h" * size)
    assert await add(memory, "a")
    assert await add(memory, "a")
    monkeypatch.setattr(os, "urandom", lambda size: b"i" * size)
    assert not await add(memory, "a")
    await memory.aclose()


async def test_an_answer_that_postgresql_lost_is_asked_for_again(
    postgresql: PostgresqlServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = open_replay_memory(postgresql.url)
    monkeypatch.setattr(os, "urandom", lambda size: b"h" * size)
    assert await add(memory, "a")
    assert await add(memory, "a")
    monkeypatch.setattr(os, "urandom", lambda size: b"i" * size)
    assert not await add(memory, "a")
    await memory.aclose()


# --- credentials, rights, foreign schemas ------------------------------------------------------------------------


async def test_a_wrong_password_is_refused_and_not_shown(server: PostgresqlServer | RedisServer) -> None:
    right = next(canary for canary in CANARIES if canary in server.url)
    memory = open_replay_memory(server.url.replace(right, f"{right}-wrong"))
    assert (await refusal(memory)).facts["reason"].split()[0] in {"OperationalError", "AuthenticationError"}
    await memory.aclose()


async def test_a_newer_schema_is_refused(postgresql: PostgresqlServer) -> None:
    memory = open_replay_memory(postgresql.url)
    assert await add(memory, "a")
    postgresql.sql("UPDATE proofkey_replays_version SET version = 99")
    assert not await add(memory, "a")  # a process that runs goes on
    other = open_replay_memory(postgresql.url)
    assert (await refusal(other)).finding is Finding.STORE_NEWER
    await other.aclose()
    await memory.aclose()


async def test_tables_that_are_dropped_are_made_again(postgresql: PostgresqlServer) -> None:
    memory = open_replay_memory(postgresql.url)
    assert await add(memory, "a")
    postgresql.sql("DROP TABLE proofkey_replays")
    await refusal(memory)
    assert await add(memory, "a")
    await memory.aclose()


async def test_an_account_without_the_right_to_make_tables_uses_those_that_are_there(
    postgresql: PostgresqlServer,
) -> None:
    postgresql.sql("CREATE ROLE small LOGIN PASSWORD 'canary-of-postgresql'")
    small = open_replay_memory(postgresql.url.replace("//proofkey:", "//small:"))
    try:
        assert (await refusal(small)).facts["reason"] == "InsufficientPrivilege 42501"
        first = open_replay_memory(postgresql.url)
        assert await add(first, "a")
        await first.aclose()
        postgresql.sql("GRANT SELECT, INSERT, UPDATE, DELETE ON proofkey_replays TO small")
        postgresql.sql("GRANT SELECT ON proofkey_replays_version TO small")
        assert not await add(small, "a")
        assert await add(small, "b")
    finally:
        await small.aclose()
        postgresql.sql("DROP OWNED BY small; DROP ROLE small")


async def test_the_table_does_not_outgrow_what_is_live(postgresql: PostgresqlServer, tmp_path: Path) -> None:
    small = SqliteReplay.open(tmp_path / "replay.db")
    large = open_replay_memory(postgresql.url)
    for number in range(2000):
        for memory in (small, large):
            now = Instant(START + number)
            assert await memory.add(str(number), now=now, until=Instant(now + 10))
    assert int(postgresql.sql("SELECT count(*) FROM proofkey_replays")) < 500
    row = await small._database.one("SELECT count(*) FROM proofkey_replays")
    assert row is not None
    assert row[0] < 500
    await small.aclose()
    await large.aclose()
