"""One refresh per session at a time, in this process and across workers."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from proofkey.client.config import LoginConfig
from proofkey.client.refresh import (
    build_refresh_ask,
    check_refreshed_id_token,
    is_live,
    merge_tokens,
    needs_refresh,
    read_refresh_answer,
)
from proofkey.client.session import Session, SessionTokens
from proofkey.client.stores import SessionStore
from proofkey.errors import LoginFailed, NotSignedIn, ProofkeyError, RefreshFailed, Unavailable
from proofkey.findings import Finding
from proofkey.protocol.exchange import Transport
from proofkey.protocol.metadata import ServerMetadata
from proofkey.protocol.text import Secret
from proofkey.runtime import events
from proofkey.runtime.clock import Clock
from proofkey.runtime.entropy import Entropy
from proofkey.runtime.login_provider import LoginProvider
from proofkey.runtime.login_tokens import IdTokenCheck
from proofkey.runtime.outgoing_client import prepared
from proofkey.runtime.single_flight import SingleFlight

LEASE: Final = 20
"""Seconds that a worker holds a session's refresh; another may send the same refresh token after it."""
ASK: Final = 15.0
"""Seconds for the token request and the check of its answer, whatever the transport does: within the lease."""
POLL: Final = 0.05
"""Seconds between two looks at the store while another worker refreshes."""
POLLS: Final = 240
COOL_DOWN: Final = 5.0
"""Seconds without another attempt after a failed one, while the access token lives."""
RETRIES: Final = (0.1, 0.4)
"""Seconds before the next try to store new tokens."""
_MAX_COOLING: Final = 10_000


class Refresher:
    """Gives a session's tokens with enough life left; the losers of a race get what the winner stored."""

    def __init__(
        self,
        config: LoginConfig,
        store: SessionStore,
        transport: Transport,
        provider: LoginProvider,
        check_id_token: IdTokenCheck,
        *,
        clock: Clock,
        entropy: Entropy,
    ) -> None:
        self._config = config
        self._store = store
        self._transport = transport
        self._provider = provider
        self._check_id_token = check_id_token
        self._clock = clock
        self._entropy = entropy
        self._flights: dict[str, _Flight] = {}
        self._cooling: dict[str, float] = {}

    async def tokens(self, session: Session, min_ttl: int) -> SessionTokens:
        """The session's tokens, refreshed when the access token has less than `min_ttl` seconds left.

        Raises: RefreshFailed, Unavailable, NotSignedIn.
        """
        now = self._clock.now()
        if not needs_refresh(session.tokens, now, min_ttl):
            return session.tokens
        live = is_live(session.tokens, now)
        if session.tokens.refresh_token is None:
            if live:
                return session.tokens
            raise RefreshFailed(final=True, cause="there is no refresh token")
        if live and self._is_cooling(session.id):
            return session.tokens
        try:
            return await self._share(session)
        except (Unavailable, RefreshFailed) as error:
            return self._old_tokens(session, error)

    async def _share(self, session: Session) -> SessionTokens:
        """Joins the refresh that is on its way, or begins one; it goes on when its callers go away."""
        flight = self._flights.get(session.id)
        if flight is None or not flight.running:

            async def work() -> SessionTokens:
                try:
                    return await self._refresh(session)
                finally:  # also when every caller has gone away
                    self._flights.pop(session.id, None)

            flight = self._flights[session.id] = _Flight(work)
            flight.begin()
        return await flight.result()

    def _old_tokens(self, session: Session, error: Unavailable | RefreshFailed) -> SessionTokens:
        """A failed refresh is no logout while the access token lives. Raises: `error` otherwise."""
        final = isinstance(error, RefreshFailed) and error.final
        if final or not is_live(session.tokens, self._clock.now()):
            raise error
        if len(self._cooling) >= _MAX_COOLING:
            self._cooling.clear()
        self._cooling[session.id] = self._clock.monotonic() + COOL_DOWN
        return session.tokens

    def _is_cooling(self, id_: str) -> bool:
        until = self._cooling.get(id_)
        if until is None:
            return False
        if self._clock.monotonic() < until:
            return True
        del self._cooling[id_]
        return False

    async def _refresh(self, seen: Session) -> SessionTokens:
        """Waits for the lease or for another worker's result, whichever comes first.

        The provider's metadata, which may take long, are asked for before the lease begins.
        """
        metadata = await self._provider.metadata()
        holder = self._entropy()
        for _ in range(POLLS):
            if await self._store.acquire_refresh(seen.id, holder, self._clock.now(), LEASE):
                break
            current = await self._current(seen.id)
            if current.version != seen.version:
                return current.tokens
            await asyncio.sleep(POLL)
        else:
            raise Unavailable(Finding.BUSY, session=seen.id[:8])
        try:
            current = await self._current(seen.id)
            return current.tokens if current.version != seen.version else await self._renew(current, metadata)
        finally:
            await self._release(seen.id, holder)

    async def _release(self, id_: str, holder: str) -> None:
        try:
            await self._store.release_refresh(id_, holder)
        except Unavailable as error:  # the lease ends by itself, and what came of the refresh stands
            events.refused("login.lease_not_released", error, session=id_[:8])

    async def _renew(self, session: Session, metadata: ServerMetadata) -> SessionTokens:
        try:
            fresh = await self._ask_in_time(session, metadata)
        except RefreshFailed as error:
            events.refused("login.refresh_failed", error, session=session.id[:8])
            current = await self._current(session.id)
            if current.version != session.version:
                return current.tokens
            raise
        except Unavailable as error:
            events.refused("login.refresh_failed", error, session=session.id[:8])
            raise
        if await self._keep(session, fresh):
            events.emit("login.refreshed", level="debug", session=session.id[:8])
            return fresh
        return (await self._current(session.id)).tokens

    async def _keep(self, session: Session, fresh: SessionTokens) -> bool:
        """Tries several times: a rotated refresh token that is not stored ends the session at the next refresh."""
        for pause in RETRIES:
            try:
                return await self._store.replace_tokens(session.id, session.version, fresh, self._clock.now())
            except Unavailable:
                await asyncio.sleep(pause)
        return await self._store.replace_tokens(session.id, session.version, fresh, self._clock.now())

    async def _ask_in_time(self, session: Session, metadata: ServerMetadata) -> SessionTokens:
        try:
            async with asyncio.timeout(ASK):
                return await self._ask(session, metadata)
        except TimeoutError:
            raise Unavailable(Finding.OUTGOING_FAILED, endpoint="token", reason="Timeout") from None

    async def _ask(self, session: Session, metadata: ServerMetadata) -> SessionTokens:
        refresh_token = session.tokens.refresh_token or Secret("")
        config, fresh_id, asked_at = self._config, self._entropy, self._clock.now()
        ask = await prepared(
            config.outgoing_client,
            lambda: build_refresh_ask(
                config, metadata, refresh_token, config.resource, now=asked_at, fresh_id=fresh_id
            ),
        )
        response = read_refresh_answer(await self._transport.send(ask))
        now = self._clock.now()
        if response.id_token is not None:
            try:
                id_token = await self._check_id_token(
                    response.id_token, metadata, nonce=None, access_token=response.access_token, max_age=None
                )
            except LoginFailed as error:
                raise RefreshFailed(error.finding, final=True, **error.facts) from error
            check_refreshed_id_token(id_token, session, config)
        return merge_tokens(session.tokens, response, now)

    async def _current(self, id_: str) -> Session:
        session = await self._store.find_session(id_)
        if session is None:
            raise NotSignedIn(Finding.SESSION_NONE)
        return session


class _Flight:
    """One refresh and its outcome, for every caller that waits for it."""

    __slots__ = ("_error", "_single", "_tokens", "_work")

    def __init__(self, work: Callable[[], Awaitable[SessionTokens]]) -> None:
        self._work = work
        self._single = SingleFlight(self._run)
        self._tokens: SessionTokens | None = None
        self._error: ProofkeyError | None = None

    @property
    def running(self) -> bool:
        return self._single.running

    def begin(self) -> None:
        self._single.begin()

    async def result(self) -> SessionTokens:
        """Raises: what the refresh raised."""
        await self._single.wait()
        if self._tokens is not None:
            return self._tokens
        raise (self._error or Unavailable(Finding.STOPPING)).with_traceback(None)

    async def _run(self) -> None:
        try:
            self._tokens = await self._work()
        except ProofkeyError as error:
            self._error = error
        except Exception as error:  # noqa: BLE001 - the callers get an answer whatever breaks
            events.internal_error("login.refresh_broken", error)
            self._error = Unavailable(Finding.INTERNAL)
