"""Dependencies with rules of their own: made by `Protect`, each costs a request one dependency."""

from collections.abc import Sequence
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from fastapi.openapi.models import SecurityBase as SecurityScheme
from fastapi.security import SecurityScopes
from fastapi.security.base import SecurityBase
from starlette.requests import HTTPConnection

from proofkey.errors import ConfigurationError
from proofkey.fastapi.users import UserLoader
from proofkey.findings import Finding
from proofkey.protocol.access_token import AccessToken, ClaimsT
from proofkey.resource_server.authorization import Requirement, build_requirement

UserT = TypeVar("UserT")


class Admits(Protocol[ClaimsT]):
    """What the dependencies here need of a `Protect`."""

    scheme_name: str

    @property
    def model(self) -> SecurityScheme: ...

    async def admit(
        self, connection: HTTPConnection, scopes: Sequence[str] = (), needs: Sequence[Requirement] = ()
    ) -> AccessToken[ClaimsT]: ...

    async def admit_if_any(
        self, connection: HTTPConnection, scopes: Sequence[str] = ()
    ) -> AccessToken[ClaimsT] | None: ...

    async def load(
        self, connection: HTTPConnection, token: AccessToken[ClaimsT], loader: UserLoader[UserT]
    ) -> UserT: ...


class ApiDependency(SecurityBase):
    """What a listing of open routes looks for."""

    protects: ClassVar[bool] = True
    """False: strangers come through."""
    own_scopes: tuple[str, ...] = ()
    """Scopes that it asks for beside those of `Security(…, scopes=[…])`."""

    @property
    def api(self) -> object:
        """The `Protect` behind it."""
        return self


class _OfApi(ApiDependency, Generic[ClaimsT]):
    """The scheme in OpenAPI is the API's own."""

    def __init__(self, api: Admits[ClaimsT]) -> None:
        self._api = api
        self.scheme_name = api.scheme_name

    @property
    def api(self) -> object:
        """The `Protect` behind it."""
        return self._api

    @property
    def model(self) -> SecurityScheme:  # type: ignore[override] # read when the OpenAPI document is made, not before
        """The scheme in OpenAPI."""
        return self._api.model


class Guard(_OfApi[ClaimsT]):
    """`Protect` with more rules. `one & other` asks for both."""

    def __init__(self, api: Admits[ClaimsT], needs: tuple[Requirement, ...]) -> None:
        super().__init__(api)
        self.needs = needs
        self.own_scopes = tuple(dict.fromkeys(scope for need in needs for scope in need.scopes))

    async def __call__(self, connection: HTTPConnection, scopes: SecurityScopes) -> AccessToken[ClaimsT]:
        return await self._api.admit(connection, scopes.scopes, self.needs)

    def __and__(self, other: "Guard[ClaimsT]") -> "Guard[ClaimsT]":
        """Raises: ConfigurationError when the other one is another API's, or both contradict."""
        if other.api is not self.api:
            raise ConfigurationError(Finding.CONFIG_VALUE, key="guard", reason="rules of two APIs")
        needs = (*self.needs, *other.needs)
        build_requirement(user=any(need.user for need in needs), client=any(need.client for need in needs))
        return Guard(self._api, needs)


class Optional(_OfApi[ClaimsT]):
    """`Protect` for operations that take strangers too: None without a token; a bad token is refused."""

    protects = False

    async def __call__(self, connection: HTTPConnection, scopes: SecurityScopes) -> AccessToken[ClaimsT] | None:
        return await self._api.admit_if_any(connection, scopes.scopes)


class Users(_OfApi[Any], Generic[UserT]):
    """`Protect` that gives the application's own user."""

    def __init__(self, api: Admits[Any], loader: UserLoader[UserT]) -> None:
        super().__init__(api)
        self._loader = loader
        self._needs = (build_requirement(user=True),)

    async def __call__(self, connection: HTTPConnection, scopes: SecurityScopes) -> UserT:
        token = await self._api.admit(connection, scopes.scopes, self._needs)
        return await self._api.load(connection, token, self._loader)
