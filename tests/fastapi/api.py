"""The API under test, written as its users write one."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Security, WebSocket

from proofkey.fastapi import AccessToken, Protect
from proofkey.testing.clock import TurnedClock
from proofkey.testing.faults import FaultyTransport
from proofkey.testing.issuer import AUDIENCE, ISSUER, LocalIssuer

METADATA = 'resource_metadata="https://api.test/.well-known/oauth-protected-resource"'
INVALID_TOKEN = 'error="invalid_token", error_description="The access token is not valid."'
MALFORMED = 'error="invalid_request", error_description="The request is malformed."'


def challenge(*parts: str, scope: str = "", published: bool = True) -> str:
    """The one challenge of an API that takes bearer tokens."""
    told = [*parts, *([f'scope="{scope}"'] if scope else []), *([METADATA] if published else [])]
    return f"Bearer {', '.join(told)}".rstrip()


class World:
    """An issuer, an API that trusts it, and a clock for both."""

    def __init__(self, **options: Any) -> None:
        self.clock = TurnedClock()
        self.issuer = LocalIssuer(clock=self.clock)
        self.wire = FaultyTransport(self.issuer.transport)
        self.api = Protect(issuer=ISSUER, audience=AUDIENCE, transport=self.wire, clock=self.clock, **options)
        self.app = build_app(self.api)


def build_app(api: Protect) -> FastAPI:
    app = FastAPI(title="Orders", lifespan=api.lifespan)

    @app.get("/open")
    async def open_to_all() -> str:
        return "hello"

    @app.get("/whoami")
    async def whoami(token: Annotated[AccessToken, Security(api)]) -> dict[str, object]:
        return {"sub": token.sub, "scope": token.scope}

    @app.get("/orders")
    async def orders(token: Annotated[AccessToken, Security(api, scopes=["orders:read"])]) -> list[str]:
        return ["one"]

    @app.post("/orders")
    async def place(
        token: Annotated[AccessToken, Security(api, scopes=["orders:read", "orders:write"])], item: str
    ) -> str:
        return item

    @app.get("/report", dependencies=[Depends(api.role("admin"))])
    async def report() -> str:
        return "report"

    @app.get("/both")
    async def both(
        token: Annotated[AccessToken, Security(api.roles("admin", "auditor"), scopes=["orders:read"])],
        same: Annotated[AccessToken, Security(api, scopes=["orders:read"])],
    ) -> bool:
        return token is same

    @app.get("/mine")
    async def mine(token: Annotated[AccessToken, Depends(api.user)]) -> str:
        return token.sub

    @app.get("/greeting")
    async def greeting(token: Annotated[AccessToken | None, Security(api.optional)]) -> str:
        return "stranger" if token is None else token.sub

    router = APIRouter(prefix="/admin", dependencies=[Security(api, scopes=["admin"])])

    @router.get("/users")
    async def users(token: Annotated[AccessToken, Security(api, scopes=["users:read"])]) -> str:
        return token.sub

    app.include_router(router)

    @app.websocket("/ws")
    async def socket(
        socket: WebSocket, token: Annotated[AccessToken, Security(api, scopes=["orders:read"])]
    ) -> None:
        await socket.accept()
        await socket.send_json({"sub": token.sub})
        await socket.close()

    return app
