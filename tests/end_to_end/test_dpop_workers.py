"""Two server processes on one SQLite file: a proof and an assertion are taken once by both together."""

import json
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from proofkey.protocol.client_assertion import build_client_assertion
from proofkey.protocol.client_authentication import ASSERTION_TYPE
from proofkey.protocol.text import ClientId
from proofkey.runtime.clock import system_clock
from proofkey.runtime.entropy import system_entropy
from proofkey.testing.dpop import DpopKey
from proofkey.testing.server import free_port, running_server, write_server_config
from proofkey.testing.tokens import key_for_tests

KEY = key_for_tests("ES256", "client-key")


@dataclass(frozen=True)
class Twins:
    """Two processes of one issuer, asked by a client with private_key_jwt."""

    issuer: str
    urls: tuple[str, str]
    http: httpx2.Client

    def assertion(self, **changes: Any) -> str:
        values: dict[str, Any] = {"audience": self.issuer, "now": system_clock().now(), "jti": system_entropy()}
        return build_client_assertion(KEY, client_id=ClientId("machine"), **values | changes)

    def ask(self, process: int, assertion: str, proof: str | None = None) -> tuple[int, str]:
        """Status, and the token type or the error."""
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": assertion,
        }
        headers = {} if proof is None else {"DPoP": proof}
        answer = self.http.post(f"{self.urls[process]}/token", data=form, headers=headers)
        said = answer.json()
        return answer.status_code, said.get("error") or said["token_type"]


@pytest.fixture(scope="module", params=[False, True], ids=["times", "nonces"])
def nonces(request: pytest.FixtureRequest) -> bool:
    asked: bool = request.param
    return asked


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory, nonces: bool) -> Generator[Twins]:
    folder, ports = tmp_path_factory.mktemp("twins"), (free_port(), free_port())
    issuer = f"http://127.0.0.1:{ports[0]}"
    config = write_config(folder, issuer, nonces=nonces)
    with ExitStack() as stack:
        urls = [stack.enter_context(running_server(config, port=port)).url for port in ports]
        http = stack.enter_context(httpx2.Client(trust_env=False, timeout=20))
        yield Twins(issuer, (urls[0], urls[1]), http)


def write_config(folder: Path, issuer: str, *, nonces: bool) -> Path:
    machine = {
        "client_id": "machine",
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks": {"keys": [KEY.public_jwk]},
        "grant_types": ["client_credentials"],
        "response_types": [],
        "scope": "",
    }
    return write_server_config(folder, {"issuer": issuer, "dpop_nonces": nonces, "clients": [machine]})


def nonce_of(twins: Twins, key: DpopKey) -> str:
    """What the first process asks for; both know it."""
    proof = key.proof("POST", f"{twins.issuer}/token")
    asked = twins.http.post(f"{twins.urls[0]}/token", data={"client_id": "machine"}, headers={"DPoP": proof})
    assert asked.json()["error"] == "use_dpop_nonce"
    nonce: str = asked.headers["dpop-nonce"]
    return nonce


@pytest.mark.spec("7523-3-a", "9449-11.1-a", "9449-8-a")
def test_what_one_process_took_the_other_refuses(twins: Twins, nonces: bool) -> None:
    key, url = DpopKey(), f"{twins.issuer}/token"
    nonce = nonce_of(twins, key) if nonces else None
    assertion, proof = twins.assertion(), key.proof("POST", url, nonce=nonce)
    assert twins.ask(0, assertion, proof) == (200, "DPoP")
    assert twins.ask(1, assertion) == (401, "invalid_client")
    for process in (0, 1):
        assert twins.ask(process, twins.assertion(), proof) == (400, "invalid_dpop_proof")
    assert twins.ask(1, twins.assertion(), key.proof("POST", url, nonce=nonce)) == (200, "DPoP")
    assert twins.ask(1, twins.assertion(audience=url)) == (401, "invalid_client")


@pytest.mark.spec("7523-3-a", "9449-11.1-a")
def test_of_many_at_once_one_is_taken(twins: Twins, nonces: bool) -> None:
    key = DpopKey()
    proof = key.proof("POST", f"{twins.issuer}/token", nonce=nonce_of(twins, key) if nonces else None)
    assertion = twins.assertion()
    with ThreadPoolExecutor(8) as pool:
        proofs = list(pool.map(lambda number: twins.ask(number % 2, twins.assertion(), proof), range(20)))
        assertions = list(pool.map(lambda number: twins.ask(number % 2, assertion), range(8)))
    assert sorted(status for status, _ in proofs) == [200] + [400] * 19
    assert sorted(status for status, _ in assertions) == [200] + [401] * 7


def test_the_document_says_so(twins: Twins) -> None:
    document = json.loads(twins.http.get(f"{twins.urls[1]}/.well-known/openid-configuration").content)
    assert "private_key_jwt" in document["token_endpoint_auth_methods_supported"]
    assert "ES256" in document["dpop_signing_alg_values_supported"]
