"""The canary on Streamlit's private names, and the two ways for identity."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.datastructures import Headers
from streamlit import config
from streamlit.web.server import server_util
from streamlit.web.server.starlette import starlette_app_utils, starlette_websocket

from proofkey.client.session import Session, SessionTokens
from proofkey.protocol.text import Instant, Issuer, Secret, Subject
from proofkey.streamlit import identity
from proofkey.streamlit.frames import is_rerun, redirect_frame, redirect_of, streamlit_session_of
from proofkey.streamlit.scrub import USER_COOKIE, RawHeaders

ORIGIN = "https://app.test"


@pytest.fixture
def trusted_headers() -> Iterator[None]:
    before = config.get_option(identity.TRUSTED_HEADERS)
    yield
    config.set_option(identity.TRUSTED_HEADERS, before)


def session(**changes: Any) -> Session:
    values: dict[str, Any] = {
        "id": "s1",
        "issuer": Issuer("https://op.test"),
        "sub": Subject("u1"),
        "claims": {
            "name": "Zoë Ω",
            "email": "z@op.test",
            "roles": ["a", "b"],
            "nonce": "n",
            "picture": "x" * 9000,
        },
        "created_at": Instant(1),
        "seen_at": Instant(2),
        "absolute_expires_at": Instant(3),
        "tokens": SessionTokens(access_token=Secret("t0ken"), access_expires_at=None, scope=("openid",)),
    }
    return Session(**{**values, **changes})


def read(headers: RawHeaders, origin: str = ORIGIN) -> dict[str, Any]:
    """As Streamlit reads it."""
    cookies = dict([Headers(raw=headers)["cookie"].split("=", 1)])
    payload = starlette_websocket._get_signed_cookie_with_chunks(cookies, USER_COOKIE)
    return {} if payload is None else starlette_websocket._parse_decoded_user_cookie(payload, origin)


def test_the_installed_streamlit_reads_the_cookie_that_we_write() -> None:
    assert identity.cookie_is_understood()
    info = identity.user_info_of(session())
    assert read(identity.cookie_writer(ORIGIN)([], info)) == info


def test_the_cookie_counts_for_the_configured_origin_only() -> None:
    headers = identity.cookie_writer(ORIGIN)([], identity.user_info_of(session()))
    assert read(headers, "http://localhost:3000") == {}


def test_identity_is_stable_and_holds_no_token() -> None:
    first = identity.user_info_of(session())
    fresh = SessionTokens(access_token=Secret("other"), access_expires_at=Instant(9), scope=("openid", "more"))
    assert identity.user_info_of(session(tokens=fresh, seen_at=Instant(99), version=7)) == first
    assert first == {
        "is_logged_in": True,
        "iss": "https://op.test",
        "sub": "u1",
        "name": "Zoë Ω",
        "email": "z@op.test",
        "roles": ["a", "b"],
        "session": "s1",
        "expires_at": 3,
    }
    assert "t0ken" not in json.dumps(first)


@pytest.mark.usefixtures("trusted_headers")
def test_headers_carry_the_same_when_the_cookie_is_not_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starlette_websocket, "_parse_decoded_user_cookie", lambda cookie, origin: {"other": True})
    assert not identity.cookie_is_understood()
    writer = identity.choose_writer(ORIGIN)
    names = vars(starlette_websocket)
    gather = names.get("gather_user_info") or names["_gather_user_info"]
    info = gather(Headers(raw=writer([], identity.user_info_of(session(claims={"name": "Zoë", "roles": ["a"]})))))
    assert info == {
        "is_logged_in": "true",
        "iss": "https://op.test",
        "sub": "u1",
        "name": "Zoë",
        "email": None,
        "roles": '["a"]',
        "session": "s1",
        "expires_at": "3",
    }


@pytest.mark.parametrize(
    ("where", "name"),
    [
        (starlette_websocket, "_get_signed_cookie_with_chunks"),
        (starlette_websocket, "_parse_decoded_user_cookie"),
        (starlette_app_utils, "create_signed_value"),
        (server_util, "get_cookie_secret"),
    ],
)
def test_the_self_test_fails_without(monkeypatch: pytest.MonkeyPatch, where: object, name: str) -> None:
    monkeypatch.delattr(where, name)
    assert not identity.cookie_is_understood()


# --- canaries: a failure here says which private name of Streamlit has moved -------------------------------------
def test_streamlit_has_the_names_that_we_use() -> None:
    from streamlit.runtime.scriptrunner import get_script_run_ctx
    from streamlit.runtime.scriptrunner_utils.script_run_context import ScriptRunContext
    from streamlit.web.server.starlette import starlette_server_config

    assert starlette_server_config.USER_COOKIE_NAME == "_streamlit_user"
    assert starlette_server_config.TOKENS_COOKIE_NAME.startswith("_streamlit_user")
    assert starlette_server_config.XSRF_COOKIE_NAME == "_streamlit_xsrf"
    assert callable(ScriptRunContext.enqueue)
    assert get_script_run_ctx(suppress_warning=True) is None
    assert isinstance(config.get_option("server.trustedUserHeaders"), dict)


def test_streamlit_has_the_messages_that_we_use() -> None:
    from streamlit.proto.BackMsg_pb2 import BackMsg
    from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

    assert redirect_of(redirect_frame("/auth/logout")) == "/auth/logout"
    message = ForwardMsg()
    message.new_session.initialize.session_id = "abc"
    assert streamlit_session_of(message.SerializeToString()) == "abc"
    assert redirect_of(message.SerializeToString()) is None
    rerun = BackMsg()
    rerun.rerun_script.query_string = "a=1"
    assert is_rerun(rerun.SerializeToString())
    rerun.rerun_script.is_auto_rerun = True
    assert not is_rerun(rerun.SerializeToString())
    assert not is_rerun(BackMsg(app_heartbeat=True).SerializeToString())


@pytest.mark.parametrize("frame", [b"\xff\xff\xff", b"\x0a\xff"])
def test_a_frame_that_is_none_says_nothing(frame: bytes) -> None:
    assert redirect_of(frame) is None
    assert streamlit_session_of(frame) is None
    assert not is_rerun(frame)
