"""A browser login for FastAPI and Starlette applications: routes, sessions on the server, fresh tokens.

`Login` is what an application's author holds: `login.mount(app)`, `Depends(login.user)`, `await login.api(…)`.
"""

import asyncio
import threading
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Final, Self

from starlette.applications import Starlette
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.routing import Route
from starlette.websockets import WebSocket

from proofkey.client.config import LoginConfig, PushMode, UserInfoMode, check_login_config, check_public_url
from proofkey.client.session import Session
from proofkey.client.stores import SessionStore
from proofkey.errors import (
    AccessDenied,
    NotSignedIn,
    ProofkeyError,
    RefreshFailed,
    Unavailable,
)
from proofkey.protocol.exchange import Transport
from proofkey.protocol.text import Secret
from proofkey.providers.login import Provider, config_at
from proofkey.runtime import events
from proofkey.runtime.clock import Clock, system_clock
from proofkey.runtime.entropy import Entropy, system_entropy
from proofkey.runtime.login_core import LoginCore
from proofkey.runtime.master_key import MasterKey
from proofkey.runtime.outgoing_client import read_private_key, read_secret
from proofkey.runtime.settings_model import LoginSettings
from proofkey.store.open import MEMORY, open_session_store
from proofkey.store.sealed import Sealer
from proofkey.transport.bearer import AsyncBearerClient, async_bearer_client
from proofkey.transport.http import HttpTransport
from proofkey.web.cookies import CookieJar
from proofkey.web.login_guard import (
    LoginAnswer,
    SameSiteGuard,
    check_cross_site,
    cross_site_answer,
    end_socket,
    give_answer,
    refuse_anonymous,
    refuse_unavailable,
    unavailable_answer,
)
from proofkey.web.login_options import (
    USUAL_PREFIX,
    as_secret,
    check_prefix,
    check_secrets,
    check_store,
    choose_provider,
    cookie_purpose,
    parse_login_scope,
)
from proofkey.web.login_routes import LoginRoutes
from proofkey.web.login_upkeep import purge_for_ever


class Login:
    """One client for one application, at `provider`, or at the `issuer` of one that keeps to the standards.

    `client_secret` or `client_secret_file` makes it a confidential client, and so does `private_key_file`, a JWK
    or PEM that signs its assertions (private_key_jwt); with none of them it is a public one.
    `audience` is the API whose tokens the sessions hold (RFC 8707). `scope` is one string; by default openid and
    profile, and offline_access when there is an audience. `prompt` goes into each login: `consent` for providers
    that give refresh tokens only then.
    `userinfo`: UserInfo is asked at each login, and its claims join the session's; False never asks, True insists
    on an answer, `signed` on a signed one. `par` says when the request is pushed (RFC 9126). A login must be of
    one of the kinds in `acr_values` (one string), where there are any.
    `store` is `memory:` (one process), `sqlite:///path` (one host), `postgresql://…`, `redis://…` or `valkey://…`,
    whose tokens are sealed under a key derived from `session_secret`, else from the client's secret. `idle` and
    `absolute` end sessions (seconds).
    """

    def __init__(
        self,
        provider: Provider | None = None,
        *,
        issuer: str | None = None,
        client_id: str | None = None,
        public_url: str,
        client_secret: str | Secret | None = None,
        client_secret_file: str | Path | None = None,
        private_key_file: str | Path | None = None,
        audience: str | None = None,
        scope: str | None = None,
        prompt: str | None = None,
        userinfo: UserInfoMode = "auto",
        par: PushMode = "auto",
        acr_values: str | None = None,
        store: str | SessionStore = MEMORY,
        path_prefix: str = USUAL_PREFIX,
        session_secret: str | Secret | None = None,
        idle: int = 1800,
        absolute: int = 43200,
        ca_file: Path | None = None,
        transport: Transport | None = None,
        clock: Clock | None = None,
        entropy: Entropy = system_entropy,
    ) -> None:
        """Raises: ConfigurationError, one line that names the setting."""
        check_public_url(public_url)
        check_prefix(path_prefix)
        self.public_url: Final = public_url.rstrip("/")
        self.prefix: Final = path_prefix
        provider = choose_provider(provider, issuer, client_id)
        config = LoginConfig(
            issuer=provider.issuer,
            client_id=provider.client_id,
            client_secret=read_secret(client_secret, client_secret_file),
            client_key=None if private_key_file is None else read_private_key(private_key_file),
            redirect_uri=f"{self.public_url}{path_prefix}/callback",
            post_logout_redirect_uri=f"{self.public_url}{path_prefix}/signed-out",
            resource=() if audience is None else (audience,),
            scope=parse_login_scope(scope, audience),
            prompt=frozenset((prompt or "").split()),
            userinfo=userinfo,
            par=par,
            acr_values=tuple((acr_values or "").split()),
            idle=idle,
            absolute=absolute,
        )
        self.config: Final = config_at(provider, config, own_scope=scope is not None)
        check_login_config(self.config)
        self._sealing_secret = as_secret(session_secret) or self.config.client_secret
        check_secrets(client_secret=self.config.client_secret, session_secret=self._sealing_secret)
        check_store(store, self._sealing_secret)
        self._store = store
        self._ca_file = ca_file
        self._transport = transport
        self._clock = clock or system_clock()
        self._entropy = entropy
        self._core: LoginCore | None = None
        self._lock = threading.Lock()
        self.cookie: Final = CookieJar(self.public_url, cookie_purpose("session", path_prefix))
        self._routes = LoginRoutes(
            lambda: self.core,
            public_url=self.public_url,
            prefix=path_prefix,
            session=self.cookie,
            entropy=entropy,
        )

    @classmethod
    def from_settings(
        cls,
        settings: LoginSettings,
        *,
        scope: str | None = None,
        path_prefix: str = USUAL_PREFIX,
        ca_file: Path | None = None,
        transport: Transport | None = None,
        clock: Clock | None = None,
    ) -> Self:
        """From the `[login]` section; `scope` where the section has none. The rest as in the constructor.

        Raises: ConfigurationError.
        """
        return cls(
            issuer=settings.issuer,
            client_id=settings.client_id,
            client_secret=settings.client_secret,
            private_key_file=settings.private_key_file,
            public_url=settings.public_url,
            audience=settings.audience,
            scope=settings.scope or scope,
            prompt=settings.prompt,
            userinfo=settings.userinfo,
            par=settings.par,
            acr_values=settings.acr_values,
            store=settings.store,
            session_secret=settings.session_secret,
            path_prefix=path_prefix,
            ca_file=ca_file,
            transport=transport,
            clock=clock,
        )

    @property
    def core(self) -> LoginCore:
        """The client itself; the store is opened at the first use.

        Raises: ConfigurationError when the store cannot be opened.
        """
        with self._lock:
            if self._core is None:
                self._core = LoginCore(
                    self.config,
                    self._open_store(),
                    self._transport or HttpTransport(ca_file=self._ca_file),
                    clock=self._clock,
                    entropy=self._entropy,
                )
            return self._core

    def _open_store(self) -> SessionStore:
        if not isinstance(self._store, str):
            return self._store
        secret = self._sealing_secret or Secret(self._entropy())
        return open_session_store(
            self._store, Sealer(MasterKey(secret).derive("login sessions")), name=self.public_url
        )

    @property
    def clock(self) -> Clock:
        """By which its sessions age."""
        return self._clock

    def has_route(self, path: str) -> bool:
        """Whether that very path is one of the login's own; others below the prefix are the application's."""
        return self._routes.has(path)

    @property
    def login_path(self) -> str:
        return f"{self.prefix}/login"

    @property
    def logout_path(self) -> str:
        return f"{self.prefix}/logout"

    @property
    def signed_out_path(self) -> str:
        """Shows the signed-out page; a browser that is signed in goes on to the application."""
        return f"{self.prefix}/signed-out"

    # --- wiring --------------------------------------------------------------------------------------------------
    def routes(self) -> list[Route]:
        """The routes under the prefix, for an application that is not mounted on."""
        return self._routes.routes()

    def mount(self, app: Starlette) -> None:
        """Adds routes, cross-site defence, refusals and lifespan to a FastAPI or Starlette application."""
        app.router.routes[:0] = self.routes()
        app.add_middleware(SameSiteGuard, cookie=self.cookie, origin=self.public_url)
        app.add_exception_handler(LoginAnswer, give_answer)
        for kind in (NotSignedIn, RefreshFailed, Unavailable):
            if kind not in app.exception_handlers:
                app.add_exception_handler(kind, self._answer_error)  # type: ignore[arg-type]  # of both connections
        inner = app.router.lifespan_context

        @asynccontextmanager
        async def lifespan(app: Starlette) -> AsyncGenerator[Mapping[str, Any] | None]:
            async with self.lifespan(app), inner(app) as state:
                yield state

        app.router.lifespan_context = lifespan  # type: ignore[assignment]  # state is None or a mapping, as before

    def lifespan(self, app: object = None) -> AbstractAsyncContextManager[None]:
        """Opens the store, cleans it up while the application runs, and closes it.

        A provider that is down does not keep the application from starting. Raises: ConfigurationError.
        """
        return self._lifespan()

    @asynccontextmanager
    async def _lifespan(self) -> AsyncGenerator[None]:
        core = self.core
        upkeep = asyncio.create_task(purge_for_ever(core))
        try:
            yield
        finally:
            upkeep.cancel()
            await asyncio.gather(upkeep, return_exceptions=True)
            await self._close(core)

    async def _close(self, core: LoginCore) -> None:
        if isinstance(self._store, str):  # a store that was handed in is closed by whoever opened it
            with self._lock:
                self._core = None
            await core.aclose()

    # --- for the application's routes ----------------------------------------------------------------------------
    async def user(self, connection: HTTPConnection) -> Session:
        """The signed-in person's session, as a dependency: `Annotated[Session, Depends(login.user)]`.

        Nobody signed in: 303 to the login for a navigating browser, 401 for a program, a closed websocket.
        """
        session = await self.optional_user(connection)
        if session is None:
            raise refuse_anonymous(connection, self.login_path)
        return session

    async def optional_user(self, connection: HTTPConnection) -> Session | None:
        """The session, or None when nobody is signed in; 503 while the store cannot be asked."""
        handle = self.cookie.read(connection.headers)
        if handle is None:
            return None
        try:
            return await self.core.session(handle)
        except Unavailable as error:
            raise refuse_unavailable(connection, error) from error

    async def same_site(self, connection: HTTPConnection) -> None:
        """Refuses a cross-site request that changes state, as a dependency; `mount` does it for the whole app."""
        try:
            check_cross_site(connection, self.cookie, self.public_url)
        except AccessDenied as error:
            events.refused("login.cross_site", error)
            raise LoginAnswer(cross_site_answer(error)) from error

    async def sessions_of(self, sub: str) -> tuple[Session, ...]:
        """Where that person is signed in at this client now, the oldest first. Raises: Unavailable."""
        return await self.core.sessions_of(sub)

    async def end_sessions_of(self, sub: str, *, keep: Session | None = None) -> int:
        """Signs that person out everywhere here but in `keep`; how many sessions ended. Raises: Unavailable."""
        return await self.core.end_sessions_of(sub, keep=None if keep is None else keep.id)

    async def end_session(self, session: Session) -> bool:
        """Ends one of them; True for one caller. Raises: Unavailable."""
        return await self.core.end(session.id, cause="ended by the application")

    async def api(self, session: Session, base_url: str) -> AsyncBearerClient:
        """An HTTP client for an API; each request carries a fresh access token, and goes to that origin only.

        Its requests raise NotSignedIn, RefreshFailed or Unavailable when there is none, which `mount` answers.
        """

        async def token() -> str:
            return (await self.core.access_token(session.id)).access_token.reveal()

        return async_bearer_client(base_url, token, ca_file=self._ca_file)

    async def _answer_error(self, connection: HTTPConnection, error: Exception) -> Response | None:
        """What a handler's missing token means for the browser: an answer, or the end of a websocket."""
        if isinstance(error, RefreshFailed) and not error.final:
            error = Unavailable(error.finding)
        if not isinstance(error, ProofkeyError):
            raise error
        if isinstance(connection, WebSocket):
            await end_socket(connection, error)
            return None
        if isinstance(error, Unavailable):
            return unavailable_answer(error)
        refusal = refuse_anonymous(connection, self.login_path)
        if not isinstance(refusal, LoginAnswer):
            raise error
        refusal.response.headers.append("Set-Cookie", self.cookie.build_removal())
        return refusal.response
