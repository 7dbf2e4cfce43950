"""Calls downstream for whoever called: never with the received token, always with one made for that API."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from proofkey.client.token_exchange import (
    ExchangedToken,
    ExchangeKind,
    ExchangeRules,
    ExchangeTarget,
    build_exchange_ask,
    build_target,
    check_exchange_rules,
    read_exchange_answer,
)
from proofkey.errors import ConfigurationError, InvalidScope
from proofkey.findings import Finding
from proofkey.protocol.client_assertion import ClientMethod
from proofkey.protocol.exchange import Transport
from proofkey.protocol.metadata import check_issuer
from proofkey.protocol.scope import parse_scope
from proofkey.protocol.text import Instant, Issuer, Secret
from proofkey.protocol.token_messages import ACCESS_TOKEN
from proofkey.protocol.uri import is_web_url
from proofkey.providers.choose import dialect_for
from proofkey.runtime.answer_memory import digest_key
from proofkey.runtime.circuit import Circuit
from proofkey.runtime.clock import Clock, system_clock
from proofkey.runtime.entropy import Entropy, system_entropy
from proofkey.runtime.login_provider import LoginProvider
from proofkey.runtime.outgoing_client import prepared, read_outgoing_client
from proofkey.runtime.questions import Questions
from proofkey.transport.bearer import TIMEOUT, AsyncApiTransport, AsyncBearerClient, async_bearer_client
from proofkey.transport.http import HttpTransport

EARLY: Final = 30
"""Seconds before its end from which an exchanged token is not used again."""
LONGEST: Final = 3600
"""Seconds that an exchanged token is remembered at most."""


class TokenExchange:
    """Exchanges received tokens at one authorization server, under this API's own client (RFC 8693).

    At Microsoft Entra ID it sends the on-behalf-of request instead, unless `kind` says otherwise. `audience`,
    `resource` and `scope` say what the new tokens are for, unless a call says something else. `token_endpoint` is
    the metadata's unless it is named. `size` tokens are remembered at most, until 30 seconds before their end; one
    whose end is not told is used once. Use it on one event loop.
    """

    def __init__(
        self,
        *,
        issuer: str,
        client_id: str,
        client_secret: str | Secret | None = None,
        client_secret_file: str | Path | None = None,
        private_key_file: str | Path | None = None,
        audience: str | Sequence[str] = (),
        resource: str | Sequence[str] = (),
        scope: str | Sequence[str] = (),
        kind: ExchangeKind | None = None,
        token_endpoint: str | None = None,
        subject_token_type: str = ACCESS_TOKEN,
        requested_token_type: str = ACCESS_TOKEN,
        auth_method: ClientMethod | None = None,
        assertion_audience: str | None = None,
        size: int = 1000,
        ca_file: Path | None = None,
        transport: Transport | None = None,
        clock: Clock | None = None,
        entropy: Entropy = system_entropy,
    ) -> None:
        """Raises: ConfigurationError."""
        check_issuer(issuer)
        if token_endpoint is not None and not is_web_url(token_endpoint):
            reason = "neither https nor http on loopback"
            raise ConfigurationError(Finding.CONFIG_VALUE, key="token_endpoint", reason=reason)
        client = read_outgoing_client(
            client_id=client_id,
            client_secret=client_secret,
            client_secret_file=client_secret_file,
            private_key_file=private_key_file,
            auth_method=auth_method,
            assertion_audience=assertion_audience,
        )
        self._rules: Final = ExchangeRules(
            issuer=Issuer(issuer),
            client=client,
            kind=dialect_for(issuer).login.exchange if kind is None else kind,
            subject_token_type=subject_token_type,
            requested_token_type=requested_token_type,
        )
        check_exchange_rules(self._rules)
        self._default: Final = (_names(audience), _names(resource), _scope(scope))
        if any(self._default):
            build_target(self._rules, *self._default)
        self._token_endpoint: Final = token_endpoint
        self._ca_file = ca_file
        self._clock = clock or system_clock()
        self._entropy = entropy
        self._transport: Transport = HttpTransport(ca_file=ca_file) if transport is None else transport
        self._provider = LoginProvider(self._rules.issuer, self._transport, self._clock)
        self._circuit = Circuit("token_exchange", issuer, self._clock)
        self._tokens: Questions[ExchangedToken] = Questions(
            "token_exchange", size=size, longest=LONGEST, clock=self._clock
        )

    async def exchange(
        self,
        token: str | Secret,
        *,
        audience: str | Sequence[str] | None = None,
        resource: str | Sequence[str] | None = None,
        scope: str | Sequence[str] | None = None,
        actor_token: str | Secret | None = None,
    ) -> ExchangedToken:
        """A token for the API downstream, in place of `token`, which this API received and has verified.

        One request per token and target at a time, and none while there is a good one.
        Raises: ExchangeFailed when the server refuses this token; Unavailable; ConfigurationError for a target
        that cannot be.
        """
        target = self._target(audience, resource, scope)
        subject = _secret(token)
        actor = None if actor_token is None else _secret(actor_token)
        key = digest_key(
            subject.reveal(),
            "" if actor is None else actor.reveal(),
            *(" ".join(names) for names in (target.audience, target.resource, target.scope)),
        )

        async def ask() -> tuple[ExchangedToken, Instant]:
            fresh = await self._circuit.guard(lambda: self._ask(subject, target, actor))
            end = self._clock.now() if fresh.expires_at is None else Instant(fresh.expires_at - EARLY)
            return fresh, end

        known = self._tokens.known(key)
        return await self._tokens.answer(key, ask) if known is None else known

    def downstream(
        self,
        base_url: str,
        token: str | Secret,
        *,
        audience: str | Sequence[str] | None = None,
        resource: str | Sequence[str] | None = None,
        scope: str | Sequence[str] | None = None,
        actor_token: str | Secret | None = None,
        timeout: float = TIMEOUT,
        transport: AsyncApiTransport | None = None,
    ) -> AsyncBearerClient:
        """An HTTP client for the API at `base_url` that exchanges `token` before each request and never sends it.

        Close it, or use it with `async with`. It follows no redirects, and a request to another origin raises
        ProofkeyError before it is sent. `transport` is one of httpx2's.
        Raises: Unavailable when `base_url` is neither https nor http on loopback; ConfigurationError for a target
        that cannot be; its requests raise what `exchange` raises.
        """
        self._target(audience, resource, scope)
        received = _secret(token)

        async def bearer() -> str:
            fresh = await self.exchange(
                received, audience=audience, resource=resource, scope=scope, actor_token=actor_token
            )
            return fresh.reveal()

        return async_bearer_client(base_url, bearer, ca_file=self._ca_file, timeout=timeout, transport=transport)

    async def _ask(self, subject: Secret, target: ExchangeTarget, actor: Secret | None) -> ExchangedToken:
        url, offered = await self._endpoint()
        now = self._clock.now()
        ask = await prepared(
            self._rules.client,
            lambda: build_exchange_ask(
                self._rules, url, subject, target, actor=actor, offered=offered, now=now, fresh_id=self._entropy
            ),
        )
        return read_exchange_answer(await self._transport.send(ask), self._rules, subject, target, now)

    async def _endpoint(self) -> tuple[str, tuple[str, ...]]:
        """Where to ask, and the methods of client authentication that are offered there."""
        if self._token_endpoint is not None:
            return self._token_endpoint, ()
        metadata = await self._provider.metadata()
        return metadata.token_endpoint, metadata.token_endpoint_auth_methods_supported

    def _target(
        self,
        audience: str | Sequence[str] | None,
        resource: str | Sequence[str] | None,
        scope: str | Sequence[str] | None,
    ) -> ExchangeTarget:
        """What a call names, or what is configured. Raises: ConfigurationError."""
        usual = self._default
        return build_target(
            self._rules,
            usual[0] if audience is None else _names(audience),
            usual[1] if resource is None else _names(resource),
            usual[2] if scope is None else _scope(scope),
        )


def _names(value: str | Sequence[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(dict.fromkeys(value))


def _scope(value: str | Sequence[str]) -> tuple[str, ...]:
    if not isinstance(value, str):
        return tuple(value)
    try:
        return parse_scope(value)
    except InvalidScope as error:
        raise ConfigurationError(Finding.CONFIG_VALUE, key="scope", reason=error.finding.sentence) from error


def _secret(value: str | Secret) -> Secret:
    return Secret(value) if isinstance(value, str) else value
