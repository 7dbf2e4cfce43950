"""An issuer's keys, kept: warm at the start, refreshed in the background, never in the way of a request.

Three rules decide everything. Keys that are here serve at once, whatever the issuer does, until 24 hours after
their lifetime. However many callers want a fetch, one is on its way. A stranger's kid can cause one fetch per
cool-down, and only the requests that carry such a kid wait for it.
"""

import asyncio
from contextlib import suppress
from typing import Final

from proofkey.errors import ProofkeyError, Unavailable
from proofkey.findings import Finding
from proofkey.protocol.exchange import Transport
from proofkey.protocol.key_set import KeySet
from proofkey.protocol.metadata import ServerMetadata
from proofkey.protocol.text import Issuer
from proofkey.resource_server.key_freshness import (
    COOL_DOWN,
    DEFAULT_LIFETIME,
    LONGEST_STALE,
    RETRY,
    YOUNG,
    UnknownKids,
    read_lifetime,
)
from proofkey.runtime import events
from proofkey.runtime.clock import Clock
from proofkey.runtime.discovery import fetch_key_set, fetch_metadata
from proofkey.runtime.single_flight import SingleFlight

NEVER: Final = float("-inf")
DEADLINE: Final = 5.0
"""Seconds for metadata and keys together."""
METADATA_LIFETIME: Final = 3600.0
EARLY: Final = DEADLINE
"""The background refresh begins this long before the keys' lifetime ends, so that it is over by then."""
PATIENCE: Final = 0.25
"""Seconds that a request waits for a refresh that nobody did in time; then the old keys serve."""
WARM_UP: Final = 1.0
"""Seconds that `start` waits for the first keys; after that they come in the background."""
_LOOK: Final = RETRY
"""Seconds between two looks at the clock, which tests may turn."""


class KeySource:
    """The keys of one issuer for callers on any event loop.

    `fresh`, `at_hand` and `usable` are plain reads for the hot path; `current` and `keys_for` fetch when it is
    due, with or without the background refresh that `start` begins.
    """

    __slots__ = (
        "_asked_at", "_clock", "_failures", "_fetched_at", "_flight", "_internal_base_url", "_issuer", "_keepers",
        "_keys", "_lifetime", "_metadata", "_metadata_at", "_published", "_token_issuers", "_transport",
        "_tried_at", "_unknown",
    )  # fmt: skip

    def __init__(
        self,
        issuer: Issuer,
        transport: Transport,
        clock: Clock,
        *,
        published: frozenset[str] = frozenset(),
        token_issuers: frozenset[str] = frozenset(),
        internal_base_url: str | None = None,
    ) -> None:
        """`published` and `internal_base_url` as in `parse_server_metadata`, `token_issuers` as in
        `KeySet.from_document`."""
        self._issuer = issuer
        self._transport = transport
        self._clock = clock
        self._published = published
        self._token_issuers = token_issuers
        self._internal_base_url = internal_base_url
        self._keys: KeySet | None = None
        self._fetched_at = NEVER
        self._lifetime = DEFAULT_LIFETIME
        self._metadata: ServerMetadata | None = None
        self._metadata_at = 0.0
        self._tried_at: float | None = None
        self._asked_at: float | None = None
        self._failures = 0
        self._unknown = UnknownKids()
        self._flight = SingleFlight(self._refresh)
        self._keepers: dict[asyncio.AbstractEventLoop, asyncio.Task[None]] = {}

    @property
    def metadata(self) -> ServerMetadata | None:
        """The issuer's metadata as it was last read; None before the first."""
        return self._metadata

    @property
    def ready(self) -> bool:
        """True while there are keys that may be used."""
        return self.usable() is not None

    def fresh(self) -> KeySet | None:
        """The keys when nothing needs to be done first; else None, and `current` says more."""
        if self._clock.monotonic() - self._fetched_at < self._lifetime:
            return self._keys
        return None

    def at_hand(self) -> KeySet | None:
        """The keys that serve without any I/O: fresh ones, or older ones while the issuer is asked in vain and
        no attempt is due; else None, and `current` says more."""
        keys = self.fresh()
        if keys is None and self._failures and not self._is_due(early=0.0):
            return self.usable()
        return keys

    def usable(self) -> KeySet | None:
        """The keys, unless there are none or they have been stale for 24 hours."""
        age = self._clock.monotonic() - self._fetched_at
        return self._keys if age <= self._lifetime + LONGEST_STALE else None

    async def current(self) -> KeySet:
        """The keys, fetched or refreshed when that is due.

        Raises: Unavailable.
        """
        keys = self.fresh()
        if keys is not None:
            return keys
        if self._is_due(early=0.0):
            self._flight.begin()
        if not self._failures:
            await self._flight.wait(DEADLINE if self.usable() is None else PATIENCE)
        elif self.usable() is None:
            await self._flight.wait(PATIENCE)
        return self._usable_or_refuse()

    def would_ask_for(self, kid: str) -> bool:
        """True when `keys_for` may bring a kid that the caller's keys did not have: it has come meanwhile, a fetch
        is on its way, or one may begin for it."""
        keys = self._keys
        if self._flight.running or (keys is not None and kid in keys.kids):
            return True
        return self._may_ask_for(kid, self._clock.monotonic())

    async def keys_for(self, kid: str) -> KeySet:
        """The keys after everything was done to find that kid; it may be missing all the same.

        Raises: Unavailable when there are no keys at all.
        """
        keys = await self.current()
        if kid in keys.kids:
            return keys
        now = self._clock.monotonic()
        if not self._flight.running:
            if not self._may_ask_for(kid, now):
                return keys
            self._asked_at = now
            self._flight.begin()
        await self._flight.wait(DEADLINE)
        keys = self._usable_or_refuse()
        if kid not in keys.kids and not self._failures:
            self._unknown.missed(kid, now)
        return keys

    async def start(self) -> None:
        """Begins to keep the keys fresh in the background of this loop; waits a moment for the first ones."""
        loop = asyncio.get_running_loop()
        if loop not in self._keepers:
            self._keepers[loop] = loop.create_task(self._keep_fresh())
            if self._is_due(early=0.0):
                self._flight.begin()
            await self._flight.wait(WARM_UP)

    async def aclose(self) -> None:
        """Ends the background refresh of this loop; the keys that are here stay."""
        keeper = self._keepers.pop(asyncio.get_running_loop(), None)
        if keeper is not None:
            keeper.cancel()
            with suppress(asyncio.CancelledError):
                await keeper

    async def _keep_fresh(self) -> None:
        while True:
            if self._is_due(early=EARLY):
                self._flight.begin()
                await self._flight.wait(DEADLINE)
            await asyncio.sleep(_LOOK)

    def _is_due(self, *, early: float) -> bool:
        """True when a refresh may begin: after the lifetime, or after a pause since a failed attempt."""
        now = self._clock.monotonic()
        if self._tried_at is None:
            return True
        if self._failures:
            return now - self._tried_at >= (COOL_DOWN if self.usable() is not None else RETRY)
        return now - self._fetched_at >= self._lifetime - early

    def _may_ask_for(self, kid: str, now: float) -> bool:
        """Time alone decides: not within 5 s of any fetch, and once per cool-down for all kids together."""
        if self._tried_at is not None and now - self._tried_at <= YOUNG:
            return False
        if self._asked_at is not None and now - self._asked_at < COOL_DOWN:
            return False
        return self._unknown.may_ask(kid, now)

    def _usable_or_refuse(self) -> KeySet:
        keys = self.usable()
        if keys is None:
            raise Unavailable(Finding.KEYS_UNAVAILABLE, retry_after=int(RETRY), issuer=self._issuer)
        return keys

    async def _refresh(self) -> None:
        """One attempt; the last good keys stay when it fails. Raises nothing."""
        started = self._tried_at = self._clock.monotonic()
        try:
            async with asyncio.timeout(DEADLINE):
                await self._fetch(started)
        except asyncio.CancelledError:
            self._tried_at = None  # the loop ends; this was no attempt
            raise
        except TimeoutError:
            self._failed(Unavailable(Finding.OUTGOING_FAILED, reason="Timeout"))
        except ProofkeyError as error:
            self._failed(error)
        except Exception as error:  # noqa: BLE001 - a transport of the user's may raise anything
            self._failures += 1
            events.internal_error("keys.refresh_failed", error, issuer=self._issuer)

    async def _fetch(self, started: float) -> None:
        metadata = await self._current_metadata(started)
        keys, answer = await fetch_key_set(metadata.jwks_uri, self._transport, self._token_issuers)
        new = self._keys is None or keys.kids != self._keys.kids
        self._lifetime = read_lifetime(answer.headers.get("cache-control"), answer.headers.get("age"))
        self._keys, self._fetched_at = keys, started
        self._failures = 0
        if new:
            events.emit("keys.loaded", issuer=self._issuer, keys=len(keys), lifetime=int(self._lifetime))

    async def _current_metadata(self, now: float) -> ServerMetadata:
        """Read anew after an hour and after a failure; the old ones serve when that does not work."""
        known = self._metadata
        if known is not None and not self._failures and now - self._metadata_at < METADATA_LIFETIME:
            return known
        try:
            known = await fetch_metadata(
                self._issuer,
                self._transport,
                keys_only=True,
                published=self._published,
                internal_base_url=self._internal_base_url,
            )
        except Unavailable as error:
            if known is None:
                raise
            events.refused("keys.metadata_failed", error, issuer=self._issuer)
        else:
            self._metadata, self._metadata_at = known, now
        return known

    def _failed(self, error: ProofkeyError) -> None:
        self._failures += 1
        events.refused("keys.refresh_failed", error, issuer=self._issuer, failures=self._failures)
