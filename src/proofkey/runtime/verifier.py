"""Verifies access tokens, for any framework or none."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Final

from proofkey.errors import InvalidToken
from proofkey.findings import Finding
from proofkey.protocol.access_token import AccessToken
from proofkey.protocol.dialect import Dialect
from proofkey.protocol.exchange import Transport
from proofkey.protocol.jws import read_unverified_header
from proofkey.protocol.key_set import KeySet
from proofkey.protocol.signature import ALGORITHM_NAMES
from proofkey.protocol.text import Issuer
from proofkey.resource_server.protected_resource import LEEWAY, ResourcePolicy, read_token
from proofkey.resource_server.trust import check_trusted_until
from proofkey.runtime.clock import Clock, system_clock
from proofkey.runtime.introspection import Introspection
from proofkey.runtime.key_source import KeySource
from proofkey.runtime.portal import Portal
from proofkey.runtime.token_memory import TokenMemory
from proofkey.runtime.trust import Trust, TrustedIssuer
from proofkey.runtime.trusts import Trusts, build_trusts, is_jwt, read_issuers
from proofkey.transport.http import HttpTransport

_LOOK: Final = 2.0
"""Seconds between two looks at the deadlines, in the background."""


class Verifier:
    """Checks access tokens for one API, of one issuer or of several; keeps the issuers' keys.

    `verify` is for coroutines and `verify_sync` for everything else; both share keys and fetches. Without `start`
    the keys are fetched when a token needs them. Threads may share it, and so may processes that fork.
    """

    __slots__ = ("_clock", "_memory", "_only", "_trusts", "_watchers")

    def __init__(
        self,
        *,
        issuer: str | None = None,
        issuers: Sequence[TrustedIssuer] = (),
        audience: str | Sequence[str] = (),
        dialect: str | Dialect | None = None,
        tenants: Sequence[str] = (),
        introspection: Introspection | None = None,
        internal_base_url: str | None = None,
        allow_insecure_internal_http: bool = False,
        algorithms: Iterable[str] = ALGORITHM_NAMES,
        leeway: int = LEEWAY,
        transport: Transport | None = None,
        clock: Clock | None = None,
        remember_tokens: int = 0,
    ) -> None:
        """Either `issuer`, with the keywords that `TrustedIssuer` explains, or `issuers`.

        `audience`, `algorithms` and `leeway` count for every issuer that has none of its own. `remember_tokens` is
        how many verified tokens are remembered (`TokenMemory`); 0 verifies every time.
        Raises: ConfigurationError when the audience is missing, an issuer is http away from loopback, two issuers
        claim the same tokens, or no issuer is trusted any more.
        """
        self._clock = system_clock() if clock is None else clock
        self._trusts: Trusts = build_trusts(
            read_issuers(
                issuer,
                issuers,
                dialect,
                tenants,
                introspection,
                internal_base_url,
                allow_insecure_internal_http,
            ),
            audience,
            frozenset(algorithms),
            leeway,
            HttpTransport() if transport is None else transport,
            self._clock,
        )
        self._only: Trust | None = self._trusts.only
        self._memory: TokenMemory[Trust] | None = TokenMemory(remember_tokens) if remember_tokens > 0 else None
        self._watchers: dict[asyncio.AbstractEventLoop, asyncio.Task[None]] = {}

    @property
    def clock(self) -> Clock:
        """What tells whether a token is still good."""
        return self._clock

    @property
    def trusts(self) -> tuple[Trust, ...]:
        """Each trusted issuer: rules, keys, transport, count."""
        return self._trusts.all

    @property
    def issuers(self) -> tuple[Issuer, ...]:
        """The issuers that are trusted now, in the order of the configuration."""
        return tuple(dict.fromkeys(trust.policy.issuer for trust in self._trusts.live(self._clock.now())))

    @property
    def policy(self) -> ResourcePolicy:
        """The rules for the tokens of the first issuer."""
        return self._trusts.all[0].policy

    @property
    def source(self) -> KeySource:
        """The keys of the first issuer."""
        return self._trusts.all[0].source

    @property
    def accepted(self) -> Mapping[str, int]:
        """How many tokens of each issuer were accepted since the start of this process."""
        counts: dict[str, int] = {}
        for trust in self._trusts.all:
            counts[trust.policy.issuer] = counts.get(trust.policy.issuer, 0) + trust.accepted
        return counts

    @property
    def ready(self) -> bool:
        """True while there are keys of every issuer that is trusted: what a readiness probe asks."""
        return all(self.readiness.values())

    @property
    def readiness(self) -> Mapping[str, bool]:
        """For each issuer that is trusted now whether there are keys: where one that is down shall not take the
        API down for the others, a probe asks `any` of these."""
        ready: dict[str, bool] = {}
        for trust in self._trusts.live(self._clock.now()):
            ready[trust.policy.issuer] = trust.source.ready and ready.get(trust.policy.issuer, True)
        return ready

    def verify_now(self, token: str, *, bound: bool = False) -> AccessToken | None:
        """`verify` without waiting: None when that needs I/O, and `verify` is to be awaited.

        A remembered token is not verified anew, but is asked about at the issuer like any other where
        `Introspection(always=True)` says so.

        Raises: InvalidToken.
        """
        proven: AccessToken | None
        recalled = None if self._memory is None else self._recall(self._memory, token, bound)
        if recalled is not None:
            trust, proven = recalled
        else:
            trust = self._only or self._trusts.choose(token)
            if trust.policy.until is not None:
                check_trusted_until(trust.policy, self._clock.now())
            if trust.introspector is not None and not is_jwt(token):
                return trust.count(trust.introspector.known(token, bound=bound))
            keys = trust.source.at_hand()
            proven = None if keys is None else self._prove_now(trust, token, keys, bound)
            if proven is None:
                return None
        introspector = trust.introspector
        if introspector is not None and introspector.always and not introspector.known_active(token):
            return None
        return trust.count(proven)

    async def verify(self, token: str, *, bound: bool = False) -> AccessToken:
        """The proven claims. A token that is bound to a key (`cnf`) is refused, unless the caller says with
        `bound` that it demands the proof itself.

        Raises: InvalidToken; Unavailable while the issuer's keys cannot be had.
        """
        known = self.verify_now(token, bound=bound)
        if known is not None:
            return known
        trust = self._only or self._trusts.choose(token)
        check_trusted_until(trust.policy, self._clock.now())
        introspector = trust.introspector
        if introspector is not None and not is_jwt(token):
            proven = await introspector.introspect(token, bound=bound)
        else:
            proven = await self._prove_later(trust, token, bound)
            if introspector is not None and introspector.always:
                await introspector.check_active(token)
        check_trusted_until(trust.policy, self._clock.now())  # it may have passed while the issuer was asked
        return trust.count(proven)

    def verify_sync(self, token: str, *, bound: bool = False) -> AccessToken:
        """`verify` for synchronous code: no I/O and no other thread while the keys are here.

        Raises: InvalidToken; Unavailable while the issuer's keys cannot be had.
        """
        known = self.verify_now(token, bound=bound)
        if known is not None:
            return known
        return Portal.own().call(partial(self.verify, bound=bound), token)

    def _prove_now(self, trust: Trust, token: str, keys: KeySet, bound: bool) -> AccessToken | None:
        """None when a fetch could bring the token's key."""
        try:
            return self._prove(trust, token, keys, bound)
        except InvalidToken as refusal:
            if refusal.finding is Finding.TOKEN_KEY_UNKNOWN and self._may_find_key(trust, token):
                return None
            raise

    async def _prove_later(self, trust: Trust, token: str, bound: bool) -> AccessToken:
        keys = await trust.source.current()
        recalled = None if self._memory is None else self._recall(self._memory, token, bound)
        if recalled is not None:
            return recalled[1]
        proven = self._prove_now(trust, token, keys, bound)
        if proven is not None:
            return proven
        return self._prove(trust, token, await trust.source.keys_for(_kid_of(token)), bound)

    def _prove(self, trust: Trust, token: str, keys: KeySet, bound: bool) -> AccessToken:
        now = self._clock.now()
        proven = read_token(token, keys, trust.policy, now, bound=bound)
        if self._memory is not None:
            self._memory.keep(token, trust, keys, proven, now, bound=bound, until=trust.policy.until)
        return proven

    def _recall(self, memory: TokenMemory[Trust], token: str, bound: bool) -> tuple[Trust, AccessToken] | None:
        entry = memory.find(token)
        if entry is None:
            return None
        keys = entry.owner.source.at_hand()
        if keys is None or not memory.is_good(token, entry, keys, self._clock.now(), bound=bound):
            return None
        return entry.owner, entry.proven

    def _may_find_key(self, trust: Trust, token: str) -> bool:
        """Whether a fetch could bring the key of a token whose kid is not known. Another issuer's key causes
        none here: a token that claims this issuer and was signed by that one stays refused."""
        kid = _kid_of(token)
        return trust.source.would_ask_for(kid) and not self._trusts.signed_by_another(token, kid, trust)

    async def start(self) -> None:
        """Warms the keys up and keeps them fresh on this event loop; an issuer that is down does not fail it, and
        delays it by a second at most."""
        live = self._trusts.live(self._clock.now())
        await asyncio.gather(*(trust.source.start() for trust in live))
        loop = asyncio.get_running_loop()
        if self._trusts.has_deadlines and loop not in self._watchers:
            self._watchers[loop] = loop.create_task(self._watch())

    async def aclose(self) -> None:
        """Ends what `start` began."""
        watcher = self._watchers.pop(asyncio.get_running_loop(), None)
        if watcher is not None:
            watcher.cancel()
            with suppress(asyncio.CancelledError):
                await watcher
        for trust in self._trusts.all:
            await trust.source.aclose()

    async def _watch(self) -> None:
        """An issuer whose deadline has passed is asked for keys no longer; until then its use is told."""
        while True:
            live = self._trusts.live(self._clock.now())
            for trust in self._trusts.all:
                if trust in live:
                    trust.tell_use(self._clock.now(), self._clock.monotonic())
                else:
                    await trust.source.aclose()
            await asyncio.sleep(_LOOK)


def _kid_of(token: str) -> str:
    """The kid of a token whose key is not known, whole: refusals show only a part."""
    kid: object = read_unverified_header(token).get("kid")
    return kid if isinstance(kid, str) else ""
