"""`protect`: a Streamlit app behind a login."""

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Final, TypedDict, Unpack

import streamlit as st
from starlette.middleware import Middleware
from starlette.routing import BaseRoute

from proofkey.errors import ConfigurationError
from proofkey.findings import Finding
from proofkey.protocol.uri import is_web_url
from proofkey.runtime.clock import Clock, system_clock
from proofkey.runtime.entropy import system_entropy
from proofkey.streamlit.allowed import AllowedApis
from proofkey.streamlit.gate import POLL, Gate
from proofkey.streamlit.guard import Guard
from proofkey.streamlit.leave import in_page
from proofkey.web.login import Login

_SPELLING: Final = 'app = st.App("page.py", **protection(login=login))'
Lifespan = Callable[[st.App], AbstractAsyncContextManager[dict[str, Any] | None]]


class AppArguments(TypedDict):
    """Keywords of `st.App`."""

    routes: Sequence[BaseRoute]
    middleware: Sequence[Middleware]
    lifespan: Lifespan
    secrets: Mapping[str, Any]


class GuardOptions(TypedDict, total=False):
    """`api_urls`: base URLs besides the login's own API that may get the access token. `routes`, `middleware`,
    `lifespan`, `secrets`: as for `st.App`; they stand behind the guard."""

    api_urls: Iterable[str]
    routes: Sequence[BaseRoute]
    middleware: Sequence[Middleware]
    lifespan: Lifespan | None
    secrets: Mapping[str, Any] | None
    clock: Clock | None
    poll: float


def protect(script: str | Path, *, login: Login, **options: Unpack[GuardOptions]) -> st.App:
    """An ASGI app that shows the page `script` to people who have signed in, and to nobody else.

    For `uvicorn app:app`, `python app.py` (with `app.run()`) and `api.mount("/dash", app)`. `streamlit run app.py`
    knows an app by the spelling `st.App(...)` alone: there, write `st.App("page.py", **protection(login=login))`.
    Raises: ConfigurationError.
    """
    return st.App(script, **protection(login=login, **options))


def protection(*, login: Login, **options: Unpack[GuardOptions]) -> AppArguments:
    """The keywords that make any `st.App` a protected one.

    Raises: ConfigurationError.
    """
    if in_page():
        raise ConfigurationError(Finding.STREAMLIT_NOT_GUARDED, write=_SPELLING)
    apis = AllowedApis([*_apis_of(login), *options.get("api_urls", ())])
    gate = Gate(login, apis, options.get("clock") or system_clock(), poll=options.get("poll", POLL))
    return {
        "routes": [*login.routes(), *options.get("routes", ())],
        "middleware": [Middleware(Guard, gate=gate), *options.get("middleware", ())],
        "lifespan": _lifespan(gate, options.get("lifespan")),
        "secrets": {**(options.get("secrets") or {}), "auth": _placeholders(login)},
    }


def _lifespan(gate: Gate, inner: Lifespan | None) -> Lifespan:
    @asynccontextmanager
    async def lifespan(app: st.App) -> AsyncGenerator[dict[str, Any] | None]:
        async with gate.login.lifespan(app):
            gate.start()
            try:
                if inner is None:
                    yield None
                else:
                    async with inner(app) as state:
                        yield state
            finally:
                await gate.aclose()

    return lifespan


def _placeholders(login: Login) -> dict[str, Any]:
    """What makes `st.user`, `st.login` and `st.logout` work. No provider ever sees these values."""
    return {
        "redirect_uri": f"{login.public_url}/oauth2callback",
        "cookie_secret": system_entropy(),
        "client_id": "held by proofkey",
        "client_secret": "held by proofkey",
        "server_metadata_url": f"{login.public_url}/.well-known/none",
    }


def _apis_of(login: Login) -> list[str]:
    return [url for url in login.config.audiences if is_web_url(url)]
