"""Races, deaths and a full disk on PostgreSQL, over HTTP, with two worker processes."""

from collections.abc import Generator
from pathlib import Path

import anyio
import httpx2
import pytest

from proofkey.protocol.text import Secret
from proofkey.testing.postgresql_server import PostgresqlServer, running_postgresql
from tests.end_to_end.provider_kit import wait_until
from tests.end_to_end.test_races import children
from tests.end_to_end.workers_kit import (
    HANGS,
    Node,
    at_once,
    judged,
    redemptions,
    redemptions_of_a_device,
    refreshes,
    running_node,
    uses_of_a_pushed_request,
)

pytestmark = [pytest.mark.timeout(240)]
MANY, SOME = 200, 50
AUTHORIZATIONS = "authorizations"
FULL = """
    CREATE FUNCTION no_space() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END
    $$;
    CREATE TRIGGER full_a BEFORE INSERT OR UPDATE ON authorizations EXECUTE FUNCTION no_space();
    CREATE TRIGGER full_i BEFORE INSERT OR UPDATE ON interactions EXECUTE FUNCTION no_space();
    CREATE TRIGGER full_s BEFORE INSERT OR UPDATE ON sign_ins EXECUTE FUNCTION no_space();
    CREATE TRIGGER full_t BEFORE INSERT OR UPDATE ON throttles EXECUTE FUNCTION no_space();
"""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def database() -> Generator[PostgresqlServer]:
    with running_postgresql() as server:
        yield server


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("workers")


@pytest.fixture(scope="module")
def right(database: PostgresqlServer, folder: Path) -> Generator[Node]:
    with running_node(database, folder, "right_store") as node:
        yield node


@pytest.fixture(scope="module")
def wrong(database: PostgresqlServer, folder: Path) -> Generator[Node]:
    with running_node(database, folder, "wrong_store", odd="check-then-set") as node:
        yield node


@pytest.fixture(scope="module")
def mortal(database: PostgresqlServer, folder: Path) -> Generator[Node]:
    with running_node(database, folder, "mortal_store", odd="killed") as node:
        yield node


# --- races -------------------------------------------------------------------------------------------------------


@pytest.mark.spec("6749-4.1.2-a", "O21-7.5.2-a", "threats §2 row 12", "threats §3 item 1")
async def test_of_two_hundred_redemptions_one_wins(right: Node, anyio_backend: str) -> None:
    party, bodies = redemptions(right, MANY)
    found = judged(await at_once(right, party.metadata.token_endpoint, bodies, AUTHORIZATIONS))
    assert found["won"] == 1, found
    print(f"{found['busy']} of {MANY} were answered with 503")
    assert found["won"] + found["invalid_grant"] + found["busy"] == MANY
    assert right.sql("SELECT count(*) FROM audit_events WHERE name = 'code.redeemed'") == "1"
    assert right.deadlocks() == "0"


@pytest.mark.spec("X-rot-a", "9700-4.14.2-a", "threats §2 row 12", "threats §3 item 2")
async def test_two_hundred_refreshes_give_one_successor(right: Node, anyio_backend: str) -> None:
    rotations = "SELECT count(*) FROM audit_events WHERE name = 'refresh.rotated'"
    party, bodies = refreshes(right, MANY)
    before = int(right.sql(rotations))
    answers = await at_once(right, party.metadata.token_endpoint, bodies, AUTHORIZATIONS)
    found = judged(answers)
    print(f"{found['busy']} of {MANY} were answered with 503")
    assert found["won"] + found["busy"] == MANY
    successors = {one.json()["refresh_token"] for one in answers if one.status_code == 200}
    assert len(successors) == 1
    assert int(right.sql(rotations)) == before + 1
    assert party.refresh(Secret(successors.pop())).status_code == 200
    assert right.deadlocks() == "0"


@pytest.mark.spec("9126-4-a / 7.3", "threats §2 row 12")
async def test_of_fifty_uses_of_a_pushed_request_one_wins(right: Node, anyio_backend: str) -> None:
    bodies = uses_of_a_pushed_request(right, SOME)
    found = judged(await at_once(right, right.url("/authorize"), bodies, "pushed_requests"))
    assert found["won"] == 1, found
    print(f"{found['busy']} of {SOME} were answered with 503")
    assert found["won"] + found["refused"] + found["busy"] == SOME
    assert right.deadlocks() == "0"


@pytest.mark.spec("8628-3.1..3.5", "threats §2 row 12")
async def test_of_fifty_redemptions_of_a_device_code_one_wins(right: Node, anyio_backend: str) -> None:
    bodies = redemptions_of_a_device(right, SOME)
    found = judged(await at_once(right, right.url("/token"), bodies, AUTHORIZATIONS))
    assert found["won"] == 1, found
    assert found["won"] + found["invalid_grant"] + found["busy"] == SOME
    assert right.deadlocks() == "0"


def test_two_workers_on_a_database_server_are_nothing_to_warn_of(right: Node) -> None:
    assert not right.log_says("serve.workers")


async def test_the_races_have_many_winners_where_the_store_checks_then_sets(
    wrong: Node, anyio_backend: str
) -> None:
    party, bodies = redemptions(wrong, MANY)
    assert judged(await at_once(wrong, party.metadata.token_endpoint, bodies, AUTHORIZATIONS))["won"] > 1
    _, bodies = refreshes(wrong, MANY)
    await at_once(wrong, party.metadata.token_endpoint, bodies, AUTHORIZATIONS)
    assert int(wrong.sql("SELECT count(*) FROM audit_events WHERE name = 'refresh.rotated'")) > 1
    bodies = redemptions_of_a_device(wrong, SOME)
    assert judged(await at_once(wrong, wrong.url("/token"), bodies, AUTHORIZATIONS))["won"] > 1
    bodies = uses_of_a_pushed_request(wrong, SOME)
    assert judged(await at_once(wrong, wrong.url("/authorize"), bodies, "pushed_requests"))["won"] > 1


# --- killed between commit and answer ----------------------------------------------------------------------------


class Death:
    """Of the worker that commits next: its client gets no answer, and another one takes its place."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._before = set(children(node.server.pid))

    def __enter__(self) -> None:
        self._node.trap.touch()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> bool:
        assert kind is not None, "it was answered"
        assert issubclass(kind, httpx2.TransportError), error
        assert not self._node.trap.exists()
        wait_until(self._is_replaced, seconds=HANGS)
        return True

    def _is_replaced(self) -> bool:
        now = set(children(self._node.server.pid))
        return len(now) == 2 and len(now & self._before) == 1 and self._node.log_says("worker.died")


@pytest.mark.spec("threats §2 row 11", "threats §3 item 3")
def test_a_refresh_whose_answer_was_lost_with_its_worker_is_asked_again(mortal: Node) -> None:
    party = mortal.party("first")
    token = party.sign_in(mortal.person()).refresh_token
    with Death(mortal):
        party.refresh(token)
    again = party.refresh(token)
    assert again.status_code == 200, "within the grace: the same successor as the one that was lost"
    assert mortal.sql("SELECT max(generation) FROM authorizations") == "2"
    successor = Secret(again.json()["refresh_token"])
    assert party.refresh(successor).status_code == 200
    assert mortal.sql("SELECT max(generation) FROM authorizations") == "3"
    mortal.turn(11)
    assert party.refresh(token).json()["error"] == "invalid_grant", "long after, it is a replay"


@pytest.mark.spec("threats §2 row 11")
def test_a_code_whose_answer_was_lost_with_its_worker_needs_a_new_login(mortal: Node) -> None:
    party, person = mortal.party("first"), mortal.person()
    code, started = party.code(person)
    with Death(mortal):
        party.redeem(code, started)
    again = party.redeem(code, started)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    tokens = party.tokens(party.redeem(*party.code(person)))
    assert party.userinfo(tokens.access_token).status_code == 200, "still signed in, so nobody types a password"
    assert party.refresh(tokens.refresh_token).status_code == 200


@pytest.mark.spec("threats §2 row 11")
async def test_a_death_among_many_refreshes_leaves_one_successor(mortal: Node, anyio_backend: str) -> None:
    """Forty clients of one worker's connections lose their answer; whoever asks again has the same token."""
    party, bodies = await anyio.to_thread.run_sync(refreshes, mortal, 1)
    headers, body = bodies[0]
    mortal.trap.touch()
    successors: set[str] = set()
    lost = 0

    async def insist() -> None:
        nonlocal lost
        while True:
            try:
                async with httpx2.AsyncClient(timeout=HANGS, trust_env=False) as client:
                    answer = await client.post(party.metadata.token_endpoint, content=body, headers=headers)
            except httpx2.TransportError:
                lost += 1
                continue
            if answer.status_code == 200:
                successors.add(answer.json()["refresh_token"])
                return
            assert answer.status_code == 503

    with anyio.fail_after(HANGS):
        async with anyio.create_task_group() as group:
            for _ in range(40):
                group.start_soon(insist)
    assert lost >= 1
    assert len(successors) == 1
    wait_until(lambda: len(children(mortal.server.pid)) == 2, seconds=HANGS)


# --- a full disk -------------------------------------------------------------------------------------------------


@pytest.mark.spec("threats §2 row 16")
def test_a_full_disk_of_the_database_refuses_writes_and_loses_nothing(right: Node) -> None:
    party, person = right.party("first"), right.person()
    tokens = party.sign_in(person)
    code, started = party.code(person)
    right.sql(FULL)
    try:
        answers = {
            "refresh": party.refresh(tokens.refresh_token),
            "redeem": party.redeem(code, started),
            "revoke": party.revoke(tokens.refresh_token),
            "authorize": person.browser.client.get(party.start().url),
            "a new browser": right.http().get(party.start().url),
        }
        assert {name: one.status_code for name, one in answers.items()} == dict.fromkeys(answers, 503)
        assert all(int(one.headers["retry-after"]) >= 1 for one in answers.values())
        assert all("location" not in one.headers for one in answers.values())
        assert party.userinfo(tokens.access_token).status_code == 200, "reads go on"
        assert right.ask("GET", "/jwks").status_code == 200
    finally:
        right.sql("DROP FUNCTION no_space CASCADE")
    assert party.redeem(code, started).status_code == 200
    renewed = party.refresh(tokens.refresh_token)
    assert renewed.status_code == 200, "what was refused was not done"
    assert party.revoke(Secret(renewed.json()["refresh_token"])).status_code == 200
