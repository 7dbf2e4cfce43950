"""The client as a whole: logins, sessions, fresh tokens and logout, over a store and a transport.

Nothing here knows HTTP of its own side: `proofkey.web.login` and the Streamlit face are built on it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from proofkey.client.authorization import (
    build_login,
    build_login_url,
    check_acr,
    check_browser,
    check_same_client,
    flow_name,
    read_callback,
    read_code,
)
from proofkey.client.config import LoginConfig, check_login_config
from proofkey.client.logout import build_end_session_url
from proofkey.client.pushed import build_push_ask, build_pushed_url, choose_push_endpoint, read_push_answer
from proofkey.client.session import PendingLogin, Session, SessionTokens
from proofkey.client.stores import SessionStore
from proofkey.client.tokens import build_code_ask, read_code_answer, tokens_of
from proofkey.errors import LoginFailed, NotSignedIn, RefreshFailed, Unavailable
from proofkey.findings import Finding
from proofkey.protocol.exchange import Transport
from proofkey.protocol.messages import (
    AuthorizationRequest,
    AuthorizationResponse,
    TokenResponse,
)
from proofkey.protocol.metadata import ServerMetadata
from proofkey.protocol.secret_strength import check_secret_strength
from proofkey.protocol.text import Instant, Pairs, Secret, Subject, digest_of
from proofkey.runtime import events
from proofkey.runtime.clock import Clock, system_clock
from proofkey.runtime.entropy import Entropy, system_entropy
from proofkey.runtime.key_source import KeySource
from proofkey.runtime.login_logout import Logouts
from proofkey.runtime.login_provider import LoginProvider
from proofkey.runtime.login_refresh import Refresher
from proofkey.runtime.login_tokens import IdTokenCheck, Keys
from proofkey.runtime.login_userinfo import UserInfo
from proofkey.runtime.outgoing_client import prepared

MIN_TTL: Final = 30
"""Seconds of life that an access token has left when it is handed out."""
_TOUCHES: Final = 60
"""A session's `seen_at` is written at most this often per idle time, so a read is rarely a write."""

_BATCH: Final = 500

SessionEnded = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """Where the browser goes, and the flow's own cookie."""

    url: str = field(repr=False)
    flow: str
    browser: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A new session; `handle` is the value of its cookie, and `flow` names the cookie that is spent."""

    handle: Secret
    session: Session
    next_path: str
    flow: str


class LoginCore:
    """One client at one provider."""

    def __init__(
        self,
        config: LoginConfig,
        store: SessionStore,
        transport: Transport,
        *,
        clock: Clock | None = None,
        entropy: Entropy = system_entropy,
        keys: Keys | None = None,
    ) -> None:
        """Raises: ConfigurationError."""
        check_login_config(config)
        if config.client_secret is not None:
            check_secret_strength(config.client_secret, key="client_secret")
        self.config: Final = config
        self.store: Final = store
        self._transport = transport
        self._clock = clock or system_clock()
        self._entropy = entropy
        self.provider: Final = LoginProvider(config.issuer, transport, self._clock, published=config.published_as)
        keys = keys or KeySource(
            config.issuer,
            transport,
            self._clock,
            published=config.published_as,
            token_issuers=config.issuers,
        )
        self._check_id_token = IdTokenCheck(config, keys, self._clock)
        self._userinfo = UserInfo(config, transport, keys, self._clock)
        self._refresher = Refresher(
            config,
            store,
            transport,
            self.provider,
            self._check_id_token,
            clock=self._clock,
            entropy=entropy,
        )
        self._subscribers: dict[object, SessionEnded] = {}
        self._logouts: Final = Logouts(config, store, self.provider, keys, clock=self._clock, end=self.end)

    # --- login ---------------------------------------------------------------------------------------------------
    async def start(
        self, next_path: str, *, prompt: frozenset[str] = frozenset(), max_age: int | None = None
    ) -> Started:
        """Remembers a login and says where the browser goes.

        Raises: Unavailable when provider or store cannot be had; LoginFailed when the provider is unfit.
        """
        metadata = await self.provider.metadata()
        begun = build_login(
            self.config,
            metadata,
            self._entropy,
            next_path=next_path,
            now=self._clock.now(),
            prompt=prompt,
            max_age=max_age,
        )
        await self.store.insert_pending(begun.pending)
        return Started(
            url=await self._authorization_url(begun.request, metadata),
            flow=flow_name(begun.pending.state_digest),
            browser=begun.browser,
        )

    async def _authorization_url(self, request: AuthorizationRequest, metadata: ServerMetadata) -> str:
        endpoint = choose_push_endpoint(self.config, metadata)
        if endpoint is None:
            return build_login_url(self.config, metadata, request)
        now, fresh_id = self._clock.now(), self._entropy
        ask = await prepared(
            self.config.outgoing_client,
            lambda: build_push_ask(self.config, metadata, endpoint, request, now=now, fresh_id=fresh_id),
        )
        return build_pushed_url(self.config, metadata, read_push_answer(await self._transport.send(ask)))

    async def finish(
        self, pairs: Pairs, cookies: Mapping[str, Secret], *, previous: Secret | None = None
    ) -> Finished:
        """The callback: everything is checked before the code is sent, and the ID token before anything is used.

        `cookies` are the flows' cookies by flow; `previous` is the handle of a session that this browser has: that
        session ends.
        Raises: LoginFailed, InvalidRequest, Unavailable.
        """
        response = read_callback(pairs)
        digest = digest_of(response.state or "")
        pending = await self.store.find_pending(digest)
        if pending is None:
            raise LoginFailed(Finding.LOGIN_STATE_UNKNOWN)
        check_same_client(pending, self.config)
        try:
            check_browser(pending, cookies.get(flow_name(digest)), self._clock.now())
            metadata = await self.provider.metadata()
            if await self.store.take_pending(digest) is None:
                raise LoginFailed(Finding.LOGIN_STATE_UNKNOWN, cause="finished already")
            handle, session = await self._sign_in(response, pending, metadata)
        except LoginFailed as error:
            error.next_path = pending.next_path
            raise
        if previous is not None:
            await self._end_previous(previous.digest())
        events.emit("login.signed_in", session=session.id[:8], issuer=session.issuer, sub=session.sub)
        return Finished(handle=handle, session=session, next_path=pending.next_path, flow=flow_name(digest))

    async def _end_previous(self, id_: str) -> None:
        try:
            await self.end(id_, cause="new login")
        except Unavailable as error:  # the new session stands; the old one ends by its own limits
            events.refused("login.previous_not_ended", error, session=id_[:8])

    async def _sign_in(
        self, response: AuthorizationResponse, pending: PendingLogin, metadata: ServerMetadata
    ) -> tuple[Secret, Session]:
        code = read_code(response, pending, metadata, self.config.token_issuers)
        now, fresh_id = self._clock.now(), self._entropy
        ask = await prepared(
            self.config.outgoing_client,
            lambda: build_code_ask(self.config, metadata, pending, code, now=now, fresh_id=fresh_id),
        )
        answer = await self._transport.send(ask)
        tokens = read_code_answer(answer)
        return await self._open_session(tokens, pending, metadata)

    async def _open_session(
        self, response: TokenResponse, pending: PendingLogin, metadata: ServerMetadata
    ) -> tuple[Secret, Session]:
        id_token = await self._check_id_token(
            response.id_token or Secret(""),
            metadata,
            nonce=pending.nonce,
            access_token=response.access_token,
            max_age=pending.max_age,
        )
        check_acr(id_token, self.config)
        claims = await self._userinfo.claims(id_token, response.access_token, metadata)
        handle, now = Secret(self._entropy()), self._clock.now()
        session = Session(
            id=handle.digest(),
            issuer=self.config.issuer,
            sub=id_token.sub,
            claims=claims,
            sid=id_token.sid,
            created_at=now,
            seen_at=now,
            absolute_expires_at=Instant(now + self.config.absolute),
            tokens=tokens_of(response, asked=pending.scope, now=now),
        )
        await self.store.insert_session(session)
        return handle, session

    # --- sessions ------------------------------------------------------------------------------------------------
    async def session(self, handle: Secret) -> Session | None:
        """The live session of a cookie's value; the person is present, so the idle time starts anew.

        Raises: Unavailable when the store cannot be asked: never a silent sign-out.
        """
        return await self.session_by_id(handle.digest(), present=True)

    async def session_by_id(self, id_: str, *, present: bool = False) -> Session | None:
        """The live session with that id; `present` says that the person did something just now."""
        session = await self._find(id_)
        if session is None:
            return None
        now = self._clock.now()
        if not self._is_live(session, now):
            await self.end(id_, cause="absolute" if now >= session.absolute_expires_at else "idle")
            return None
        if present and now - session.seen_at > self.config.idle // _TOUCHES:
            await self.store.touch_session(id_, now)
            return replace(session, seen_at=now)
        return session

    def _is_live(self, session: Session, now: Instant) -> bool:
        return now < session.absolute_expires_at and now - session.seen_at < self.config.idle

    async def _find(self, id_: str) -> Session | None:
        """A session of this client: the store may hold those of others too."""
        session = await self.store.find_session(id_)
        return (
            session if session is not None and session.is_for(self.config.issuer, self.config.client_id) else None
        )

    async def access_token(self, handle_or_id: Secret | str, *, min_ttl: int = MIN_TTL) -> SessionTokens:
        """Tokens with at least `min_ttl` seconds left where the provider gives them; does not count as presence.

        Raises: NotSignedIn; RefreshFailed, after which a final one has ended the session; Unavailable.
        """
        id_ = handle_or_id.digest() if isinstance(handle_or_id, Secret) else handle_or_id
        session = await self.session_by_id(id_)
        if session is None:
            raise NotSignedIn(Finding.SESSION_NONE)
        try:
            return await self._refresher.tokens(session, min_ttl)
        except RefreshFailed as error:
            if error.final and session.tokens.refresh_token is not None:
                await self.end(id_, cause="refresh refused")
            raise

    async def log_out(self, handle: Secret, *, state: str | None = None) -> str | None:
        """Ends the session; the provider's end-session URL, None without a session or such an endpoint."""
        session = await self._find(handle.digest())
        if session is None:
            return None
        await self.end(session.id, cause="logout")
        try:
            metadata = await self.provider.metadata()
        except Unavailable:
            return None  # the session here is over all the same; the provider's cannot be reached
        return build_end_session_url(self.config, metadata, session, state=state)

    async def receive_logout(self, token: Secret, *, peer: str) -> int:
        """A back-channel logout of the provider (`Logouts.receive`); how many sessions ended."""
        return await self._logouts.receive(token, peer=peer)

    async def sessions_of(self, sub: str) -> tuple[Session, ...]:
        """The person's live sessions at this client, the oldest first. Raises: Unavailable."""
        now = self._clock.now()
        return tuple(one for one in await self._logouts.sessions_of(Subject(sub)) if self._is_live(one, now))

    async def end_sessions_of(self, sub: str, *, keep: str | None = None) -> int:
        """Ends all of them, but for the one with the id `keep`; how many. Raises: Unavailable."""
        return await self._logouts.end_all(Subject(sub), keep=keep)

    async def end(self, id_: str, *, cause: str) -> bool:
        """Ends a session and tells the subscribers; True for one caller."""
        ended = await self.store.end_session(id_)
        if ended:
            events.emit("login.session_ended", session=id_[:8], cause=cause)
            self._notify(id_)
        return ended

    def subscribe(self, callback: SessionEnded) -> Callable[[], None]:
        """Calls `callback` with the id of each session that ends in this process; gives what unsubscribes."""
        key = object()
        self._subscribers[key] = callback

        def unsubscribe() -> None:
            self._subscribers.pop(key, None)

        return unsubscribe

    def _notify(self, id_: str) -> None:
        for callback in list(self._subscribers.values()):
            try:
                callback(id_)
            except Exception as error:  # noqa: BLE001 - one subscriber's fault is not the others'
                events.internal_error("login.subscriber_failed", error)

    # --- upkeep --------------------------------------------------------------------------------------------------
    async def purge(self) -> int:
        """Deletes logins and sessions whose time is over, in batches; how many."""
        total = 0
        while (deleted := await self.store.purge_sessions(self._clock.now(), batch=_BATCH)) > 0:
            total += deleted
            if deleted < _BATCH:
                break
        return total

    async def ping(self) -> None:
        """Raises: Unavailable when the store cannot be asked."""
        await self.store.ping()

    async def aclose(self) -> None:
        """Closes the store."""
        await self.store.aclose()
