"""How a session becomes `st.user`: stable values only, never a token.

Streamlit resumes a page's state for a reconnecting browser when the whole `st.user` is equal, so nothing in it may
change while a session lives. The first way is Streamlit's own signed cookie, written into the websocket's scope
and nowhere else; when a self-test finds that Streamlit reads it differently, trusted headers carry the values.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

from streamlit import config

from proofkey.client.session import Session
from proofkey.findings import Finding
from proofkey.runtime.events import emit
from proofkey.streamlit.scrub import OWN_HEADER, USER_COOKIE, RawHeaders, with_cookie, with_headers

HANDLE: Final = "session"
"""The key in `st.user` that names the session: its id, which is no credential."""
TRUSTED_HEADERS: Final = "server.trustedUserHeaders"

UserInfo = dict[str, Any]
Writer = Callable[[RawHeaders, UserInfo], RawHeaders]
"""Adds the identity to the headers of one websocket."""

_KEYS: Final = ("is_logged_in", "iss", "sub", "name", "email", "roles", HANDLE, "expires_at")
_SAMPLE: Final[UserInfo] = {"is_logged_in": True, "sub": "u-é", "name": "Zoë", "email": None, "roles": ["a", "b"]}


def user_info_of(session: Session) -> UserInfo:
    """What a page sees as `st.user`."""
    email = session.claims.get("email")
    return {
        "is_logged_in": True,
        "iss": session.issuer,
        "sub": session.sub,
        "name": session.name,
        "email": email if isinstance(email, str) else None,
        "roles": list(session.roles),
        HANDLE: session.id,
        "expires_at": session.absolute_expires_at,
    }


def choose_writer(origin: str) -> Writer:
    """The way that works with the Streamlit that is installed; `origin` is the configured public one."""
    if cookie_is_understood():
        return cookie_writer(origin)
    emit("streamlit.identity", level="warning", finding=Finding.STREAMLIT_FORMAT)
    return header_writer()


def cookie_writer(origin: str) -> Writer:
    """Through `_streamlit_user`. Streamlit takes it only with the XSRF token and from that origin."""

    def write(headers: RawHeaders, info: UserInfo) -> RawHeaders:
        return with_cookie(headers, USER_COOKIE, _sign({**info, "origin": origin}))

    return write


def header_writer() -> Writer:
    """Through `server.trustedUserHeaders`: every value arrives as text, lists as JSON."""
    config.set_option(TRUSTED_HEADERS, {_header_of(key): key for key in _KEYS})

    def write(headers: RawHeaders, info: UserInfo) -> RawHeaders:
        return with_headers(headers, {_header_of(key): _text(info[key]) for key in _KEYS if info.get(key)})

    return write


def cookie_is_understood() -> bool:
    """Whether Streamlit's own reader gives back what our writer wrote, in its types."""
    origin = "https://self-test.invalid"
    try:
        from streamlit.web.server.starlette import starlette_websocket

        cookies = {USER_COOKIE: _sign({**_SAMPLE, "origin": origin})}
        payload = starlette_websocket._get_signed_cookie_with_chunks(cookies, USER_COOKIE)  # pyright: ignore[reportPrivateUsage]
        if payload is None:
            return False
        return bool(starlette_websocket._parse_decoded_user_cookie(payload, origin) == _SAMPLE)  # pyright: ignore[reportPrivateUsage]
    except (ImportError, AttributeError, TypeError, ValueError, LookupError):
        return False


def configured_trusted_headers() -> tuple[str, ...]:
    """The names of the headers that Streamlit believes now."""
    mapping: object = config.get_option(TRUSTED_HEADERS)
    return tuple(map(str, cast("Mapping[object, object]", mapping))) if isinstance(mapping, Mapping) else ()


def _sign(payload: UserInfo) -> str:
    from streamlit.web.server.server_util import get_cookie_secret
    from streamlit.web.server.starlette.starlette_app_utils import create_signed_value

    return create_signed_value(get_cookie_secret(), USER_COOKIE, json.dumps(payload)).decode("ascii")


def _header_of(key: str) -> str:
    return OWN_HEADER + key.replace("_", "-")


def _text(value: object) -> str:
    """As a header can hold it: what is no printable Latin-1 text goes as JSON."""
    if isinstance(value, str) and value.isprintable() and all(ord(sign) < 256 for sign in value):
        return value
    return json.dumps(value)
