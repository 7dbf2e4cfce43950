"""The way of a request through the checks, from headers to a proven token, and the answer when one says no."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final, Generic, NamedTuple, cast

from starlette.exceptions import HTTPException
from starlette.types import Scope

from proofkey.errors import InsufficientScope, ProofkeyError, Unavailable
from proofkey.fastapi.claims import ClaimsModel
from proofkey.fastapi.users import UserLoader
from proofkey.findings import Finding
from proofkey.protocol.access_token import AccessToken, ClaimsT
from proofkey.resource_server.authorization import Granting
from proofkey.resource_server.challenge import Challenges, Refusal, build_refusal
from proofkey.resource_server.credentials import Credentials, read_credentials, scheme_of
from proofkey.runtime import api_events, events, telemetry
from proofkey.runtime.clock import Clock
from proofkey.runtime.proofs import ProofChecker
from proofkey.runtime.verifier import Verifier
from proofkey.web.client_certificate import ClientCertificates
from proofkey.web.nonce_header import NONCES
from proofkey.web.proof_request import read_proof_request

_numbers: Final = count(1)
_NEVER_ASKED_FOR: Final = "offline_access"
"""A matter between client and authorization server (MCP 2026-07-28)."""


class Proven(NamedTuple, Generic[ClaimsT]):
    """What one API has proven for this very request, for its further dependencies and nobody else's."""

    by: object
    headers: object
    credentials: Credentials
    token: AccessToken[ClaimsT]
    user: object
    """The application's own; None where no hook is configured, or no person stands behind the token."""


@dataclass(slots=True, kw_only=True, eq=False)
class Admission(Generic[ClaimsT]):
    """Everything that one API checks of a request before its scopes are looked at."""

    verifier: Verifier
    clock: Clock
    challenges: Challenges
    granting: Granting
    proofs: ProofChecker | None = None
    """None: no bound token is taken."""
    certificates: ClientCertificates | None = None
    public_url: str | None = None
    claims: ClaimsModel[ClaimsT] | None = None
    """None: the mapping as it came."""
    users: UserLoader[Any] | None = None
    log_acceptances: bool = False
    trace_users: bool = False
    slot: str = field(init=False)
    """The place in a request's scope that holds a `Proven`: its own for each API of the process."""

    tell: Callable[[Scope, AccessToken[Any]], None] = field(init=False)
    """Called once for a request whose token has passed every check: for OpenTelemetry, and the log if wanted."""

    _waits: bool = field(init=False)

    def __post_init__(self) -> None:
        self._waits = self.proofs is not None or self.users is not None
        self.slot = f"proofkey.token.{next(_numbers)}"
        self.tell = self._tell_more if self.log_acceptances or self.trace_users else telemetry.admitted

    async def prove(self, scope: Scope) -> AccessToken[ClaimsT]:
        """The token of this request after every check; at once if this API has checked this request before.

        Raises: ProofkeyError; what the application's own hook raises on purpose (HTTPException).
        """
        token = self.prove_now(scope)
        return await self.prove_waiting(scope) if token is None else token

    def prove_now(self, scope: Scope) -> AccessToken[ClaimsT] | None:
        """The same without waiting: None when that is needed, and `prove_waiting` is to be awaited."""
        headers = scope["headers"]
        kept: tuple[object, object, Credentials, AccessToken[ClaimsT], object] | None = scope.get(self.slot)
        if kept is not None and kept[0] is self and kept[1] is headers:
            return kept[3]
        if self._waits or kept is not None:
            return None
        try:
            credentials = read_credentials(headers, scope["query_string"])
            token = self.verifier.verify_now(credentials.token)
            if token is None:
                return None
            typed = cast("AccessToken[ClaimsT]", token) if self.claims is None else self.claims.read(token)
        except ProofkeyError:
            raise
        except Exception as error:
            raise _broken(error) from error
        scope[self.slot] = (self, headers, credentials, typed, None)  # a `Proven`, made sooner than one
        return typed

    async def prove_waiting(self, scope: Scope) -> AccessToken[ClaimsT]:
        """`prove` where keys have to be fetched, proofs checked or the application asked."""
        try:
            proven = await self._prove(scope)
        except (ProofkeyError, HTTPException):
            raise
        except Exception as error:
            raise _broken(error) from error
        scope[self.slot] = tuple(proven)
        return proven.token

    async def _prove(self, scope: Scope) -> Proven[ClaimsT]:
        headers, proofs = scope["headers"], self.proofs
        bound = proofs is not None
        dpop = proofs is not None and proofs.policy.offers_dpop
        credentials = read_credentials(headers, scope["query_string"], dpop=dpop)
        kept = self.proven(scope)
        if kept is not None and kept.credentials == credentials:  # something has changed other headers
            return kept._replace(headers=headers)
        token = self.verifier.verify_now(credentials.token, bound=bound)
        if token is None:
            token = await self.verifier.verify(credentials.token, bound=bound)
        if proofs is not None and not proofs.check_now(token, credentials):
            await self._check_proofs(proofs, token, credentials, scope)
        typed = cast("AccessToken[ClaimsT]", token) if self.claims is None else self.claims.read(token)
        user: object = None
        if self.users is not None and not token.is_client_only:
            user = await self.users.load(typed)
        return Proven(self, headers, credentials, typed, user)

    def proven(self, scope: Mapping[str, Any]) -> Proven[ClaimsT] | None:
        """What `prove` has found for this request; None before it has."""
        kept: tuple[object, object, Credentials, AccessToken[ClaimsT], object] | None = scope.get(self.slot)
        return Proven(*kept) if kept is not None and kept[0] is self else None

    def refuse(self, scope: Scope, error: ProofkeyError, needed: tuple[str, ...] = ()) -> Refusal:
        """One event, and the answer; `needed` are the scopes of the operation, as far as they are known."""
        known = self.proven(scope)
        api_events.refused(scope, error, None if known is None else known.token)
        told = tuple(name for name in needed if name != _NEVER_ASKED_FOR)
        if isinstance(error, InsufficientScope) and error.scope and told:
            error.scope = told  # one challenge for all that the operation needs, not for one dependency
        return self.build_refusal(scope, error, told)

    def build_refusal(self, scope: Scope, error: ProofkeyError, told: tuple[str, ...] = ()) -> Refusal:
        """The answer alone."""
        return build_refusal(error, self.challenges, scheme=scheme_of(scope["headers"]), scope=told)

    async def _check_proofs(
        self, proofs: ProofChecker, token: AccessToken, credentials: Credentials, scope: Scope
    ) -> None:
        request = read_proof_request(scope, token, public_url=self.public_url, certificates=self.certificates)
        nonce = await proofs.check(token, credentials, request)
        wanted: list[str] | None = scope.get(NONCES)
        if nonce is not None and wanted is not None:
            wanted.append(nonce)

    def _tell_more(self, scope: Scope, token: AccessToken[Any]) -> None:
        api_events.admitted(scope, token, logged=self.log_acceptances, user_ids=self.trace_users)


def _broken(error: Exception) -> Unavailable:
    """Nothing of ours should raise this; whatever it is, nobody gets in by it."""
    events.internal_error("api.failed", error)
    return Unavailable(Finding.INTERNAL)
