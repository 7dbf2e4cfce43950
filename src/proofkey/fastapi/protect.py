"""`Protect`: one line that protects an API."""

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, get_origin
from weakref import WeakSet

from fastapi import FastAPI
from fastapi.openapi.models import OAuth2
from starlette.applications import Starlette
from starlette.middleware import Middleware

from proofkey.fastapi.admission import Admission
from proofkey.fastapi.claims import ClaimsModel, model_of
from proofkey.fastapi.guards import Optional
from proofkey.fastapi.openapi import build_scheme, complete_openapi
from proofkey.fastapi.publishing import bring_nonces, metadata_paths, publish_resource
from proofkey.fastapi.routes import OpenRoute, check_operations, list_open_routes, scopes_in
from proofkey.fastapi.rules import ApiRules
from proofkey.fastapi.swagger import add_swagger, documentation_paths
from proofkey.fastapi.users import LoadUser, UserLoader
from proofkey.fastapi.wiring import (
    audience_parameters,
    build_certificates,
    build_challenges,
    build_proofs,
    build_replay_memory,
    build_resource,
)
from proofkey.protocol.access_token import ClaimsT
from proofkey.protocol.dialect import Dialect
from proofkey.protocol.exchange import Transport
from proofkey.protocol.metadata import ServerMetadata, check_issuer, resource_metadata_url
from proofkey.protocol.replay import ReplayMemory
from proofkey.protocol.signature import ALGORITHM_NAMES
from proofkey.protocol.text import Secret
from proofkey.resource_server.authorization import FLAT, Names, build_granting
from proofkey.resource_server.protected_resource import LEEWAY
from proofkey.resource_server.sender_constraint import DpopMode, SenderPolicy, build_sender_policy
from proofkey.runtime.clock import Clock, system_clock
from proofkey.runtime.introspection import Introspection
from proofkey.runtime.trust import TrustedIssuer
from proofkey.runtime.verifier import Verifier
from proofkey.transport.http import HttpTransport
from proofkey.web.api_guard import GuardFactory

if TYPE_CHECKING:
    from proofkey.runtime.settings_model import ApiSettings

AppT = TypeVar("AppT", bound=Starlette)


class Protect(ApiRules[ClaimsT], Generic[ClaimsT]):
    """A FastAPI security dependency that gives a proven `AccessToken`, on HTTP and on websockets.

    `Annotated[AccessToken, Security(api, scopes=["orders:read"])]`: the scopes are checked, and stand in OpenAPI.
    `FastAPI(lifespan=api.lifespan)` keeps the issuers' keys warm and publishes what the API asks for (RFC 9728);
    without it keys are fetched when needed. `Protect[MyClaims](…)` reads the claims into a pydantic model:
    `AccessToken[MyClaims]`.
    """

    def __init__(
        self,
        *,
        issuer: str | None = None,
        issuers: Sequence[TrustedIssuer] = (),
        audience: str | Sequence[str] = (),
        dialect: str | Dialect | None = None,
        tenants: Sequence[str] = (),
        internal_base_url: str | None = None,
        allow_insecure_internal_http: bool = False,
        introspection: Introspection | None = None,
        algorithms: Iterable[str] = ALGORITHM_NAMES,
        leeway: int = LEEWAY,
        remember_tokens: int = 0,
        scopes: Mapping[str, str] | None = None,
        scope_hierarchy: Mapping[str, Names] | None = None,
        load_user: LoadUser[Any] | None = None,
        public_url: str | None = None,
        dpop: DpopMode = "off",
        dpop_nonces: Secret | None = None,
        replay_store: str | ReplayMemory = "memory:",
        mtls: bool = False,
        trusted_proxies: Iterable[str] = (),
        client_certificate_header: str | None = None,
        realm: str | None = None,
        resource_name: str | None = None,
        log_acceptances: bool = False,
        trace_users: bool = False,
        docs_client_id: str | None = None,
        scheme_name: str = "oauth2",
        ca_file: Path | None = None,
        transport: Transport | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Whose tokens are taken: `issuer` to `remember_tokens`, as `Verifier` and `TrustedIssuer` explain them.

        What they allow: `scopes` describes scopes for OpenAPI; `scope_hierarchy` says which scopes include others,
        `{"orders:admin": ["orders:read"]}`; `load_user` finds the application's own user of every token of a
        person, and who has none is refused.
        Who may send them: `public_url` is the address by which callers know the API; with `dpop` it is what proofs
        name, `replay_store` (`memory:`, `sqlite:///…`, `postgresql://…`, `redis://…`) remembers them for all
        workers, and `dpop_nonces` is the secret of the nonces that they must carry. `mtls` takes tokens bound to a
        client certificate, from `client_certificate_header` of `trusted_proxies`.
        What is told: `realm` and `resource_name` to callers, `log_acceptances` to the log, who the person is to
        OpenTelemetry with `trace_users`. With `docs_client_id`, a public client at the issuer, `/docs` signs in
        with PKCE. Several `Protect`s in one application need a `scheme_name` each.
        Raises: ConfigurationError.
        """
        if public_url is not None:
            check_issuer(public_url, key="public_url")
        verifier = Verifier(
            issuer=issuer,
            issuers=issuers,
            audience=audience,
            dialect=dialect,
            tenants=tenants,
            internal_base_url=internal_base_url,
            allow_insecure_internal_http=allow_insecure_internal_http,
            introspection=introspection,
            algorithms=algorithms,
            leeway=leeway,
            transport=transport or HttpTransport(ca_file=ca_file),
            clock=clock,
            remember_tokens=remember_tokens,
        )
        self.sender: SenderPolicy = build_sender_policy(dpop=dpop, mtls=mtls, public_url=public_url)
        own_clock = clock or system_clock()
        memory, self._opened = build_replay_memory(self.sender, replay_store)
        self._admission: Admission[ClaimsT] = Admission(
            verifier=verifier,
            clock=own_clock,
            challenges=build_challenges(self.sender, realm),
            granting=build_granting(scope_hierarchy) if scope_hierarchy else FLAT,
            proofs=build_proofs(self.sender, clock=own_clock, memory=memory, nonces=dpop_nonces),
            certificates=build_certificates(
                mtls=mtls, trusted_proxies=trusted_proxies, header=client_certificate_header
            ),
            public_url=public_url,
            claims=_model_of_class(type(self), remember_tokens),
            users=None if load_user is None else UserLoader(load_user),
            log_acceptances=log_acceptances,
            trace_users=trace_users,
        )
        named = (audience,) if isinstance(audience, str) else tuple(audience)
        self.issuer = verifier.policy.issuer
        self.audience = named or tuple(sorted(verifier.policy.audience))
        self.public_url = public_url
        self.scheme_name = scheme_name
        self.optional = Optional(self)
        self.resource = build_resource(
            verifier,
            audience=self.audience,
            policy=self.sender,
            public_url=public_url,
            scopes=scopes or (),
            name=resource_name,
        )
        always = frozenset[str]() if self.resource is None else metadata_paths(self.resource, public_url)
        self.middleware = GuardFactory(
            self._admit_scope_now, self._admit_scope, self._answer, self._is_declared, always
        )
        self._remember = remember_tokens
        self._scopes = dict(scopes or {})
        self._docs_client_id = docs_client_id
        self._installed: WeakSet[Starlette] = WeakSet()
        self._published: WeakSet[Starlette] = WeakSet()

    @property
    def __orig_class__(self) -> object:
        """Set by `typing` after `Protect[Model](…)` has been made: the only place that names the model."""
        return self._alias

    @__orig_class__.setter
    def __orig_class__(self, alias: object) -> None:
        self._alias = alias
        model = model_of(alias)
        if model is not None:
            self._admission.claims = ClaimsModel(model, self._remember)
            self._admission.claims.prepare()

    _alias: object = None

    @classmethod
    def from_settings(
        cls,
        settings: "ApiSettings",
        *,
        scopes: Mapping[str, str] | None = None,
        load_user: LoadUser[Any] | None = None,
        realm: str | None = None,
        scheme_name: str = "oauth2",
        ca_file: Path | None = None,
        transport: Transport | None = None,
        clock: Clock | None = None,
    ) -> Self:
        """From the section `[api]` of the configuration; the rest is the application's own.

        A model of claims is named by a subclass, `class Api(Protect[MyClaims])`. Raises: ConfigurationError.
        """
        from proofkey.runtime.settings_keywords import protect_keywords

        return cls(
            **protect_keywords(settings),
            scopes=scopes,
            load_user=load_user,
            realm=realm,
            scheme_name=scheme_name,
            ca_file=ca_file,
            transport=transport,
            clock=clock,
        )

    # --- around an application ---------------------------------------------------------------------------------
    def guard(self, app: Starlette, *, public: Iterable[str] = (), docs: bool = False) -> None:
        """From now on nobody gets into the application without a token: HTTP, websockets, mounted applications.

        `public` are whole paths that are open all the same; operations with `@public` are too, and with `docs` the
        documentation pages. Dependencies then only read what the guard has proven; `api.token(request)` does so
        without one. The guard is the innermost middleware, so that others, such as those of CORS, may answer
        before it. `app.add_middleware(api.middleware, public=[…])` puts it elsewhere.
        Raises: ConfigurationError when a public path is a pattern.
        """
        paths = self.middleware.paths((*public, *(documentation_paths(app) if docs else ())))
        if app.middleware_stack is not None:
            raise RuntimeError("the application has started: guard it before")
        app.user_middleware.append(Middleware(self.middleware, public=paths))

    def unprotected(self, app: Starlette) -> list[OpenRoute]:
        """What the application serves to strangers: for a test that says what that may be.

        `[str(route) for route in api.unprotected(app)] == ["GET /open"]`
        """
        return list_open_routes(app)

    @asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncGenerator[None]:
        """For `FastAPI(lifespan=api.lifespan)`: `install`, `publish`, warm keys, background refresh.

        Raises: ConfigurationError as `install` does, and when the claims have no model that can be.
        """
        if self._admission.claims is not None:
            self._admission.claims.prepare()
        self.install(app)
        self.publish(app)
        await self.verifier.start()
        try:
            yield
        finally:
            await self.verifier.aclose()
            if self._opened is not None:
                await self._opened.aclose()

    def lifespan_with(
        self, own: Callable[[AppT], AbstractAsyncContextManager[Any]]
    ) -> Callable[[AppT], AbstractAsyncContextManager[Any]]:
        """A lifespan that runs the application's own one inside."""

        @asynccontextmanager
        async def lifespan(app: AppT) -> AsyncGenerator[Any]:
            async with self.lifespan(app), own(app) as state:
                yield state

        return lifespan

    def install(self, app: Starlette) -> None:
        """What `lifespan` does to every application: a complete OpenAPI document, `/docs` with `docs_client_id`,
        new DPoP nonces in answers.

        A mounted application, whose lifespan never runs, calls this itself. A second call does nothing.
        Raises: ConfigurationError for a scope that no token can have, and for a rule that was not made, as
        `Depends(api.role)`.
        """
        if app in self._installed:
            return
        check_operations(app, self)
        self._installed.add(app)
        if self._admission.proofs is not None:
            bring_nonces(app)
        if not isinstance(app, FastAPI):
            return
        complete_openapi(app, self)
        if self._docs_client_id is not None and app.docs_url is not None and app.openapi_url is not None:
            self.swagger(app, client_id=self._docs_client_id)

    def publish(self, app: Starlette) -> None:
        """What `lifespan` does to the outermost application: the metadata of the API (RFC 9728) stand at their
        well-known paths, and every challenge names them. An API without a URL for a name has none.

        A second call does nothing. Raises: ConfigurationError.
        """
        if self.resource is None or app in self._published:
            return
        self._published.add(app)
        scopes = tuple(dict.fromkeys((*self._scopes, *scopes_in(app, self))))
        resource = replace(self.resource, scopes_supported=scopes)
        publish_resource(app, resource, self.public_url)
        url = resource_metadata_url(self.public_url or resource.resource)
        self._admission.challenges = replace(self._admission.challenges, resource_metadata=url)

    def swagger(
        self, app: FastAPI, *, client_id: str, authorization_parameters: Mapping[str, str] | None = None
    ) -> None:
        """Makes `/docs` sign in with PKCE as the public client `client_id`, loading nothing from other hosts.

        `authorization_parameters` go to the authorization endpoint; the default asks for a token for this API as
        the provider wants it (`resource`, RFC 8707, or `audience`, or not at all).
        """
        parameters = authorization_parameters
        if parameters is None:
            parameters = audience_parameters(self.verifier, self.audience)
        add_swagger(app, client_id=client_id, scopes=tuple(self._scopes), authorization_parameters=parameters)

    @property
    def ready(self) -> bool:
        """True while there are keys of every trusted issuer: what a readiness probe asks."""
        return self.verifier.ready

    @property
    def metadata(self) -> ServerMetadata | None:
        """The first issuer's metadata as they were last read."""
        return self.verifier.source.metadata

    @property
    def model(self) -> OAuth2:  # type: ignore[override] # read when the OpenAPI document is made, not before
        """The scheme in OpenAPI."""
        return build_scheme(self.issuer, self.metadata, self._scopes, self.sender.dpop)


def _model_of_class(cls: type[Protect[Any]], remember: int) -> ClaimsModel[Any] | None:
    """The model of `class MyApi(Protect[Model])`. Raises: ConfigurationError when there can be none."""
    for base in (base for step in cls.__mro__ for base in getattr(step, "__orig_bases__", ())):
        if get_origin(base) is Protect and (model := model_of(base)) is not None:
            made: ClaimsModel[Any] = ClaimsModel(model, remember)
            made.prepare()
            return made
    return None
