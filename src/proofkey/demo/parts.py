"""One part of the demonstration in this process, against any issuer that the configuration names."""

import json
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal

from starlette.types import ASGIApp

from proofkey.demo.setting_up import SCOPES
from proofkey.errors import ConfigurationError
from proofkey.findings import Finding
from proofkey.runtime.clock import check_clock_file
from proofkey.runtime.events import configure_logging
from proofkey.runtime.settings import Settings
from proofkey.web.uvicorn_run import DrainingServer, Listener, bind, run_async

Role = Literal["api", "web", "streamlit"]
USUAL_PORTS: Final[dict[str, int]] = {"api": 8000, "web": 8080, "streamlit": 8501}
API_URL: Final = "PROOFKEY_LOGIN_API_URL"
"""The setting by which the page knows the API."""


def build_part(role: Role, settings: Settings) -> tuple[ASGIApp, str]:
    """The application and its public URL. Raises: ConfigurationError."""
    if role == "api":
        return _api(settings), settings.api.public_url or settings.api.names[0]
    if settings.login.api_url is None:
        raise ConfigurationError(Finding.CONFIG_MISSING, key="login.api_url")
    app = _web(settings, settings.login.api_url) if role == "web" else _streamlit(settings, settings.login.api_url)
    return app, settings.login.public_url


def _api(settings: Settings) -> ASGIApp:
    from proofkey.demo.api import SCOPES as API_SCOPES
    from proofkey.demo.api import create_api
    from proofkey.fastapi import Protect

    api = Protect.from_settings(settings.api, scopes=API_SCOPES, ca_file=settings.outgoing.ca_file)
    return create_api(api)


def _web(settings: Settings, api_url: str) -> ASGIApp:
    from proofkey.demo.web import create_web
    from proofkey.fastapi import Login

    login = Login.from_settings(settings.login, scope=SCOPES, ca_file=settings.outgoing.ca_file)
    return create_web(login, api_url=api_url)


def _streamlit(settings: Settings, api_url: str) -> ASGIApp:
    from proofkey.streamlit import Login, protect

    os.environ[API_URL] = api_url
    login = Login.from_settings(settings.login, scope=SCOPES, ca_file=settings.outgoing.ca_file)
    return protect(Path(__file__).with_name("page.py"), login=login, api_urls=[api_url])


def run_part(role: Role, config: Path | None, *, host: str, port: int | None, ready_json: bool) -> None:
    """Serves until SIGTERM or Ctrl-C. Raises: ConfigurationError when it cannot start."""
    settings = Settings.load(config)
    _configure_log(settings, ready_json)
    check_clock_file([host])
    app, public_url = build_part(role, settings)
    listener = bind(host, USUAL_PORTS[role] if port is None else port)

    def announce() -> None:
        _configure_log(settings, ready_json)  # again: Streamlit has given uvicorn's lines a form of its own
        _announce(role, listener, public_url, ready_json=ready_json)

    try:
        run_async(lambda: _serve(app, listener, announce))
    finally:
        listener.close()


def _configure_log(settings: Settings, ready_json: bool) -> None:
    configure_logging(settings.log.level, True if ready_json else None)
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)  # start and end are told by us


async def _serve(app: ASGIApp, listener: Listener, announce: Callable[[], None]) -> None:
    server = DrainingServer(app, announce, lifespan=True, websockets=True)
    await server.serve(list(listener.sockets))
    if not server.started:
        raise ConfigurationError(Finding.INTERNAL, message="the application could not start; the log says why")


def _announce(role: Role, listener: Listener, public_url: str, *, ready_json: bool) -> None:
    line = {"event": "ready", "role": role, "pid": os.getpid(), "url": listener.url, "public_url": public_url}
    text = json.dumps(line) if ready_json else f"\n  The {role} part serves {listener.url}. Ctrl-C ends it.\n"
    stream = sys.stdout if ready_json else sys.stderr
    stream.write(text + "\n")
    stream.flush()
