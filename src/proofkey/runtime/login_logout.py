"""Sessions that end without their own browser: what the provider's logout tokens end, and all of a person."""

from collections.abc import Awaitable
from typing import Final, Protocol

from proofkey.client.config import LoginConfig
from proofkey.client.session import Session
from proofkey.client.stores import SessionStore
from proofkey.errors import InvalidRequest, InvalidToken, TooManyRequests
from proofkey.findings import Finding
from proofkey.protocol.jws import read_unverified_header
from proofkey.protocol.logout_token import LogoutToken, verify_logout_token
from proofkey.protocol.text import Secret, Subject, digest_of
from proofkey.protocol.throttle import Attempts, Limit, Refused, next_attempts
from proofkey.runtime import events
from proofkey.runtime.clock import Clock
from proofkey.runtime.login_provider import LoginProvider
from proofkey.runtime.login_tokens import Keys

REFUSED: Final = Limit("logout tokens refused", burst=60, period=1.0)
"""So many bad tokens of one address are answered as what they are by a process. A good one is always taken: behind
a proxy that the server does not know, the provider shares its address with every stranger."""
_MOST_PEERS: Final = 1000
"""Addresses that are counted apart; when there are more, the oldest is forgotten."""


class End(Protocol):
    """`LoginCore.end`."""

    def __call__(self, id_: str, *, cause: str) -> Awaitable[bool]: ...


class Logouts:
    """Those of one client."""

    __slots__ = ("_clock", "_config", "_end", "_keys", "_peers", "_provider", "_store")

    def __init__(
        self,
        config: LoginConfig,
        store: SessionStore,
        provider: LoginProvider,
        keys: Keys,
        *,
        clock: Clock,
        end: End,
    ) -> None:
        self._config = config
        self._store = store
        self._provider = provider
        self._keys = keys
        self._clock = clock
        self._end = end
        self._peers: dict[str, Attempts] = {}

    # --- back-channel logout -------------------------------------------------------------------------------------
    async def receive(self, token: Secret, *, peer: str) -> int:
        """Ends what a logout token names (OIDC Back-Channel Logout §2.6, §2.7); how many sessions.

        It is used up after the sessions have ended: while the store is away, the provider may send it again.
        `peer` is the sender's address. Raises: InvalidRequest, Unavailable, TooManyRequests.
        """
        try:
            read = await self._verified(token)
            digest = digest_of(f"{read.iss}\n{self._config.client_id}\n{read.jti}")
            if await self._store.is_logout_token_used(digest):
                raise InvalidRequest(Finding.LOGOUT_TOKEN_REPLAYED)
        except InvalidRequest:
            self._count(peer)
            raise
        ended = await self._end_each(await self._named_by(read), cause="back-channel logout")
        await self._store.use_logout_token(digest, read.expires_at)
        events.emit("login.backchannel_logout", issuer=read.iss, sub=read.sub, sessions=ended)
        return ended

    async def _verified(self, token: Secret) -> LogoutToken:
        """Raises: InvalidRequest; Unavailable when the provider's metadata or keys cannot be had."""
        try:
            kid = read_unverified_header(token.reveal()).get("kid")
        except InvalidToken as error:
            raise InvalidRequest(error.finding, **error.facts) from error
        metadata = await self._provider.metadata()
        keys = await (self._keys.keys_for(kid) if isinstance(kid, str) else self._keys.current())
        return verify_logout_token(
            token,
            keys,
            algorithms=self._config.id_token_algorithms.intersection(
                metadata.id_token_signing_alg_values_supported
            ),
            issuer=self._config.issuer,
            client_id=self._config.client_id,
            now=self._clock.now(),
            leeway=self._config.leeway,
        )

    async def _named_by(self, token: LogoutToken) -> tuple[Session, ...]:
        """`sid` alone: that session's; `sub` alone: all of the person; both: the person's of that session, and
        those of which the provider never said to which session they belong."""
        if token.sub is None:
            found = await self._store.sessions_of_sid(self._config.issuer, token.sid or "")
        else:
            found = await self._store.sessions_of_sub(self._config.issuer, token.sub)
        if token.sid is not None:
            found = tuple(one for one in found if one.sid in (token.sid, None))
        return self._own(found)

    # --- one person ----------------------------------------------------------------------------------------------
    async def sessions_of(self, sub: Subject) -> tuple[Session, ...]:
        """The person's sessions at this client, the oldest first."""
        return self._own(await self._store.sessions_of_sub(self._config.issuer, sub))

    async def end_all(self, sub: Subject, *, keep: str | None) -> int:
        """Ends them, but for the one with the id `keep`; how many."""
        found = await self.sessions_of(sub)
        return await self._end_each(tuple(one for one in found if one.id != keep), cause="signed out everywhere")

    def _own(self, found: tuple[Session, ...]) -> tuple[Session, ...]:
        """The store may hold sessions of other clients too."""
        return tuple(one for one in found if one.is_for(self._config.issuer, self._config.client_id))

    async def _end_each(self, sessions: tuple[Session, ...], *, cause: str) -> int:
        ended = [await self._end(session.id, cause=cause) for session in sessions]
        return sum(ended)

    # --- the throttle --------------------------------------------------------------------------------------------
    def _count(self, peer: str) -> None:
        """One bad token more. Raises: TooManyRequests."""
        after = next_attempts(REFUSED, self._peers.get(peer), self._clock.now())
        if isinstance(after, Refused):
            raise TooManyRequests(retry_after=after.retry_after)
        self._peers.pop(peer, None)
        while len(self._peers) >= _MOST_PEERS:
            del self._peers[next(iter(self._peers))]
        self._peers[peer] = after
