"""An API that calls another one for its caller: with a token of its own for that API, or not at all."""

from collections.abc import Generator
from typing import Annotated, Any

import httpx2
import pytest
from fastapi import Depends, FastAPI, Request, Security
from fastapi.testclient import TestClient

from proofkey.fastapi import AccessToken, Protect, TokenExchange
from proofkey.fastapi.downstream import Downstream
from proofkey.protocol.exchange import Answer
from proofkey.protocol.jws import read_unverified_payload
from proofkey.testing.clock import TurnedClock
from proofkey.testing.exchange_endpoint import ExchangingIssuer
from proofkey.testing.faults import FaultyTransport
from proofkey.testing.introspection_endpoint import CLIENT_ID, CLIENT_SECRET
from proofkey.testing.issuer import AUDIENCE, ISSUER
from proofkey.transport.bearer import AsyncBearerClient

STOCK = "https://stock.test"


class World:
    """Two APIs and their issuer; `seen` are the tokens that came to the second one."""

    def __init__(self) -> None:
        clock = TurnedClock()
        self.issuer = ExchangingIssuer(clock=clock)
        self.wire = FaultyTransport(self.issuer.transport)
        self.seen: list[str] = []
        self.api = api = Protect(issuer=ISSUER, audience=AUDIENCE, transport=self.wire, clock=clock)
        exchange = TokenExchange(
            issuer=ISSUER, client_id=CLIENT_ID, client_secret=CLIENT_SECRET, transport=self.wire, clock=clock
        )
        stock = Downstream(api, exchange, STOCK, resource=STOCK, transport=httpx2.MockTransport(self._stock))
        self.app = FastAPI(lifespan=api.lifespan)

        @self.app.get("/items")
        async def items(client: Annotated[AsyncBearerClient, Depends(stock)]) -> Any:
            return (await client.get("/items")).json()

        @self.app.get("/read-items")
        async def read_items(
            client: Annotated[AsyncBearerClient, Security(stock, scopes=["orders:read"])],
        ) -> Any:
            return (await client.get("/items")).json()

        @self.app.get("/both")
        async def both(
            token: Annotated[AccessToken, Security(api, scopes=["orders:read"])],
            client: Annotated[AsyncBearerClient, Depends(stock)],
        ) -> Any:
            return [token.sub, (await client.get("/items")).json()]

        @self.app.get("/by-hand")
        async def by_hand(request: Request, token: Annotated[AccessToken, Security(api)]) -> list[str]:
            received = api.received_token(request)
            other = await exchange.exchange(received, resource=STOCK)
            return [
                str(received),
                repr(received),
                repr(other),
                str(read_unverified_payload(other.reveal())["aud"]),
            ]

    def _stock(self, request: httpx2.Request) -> httpx2.Response:
        self.seen.append(request.headers["authorization"].removeprefix("Bearer "))
        return httpx2.Response(200, json={"for": read_unverified_payload(self.seen[-1])["sub"]})

    def headers(self, **options: Any) -> dict[str, str]:
        self.received = self.issuer.token_for(**options)
        return {"authorization": f"Bearer {self.received}"}


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def http(world: World) -> Generator[TestClient]:
    with TestClient(world.app) as client:
        yield client


@pytest.mark.spec("MCP25-pass", "8693-2-a †")
def test_the_other_api_sees_a_token_of_its_own_for_the_same_person(world: World, http: TestClient) -> None:
    assert http.get("/items", headers=world.headers(sub="ann")).json() == {"for": "ann"}
    (token,) = world.seen
    assert token != world.received
    assert read_unverified_payload(token)["aud"] == STOCK
    assert http.get("/both", headers=world.headers(sub="bob", scope="orders:read")).json() == [
        "bob",
        {"for": "bob"},
    ]


@pytest.mark.spec("9700-4.9.3-a")
def test_neither_token_shows_itself_to_the_handler(world: World, http: TestClient) -> None:
    shown = http.get("/by-hand", headers=world.headers()).json()
    assert shown[-1] == STOCK
    assert all("eyJ" not in text for text in shown)


@pytest.mark.spec("6750-3-a")
def test_a_stranger_causes_no_exchange(world: World, http: TestClient) -> None:
    assert http.get("/items").status_code == 401
    assert http.get("/items", headers=world.headers(aud=STOCK)).status_code == 401
    assert http.get("/both", headers=world.headers()).status_code == 403
    assert not world.issuer.forms
    assert not world.seen


def test_it_protects_its_operation_as_any_other_dependency_does(world: World, http: TestClient) -> None:
    assert http.get("/read-items", headers=world.headers(scope="orders:write")).status_code == 403
    assert http.get("/read-items", headers=world.headers(scope="orders:read")).json() == {"for": "u1"}
    left_open = " ".join(str(route) for route in world.api.unprotected(world.app))
    assert "/docs" in left_open
    assert "items" not in left_open
    operation = http.get("/openapi.json").json()["paths"]["/read-items"]["get"]
    assert [list(scheme.values()) for scheme in operation["security"]] == [[["orders:read"]]]


@pytest.mark.spec("9470-3-a", "X-failclosed")
@pytest.mark.parametrize(
    ("refusal", "status", "error"),
    [
        ((400, {"error": "invalid_target"}), 503, "temporarily_unavailable"),
        ((400, {"error": "interaction_required"}), 401, "insufficient_user_authentication"),
        ((401, {"error": "invalid_client"}), 503, "temporarily_unavailable"),
        ((500, {}), 503, "temporarily_unavailable"),
    ],
    ids=["refused", "the person is wanted", "our credentials", "broken"],
)
def test_a_refused_exchange_is_an_answer_and_no_fault(
    world: World, http: TestClient, refusal: tuple[int, dict[str, Any]], status: int, error: str
) -> None:
    world.issuer.refusal = refusal
    answer = http.get("/items", headers=world.headers())
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert "invalid_" not in answer.text
    assert world.seen == []
    assert ("www-authenticate" in answer.headers) is (status == 401)


def test_a_server_that_is_down_is_unavailable(world: World, http: TestClient) -> None:
    http.get("/items", headers=world.headers())
    world.wire.answers["/token"] = Answer(503)
    assert http.get("/items", headers=world.headers(sub="bob")).status_code == 503
