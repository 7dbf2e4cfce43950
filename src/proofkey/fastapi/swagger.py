"""Swagger UI that signs in with PKCE and loads nothing from other hosts."""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from proofkey.errors import missing_extra

DOCS_PATH: Final = "/docs"
_PACKAGE: Final = "fastapi_offline"
_ASSETS: Final = ("swagger-ui-bundle.js", "swagger-ui.css", "redoc.standalone.js", "favicon.png")

# A provider that isolates its pages (Cross-Origin-Opener-Policy) cuts the return page off from the window that
# opened it, so the answer travels by a channel of the origin; the page whose request it answers knows the state.
_CHANNEL: Final = "proofkey docs sign-in"
_RECEIVER: Final = """<script>
new BroadcastChannel("CHANNEL").onmessage = ({ data: answer }) => {
  const flow = window.swaggerUIRedirectOauth2;
  if (!flow || !answer.state || answer.state !== flow.state) return;
  if (answer.code) {
    delete flow.state;
    flow.auth.code = answer.code;
    flow.callback({ auth: flow.auth, redirectUrl: flow.redirectUrl });
  } else {
    const message = `${answer.error || "no code"}: ${answer.error_description || "the sign-in did not finish"}`;
    flow.errCb({ authId: flow.auth.name, source: "auth", level: "error", message });
  }
};
</script></body>""".replace("CHANNEL", _CHANNEL)
_RETURN_PAGE: Final = """<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>Signed in</title>
<style>:root{color-scheme:light dark}
body{font:1rem/1.6 system-ui,sans-serif;margin:15vh auto;max-width:30rem;padding:0 1rem}</style>
<h1>You may close this window</h1><p>The documentation page has the answer.</p>
<script>
new BroadcastChannel("CHANNEL").postMessage(Object.fromEntries(new URLSearchParams(location.search)));
history.replaceState(null, "", location.pathname);
window.close();
</script></html>""".replace("CHANNEL", _CHANNEL)


def add_swagger(
    app: FastAPI, *, client_id: str, scopes: tuple[str, ...], authorization_parameters: Mapping[str, str]
) -> None:
    """Serves /docs, its sign-in return page and its files; /redoc too where the application has it.

    `client_id` is a public client at the issuer whose redirect URI is the return page: the API's address followed
    by `/docs/oauth2-redirect`. Raises: ConfigurationError when the package with the files is missing.
    """
    docs = app.docs_url or DOCS_PATH
    login: dict[str, Any] = {
        "clientId": client_id,
        "usePkceWithAuthorizationCodeGrant": True,
        "scopes": " ".join(scopes),
        "additionalQueryStringParams": dict(authorization_parameters),
    }
    routes: list[BaseRoute] = [
        Mount(f"{docs}/assets", StaticFiles(directory=find_assets())),
        Route(f"{docs}/oauth2-redirect", _return_page),
        Route(docs, _swagger_page(app, docs, login)),
    ]
    if app.redoc_url:
        routes.append(Route(app.redoc_url, _redoc_page(app, docs)))
    app.router.routes[:0] = routes  # before FastAPI's own pages, which load from other hosts


def documentation_paths(app: object) -> tuple[str, ...]:
    """Whole paths of everything that an application's documentation pages need, for a guard to leave open."""
    named = ("openapi_url", "docs_url", "redoc_url", "swagger_ui_oauth2_redirect_url")
    paths: list[str] = [path for path in (getattr(app, name, None) for name in named) if isinstance(path, str)]
    docs: str = getattr(app, "docs_url", None) or DOCS_PATH
    return (*paths, docs, f"{docs}/oauth2-redirect", *(f"{docs}/assets/{name}" for name in _ASSETS))


def find_assets() -> Path:
    """The folder with Swagger UI's files. Raises: ConfigurationError."""
    spec = find_spec(_PACKAGE)
    folders = spec.submodule_search_locations if spec is not None else None
    if not folders:
        raise missing_extra("fastapi", _PACKAGE)
    return Path(folders[0]) / "static"


def _swagger_page(app: FastAPI, docs: str, login: dict[str, Any]) -> Any:  # noqa: ANN401 - a Starlette endpoint
    async def page(request: Request) -> HTMLResponse:
        root = _root(request)
        html = get_swagger_ui_html(
            openapi_url=root + (app.openapi_url or "/openapi.json"),
            title=f"{app.title} - Swagger UI",
            swagger_js_url=f"{root}{docs}/assets/swagger-ui-bundle.js",
            swagger_css_url=f"{root}{docs}/assets/swagger-ui.css",
            swagger_favicon_url=f"{root}{docs}/assets/favicon.png",
            oauth2_redirect_url=f"{root}{docs}/oauth2-redirect",
            init_oauth=login,
            swagger_ui_parameters={"validatorUrl": None, **(app.swagger_ui_parameters or {})},
        )
        return HTMLResponse(bytes(html.body).decode().replace("</body>", _RECEIVER))

    return page


def _redoc_page(app: FastAPI, docs: str) -> Any:  # noqa: ANN401 - a Starlette endpoint
    async def page(request: Request) -> HTMLResponse:
        root = _root(request)
        return get_redoc_html(
            openapi_url=root + (app.openapi_url or "/openapi.json"),
            title=f"{app.title} - ReDoc",
            redoc_js_url=f"{root}{docs}/assets/redoc.standalone.js",
            redoc_favicon_url=f"{root}{docs}/assets/favicon.png",
            with_google_fonts=False,
        )

    return page


async def _return_page(request: Request) -> HTMLResponse:
    return HTMLResponse(_RETURN_PAGE, headers={"cache-control": "no-store", "referrer-policy": "no-referrer"})


def _root(request: Request) -> str:
    root: str = request.scope.get("root_path", "")
    return root.rstrip("/")
