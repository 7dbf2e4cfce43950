"""One process: a protected Streamlit app on the real server, a provider, an API, and a handle for the tests.

`python -m tests.streamlit.serve_page APP_PORT SIDE_PORT`; the environment says what varies: MOUNT (a path
in a FastAPI app), TRANSPORT (`headers` makes the self-test fail), LIFESPAN (`none` leaves it to chance).
"""

import asyncio
import os
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route

from proofkey.protocol.exchange import Answer, Ask
from proofkey.protocol.text import Secret
from proofkey.runtime.events import UVICORN, configure_logging
from proofkey.testing.clock import TurnedClock
from proofkey.testing.logout_tokens import make_logout_token
from proofkey.testing.provider import ScriptedProvider

APP_PORT, SIDE_PORT = int(sys.argv[1]), int(sys.argv[2])
APP, SIDE = f"http://127.0.0.1:{APP_PORT}", f"http://127.0.0.1:{SIDE_PORT}"
MOUNT = os.environ.get("MOUNT", "")
os.environ["TEST_API_URL"] = f"{SIDE}/api"

import streamlit as st  # noqa: E402 - the page reads the environment
from streamlit import config  # noqa: E402

from proofkey.streamlit import Login, identity, protect, protection  # noqa: E402

config.set_option("browser.gatherUsageStats", False)
if base_path := os.environ.get("BASE_PATH"):
    config.set_option("server.baseUrlPath", base_path)
if os.environ.get("TRANSPORT") == "headers":
    identity.cookie_is_understood = lambda: False


class WatchedProvider(ScriptedProvider):
    """Keeps every token that it gave out."""

    given: list[str]

    async def send(self, ask: Ask) -> Answer:
        answer = await super().send(ask)
        if ask.url.endswith("/token"):
            import json

            document = json.loads(answer.body)
            names = ("access_token", "refresh_token", "id_token")
            self.given += [document[name] for name in names if name in document]
            self.access = document.get("access_token", "")
        return answer


clock = TurnedClock()
secret = Secret("a-client-secret-of-32-characters-or-more")
provider = WatchedProvider(
    f"{SIDE}/op",
    client_secret=secret,
    clock=clock,
    claims={"name": "Ann Arbor", "email": "ann@op.test", "roles": ["reader"]},
)
provider.given, provider.access = [], ""
login = Login(
    issuer=provider.issuer,
    client_id=provider.client_id,
    client_secret=secret,
    public_url=APP,
    audience=f"{SIDE}/api",
    scope="openid profile email offline_access orders:read",
    store=os.environ.get("STORE", "memory:"),
    transport=provider,
    clock=clock,
)
page = Path(__file__).parent / "pages" / "page.py"
options: dict[str, Any] = {"login": login, "clock": clock, "poll": 0.2}
app = st.App(page, **protection(**options)) if os.environ.get("SPELLING") == "st.App" else protect(page, **options)


def app_to_serve() -> Any:
    if not MOUNT:
        return app
    bare = os.environ.get("LIFESPAN") == "none"
    outer = FastAPI() if bare else FastAPI(lifespan=app.lifespan())
    if MOUNT != "/":
        login.mount(outer)
    outer.mount(MOUNT, app)
    return outer


async def state(request: Request) -> Response:
    return JSONResponse(
        {
            "given": provider.given,
            "logins": len(provider.token_requests("authorization_code")),
            "refreshes": len(provider.token_requests("refresh_token")),
            "authorizations": len(provider.authorization_requests),
            "now": clock.now(),
        }
    )


async def control(request: Request) -> Response:
    values = request.query_params
    clock.turn(int(values.get("turn", "0")))
    if "sub" in values:
        provider.sub = values["sub"]
        provider.claims["name"] = values.get("name", values["sub"])
    if "refuse" in values:
        provider.faults.refresh_error = (400, "invalid_grant") if values["refuse"] == "1" else None
    if "logout" in values:
        token = make_logout_token(provider.key, now=clock.now(), issuer=provider.issuer, jti=values["logout"])
        return JSONResponse({"logout_token": token})
    if "end" in values:
        await login.core.end(values["end"], cause="test")
    if "vanish" in values:  # as another worker would: nobody here is told
        await login.core.store.end_session(values["vanish"])
    return JSONResponse({})


async def echo(request: Request) -> Response:
    good = request.headers.get("authorization") == f"Bearer {provider.access}"
    return PlainTextResponse("hello" if good else "stale", 200 if good else 401)


side = Starlette(
    routes=[
        Route("/state", state),
        Route("/control", control, methods=["POST"]),
        Route("/api/echo", echo),
        Route("/op/end-session", lambda request: PlainTextResponse("provider signed out")),
        Mount("/op", app=provider),
    ]
)


async def main() -> None:
    configure_logging("info", json=True)
    servers = [
        uvicorn.Server(uvicorn.Config(served, port=port, ws="websockets-sansio", **UVICORN))
        for served, port in ((app_to_serve(), APP_PORT), (side, SIDE_PORT))
    ]
    async with AsyncExitStack():
        await asyncio.gather(*(server.serve() for server in servers))


asyncio.run(main())
