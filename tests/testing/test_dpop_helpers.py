"""`DpopKey`, `DpopAuth` and the corpus of proofs, on an API as its author writes it: everything over HTTP."""

from typing import Annotated, Any

import pytest
from fastapi import FastAPI, Security, WebSocket
from fastapi.testclient import TestClient
from starlette.testclient import WebSocketDenialResponse

from proofkey.fastapi import AccessToken, Protect, Secret
from proofkey.protocol.jose import SigningAlgorithm
from proofkey.store.memory.replay import MemoryReplay
from proofkey.testing.client_certificate import make_client_certificate
from proofkey.testing.clock import TurnedClock
from proofkey.testing.dpop import DpopAuth, DpopKey
from proofkey.testing.hostile_proofs import harmless_proofs, hostile_proofs
from proofkey.testing.issuer import LocalIssuer
from proofkey.testing.proof_case import ProofCase
from proofkey.testing.tokens import key_for_tests

PUBLIC = "https://api.test/base"
URL = f"{PUBLIC}/orders"


@pytest.fixture
def dpop_key(clock: TurnedClock) -> DpopKey:
    return DpopKey(key=key_for_tests("ES256", "dpop"), clock=clock)


@pytest.fixture
def token(issuer: LocalIssuer, dpop_key: DpopKey) -> str:
    return issuer.token_for(scope="orders:read", cnf=dpop_key.cnf)


def client_of(issuer: LocalIssuer, peer: tuple[str, int] = ("10.0.0.7", 5), **options: Any) -> TestClient:
    """An API behind a proxy that strips /base; the client's address is the proxy's."""
    settings: dict[str, Any] = {
        "issuer": issuer.url, "audience": issuer.audience, "public_url": PUBLIC, "dpop": "optional",
        "transport": issuer.transport, "clock": issuer.clock, "replay_store": MemoryReplay(),
    }  # fmt: skip
    api = Protect(**settings | options)
    app = FastAPI()

    @app.get("/orders")
    @app.post("/orders")
    async def orders(token: Annotated[AccessToken, Security(api, scopes=["orders:read"])]) -> dict[str, Any]:
        return {"sub": token.sub, "bound": token.cnf is not None}

    @app.websocket("/live")
    async def live(socket: WebSocket, token: Annotated[AccessToken, Security(api)]) -> None:
        await socket.accept()
        await socket.send_text(token.sub)

    api.install(app)
    return TestClient(app, base_url="http://inside:8000", client=peer)


@pytest.mark.spec("9449-7.1-a", "X-htu")
def test_headers_and_auth_of_a_key_open_the_api(issuer: LocalIssuer, dpop_key: DpopKey, token: str) -> None:
    client = client_of(issuer)
    answer = client.get("/orders?a=1", headers=dpop_key.dpop_headers(token, "GET", URL))
    assert answer.json() == {"sub": "u1", "bound": True}
    auth = DpopAuth(dpop_key, token, public_url=PUBLIC)
    assert client.post("/orders?b=2", auth=auth).status_code == 200
    assert client.get("/orders", auth=DpopAuth(dpop_key, token)).status_code == 401  # the address inside


@pytest.mark.spec("9449-4.3-a", "X-htu", "9449-11.1-a")
def test_the_corpus_over_http(issuer: LocalIssuer, dpop_key: DpopKey, token: str) -> None:
    client = client_of(issuer)
    case = ProofCase(key=dpop_key, token=token, url=URL)
    wrong: list[str] = []
    for hostile in hostile_proofs(case):
        if not hostile.proof.isascii() or "\n" in hostile.proof:
            continue  # no HTTP client sends it
        answer = client.get("/orders", headers={"Authorization": f"DPoP {token}", "DPoP": hostile.proof})
        challenge = answer.headers.get("www-authenticate", "")
        if answer.status_code != 401 or f'DPoP error="{hostile.error}"' not in challenge:
            wrong.append(f"{hostile.name}: {answer.status_code} {challenge}")
    assert wrong == []
    for harmless in harmless_proofs(case):
        if harmless.jkt != dpop_key.jkt:
            continue  # of a key that this token is not bound to
        answer = client.get("/orders", headers={"Authorization": f"DPoP {token}", "DPoP": harmless.proof})
        assert answer.status_code == 200, harmless.name


@pytest.mark.spec("9449-4.3-a")
@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "Ed25519"])
def test_keys_of_other_algorithms_open_the_api_too(
    issuer: LocalIssuer, clock: TurnedClock, algorithm: SigningAlgorithm
) -> None:
    key = DpopKey(key=key_for_tests(algorithm, "dpop"), clock=clock)
    bound = issuer.token_for(scope="orders:read", cnf=key.cnf)
    answer = client_of(issuer).get("/orders", headers=key.dpop_headers(bound, "GET", URL))
    assert answer.status_code == 200


@pytest.mark.spec("9449-7.1-b", "9449-7.2-a", "9449-7.1-a", "6750-2-b", "V10-10.3.5")
def test_schemes_and_headers(issuer: LocalIssuer, dpop_key: DpopKey, token: str) -> None:
    client, strict = client_of(issuer), client_of(issuer, dpop="required")
    unbound = issuer.token_for(scope="orders:read")
    proof = dpop_key.proof("GET", URL, token=token)

    def ask(on: TestClient, *headers: tuple[str, str]) -> tuple[int, str]:
        answer = on.get("/orders", headers=list(headers))
        return answer.status_code, answer.headers.get("www-authenticate", "")

    status, challenge = ask(client)
    assert status == 401
    assert "error" not in challenge
    assert challenge.startswith("Bearer")
    assert ", DPoP " in challenge
    assert 'algs="ES256 ' in challenge
    status, challenge = ask(client, ("Authorization", f"Bearer {token}"), ("DPoP", proof))
    assert (status, 'Bearer error="invalid_token"' in challenge) == (401, True)
    status, challenge = ask(client, ("Authorization", f"DPoP {unbound}"), ("DPoP", proof))
    assert (status, 'DPoP error="invalid_token"' in challenge) == (401, True)
    status, challenge = ask(client, ("Authorization", f"DPoP {token}"))
    assert (status, 'DPoP error="invalid_dpop_proof"' in challenge) == (401, True)
    status, challenge = ask(client, ("Authorization", f"DPoP {token}"), ("DPoP", proof), ("DPoP", proof))
    assert (status, 'DPoP error="invalid_dpop_proof"' in challenge) == (401, True)
    two = (("Authorization", f"DPoP {token}"), ("Authorization", f"Bearer {unbound}"), ("DPoP", proof))
    assert ask(client, *two)[0] == 400
    assert ask(client, ("Authorization", f"Bearer {unbound}"))[0] == 200
    status, challenge = ask(strict, ("Authorization", f"Bearer {unbound}"))
    assert (status, "Bearer" in challenge, 'DPoP error="invalid_token"' in challenge) == (401, False, True)
    assert ask(strict, ("Authorization", f"dpop {token}"), ("DPoP", proof))[0] == 200


@pytest.mark.spec("X-jti", "threats-2-35", "threats-3-6")
def test_a_proof_is_good_once_on_two_workers(issuer: LocalIssuer, dpop_key: DpopKey, token: str) -> None:
    shared = MemoryReplay()
    workers = [client_of(issuer, replay_store=shared) for _ in range(2)]
    headers = dpop_key.dpop_headers(token, "GET", URL)
    answers = [worker.get("/orders", headers=headers).status_code for worker in (*workers, *workers)]
    assert answers == [200, 401, 401, 401]


@pytest.mark.spec("9449-9-a", "RFC 9449 §8.2", "threats-2-7")
def test_a_client_whose_clock_is_wrong_gets_in_by_a_nonce(
    issuer: LocalIssuer, clock: TurnedClock, dpop_key: DpopKey, token: str
) -> None:
    client = client_of(issuer, dpop_nonces=Secret("n" * 43))
    late = DpopKey(key=dpop_key.key, clock=TurnedClock(int(clock.now()) - 3600))
    auth = DpopAuth(late, token, public_url=PUBLIC)
    assert auth.nonce is None
    assert client.get("/orders", auth=auth).status_code == 200
    first = auth.nonce
    assert first
    answer = client.get("/orders", headers=late.dpop_headers(token, "GET", URL))
    assert (answer.status_code, answer.headers["dpop-nonce"]) == (401, first)
    assert answer.headers["cache-control"] == "no-store"
    assert 'DPoP error="use_dpop_nonce"' in answer.headers["www-authenticate"]
    clock.turn(150)
    again = client.get("/orders", auth=auth)
    assert again.status_code == 200
    assert not again.history
    clock.turn(400)
    assert client.get("/orders", auth=auth).status_code == 200
    assert auth.nonce != first


@pytest.mark.spec("X-htu")
def test_a_websocket_is_proven_as_get_of_its_https_address(
    issuer: LocalIssuer, dpop_key: DpopKey, token: str
) -> None:
    client = client_of(issuer)
    headers = dpop_key.dpop_headers(token, "GET", f"{PUBLIC}/live")
    with client.websocket_connect("/live", headers=headers) as socket:
        assert socket.receive_text() == "u1"
    for wrong in (f"{PUBLIC.replace('https', 'wss')}/live", f"{PUBLIC}/orders"):
        with (
            pytest.raises(WebSocketDenialResponse) as caught,
            client.websocket_connect("/live", headers=dpop_key.dpop_headers(token, "GET", wrong)),
        ):
            pass
        assert caught.value.status_code == 401


@pytest.mark.spec("8705-3-b", "9700-4.13-a")
def test_a_certificate_counts_from_the_trusted_proxy_alone(issuer: LocalIssuer) -> None:
    certificate, another = make_client_certificate(), make_client_certificate("other")
    options: dict[str, Any] = {
        "mtls": True, "dpop": "off", "trusted_proxies": ["10.0.0.0/8"], "client_certificate_header": "Client-Cert",
    }  # fmt: skip
    proxy, stranger = client_of(issuer, **options), client_of(issuer, ("192.0.2.1", 5), **options)
    bound = issuer.token_for(scope="orders:read", cnf=certificate.cnf)
    unbound = issuer.token_for(scope="orders:read")

    def ask(client: TestClient, token: str, **headers: str) -> int:
        return client.get("/orders", headers={"Authorization": f"Bearer {token}", **headers}).status_code

    assert ask(proxy, bound, **certificate.headers()) == 200
    assert ask(proxy, bound) == 401
    assert ask(proxy, bound, **another.headers()) == 401
    assert ask(stranger, bound, **certificate.headers()) == 401
    assert ask(proxy, bound, **{"Client-Cert": "nonsense"}) == 400
    assert ask(proxy, unbound, **{"Client-Cert": "nonsense"}) == 200
    assert ask(client_of(issuer, dpop="off"), bound, **certificate.headers()) == 401
    nginx = client_of(issuer, **options | {"client_certificate_header": "X-Client-Cert"})
    assert ask(nginx, bound, **certificate.escaped_headers()) == 200
    assert ask(nginx, bound, **certificate.headers()) == 401


@pytest.mark.spec("8705-3-b", "9449-7.1-a")
def test_a_token_that_is_bound_twice_needs_both(issuer: LocalIssuer, dpop_key: DpopKey) -> None:
    certificate = make_client_certificate()
    client = client_of(issuer, mtls=True, trusted_proxies=["10.0.0.0/8"], client_certificate_header="Client-Cert")
    token = issuer.token_for(scope="orders:read", cnf=dpop_key.cnf | certificate.cnf)

    def ask(**headers: str) -> int:
        return client.get("/orders", headers=headers).status_code

    assert ask(**dpop_key.dpop_headers(token, "GET", URL), **certificate.headers()) == 200
    assert ask(**dpop_key.dpop_headers(token, "GET", URL)) == 401
    assert ask(Authorization=f"Bearer {token}", **certificate.headers()) == 401
    assert ask(Authorization=f"DPoP {token}", **certificate.headers()) == 401
