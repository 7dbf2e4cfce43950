"""A full disk, workers that are replaced under load, and a backup that is restored."""

import resource
import shutil
import signal
import sqlite3
from collections import Counter
from collections.abc import Generator
from contextlib import closing
from os import kill
from pathlib import Path

import anyio
import httpx2
import pytest

from proofkey.protocol.text import Secret
from proofkey.runtime.clock import CLOCK_FILE
from proofkey.testing.server import running_server
from tests.end_to_end.provider_kit import PEOPLE, Provider, running_provider
from tests.end_to_end.test_races import body_of, children, connections
from tests.end_to_end.workers_kit import HANGS

pytestmark = [pytest.mark.timeout(240)]
FAMILIES = 6
RESTARTS = 4
UNLIMITED = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Generator[Provider]:
    """Two workers on one SQLite file."""
    people = {name: PEOPLE[name] for name in ("ann", "bob")}
    with running_provider(tmp_path_factory.mktemp("small"), people=people) as provider:
        yield provider


@pytest.mark.spec("threats §2 row 16", "threats §3 item 20")
def test_a_full_disk_refuses_writes_and_loses_nothing(small: Provider) -> None:
    """No file of the workers may grow: neither the database's nor the log."""
    party, person = small.party("first"), small.person()
    tokens = party.sign_in(person)
    code, started = party.code(person)
    workers = children(small.server.pid)
    assert len(workers) == 2
    for worker in workers:
        resource.prlimit(worker, resource.RLIMIT_FSIZE, (1024, resource.RLIM_INFINITY))
    try:
        answers = {
            "refresh": party.refresh(tokens.refresh_token),
            "redeem": party.redeem(code, started),
            "revoke": party.revoke(tokens.refresh_token),
            "authorize": person.browser.client.get(party.start().url),
            "a new browser": small.http().get(party.start().url),
        }
        assert {name: one.status_code for name, one in answers.items()} == dict.fromkeys(answers, 503)
        assert all(int(one.headers["retry-after"]) >= 1 for one in answers.values())
        assert all("location" not in one.headers for one in answers.values())
        assert party.userinfo(tokens.access_token).status_code == 200, "reads go on"
        assert small.ask("GET", "/jwks").status_code == 200
    finally:
        for worker in workers:
            resource.prlimit(worker, resource.RLIMIT_FSIZE, UNLIMITED)
    assert children(small.server.pid) == workers, "nobody died of it"
    assert party.redeem(code, started).status_code == 200
    renewed = party.refresh(tokens.refresh_token)
    assert renewed.status_code == 200, "what was refused was not done"
    assert party.revoke(Secret(renewed.json()["refresh_token"])).status_code == 200


@pytest.mark.spec("threats §2 row 44")
async def test_workers_that_are_replaced_under_load_fail_no_request(small: Provider, anyio_backend: str) -> None:
    """Each SIGTERM drains one worker; the other one and its successor go on with the same socket."""
    party = small.party("first")
    tokens = [party.sign_in(small.person()).refresh_token for _ in range(FAMILIES)]
    statuses: Counter[int] = Counter()
    last: list[Secret] = []
    is_over = anyio.Event()

    async def go_on(token: Secret) -> None:
        async with httpx2.AsyncClient(timeout=HANGS, trust_env=False) as client:
            while not is_over.is_set():
                headers, body = body_of(party, grant_type="refresh_token", refresh_token=token.reveal())
                headers["connection"] = "close"
                answer = await client.post(party.metadata.token_endpoint, content=body, headers=headers)
                statuses[answer.status_code] += 1
                if answer.status_code == 200:
                    token = Secret(answer.json()["refresh_token"])
        last.append(token)

    async def replace(worker: int, others: set[int]) -> None:
        """Returns when its successor answers."""
        kill(worker, signal.SIGTERM)
        while True:
            new = set(children(small.server.pid)) - others - {worker}
            if any(connections(one) for one in new):
                return
            await anyio.sleep(0.005)

    with anyio.fail_after(4 * HANGS):
        async with anyio.create_task_group() as group:
            for token in tokens:
                assert token is not None
                group.start_soon(go_on, token)
            for _ in range(RESTARTS):
                worker, *others = sorted(children(small.server.pid))
                await replace(worker, set(others))
            is_over.set()
    assert set(statuses) == {200}
    assert statuses[200] > RESTARTS * FAMILIES
    assert {party.refresh(token).status_code for token in last} == {200}


@pytest.mark.spec("threats §2 row 43")
def test_after_a_backup_was_restored_one_command_keeps_dead_what_was_dead(tmp_path: Path) -> None:
    people = {name: PEOPLE[name] for name in ("ann", "bob")}
    with running_provider(tmp_path, people=people, workers=1) as op:
        party, person = op.party("first"), op.person()
        revoked, rotated = (party.sign_in(person).refresh_token for _ in range(2))
        code, started = party.code(person)
        backup(op)
        assert party.revoke(revoked).status_code == 200
        newer = party.tokens(party.refresh(rotated)).refresh_token
        assert party.redeem(code, started).status_code == 200
        port = int(op.issuer.rpartition(":")[2])

    for name in ("server.db-wal", "server.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    shutil.copy(tmp_path / "backup.db", tmp_path / "server.db")
    done = op.run("user", "sign-out", "--all")
    assert done.returncode == 0, done.stderr

    with running_server(op.config, port=port, environ={CLOCK_FILE: str(op.clock)}) as server:
        again = Provider(server, op.issuer, op.config, op.clock)
        party = again.party("first")
        for token in (revoked, rotated, newer):
            assert party.refresh(token).json()["error"] == "invalid_grant"
        assert party.redeem(code, started).json()["error"] == "invalid_grant"
        tokens = party.sign_in(again.person("bob"))
        assert party.userinfo(tokens.access_token).status_code == 200
        again.close()


def backup(op: Provider) -> None:
    """While the server runs."""
    folder = op.config.parent
    with closing(sqlite3.connect(folder / "server.db")) as source:
        source.execute("VACUUM INTO ?", (str(folder / "backup.db"),))
