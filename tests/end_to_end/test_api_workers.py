"""Several processes of one API behind one address: a proof is accepted once in the whole cluster."""

import os
import signal
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from proofkey.protocol.text import Secret
from proofkey.runtime.entropy import system_entropy
from proofkey.testing import postgresql_server, redis_server
from proofkey.testing.dpop import DpopKey
from proofkey.testing.issuer import LocalIssuer
from proofkey.testing.postgresql_server import PostgresqlServer, running_postgresql
from proofkey.testing.redis_server import RedisServer, running_redis
from proofkey.testing.server import ServerFailed, ServerProcess, free_port, running_command, serving
from proofkey.testing.toml import toml_document

pytestmark = pytest.mark.timeout(180)
PUBLIC = "https://api.test/v1"
AUDIENCE = "https://api.test"
STORES = ["sqlite", "postgresql", "redis"]


@pytest.fixture(scope="module")
def issuer() -> Generator[LocalIssuer]:
    port = free_port()
    issuer = LocalIssuer(f"http://127.0.0.1:{port}", audience=AUDIENCE)
    with serving(Starlette(routes=[Mount("/", app=issuer)]), port=port):
        yield issuer


@pytest.fixture(scope="module")
def postgresql() -> Generator[PostgresqlServer]:
    with running_postgresql() as server:
        yield server


@pytest.fixture(scope="module")
def redis() -> Generator[RedisServer]:
    with running_redis() as server:
        yield server


@pytest.fixture
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return "sqlite:///replay.db"
    url: str = request.getfixturevalue(request.param).url
    return url


@dataclass(frozen=True)
class Caller:
    """Sends requests with proofs straight to one process, past the proxy that the address belongs to."""

    issuer: LocalIssuer
    key: DpopKey
    client: httpx2.Client

    def headers(self, path: str = "/orders", nonce: str | None = None) -> dict[str, str]:
        token = self.issuer.token_for(scope="orders:read", cnf=self.key.cnf)
        return self.key.dpop_headers(token, "GET", f"{PUBLIC}{path}", nonce)

    def get(self, process: ServerProcess, headers: dict[str, str], path: str = "/orders") -> httpx2.Response:
        return self.client.get(f"{process.url}{path}", headers=headers)


@pytest.fixture
def caller(issuer: LocalIssuer) -> Iterator[Caller]:
    with httpx2.Client(trust_env=False, timeout=20) as client:
        yield Caller(issuer, DpopKey(), client)


def write_config(folder: Path, issuer: LocalIssuer, **api: Any) -> Path:
    values = {"issuer": issuer.url, "audience": AUDIENCE, "public_url": PUBLIC, "dpop": "required", **api}
    config = folder / "proofkey.toml"
    config.write_text(toml_document({"api": values}))
    return config


@contextmanager
def running_apis(config: Path, count: int = 2) -> Generator[list[ServerProcess]]:
    words = ("demo", "--only", "api", "--config", str(config), "--port", "0")
    with ExitStack() as stack, ThreadPoolExecutor(count) as pool:  # they start together
        parts = [running_command(*words, log=config.parent / f"api{number}.log") for number in range(count)]
        yield list(pool.map(stack.enter_context, parts))


def logged(folder: Path) -> str:
    return "".join(log.read_text() for log in folder.glob("*.log"))


def statuses_of_a_hundred(caller: Caller, processes: list[ServerProcess]) -> list[int]:
    """Of the same request, sent by twenty threads to the processes in turn."""

    headers = caller.headers()

    def send(number: int) -> int:
        return caller.get(processes[number % len(processes)], headers).status_code

    with ThreadPoolExecutor(20) as pool:
        return sorted(pool.map(send, range(100)))


@pytest.mark.parametrize("store", STORES, indirect=True)
@pytest.mark.spec("X-jti", "9449-11.1", "threats §2 row 12", "threats §2 row 35")
def test_a_proof_is_accepted_once_in_the_whole_cluster(store: str, caller: Caller, tmp_path: Path) -> None:
    config = write_config(tmp_path, caller.issuer, store=store)
    with running_apis(config) as (one, other):
        headers = caller.headers()
        assert caller.get(one, headers).status_code == 200
        again = caller.get(other, headers)
        assert again.status_code == 401
        assert 'error="invalid_dpop_proof"' in again.headers["www-authenticate"]
        assert caller.get(one, headers).status_code == 401
        assert caller.get(other, caller.headers()).status_code == 200
        for _ in range(3):
            assert statuses_of_a_hundred(caller, [one, other]) == [200] + [401] * 99
    said = logged(tmp_path)
    assert postgresql_server.PASSWORD not in said
    assert redis_server.PASSWORD not in said


@pytest.mark.spec("X-store", "X-jti")
def test_a_second_process_with_a_memory_of_its_own_does_not_start(caller: Caller, tmp_path: Path) -> None:
    config = write_config(tmp_path, caller.issuer, store="memory:")
    with running_apis(config, 1) as (only,):
        headers = caller.headers()
        assert [caller.get(only, headers).status_code for _ in range(2)] == [200, 401]
        with pytest.raises(ServerFailed, match="STO-01"), running_apis(config, 1):
            pass


@pytest.mark.parametrize("store", ["postgresql", "redis"], indirect=True)
@pytest.mark.spec("X-jti", "threats §2 row 9", "threats §2 row 14")
def test_without_its_store_the_api_answers_503_and_is_back_without_a_restart(
    store: str, caller: Caller, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    server = request.getfixturevalue(store.partition(":")[0])
    config = write_config(tmp_path, caller.issuer, store=store)
    with running_apis(config) as (one, other):
        used = caller.headers()
        assert caller.get(one, used).status_code == 200
        server.kill()
        down = caller.get(other, caller.headers())
        assert down.status_code == 503
        assert int(down.headers["retry-after"]) >= 1
        assert caller.client.get(f"{one.url}/open").status_code == 200
        server.start()
        again = [caller.get(process, used).status_code for process in (one, other)]
        assert set(again) <= {401, 503}
        statuses: list[int] = []
        while 200 not in statuses:  # a Redis without a disk is believed again after a few seconds
            statuses.append(caller.get(other, caller.headers()).status_code)
            assert set(statuses) <= {200, 503}
        assert caller.get(one, used).status_code in {401, 503}


@pytest.mark.parametrize("store", ["redis"], indirect=True)
@pytest.mark.spec("threats §2 row 14")
def test_what_was_used_before_a_flush_stays_refused(
    store: str, caller: Caller, tmp_path: Path, redis: RedisServer
) -> None:
    config = write_config(tmp_path, caller.issuer, store=store)
    with running_apis(config) as (one, other):
        used = caller.headers()
        assert caller.get(one, used).status_code == 200
        assert caller.get(other, caller.headers()).status_code == 200
        redis.ask("FLUSHALL")
        assert [caller.get(process, used).status_code for process in (one, other, one)] == [503, 503, 503]


@pytest.mark.spec("9449-9-a")
def test_processes_with_one_master_key_take_each_others_nonces(caller: Caller, tmp_path: Path) -> None:
    key = tmp_path / "master.key"
    key.write_text(Secret(system_entropy()).reveal())
    key.chmod(0o600)
    config = write_config(
        tmp_path, caller.issuer, store="sqlite:///replay.db", dpop_nonces=True, master_key_file="master.key"
    )
    with running_apis(config) as (one, other):
        asked = caller.get(one, caller.headers())
        assert asked.status_code == 401
        assert 'error="use_dpop_nonce"' in asked.headers["www-authenticate"]
        proven = caller.headers(nonce=asked.headers["dpop-nonce"])
        assert caller.get(other, proven).status_code == 200
        assert caller.get(one, proven).status_code == 401


@pytest.mark.spec("9728-3.1-a")
def test_the_settings_stand_in_the_metadata(caller: Caller, tmp_path: Path) -> None:
    config = write_config(tmp_path, caller.issuer, store="sqlite:///replay.db", resource_name="Orders")
    with running_apis(config, 1) as (api,):
        challenge = caller.client.get(f"{api.url}/orders").headers["www-authenticate"]
        assert challenge.startswith("DPoP ")
        assert "resource_metadata=" in challenge
        found = caller.client.get(f"{api.url}/.well-known/oauth-protected-resource")
        assert found.json()["resource_name"] == "Orders"
        assert found.json()["dpop_bound_access_tokens_required"] is True
        os.kill(api.pid, signal.SIGTERM)
        assert api.process.wait(20) == 0
