"""The demo API: what an author of a FastAPI service writes."""

from typing import Annotated

from fastapi import Body, Depends, FastAPI, Security, WebSocket
from fastapi.responses import JSONResponse

from proofkey.demo.orders import OrderBook
from proofkey.fastapi import AccessToken, Protect

SCOPES = {"orders:read": "Read orders", "orders:write": "Place orders"}


def create_api(api: Protect) -> FastAPI:
    """The API behind any issuer; `/docs` signs in with PKCE where `api` has a `docs_client_id`."""
    app = FastAPI(title="Orders", version="1.0", lifespan=api.lifespan, redoc_url=None)
    _add_status(app, api)
    _add_orders(app, api, OrderBook())
    return app


def _add_status(app: FastAPI, api: Protect) -> None:
    @app.get("/open", summary="Nothing needed")
    async def open_to_all() -> dict[str, str]:
        return {"message": "Anybody may read this."}

    @app.get("/ready", summary="Are the issuer's keys here?")
    async def ready() -> JSONResponse:
        return JSONResponse({"ready": api.ready}, 200 if api.ready else 503)

    @app.get("/whoami", summary="What the token says of its bearer")
    async def whoami(token: Annotated[AccessToken, Security(api)]) -> dict[str, object]:
        return {
            "iss": token.iss,
            "sub": token.sub,
            "client_id": token.client_id,
            "scope": token.scope,
            "roles": token.roles,
            "exp": token.exp,
        }


def _add_orders(app: FastAPI, api: Protect, book: OrderBook) -> None:
    reader = Security(api, scopes=["orders:read"])
    writer = Security(api, scopes=["orders:write"])

    @app.get("/orders", summary="All orders")
    async def orders(token: Annotated[AccessToken, reader]) -> list[dict[str, object]]:
        return book.all()

    @app.post("/orders", summary="Place an order", status_code=201)
    async def place(
        token: Annotated[AccessToken, writer],
        item: Annotated[str, Body(min_length=1, max_length=80)],
        quantity: Annotated[int, Body(ge=1, le=1000)] = 1,
        customer: Annotated[str, Body(min_length=1, max_length=80)] = "Walk-in",
    ) -> dict[str, object]:
        return book.add(item, quantity, customer)

    @app.get("/report", summary="For the role admin", dependencies=[Depends(api.role("admin"))])
    async def report() -> dict[str, object]:
        return book.report()

    @app.websocket("/ws")
    async def echo(socket: WebSocket, token: Annotated[AccessToken, reader]) -> None:
        await socket.accept()
        await socket.send_json({"sub": token.sub, "orders": len(book.all())})
        async for message in socket.iter_text():
            await socket.send_json({"sub": token.sub, "echo": message[:1000]})
