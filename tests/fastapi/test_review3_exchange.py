"""An exchange that fails in a handler is an answer to the caller, as it is where a dependency does it."""

from collections.abc import Generator
from typing import Annotated, Any

import pytest
from fastapi import FastAPI, Request, Security
from fastapi.responses import JSONResponse, PlainTextResponse
from fastapi.testclient import TestClient

from proofkey.errors import ExchangeFailed, ProofkeyError
from proofkey.fastapi import AccessToken, Protect, Refused, TokenExchange
from proofkey.testing.clock import TurnedClock
from proofkey.testing.exchange_endpoint import ExchangingIssuer
from proofkey.testing.faults import FaultyTransport
from proofkey.testing.introspection_endpoint import CLIENT_ID, CLIENT_SECRET
from proofkey.testing.issuer import AUDIENCE, ISSUER

STOCK = "https://stock.test"


class World:
    """An API whose handler exchanges by hand, alone and mounted in another application."""

    def __init__(self) -> None:
        clock = TurnedClock()
        self.issuer = ExchangingIssuer(clock=clock)
        self.wire = FaultyTransport(self.issuer.transport)
        self.api = api = Protect(issuer=ISSUER, audience=AUDIENCE, transport=self.wire, clock=clock)
        exchange = TokenExchange(
            issuer=ISSUER, client_id=CLIENT_ID, client_secret=CLIENT_SECRET, transport=self.wire, clock=clock
        )
        self.app = FastAPI()

        @self.app.get("/by-hand")
        async def by_hand(request: Request, token: Annotated[AccessToken, Security(api)]) -> str:
            await exchange.exchange(api.received_token(request), resource=STOCK)
            return token.sub

        self.outer = FastAPI()
        self.outer.mount("/v1", self.app)

    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.issuer.token_for()}"}


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def http(world: World) -> Generator[TestClient]:
    with TestClient(world.outer) as client:
        yield client


REFUSALS = {
    "refused": ((400, {"error": "invalid_target"}), 503, "temporarily_unavailable"),
    "the person is wanted": ((400, {"error": "interaction_required"}), 401, "insufficient_user_authentication"),
    "our credentials": ((401, {"error": "invalid_client"}), 503, "temporarily_unavailable"),
}


@pytest.mark.spec("9470-3-a", "X-failclosed")
@pytest.mark.parametrize(("refusal", "status", "error"), REFUSALS.values(), ids=list(REFUSALS))
def test_a_refused_exchange_by_hand_is_an_answer(
    world: World, http: TestClient, refusal: Any, status: int, error: str
) -> None:
    world.issuer.refusal = refusal
    answer = http.get("/v1/by-hand", headers=world.headers())
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert ("retry-after" in answer.headers) is (status == 503)
    assert ("www-authenticate" in answer.headers) is (status == 401)


@pytest.mark.spec("X-failclosed")
def test_a_server_that_is_down_is_an_answer_too(world: World, http: TestClient) -> None:
    assert http.get("/v1/by-hand", headers=world.headers()).status_code == 200
    world.wire.down = True
    assert http.get("/v1/by-hand", headers=world.headers()).status_code == 503


@pytest.mark.parametrize("kind", [ExchangeFailed, ProofkeyError], ids=["its own class", "the root"])
def test_an_application_may_answer_it_itself(world: World, kind: type[ProofkeyError]) -> None:
    @world.app.exception_handler(kind)
    async def mine(request: Request, error: ProofkeyError) -> JSONResponse:
        return JSONResponse({"mine": error.finding.id}, 418)

    world.issuer.refusal = REFUSALS["refused"][0]
    assert TestClient(world.app).get("/by-hand", headers=world.headers()).status_code == 418


def test_the_handler_for_refusals_answers_it_where_there_is_one(world: World) -> None:
    @world.app.exception_handler(Refused)
    def mine(request: Request, error: Refused) -> PlainTextResponse:
        return PlainTextResponse("mine", error.status_code)

    world.issuer.refusal = REFUSALS["the person is wanted"][0]
    answer = TestClient(world.app).get("/by-hand", headers=world.headers())
    assert (answer.status_code, answer.text) == (401, "mine")
