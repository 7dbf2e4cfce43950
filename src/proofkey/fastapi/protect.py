"""`Protect`: one line that protects an API."""

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar
from weakref import WeakSet

from fastapi import FastAPI
from fastapi.openapi.models import OAuth2
from fastapi.security import SecurityScopes
from fastapi.security.base import SecurityBase
from starlette.applications import Starlette
from starlette.requests import HTTPConnection
from starlette.types import Scope

from proofkey.errors import MalformedCredentials, NoCredentials, ProofkeyError
from proofkey.fastapi.openapi import build_scheme, complete_openapi
from proofkey.fastapi.refusal import Refused, announce
from proofkey.fastapi.swagger import add_swagger
from proofkey.protocol.access_token import AccessToken
from proofkey.protocol.exchange import Transport
from proofkey.protocol.metadata import ServerMetadata, check_issuer
from proofkey.protocol.signature import ALGORITHM_NAMES
from proofkey.resource_server.challenge import Challenges, build_refusal, check_realm
from proofkey.resource_server.credentials import read_credentials
from proofkey.resource_server.protected_resource import LEEWAY, check_roles, check_scope, check_user
from proofkey.runtime import events
from proofkey.runtime.clock import Clock
from proofkey.runtime.verifier import Verifier
from proofkey.transport.http import HttpTransport

AppT = TypeVar("AppT", bound=Starlette)
_SLOT: Final = "proofkey.token"
"""The place in a request's scope that holds a `_Kept`."""
Check = Callable[[AccessToken], None]
"""A rule for a proven token. Raises: InsufficientScope or a kind of it."""


class Protect(SecurityBase):
    """A FastAPI security dependency that gives a proven `AccessToken`, on HTTP and on websockets.

    `Annotated[AccessToken, Security(api, scopes=["orders:read"])]`: the scopes are checked, and stand in OpenAPI.
    `FastAPI(lifespan=api.lifespan)` keeps the issuer's keys warm; without it they are fetched when needed.
    """

    def __init__(
        self,
        *,
        issuer: str,
        audience: str | Sequence[str] = (),
        scopes: Mapping[str, str] | None = None,
        public_url: str | None = None,
        realm: str | None = None,
        docs_client_id: str | None = None,
        algorithms: Iterable[str] = ALGORITHM_NAMES,
        leeway: int = LEEWAY,
        ca_file: Path | None = None,
        transport: Transport | None = None,
        clock: Clock | None = None,
        remember_tokens: int = 0,
        scheme_name: str = "oauth2",
    ) -> None:
        """`scopes` describes scopes for OpenAPI; `public_url` is the address by which callers know the API.

        With `docs_client_id`, a public client at the issuer, `/docs` signs in with PKCE. Several `Protect`s in one
        application need a `scheme_name` each. `remember_tokens` as in `Verifier`.
        Raises: ConfigurationError when the audience is missing or the issuer is http away from loopback.
        """
        check_realm(realm)
        if public_url is not None:
            check_issuer(public_url)
        self.verifier = Verifier(
            issuer=issuer,
            audience=audience,
            algorithms=algorithms,
            leeway=leeway,
            transport=transport or HttpTransport(ca_file=ca_file),
            clock=clock,
            remember_tokens=remember_tokens,
        )
        self.issuer = self.verifier.policy.issuer
        self.audience = (audience,) if isinstance(audience, str) else tuple(audience)
        self.public_url = public_url
        self.scheme_name = scheme_name
        self.optional = Optional(self)
        self.user = Guard(self, check_user)
        self._scopes = dict(scopes or {})
        self._realm = realm
        self._docs_client_id = docs_client_id
        self._installed: WeakSet[Starlette] = WeakSet()

    async def __call__(self, connection: HTTPConnection, scopes: SecurityScopes) -> AccessToken:
        return await self.admit(connection, scopes.scopes)

    def role(self, role: str) -> "Guard":
        """Asks for the role too: `Depends(api.role("admin"))`, `Security(api.role(…), scopes=[…])`."""
        return self.roles(role)

    def roles(self, *roles: str) -> "Guard":
        """The same for any one of several roles."""
        return Guard(self, lambda token: check_roles(token, roles))

    async def admit(
        self, connection: HTTPConnection, scopes: Sequence[str] = (), check: Check | None = None
    ) -> AccessToken:
        """The proven token of this request, for code that is no dependency.

        Raises: Refused, which FastAPI answers as RFC 6750 says.
        """
        scope = connection.scope
        try:
            kept: _Kept | None = scope.get(_SLOT)
            if kept is not None and kept.api is self and kept.headers is scope["headers"]:
                token = kept.token
            else:
                token = await self.verifier.verify(read_credentials(scope["headers"], scope["query_string"]).token)
                scope[_SLOT] = _Kept(self, scope["headers"], token)
            if scopes:
                check_scope(token, scopes)
            if check is not None:
                check(token)
        except ProofkeyError as error:
            raise self._refuse(scope, error) from error
        return token

    @property
    def ready(self) -> bool:
        """True while there are keys to verify with: what a readiness probe asks."""
        return self.verifier.ready

    @property
    def metadata(self) -> ServerMetadata | None:
        """The issuer's metadata as they were last read."""
        return self.verifier.source.metadata

    @property
    def model(self) -> OAuth2:  # type: ignore[override] # read when the OpenAPI document is made, not before
        """The scheme in OpenAPI."""
        return build_scheme(self.issuer, self.metadata, self._scopes)

    @asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncGenerator[None]:
        """For `FastAPI(lifespan=api.lifespan)`: `install`, warm keys, background refresh."""
        self.install(app)
        await self.verifier.start()
        try:
            yield
        finally:
            await self.verifier.aclose()

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
        """What `lifespan` does to the application: complete OpenAPI scopes, and `/docs` with `docs_client_id`.

        A mounted application, whose lifespan never runs, calls this itself. A second call does nothing.
        """
        if app in self._installed or not isinstance(app, FastAPI):
            return
        self._installed.add(app)
        complete_openapi(app, self)
        if self._docs_client_id is not None:
            self.swagger(app, client_id=self._docs_client_id)

    def swagger(
        self, app: FastAPI, *, client_id: str, authorization_parameters: Mapping[str, str] | None = None
    ) -> None:
        """Makes `/docs` sign in with PKCE as the public client `client_id`, loading nothing from other hosts.

        `authorization_parameters` go to the authorization endpoint; the default asks for a token for this API
        (`resource`, RFC 8707), some providers want `{"audience": …}` instead.
        """
        parameters = authorization_parameters
        if parameters is None:
            parameters = {"resource": self.audience[0]}
        add_swagger(app, client_id=client_id, scopes=tuple(self._scopes), authorization_parameters=parameters)

    def _refuse(self, scope: Scope, error: ProofkeyError) -> Refused:
        announce(scope)
        events.refused(
            "api.refused", error, method=scope.get("method", "WEBSOCKET"), path=str(scope.get("path", ""))[:200]
        )
        return Refused(build_refusal(error, Challenges(realm=self._realm)), error)


@dataclass(frozen=True, slots=True)
class _Kept:
    """The token that an API has proven for this very request, for its further dependencies and nobody else's."""

    api: Protect
    headers: object
    token: AccessToken


class Guard(SecurityBase):
    """`Protect` with one more rule: made by `Protect.role`, `Protect.roles` and `Protect.user`."""

    def __init__(self, api: Protect, check: Check) -> None:
        self._api = api
        self._check = check
        self.scheme_name = api.scheme_name

    @property
    def model(self) -> OAuth2:  # type: ignore[override] # the same scheme
        """The scheme in OpenAPI."""
        return self._api.model

    async def __call__(self, connection: HTTPConnection, scopes: SecurityScopes) -> AccessToken:
        return await self._api.admit(connection, scopes.scopes, self._check)


class Optional(SecurityBase):
    """`Protect` for operations that take strangers too: None without a token; a bad token is refused."""

    def __init__(self, api: Protect) -> None:
        self._api = api
        self.scheme_name = api.scheme_name

    @property
    def model(self) -> OAuth2:  # type: ignore[override] # the same scheme
        """The scheme in OpenAPI."""
        return self._api.model

    async def __call__(self, connection: HTTPConnection, scopes: SecurityScopes) -> AccessToken | None:
        with suppress(MalformedCredentials):  # `admit` refuses those
            try:
                read_credentials(connection.scope["headers"], connection.scope["query_string"])
            except NoCredentials:
                return None
        return await self._api.admit(connection, scopes.scopes)
