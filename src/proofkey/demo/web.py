"""The demo web app: a browser login on FastAPI; the session's token calls the API."""

from html import escape
from typing import Annotated, Final

import httpx2
from fastapi import Depends, FastAPI, Response
from fastapi.responses import HTMLResponse, JSONResponse

from proofkey.fastapi import Login, Session

NO_STORE: Final = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
HOME: Final = """<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>Proofkey demo</title><style>
:root{{color-scheme:light dark}}
body{{font:1rem/1.6 system-ui,sans-serif;max-width:36rem;margin:10vh auto;padding:0 1rem}}
nav{{display:flex;flex-wrap:wrap;gap:.5rem 1.5rem;margin:1.5rem 0}}
button{{font:inherit;padding:.3rem 1rem}}
</style></head><body><main><h1>Proofkey demo</h1>{}</main></body></html>"""
SIGNED_OUT: Final = """<p>You are not signed in.</p><nav><a href="/auth/login?next=/">Sign in</a></nav>"""
SIGNED_IN: Final = """<p>You are signed in as <strong>{}</strong>.</p>
<nav><a href="/me">My claims</a><a href="/call?path=/orders">Orders from the API</a>
<a href="/call?path=/report">The report, for the role admin</a></nav>
<form method="post" action="/auth/logout"><button>Sign out</button></form>"""


def create_web(login: Login, *, api_url: str) -> FastAPI:
    """The web app for any provider that `login` names."""
    app = FastAPI(title="Proofkey demo", docs_url=None, redoc_url=None, openapi_url=None)
    login.mount(app)

    @app.get("/")
    async def home(session: Annotated[Session | None, Depends(login.optional_user)]) -> HTMLResponse:
        body = SIGNED_OUT if session is None else SIGNED_IN.format(escape(session.name))
        return HTMLResponse(HOME.format(body), headers=NO_STORE)

    @app.get("/me")
    async def me(session: Annotated[Session | None, Depends(login.optional_user)]) -> JSONResponse:
        if session is None:
            return JSONResponse({"error": "not signed in", "login": "/auth/login?next=/me"}, 401, NO_STORE)
        return JSONResponse(dict(session.claims), headers=NO_STORE)

    @app.get("/call")
    async def call(session: Annotated[Session, Depends(login.user)], path: str = "/orders") -> Response:
        if not path.startswith("/") or path.startswith("//"):
            return JSONResponse({"error": "path must be a path of the API"}, 400, NO_STORE)
        try:
            async with await login.api(session, api_url) as client:
                answer = await client.get(path)
        except httpx2.InvalidURL:
            return JSONResponse({"error": "path must be a path of the API"}, 400, NO_STORE)
        except httpx2.HTTPError:
            return JSONResponse({"error": "the API does not answer"}, 502, NO_STORE)
        kind = answer.headers.get("content-type", "")
        is_json = kind.partition(";")[0] == "application/json"  # its pages would be pages of this origin here
        return Response(
            answer.content, answer.status_code, NO_STORE, "application/json" if is_json else "text/plain"
        )

    return app
