"""Verifies access tokens, for any framework or none."""

from collections.abc import Iterable, Sequence

from proofkey.errors import InvalidToken
from proofkey.findings import Finding
from proofkey.protocol.access_token import AccessToken
from proofkey.protocol.exchange import Transport
from proofkey.protocol.key_set import KeySet
from proofkey.protocol.signature import ALGORITHM_NAMES
from proofkey.resource_server.protected_resource import LEEWAY, ResourcePolicy, build_policy, read_token
from proofkey.runtime.clock import Clock, system_clock
from proofkey.runtime.key_source import KeySource
from proofkey.runtime.portal import Portal
from proofkey.runtime.token_memory import TokenMemory
from proofkey.transport.http import HttpTransport


class Verifier:
    """Checks access tokens of one issuer for one API; keeps the issuer's keys.

    `verify` is for coroutines and `verify_sync` for everything else; both share keys and fetches. Without `start`
    the keys are fetched when a token needs them.
    """

    __slots__ = ("_clock", "_memory", "policy", "source")

    def __init__(
        self,
        *,
        issuer: str,
        audience: str | Sequence[str] = (),
        algorithms: Iterable[str] = ALGORITHM_NAMES,
        leeway: int = LEEWAY,
        transport: Transport | None = None,
        clock: Clock | None = None,
        remember_tokens: int = 0,
    ) -> None:
        """`remember_tokens` is how many verified tokens are remembered (`TokenMemory`); 0 verifies every time.

        Raises: ConfigurationError when the audience is missing or the issuer is http away from loopback.
        """
        self.policy: ResourcePolicy = build_policy(issuer, audience, algorithms=algorithms, leeway=leeway)
        self._clock = system_clock() if clock is None else clock
        self._memory = TokenMemory(remember_tokens) if remember_tokens > 0 else None
        self.source: KeySource = KeySource(
            self.policy.issuer, HttpTransport() if transport is None else transport, self._clock
        )

    @property
    def ready(self) -> bool:
        """True while there are keys to verify with: what a readiness probe asks."""
        return self.source.ready

    async def verify(self, token: str) -> AccessToken:
        """The proven claims.

        Raises: InvalidToken; Unavailable while the issuer's keys cannot be had.
        """
        keys = self.source.fresh()
        if keys is None:
            keys = await self.source.current()
        try:
            return self._read(token, keys)
        except InvalidToken as refusal:
            if refusal.finding is not Finding.TOKEN_KEY_UNKNOWN:
                raise
            newer = await self.source.keys_for(refusal.facts.get("kid", ""))
            if newer is keys:
                raise
        return self._read(token, newer)

    def verify_sync(self, token: str) -> AccessToken:
        """`verify` for synchronous code: no I/O and no other thread while the keys are here.

        Raises: InvalidToken; Unavailable while the issuer's keys cannot be had.
        """
        keys = self.source.fresh()
        if keys is not None:
            try:
                return self._read(token, keys)
            except InvalidToken as refusal:
                if refusal.finding is not Finding.TOKEN_KEY_UNKNOWN:
                    raise
        return Portal.own().call(self.verify, token)

    def _read(self, token: str, keys: KeySet) -> AccessToken:
        memory, now = self._memory, self._clock.now()
        if memory is None:
            return read_token(token, keys, self.policy, now)
        known = memory.find(token, keys, now)
        if known is None:
            known = read_token(token, keys, self.policy, now)
            memory.keep(token, keys, known)
        return known

    async def start(self) -> None:
        """Warms the keys up and keeps them fresh on this event loop; an issuer that is down does not fail it."""
        await self.source.start()

    async def aclose(self) -> None:
        """Ends what `start` began."""
        await self.source.aclose()
