"""What a `Protect` asks of a request, as dependencies and as calls."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Generic, TypeVar, overload

from fastapi.security import SecurityScopes
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from proofkey.errors import ExchangeFailed, InsufficientUserAuthentication, NoCredentials, ProofkeyError
from proofkey.fastapi.admission import Admission, Proven
from proofkey.fastapi.guards import ApiDependency, Guard, Optional, Users
from proofkey.fastapi.refusal import Refused, announce, announce_exchange, answer_outside
from proofkey.fastapi.routes import find_operation, is_marked, scopes_of
from proofkey.fastapi.users import LoadUser, UserLoader
from proofkey.findings import Finding
from proofkey.protocol.access_token import AccessToken, ClaimsT
from proofkey.protocol.text import Secret
from proofkey.resource_server.authorization import (
    Names,
    Requirement,
    build_requirement,
    check_requirement,
    check_scope,
    has_scope,
)
from proofkey.runtime import events
from proofkey.runtime.verifier import Verifier

UserT = TypeVar("UserT")
_USER: Final = "proofkey.user"


class ApiRules(ApiDependency, Generic[ClaimsT]):
    """The part of `Protect` that looks at requests."""

    _admission: Admission[ClaimsT]
    optional: Optional[ClaimsT]
    """None for a stranger; a bad token is refused."""

    async def __call__(self, connection: HTTPConnection, scopes: SecurityScopes) -> AccessToken[ClaimsT]:
        return await self.admit(connection, scopes.scopes)

    async def admit(
        self, connection: HTTPConnection, scopes: Sequence[str] = (), needs: Sequence[Requirement] = ()
    ) -> AccessToken[ClaimsT]:
        """The proven token of this request, for code that is no dependency.

        Raises: Refused, which FastAPI answers as RFC 6750 says.
        """
        scope, admission = connection.scope, self._admission
        first = admission.slot not in scope
        try:
            token = admission.prove_now(scope)
            if token is None:
                token = await admission.prove_waiting(scope)
            if scopes:
                check_scope(token, scopes, admission.granting)
            for need in needs:
                check_requirement(token, need, admission.clock.now(), admission.granting)
            if first:  # one event for a request, however many dependencies it has
                admission.tell(scope, token)
        except ProofkeyError as error:
            raise self._refused(scope, error, scopes, needs) from error
        return token

    async def admit_if_any(
        self, connection: HTTPConnection, scopes: Sequence[str] = ()
    ) -> AccessToken[ClaimsT] | None:
        """The same; None where there is no token at all. Raises: Refused."""
        scope, admission = connection.scope, self._admission
        first = admission.slot not in scope
        try:
            token = await admission.prove(scope)
            check_scope(token, scopes, admission.granting)
            if first:
                admission.tell(scope, token)
        except NoCredentials:
            return None
        except ProofkeyError as error:
            raise self._refused(scope, error, scopes) from error
        return token

    async def load(
        self, connection: HTTPConnection, token: AccessToken[ClaimsT], loader: UserLoader[UserT]
    ) -> UserT:
        """The application's own user of an admitted token. Raises: Refused; HTTPException."""
        kept: tuple[object, object, Any] | None = connection.scope.get(_USER)
        if kept is not None and kept[0] is loader and kept[1] is token:
            user: UserT = kept[2]
            return user
        try:
            user = await loader.load(token)
        except ProofkeyError as error:
            raise self._refused(connection.scope, error) from error
        connection.scope[_USER] = loader, token, user
        return user

    # --- dependencies ------------------------------------------------------------------------------------------
    def require(
        self,
        *,
        scopes: Names | None = None,
        roles: Names | None = None,
        all_roles: Names | None = None,
        permissions: Names | None = None,
        user: bool = False,
        client: bool = False,
        max_age: int | None = None,
        acr_values: Names | None = None,
    ) -> Guard[ClaimsT]:
        """Several rules in one dependency, all of which have to hold: `Depends(api.require(roles=["admin"],
        max_age=300))`.

        `roles` asks for any one of them, `all_roles`, `scopes` and `permissions` for each. `user`: a person stands
        behind the token; `client`: none does. `max_age` (seconds) and `acr_values` as in `step_up`.
        Raises: ConfigurationError when a list is empty, or the rules contradict.
        """
        need = build_requirement(
            scopes=scopes,
            roles=roles,
            all_roles=all_roles,
            permissions=permissions,
            user=user,
            client=client,
            max_age=max_age,
            acr_values=acr_values,
        )
        return Guard(self, (need,))

    def role(self, role: str) -> Guard[ClaimsT]:
        """Asks for the role too: `Depends(api.role("admin"))`, `Security(api.role(…), scopes=[…])`."""
        return self.require(roles=role)

    def roles(self, *roles: str) -> Guard[ClaimsT]:
        """The same for any one of several roles."""
        return self.require(roles=roles)

    def permission(self, *permissions: str) -> Guard[ClaimsT]:
        """Asks for permissions, as Auth0 and Entra ID write them into tokens; for all of several."""
        return self.require(permissions=permissions)

    def step_up(self, *, max_age: int | None = None, acr_values: Names | None = None) -> Guard[ClaimsT]:
        """Asks for a person who signed in within `max_age` seconds, in one of the classes `acr_values` (RFC 9470):
        else 401 with a challenge by which the client asks for a new sign-in.

        Raises: ConfigurationError when neither is given.
        """
        return self.require(
            max_age=max_age, acr_values=() if max_age is None and acr_values is None else acr_values
        )

    @property
    def user(self) -> Guard[ClaimsT]:
        """Asks for a person behind the token: `Depends(api.user)`."""
        return self.require(user=True)

    @property
    def client(self) -> Guard[ClaimsT]:
        """Asks for a client's own token, behind which there is no person: `Depends(api.client)`."""
        return self.require(client=True)

    @overload
    def users(self, load: Callable[[AccessToken[ClaimsT]], Awaitable[UserT | None]]) -> Users[UserT]: ...

    @overload
    def users(
        self, load: Callable[[AccessToken[ClaimsT]], UserT | None], *, in_thread: bool = False
    ) -> Users[UserT]: ...

    def users(self, load: LoadUser[Any], *, in_thread: bool = False) -> Users[Any]:
        """Gives the application's own user: `Annotated[User, Depends(api.users(load_user))]`.

        `load` gets the token and finds the user by `token.user_key`, (iss, sub). A user that it does not know or
        has disabled is None: 401 `invalid_token`. A plain function is called on the event loop, unless `in_thread`
        says that it waits for something. When it breaks, nobody gets in: 503.
        """
        return Users(self, UserLoader(load, in_thread=in_thread))

    # --- calls -------------------------------------------------------------------------------------------------
    def allows(self, token: AccessToken[Any], *scopes: str) -> bool:
        """Whether the token has all those scopes, `scope_hierarchy` considered: for decisions about objects."""
        return all(has_scope(token, scope, self._admission.granting) for scope in scopes)

    def token(self, connection: HTTPConnection) -> AccessToken[ClaimsT]:
        """The token that a guard or a dependency has proven for this request.

        Raises: LookupError when none has.
        """
        return self._proven(connection).token

    def app_user(self, connection: HTTPConnection) -> Any:  # noqa: ANN401 - the application's own type
        """What `load_user` gave for this request: `Depends(api.app_user)`; None for a client's own token.

        Raises: LookupError when no guard or dependency has proven a token.
        """
        return self._proven(connection).user

    def received_token(self, connection: HTTPConnection) -> Secret:
        """The proven token itself, to exchange it for one for another API (RFC 8693); it is never passed on.

        From now on an `ExchangeFailed` that a handler lets through is answered as `refuse_exchange` says.
        Raises: LookupError when no guard or dependency has proven it.
        """
        received = Secret(self._proven(connection).credentials.token)
        announce_exchange(connection.scope, self.refuse_exchange)
        return received

    def refuse_exchange(self, connection: HTTPConnection, error: ProofkeyError) -> Refused:
        """The answer where a received token could not be exchanged: 401 if another sign-in would help (RFC 9470
        §3), else 503 with Retry-After."""
        announce(connection.scope)
        events.refused("api.exchange_refused", error, path=str(connection.scope["path"])[:200])
        told = error
        if isinstance(error, ExchangeFailed) and error.finding is Finding.EXCHANGE_INTERACTION:
            told = InsufficientUserAuthentication(error.finding)
        return Refused(self._admission.build_refusal(connection.scope, told), error)

    @property
    def verifier(self) -> Verifier:
        """What verifies tokens; tests put another one here, whose clock counts for sign-ins and proofs too."""
        return self._admission.verifier

    @verifier.setter
    def verifier(self, verifier: Verifier) -> None:
        self._admission.verifier = verifier
        self._admission.clock = verifier.clock
        if self._admission.proofs is not None:
            self._admission.proofs.clock = verifier.clock

    # --- inside ------------------------------------------------------------------------------------------------
    def _proven(self, connection: HTTPConnection) -> Proven[ClaimsT]:
        proven = self._admission.proven(connection.scope)
        if proven is None:
            raise LookupError("no token: neither a guard nor a dependency of this API has proven one")
        return proven

    def _refused(
        self,
        scope: Scope,
        error: ProofkeyError,
        scopes: Sequence[str] = (),
        needs: Sequence[Requirement] = (),
        served: object = None,
    ) -> Refused:
        announce(scope)
        own = (*scopes, *(name for need in needs for name in need.scopes))
        needed = tuple(dict.fromkeys((*scopes_of(find_operation(scope, served), self), *own)))
        return Refused(self._admission.refuse(scope, error, needed), error)

    def _admit_scope_now(self, scope: Scope) -> bool:
        """For the guard around an application."""
        first = self._admission.slot not in scope
        token = self._admission.prove_now(scope)
        if token is not None and first:
            self._admission.tell(scope, token)
        return token is not None

    async def _admit_scope(self, scope: Scope) -> None:
        """The same where something has to be waited for."""
        first = self._admission.slot not in scope
        token = await self._admission.prove_waiting(scope)
        if first:
            self._admission.tell(scope, token)

    def _answer(self, served: ASGIApp, scope: Scope, error: ProofkeyError) -> ASGIApp:
        """For the guard around an application: outside of what handles the application's exceptions."""
        refused = self._refused(scope, error, served=served)

        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            await answer_outside(refused, scope, receive, send)

        return answer

    def _is_declared(self, served: ASGIApp, scope: Scope) -> bool:
        return is_marked(find_operation(scope, served))
