"""What a page may ask: who the user is, what is allowed, and a client for the API.

Everything here is synchronous and may be called from any thread of a page, fragments included. Tokens stay on the
server: nothing that a page shows by accident holds one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

import streamlit as st

from proofkey.client.session import Session, SessionTokens
from proofkey.errors import NotSignedIn, RefreshFailed
from proofkey.findings import Finding
from proofkey.protocol.json_strict import parse_object
from proofkey.protocol.text import Instant, Secret, decode_base64url
from proofkey.runtime.events import emit
from proofkey.streamlit.backend import Backend, installed
from proofkey.streamlit.identity import HANDLE
from proofkey.streamlit.leave import in_page, leave
from proofkey.transport.bearer import ApiClient, bearer_client

MIN_TTL = 30
"""Seconds that a token must last when it is handed out."""


@dataclass(frozen=True, slots=True)
class User:
    """The signed-in person. `scopes` is what the access token allows, `claims` are the ID token's."""

    sub: str
    name: str
    email: str | None
    roles: tuple[str, ...]
    scopes: tuple[str, ...]
    claims: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class TokenInfo:
    """What may be shown of the access token: never the token.

    It came from the provider's token endpoint and was not checked again. `claims` is empty when it is no JWT.
    """

    claims: Mapping[str, Any]
    scopes: tuple[str, ...]
    expires_at: Instant | None
    minutes_left: int | None


class Auth:
    """`from proofkey.streamlit import auth`: the one object of this class."""

    __slots__ = ()

    @property
    def user(self) -> User:
        """The signed-in person. Raises: NotSignedIn; call `require` first."""
        return _user_of(self._session())

    @property
    def is_signed_in(self) -> bool:
        try:
            self._session()
        except NotSignedIn:
            return False
        return True

    def has(self, *, scopes: Iterable[str] = (), roles: Iterable[str] = ()) -> bool:
        """Whether the signed-in person has all of them; False when nobody is signed in.

        This decides what a page shows. What may be done is the API's decision.
        """
        try:
            session = self._session()
        except NotSignedIn:
            return False
        return not _missing(session, scopes, roles)

    def require(self, *, scopes: Iterable[str] = (), roles: Iterable[str] = ()) -> User:
        """The signed-in person, with all of these rights; otherwise nothing below the call runs.

        Nobody signed in: the browser goes to the login. A right is missing: the page says which.
        """
        try:
            session = self._session()
        except NotSignedIn:
            self._to_login(installed())
        missing = _missing(session, scopes, roles)
        if missing:
            _refuse(session, missing)
        return _user_of(session)

    def api(self, base_url: str) -> ApiClient:
        """An HTTP client for that API: every request carries an access token that is good for it.

        Raises: ProofkeyError when the API is not named in the configuration; NotSignedIn. The client may be used
        in any thread; it belongs to this user.
        """
        backend, id_ = installed(), self._id()
        backend.check_api(base_url)
        return bearer_client(base_url, lambda: self._tokens(backend, id_, MIN_TTL).access_token.reveal())

    def access_token(self, *, min_ttl: int = MIN_TTL) -> Secret:
        """The user's access token, for use on the server only; it lasts `min_ttl` seconds more.

        `.reveal()` opens it. Never put it into a widget, a URL, a cache key or HTML.
        """
        return self._tokens(installed(), self._id(), min_ttl).access_token

    def token_info(self) -> TokenInfo:
        """What an inspector may show of the access token, which is refreshed first when its end is near."""
        backend = installed()
        tokens = self._tokens(backend, self._id(), MIN_TTL)
        ends = tokens.access_expires_at
        left = None if ends is None else max(0, (ends - backend.now()) // 60)
        return TokenInfo(_claims_of(tokens.access_token), tokens.scope, ends, left)

    def login(self, next: str | None = None) -> None:
        """Sends the browser to the login, and back to the path `next` on this origin. Fits `on_click`."""
        leave(installed().login_url(next), otherwise=st.login)

    def logout(self) -> None:
        """Ends the session here and at the provider; every open tab leaves. Fits `on_click`."""
        leave(installed().logout_url, otherwise=st.logout)

    def _id(self) -> str:
        value = st.user.get(HANDLE) if st.user.get("is_logged_in") else None
        if not isinstance(value, str):
            raise NotSignedIn(Finding.SESSION_NONE)
        return value

    def _session(self) -> Session:
        session = installed().session(self._id())
        if session is None:
            raise NotSignedIn(Finding.SESSION_NONE)
        return session

    def _tokens(self, backend: Backend, id_: str, min_ttl: int) -> SessionTokens:
        try:
            return backend.tokens(id_, min_ttl)
        except (NotSignedIn, RefreshFailed) as error:
            if not in_page() or (isinstance(error, RefreshFailed) and not error.final):
                raise
            self._to_login(backend)

    def _to_login(self, backend: Backend) -> NoReturn:
        leave(backend.login_url(None), otherwise=st.login)
        st.stop()


def _user_of(session: Session) -> User:
    email = session.claims.get("email")
    return User(
        sub=session.sub,
        name=session.name,
        email=email if isinstance(email, str) else None,
        roles=session.roles,
        scopes=session.scope,
        claims=session.claims,
    )


def _missing(session: Session, scopes: Iterable[str], roles: Iterable[str]) -> dict[str, list[str]]:
    """Missing rights by kind. Raises: TypeError for a bare string, whose letters would be taken for names."""
    if isinstance(scopes, str) or isinstance(roles, str):
        raise TypeError("scopes and roles are lists of names: scopes=['orders:read']")
    wanting = {
        "scope": [scope for scope in scopes if scope not in session.scope],
        "role": [role for role in roles if role not in session.roles],
    }
    return {kind: names for kind, names in wanting.items() if names}


def _refuse(session: Session, missing: Mapping[str, list[str]]) -> NoReturn:
    finding = Finding.ROLE_INSUFFICIENT if "role" in missing else Finding.SCOPE_INSUFFICIENT
    wanting = " ".join(name for names in missing.values() for name in names)
    emit("streamlit.page.refused", finding=finding, session=session.id, sub=session.sub, missing=wanting)
    needs = " and ".join(
        f"the {kind}{'s' if len(names) > 1 else ''} {', '.join(f'`{name}`' for name in names)}"
        for kind, names in missing.items()
    )
    st.error(f"This page needs {needs}. You are signed in as **{_plain(session.name)}**, without it.", icon="🔒")
    st.caption(f"Ask for it where your account is managed, then sign in again. ({finding.id})")
    st.stop()


def _plain(text: str) -> str:
    """A name from elsewhere is no Markdown."""
    return "".join(f"\\{sign}" if sign in "\\`*_{}[]()<>#+-.!|~:$&" else sign for sign in text)


def _claims_of(token: Secret) -> Mapping[str, Any]:
    parts = token.reveal().split(".")
    if len(parts) != 3:
        return {}
    try:
        return parse_object(decode_base64url(parts[1]))
    except ValueError:
        return {}


auth = Auth()
