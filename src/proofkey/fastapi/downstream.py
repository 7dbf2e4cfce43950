"""A handler's client for another API: a dependency that exchanges the received token (RFC 8693)."""

from collections.abc import AsyncGenerator, Sequence
from typing import Any

from fastapi.openapi.models import SecurityBase as SecurityScheme
from fastapi.security import SecurityScopes
from starlette.requests import HTTPConnection

from proofkey.errors import ProofkeyError
from proofkey.fastapi.guards import ApiDependency
from proofkey.fastapi.rules import ApiRules
from proofkey.runtime.token_exchange import TokenExchange
from proofkey.transport.bearer import AsyncApiTransport, AsyncBearerClient


class Downstream(ApiDependency):
    """An HTTP client for the API at `base_url`, on behalf of whoever called:
    `Annotated[AsyncBearerClient, Depends(Downstream(api, exchange, "https://stock.example.com", resource=…))]`.

    `Security(…, scopes=[…])` asks for scopes of the received token, which is exchanged before the handler runs, so
    that a refused exchange is an answer and no fault: 401 `insufficient_user_authentication` where the server
    wants the person again, else 503 with Retry-After.
    """

    def __init__(
        self,
        api: ApiRules[Any],
        exchange: TokenExchange,
        base_url: str,
        *,
        audience: str | Sequence[str] | None = None,
        resource: str | Sequence[str] | None = None,
        scope: str | Sequence[str] | None = None,
        transport: AsyncApiTransport | None = None,
    ) -> None:
        """`audience`, `resource` and `scope` as in `TokenExchange`; `transport` is one of httpx2's."""
        self._api = api
        self.scheme_name = api.scheme_name
        self._exchange = exchange
        self._base_url = base_url
        self._audience = audience
        self._resource = resource
        self._scope = scope
        self._transport = transport

    @property
    def api(self) -> object:
        """The `Protect` behind it."""
        return self._api

    @property
    def model(self) -> SecurityScheme:  # type: ignore[override] # read when the OpenAPI document is made, not before
        """The scheme in OpenAPI."""
        return self._api.model

    async def __call__(
        self, connection: HTTPConnection, scopes: SecurityScopes
    ) -> AsyncGenerator[AsyncBearerClient]:
        await self._api.admit(connection, scopes.scopes)
        received = self._api.received_token(connection)
        try:
            await self._exchange.exchange(
                received, audience=self._audience, resource=self._resource, scope=self._scope
            )
        except ProofkeyError as error:
            raise self._api.refuse_exchange(connection, error) from error
        async with self._exchange.downstream(
            self._base_url,
            received,
            audience=self._audience,
            resource=self._resource,
            scope=self._scope,
            transport=self._transport,
        ) as client:
            yield client
