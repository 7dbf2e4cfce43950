"""The authorization server as a web application: stand-alone, or inside a FastAPI or Starlette one."""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send, StatefulLifespan

from proofkey.authorization_server.accounts.users import normalise_username
from proofkey.authorization_server.hooks import NO_HOOKS, Hooks
from proofkey.authorization_server.policy import Policy
from proofkey.authorization_server.signer import Signer
from proofkey.authorization_server.throttles import SIGN_IN_BY_ACCOUNT, account_key
from proofkey.errors import ConfigurationError, Unavailable
from proofkey.findings import Finding
from proofkey.runtime.clock import Clock, system_clock
from proofkey.runtime.entropy import Entropy, system_entropy
from proofkey.runtime.hooks import ClaimsHook, ConsentHook, UserStore, build_hooks
from proofkey.runtime.master_key import MasterKey
from proofkey.runtime.passwords import PasswordPool
from proofkey.runtime.pkcs11 import build_pkcs11_signer
from proofkey.runtime.server_core import ServerCore
from proofkey.runtime.server_policy import server_policy
from proofkey.runtime.server_upkeep import keep
from proofkey.runtime.settings import OutgoingSettings, ServerSettings, Settings
from proofkey.store.open import open_replay_memory, open_server_store
from proofkey.transport.foreign import ForeignTransport
from proofkey.web.client_certificate import ClientCertificates
from proofkey.web.dispatch import Dispatcher
from proofkey.web.endpoints import Core, Endpoints
from proofkey.web.peer import TrustedProxies
from proofkey.web.respond import Responder
from proofkey.web.routing import ServerRoute


class Server:
    """The authorization server over HTTP. One object serves one issuer.

    `source` is the configuration (`Settings.load(…)`), from whose `[server]` section everything is made at start,
    or an authorization server that is made already. `trusted_proxies` are the networks whose X-Forwarded-For is
    believed, and the `client_certificate_header`; the configuration names its own. Addresses come from the issuer,
    never from a request.

    An application may decide some things itself, by plain or `async` functions (docs/embedding.md): `claims` adds
    claims to tokens and UserInfo, `consent` asks, grants or denies, `users` are people who are kept elsewhere.
    `templates` is a folder of pages that take the place of ours, `signer` has the private keys.
    """

    def __init__(
        self,
        source: Settings | Core,
        *,
        trusted_proxies: Iterable[str] = (),
        client_certificate_header: str | None = None,
        claims: ClaimsHook | None = None,
        consent: ConsentHook | None = None,
        users: UserStore | None = None,
        templates: str | Path | None = None,
        signer: Signer | None = None,
        entropy: Entropy = system_entropy,
        clock: Clock | None = None,
    ) -> None:
        """Raises: ConfigurationError."""
        self._settings: ServerSettings | None = source.server if isinstance(source, Settings) else None
        self._outgoing = source.outgoing if isinstance(source, Settings) else OutgoingSettings()
        self._core: Core | None = None if isinstance(source, Settings) else source
        self.policy: Final = source.policy if not isinstance(source, Settings) else server_policy(source.server)
        self._hooks = build_hooks(claims, consent, users)
        self._signer = signer
        if self._core is not None and (self._hooks != NO_HOOKS or signer is not None):
            key, reason = "claims, consent, users, signer", "they belong to the core that is made already"
            raise ConfigurationError(Finding.CONFIG_VALUE, key=key, reason=reason)
        self._entropy = entropy
        self._clock = clock or system_clock()
        proxies = TrustedProxies((*trusted_proxies, *(self._settings.trusted_proxies if self._settings else ())))
        header = client_certificate_header or (self._settings and self._settings.client_certificate_header)
        self._responder = Responder(
            self.issuer,
            proxies,
            flow_seconds=self.policy.lifetimes.interaction,
            certificates=ClientCertificates(proxies, header) if header else None,
            templates=None if templates is None else Path(templates),
        )
        self._dispatcher = Dispatcher(self._responder, entropy, self.policy.signing_algorithms)
        self._path = urlsplit(self.issuer).path.rstrip("/")
        self._running: Core | None = None

    @property
    def issuer(self) -> str:
        return self.policy.issuer

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[Core]:
        """Opens the store, starts the authorization server and its upkeep, and ends them.

        Raises: ConfigurationError, Unavailable.
        """
        async with self._opened() as core:
            await core.start()
            self._dispatcher.endpoints = Endpoints(core, self._responder)
            self._running = core
            upkeep = asyncio.create_task(keep(core, self._entropy))
            try:
                yield core
            finally:
                self._dispatcher.endpoints = self._running = None
                upkeep.cancel()
                await asyncio.wait([upkeep])

    @asynccontextmanager
    async def _opened(self) -> AsyncGenerator[Core]:
        if self._core is not None:
            yield self._core
            return
        if self._settings is None:
            raise RuntimeError("neither settings nor a core")
        async with open_core(
            self._settings,
            self.policy,
            self._clock,
            self._entropy,
            self._outgoing,
            hooks=self._hooks,
            signer=self._signer,
        ) as core:
            yield core

    async def forget_failures(self, username: str) -> None:
        """Opens the account again that a hundred wrong passwords closed: for an own user store, when somebody has
        got a new one.

        Raises: Unavailable, also while the server does not run.
        """
        if self._running is None:
            raise Unavailable(Finding.STOPPING)
        await self._running.store.reset(SIGN_IN_BY_ACCOUNT, account_key(normalise_username(username)))

    def app(self) -> Starlette:
        """An application that is this server alone; its lifespan starts and ends it."""

        @asynccontextmanager
        async def lifespan(app: Starlette) -> AsyncGenerator[None]:
            async with self.running():
                yield

        return Starlette(routes=[self._route(self._path, everything=True)], lifespan=lifespan)

    def asgi(self) -> ASGIApp:
        """As `app`, for a caller that enters `running` itself; it has no layers of a framework."""
        route = self._route(self._path, everything=True)

        async def alone(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http":
                await route.handle(scope, receive, send)
            elif scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1000})

        return alone

    def mount(self, app: Starlette, prefix: str = "") -> None:
        """Adds the server to `app` below `prefix`: its addresses, the well-known ones at the root, its lifespan.

        The issuer's path ends with `prefix` (they differ only where a proxy strips the beginning). What the
        application has of its own, its lifespan too, goes on as before.
        Raises: ConfigurationError when prefix and issuer do not fit.
        """
        prefix = prefix.rstrip("/")
        if (prefix and not prefix.startswith("/")) or not self._path.endswith(prefix):
            raise ConfigurationError(Finding.CONFIG_VALUE, issuer=self.issuer, prefix=prefix)
        app.router.routes.insert(0, self._route(prefix, everything=False))
        before = app.router.lifespan_context

        @asynccontextmanager
        async def lifespan(app: Starlette) -> AsyncGenerator[Mapping[str, Any] | None]:
            async with self.running(), before(app) as state:
                yield state

        app.router.lifespan_context = cast("StatefulLifespan[Starlette]", lifespan)

    def _route(self, prefix: str, *, everything: bool) -> ServerRoute:
        return ServerRoute(
            self._dispatcher,
            prefix=prefix,
            issuer_path=self._path,
            https=self.issuer.startswith("https:"),
            everything=everything,
            registers=self.policy.offers("registration"),
        )


@asynccontextmanager
async def open_core(
    settings: ServerSettings,
    policy: Policy,
    clock: Clock,
    entropy: Entropy,
    outgoing: OutgoingSettings,
    *,
    hooks: Hooks = NO_HOOKS,
    signer: Signer | None = None,
) -> AsyncGenerator[ServerCore]:
    """The authorization server on the configured store; a new store gets its schema, an old one is upgraded.

    Raises: ConfigurationError.
    """
    token = build_pkcs11_signer(settings.signer, clock) if settings.signer is not None else None
    store = open_server_store(settings.store, name=policy.issuer)
    replays = open_replay_memory(settings.store, name=f"{policy.issuer} server")
    passwords = PasswordPool()
    foreign = ForeignTransport(allowed=outgoing.allow_insecure_private_hosts, ca_file=outgoing.ca_file)
    try:
        yield ServerCore(
            policy,
            store,
            clock=clock,
            entropy=entropy,
            master_key=MasterKey(settings.master_key),
            passwords=passwords,
            replays=replays,
            foreign=foreign,
            hooks=hooks,
            signer=signer or token,
        )
    finally:
        if token is not None:
            await token.aclose()
        await foreign.aclose()
        passwords.close()
        await replays.aclose()
        await store.aclose()
