"""The demo web app: a browser login on FastAPI; the session's token calls the API."""

from typing import Annotated

from fastapi import Depends, FastAPI, Response
from fastapi.responses import HTMLResponse, JSONResponse

from proofkey.fastapi import Login, Session

HOME = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Proofkey demo</title><style>
:root{color-scheme:light dark}
body{font:1rem/1.6 system-ui,sans-serif;max-width:36rem;margin:10vh auto;padding:0 1rem}
</style><h1>Proofkey demo</h1>
<p><a href="/auth/login?next=/me">Sign in</a> · <a href="/me">Who am I?</a> ·
<a href="/call?path=/orders">Orders from the API</a></p>
<form method="post" action="/auth/logout"><button>Sign out</button></form></html>"""


def create_web(login: Login, *, api_url: str) -> FastAPI:
    """The web app for any provider that `login` names."""
    app = FastAPI(title="Proofkey demo", docs_url=None, redoc_url=None, openapi_url=None)
    login.mount(app)

    @app.get("/", response_class=HTMLResponse)
    async def home() -> str:
        return HOME

    @app.get("/me")
    async def me(session: Annotated[Session | None, Depends(login.optional_user)]) -> JSONResponse:
        if session is None:
            return JSONResponse({"error": "not signed in", "login": "/auth/login?next=/me"}, 401)
        return JSONResponse(dict(session.claims), headers={"cache-control": "no-store"})

    @app.get("/call")
    async def call(session: Annotated[Session, Depends(login.user)], path: str = "/orders") -> Response:
        if not path.startswith("/") or path.startswith("//"):
            return JSONResponse({"error": "path must be a path of the API"}, 400)
        client = await login.api(session, api_url)
        async with client:
            answer = await client.get(path)
        return Response(
            answer.content,
            answer.status_code,
            {"cache-control": "no-store"},
            media_type=answer.headers.get("content-type", "application/json"),
        )

    return app
