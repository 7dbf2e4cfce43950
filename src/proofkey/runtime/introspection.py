"""Tokens that only their issuer can read, asked about and remembered: what `Introspection(...)` configures."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

from proofkey.errors import ConfigurationError, InvalidToken, Unavailable
from proofkey.findings import Finding
from proofkey.protocol.access_token import AccessToken
from proofkey.protocol.client_assertion import ClientMethod
from proofkey.protocol.exchange import Transport
from proofkey.protocol.jws import MAX_TOKEN
from proofkey.protocol.key_set import KeySet
from proofkey.protocol.metadata import ServerMetadata
from proofkey.protocol.text import Instant, Secret
from proofkey.resource_server.introspection import (
    IntrospectionRules,
    answer_kid,
    build_introspection_ask,
    build_introspection_rules,
    check_active,
    check_askable,
    read_answer_jwt,
    read_introspected,
    read_life_end,
    read_plain_answer,
    verify_signed_answer,
)
from proofkey.resource_server.protected_resource import ResourcePolicy
from proofkey.runtime.answer_memory import digest_key
from proofkey.runtime.circuit import Circuit
from proofkey.runtime.clock import Clock
from proofkey.runtime.entropy import Entropy, system_entropy
from proofkey.runtime.outgoing_client import prepared, read_outgoing_client
from proofkey.runtime.questions import Questions

LARGEST: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Introspection:
    """How an API asks its issuer about tokens (RFC 7662), under a client of its own.

    With it, tokens that are no JWTs go to the issuer; JWTs are verified with the issuer's keys as ever. The
    credential is a secret or a private key (a JWK or PEM file, for `private_key_jwt`). An answer is believed for
    `max_age` seconds and never after the token's end; `size` answers are remembered at most.
    """

    client_id: str
    client_secret: str | Secret | None = field(default=None, repr=False)
    client_secret_file: str | Path | None = None
    private_key_file: str | Path | None = None
    endpoint: str | None = None
    """None: the one in the issuer's metadata."""
    max_age: int = 60
    size: int = 1000
    signed: bool = False
    """Answers must be signed by the issuer (RFC 9701)."""
    always: bool = False
    """JWTs are asked about too, after they were verified: a revoked one is refused within `max_age`."""
    auth_method: ClientMethod | None = None
    """None: basic before post, as the metadata offer; an assertion with a private key."""
    assertion_audience: str | None = None
    """None: the issuer; else the exact `aud` of assertions that this server wants (RFC 7523bis §4)."""
    allow_insecure_missing_audience: bool = False
    """Take answers without `aud` that have `token_type`: any access token of the issuer then opens this API."""


class IssuerSource(Protocol):
    """The issuer's metadata and keys: a `KeySource`."""

    @property
    def metadata(self) -> ServerMetadata | None: ...

    async def current(self) -> KeySet: ...

    async def keys_for(self, kid: str) -> KeySet: ...


class Introspector:
    """Asks one issuer for one API. `known` and `known_active` are plain reads for the hot path."""

    __slots__ = ("_circuit", "_clock", "_entropy", "_live", "_rules", "_source", "_tokens", "_transport", "always")

    def __init__(
        self,
        config: Introspection,
        policy: ResourcePolicy,
        source: IssuerSource,
        transport: Transport,
        clock: Clock,
        entropy: Entropy = system_entropy,
    ) -> None:
        """Raises: ConfigurationError when there are no credentials, or a value is not possible."""
        if not 1 <= config.size <= LARGEST:
            raise ConfigurationError(Finding.CONFIG_VALUE, key="introspection.size", fix=f"1 to {LARGEST}")
        self._rules: Final[IntrospectionRules] = _rules_of(config, policy)
        self.always: Final = config.always
        """Whether JWTs are asked about too, once they are verified."""
        self._source = source
        self._transport = transport
        self._clock = clock
        self._entropy = entropy
        self._circuit = Circuit("introspection", policy.issuer, clock)
        size, longest = config.size, config.max_age
        self._tokens: Questions[AccessToken] = Questions("introspection", size=size, longest=longest, clock=clock)
        self._live: Questions[bool] = Questions("introspection", size=size, longest=longest, clock=clock)

    def known(self, token: str, *, bound: bool = False) -> AccessToken | None:
        """What the issuer said of this token a moment ago; None when it has to be asked.

        Raises: InvalidToken when that was a refusal, or the token is bound to a key and `bound` does not say that
        the proof is demanded.
        """
        found = None if len(token) > MAX_TOKEN else self._tokens.known(digest_key(token))
        return None if found is None else _proof_demanded(found, bound=bound)

    async def introspect(self, token: str, *, bound: bool = False) -> AccessToken:
        """What the issuer says of this token (RFC 7662 §2.2), held to the rules of every access token.

        Raises: InvalidToken; Unavailable when the issuer does not answer, or not believably.
        """
        check_askable(token)
        key = digest_key(token)
        found = self._tokens.known(key)

        async def ask() -> tuple[AccessToken, Instant]:
            members = await self._ask(token)
            now = self._clock.now()
            return read_introspected(members, self._rules, now), read_life_end(members, self._rules, now)

        if found is None:
            found = await self._tokens.answer(key, ask)
        return _proof_demanded(found, bound=bound)

    def known_active(self, token: str) -> bool:
        """Whether the issuer said a moment ago that this token, which is verified already, is active.

        Raises: InvalidToken when it said that it is not.
        """
        return self._live.known(digest_key(token)) is not None

    async def check_active(self, token: str) -> None:
        """For a token that is verified already: that it was not revoked since.

        Raises: InvalidToken; Unavailable when the issuer does not answer, or not believably.
        """
        check_askable(token)
        key = digest_key(token)

        async def ask() -> tuple[bool, Instant]:
            members = await self._ask(token)
            check_active(members)
            return True, read_life_end(members, self._rules, self._clock.now())

        if self._live.known(key) is None:
            await self._live.answer(key, ask)

    async def _ask(self, token: str) -> dict[str, Any]:
        """One question, unless the issuer is left alone for a while. Raises: Unavailable."""
        return await self._circuit.guard(lambda: self._exchange(token))

    async def _exchange(self, token: str) -> dict[str, Any]:
        rules, metadata = self._rules, await self._metadata()
        now = self._clock.now()
        ask = await prepared(
            rules.client,
            lambda: build_introspection_ask(token, rules, metadata, now=now, fresh_id=self._entropy),
        )
        answer = await self._transport.send(ask)
        if not rules.signed:
            return read_plain_answer(answer)
        text = read_answer_jwt(answer)
        kid = answer_kid(text)
        keys = await (self._source.current() if kid is None else self._source.keys_for(kid))
        return verify_signed_answer(text, keys, rules, self._clock.now())

    async def _metadata(self) -> ServerMetadata | None:
        """With a configured endpoint what is known, without a request; else what the issuer publishes now."""
        if self._rules.endpoint is None:
            try:
                await self._source.current()
            except Unavailable:
                if self._source.metadata is None:  # keys that cannot be had matter to signed answers alone
                    raise
        return self._source.metadata


def _rules_of(config: Introspection, policy: ResourcePolicy) -> IntrospectionRules:
    client = read_outgoing_client(
        client_id=config.client_id,
        client_secret=config.client_secret,
        client_secret_file=config.client_secret_file,
        private_key_file=config.private_key_file,
        auth_method=config.auth_method,
        assertion_audience=config.assertion_audience,
    )
    return build_introspection_rules(
        policy,
        client,
        endpoint=config.endpoint,
        signed=config.signed,
        max_age=config.max_age,
        allow_insecure_missing_audience=config.allow_insecure_missing_audience,
    )


def _proof_demanded(token: AccessToken, *, bound: bool) -> AccessToken:
    """Raises: InvalidToken for a bound token whose proof nobody will ask for."""
    if token.cnf is not None and not bound:
        raise InvalidToken(Finding.TOKEN_BOUND)
    return token
