"""A person's web application calls an API, which calls the next one for them; `[server]`, `Protect`, `Downstream`
and `Introspection` are configured as by people, and know each other by URL, client id and secret alone."""

from collections.abc import Generator
from contextlib import ExitStack
from typing import Annotated, Any

import httpx2
import pytest
from fastapi import Depends, FastAPI, Security
from fastapi.responses import JSONResponse

from proofkey.fastapi import AccessToken, Downstream, Introspection, Protect, TokenExchange
from proofkey.protocol.text import Secret
from proofkey.protocol.token_messages import TOKEN_EXCHANGE
from proofkey.testing.headless import HeadlessBrowser
from proofkey.testing.relying_party import Person, RelyingParty
from proofkey.testing.server import free_port, running_server, serving, write_server_config

pytestmark = [pytest.mark.timeout(180)]

API = "https://api.test"
STOCK = "https://stock.test"
CALLBACK = "https://rp.test/cb"
PASSWORD = "brave otter, quiet river 41"


def secret_of(client_id: str) -> str:
    return f"secret of {client_id}, 0123456789abcdefghij"


def server_settings(issuer: str) -> dict[str, Any]:
    machine: dict[str, Any] = {"grant_types": [TOKEN_EXCHANGE], "response_types": [], "scope": "stock:read"}
    web: dict[str, Any] = {
        "redirect_uris": [CALLBACK],
        "skip_consent": True,
        "scope": "openid orders:read stock:read",
    }
    clients = {"web": web, "opaque": {**web, "access_token_format": "opaque"}, "api": machine, "stock": machine}
    return {
        "issuer": issuer,
        "resources": [
            {"identifier": API, "scopes": ["orders:read", "stock:read"], "clients": ["api"]},
            {
                "identifier": STOCK,
                "scopes": ["stock:read"],
                "clients": ["stock"],
                "access_token_format": "opaque",
            },
        ],
        "clients": [{"client_id": name, "client_secret": secret_of(name), **one} for name, one in clients.items()],
        "users": [{"username": "ann", "password": PASSWORD, "sub": "u1"}],
    }


def stock_app(issuer: str) -> FastAPI:
    asking = Introspection(client_id="stock", client_secret=secret_of("stock"), signed=True, max_age=0)
    api = Protect(issuer=issuer, audience=STOCK, introspection=asking)
    app = FastAPI(lifespan=api.lifespan)

    @app.get("/items")
    async def items(token: Annotated[AccessToken, Security(api, scopes=["stock:read"])]) -> dict[str, Any]:
        return {"for": token.sub, "by": token.claims["act"]["sub"], "scope": token.scope}

    return app


def api_app(issuer: str, stock_url: str) -> FastAPI:
    asking = Introspection(client_id="api", client_secret=secret_of("api"), max_age=0)
    api = Protect(issuer=issuer, audience=API, introspection=asking)
    exchange = TokenExchange(issuer=issuer, client_id="api", client_secret=secret_of("api"), resource=STOCK)
    stock = Downstream(api, exchange, stock_url)
    app = FastAPI(lifespan=api.lifespan)

    @app.get("/stock")
    async def ask_stock(client: Annotated[httpx2.AsyncClient, Depends(stock)]) -> JSONResponse:
        """With stock's own status, so that a test sees who refused."""
        answer = await client.get("/items")
        return JSONResponse(answer.json(), answer.status_code)

    return app


class World:
    """Where everybody is."""

    def __init__(self, issuer: str, api_url: str, stock_url: str) -> None:
        self.issuer, self.api_url, self.stock_url = issuer, api_url, stock_url

    def sign_in(self, client_id: str, scope: str, http: httpx2.Client) -> tuple[RelyingParty, Secret]:
        party = RelyingParty(
            self.issuer, client_id, redirect_uri=CALLBACK, secret=Secret(secret_of(client_id)), scope=scope,
            resource=API, http=http,
        )  # fmt: skip
        person = Person(HeadlessBrowser(http), "ann", Secret(PASSWORD))
        return party, party.sign_in(person).access_token


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Generator[World]:
    port = free_port()
    issuer = f"http://127.0.0.1:{port}"
    config = write_server_config(tmp_path_factory.mktemp("chain"), server_settings(issuer))
    with ExitStack() as stack:
        stack.enter_context(running_server(config, port=port, workers=2))
        stock_url = stack.enter_context(serving(stock_app(issuer)))
        api_url = stack.enter_context(serving(api_app(issuer, stock_url)))
        yield World(issuer, api_url, stock_url)


@pytest.fixture
def http() -> Generator[httpx2.Client]:
    with httpx2.Client(timeout=20, follow_redirects=False, trust_env=False) as client:
        yield client


def call(http: httpx2.Client, url: str, token: Secret) -> httpx2.Response:
    return http.get(url, headers={"authorization": f"Bearer {token.reveal()}"})


@pytest.mark.spec("8693-2-a †", "MCP25-pass", "7662-2.2-a", "9701 † / F2M-5.5")
@pytest.mark.parametrize("client_id", ["web", "opaque"])
def test_the_api_calls_the_next_one_for_the_person(world: World, http: httpx2.Client, client_id: str) -> None:
    party, token = world.sign_in(client_id, "openid orders:read stock:read", http)
    answer = call(http, f"{world.api_url}/stock", token)
    assert (answer.status_code, answer.json()) == (200, {"for": "u1", "by": "api", "scope": ["stock:read"]})
    assert call(http, f"{world.stock_url}/items", token).status_code == 401, (
        "the received token opens nothing there"
    )
    assert party.revoke(token).status_code == 200
    assert call(http, f"{world.api_url}/stock", token).status_code == 401, "also where the API has not noticed yet"


def test_what_the_person_did_not_grant_the_api_cannot_ask_for(world: World, http: httpx2.Client) -> None:
    _, token = world.sign_in("web", "openid orders:read", http)
    answer = call(http, f"{world.api_url}/stock", token)
    assert (answer.status_code, answer.json()["error"]) == (403, "insufficient_scope")
