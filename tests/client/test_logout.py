"""The provider's end-session URL."""

from dataclasses import replace
from urllib.parse import parse_qsl, urlsplit

import pytest

from proofkey.client.logout import build_end_session_url
from proofkey.client.session import Session, SessionTokens
from proofkey.protocol.text import Instant, Issuer, Secret, Subject
from tests.client.login_kit import ISSUER, RP, config_for
from tests.client.test_authorization import METADATA

TOKENS = SessionTokens(access_token=Secret("at"), access_expires_at=None, scope=(), id_token=Secret("a.b.c"))
SESSION = Session(
    id="s",
    issuer=Issuer(ISSUER),
    sub=Subject("u1"),
    claims={},
    created_at=Instant(1),
    seen_at=Instant(1),
    absolute_expires_at=Instant(2),
    tokens=TOKENS,
)


@pytest.mark.spec("RL-2-c")
def test_the_url_has_the_hint_the_client_the_return_and_the_state() -> None:
    metadata = replace(METADATA, end_session_endpoint=f"{ISSUER}/end?tenant=1")
    url = build_end_session_url(config_for(), metadata, SESSION, state="s1")
    assert url is not None
    assert url.startswith(f"{ISSUER}/end?tenant=1&")
    assert dict(parse_qsl(urlsplit(url).query)) == {
        "tenant": "1",
        "id_token_hint": "a.b.c",
        "client_id": "web",
        "post_logout_redirect_uri": f"{RP}/auth/signed-out",
        "state": "s1",
    }
    assert "at" not in dict(parse_qsl(urlsplit(url).query)).values()


def test_there_is_no_url_without_an_endpoint() -> None:
    assert build_end_session_url(config_for(), METADATA, SESSION, state="s1") is None


def test_without_a_return_address_no_state_is_sent() -> None:
    metadata = replace(METADATA, end_session_endpoint=f"{ISSUER}/end")
    url = build_end_session_url(config_for(post_logout_redirect_uri=None), metadata, None, state="s1")
    assert url == f"{ISSUER}/end?client_id=web"
