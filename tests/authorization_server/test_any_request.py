"""Whatever is sent: an answer or a refusal of ours, and never a code, a token or an error of Python's."""

import asyncio
from collections.abc import Awaitable, Callable

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proofkey.authorization_server.answers import Answer, FormPost, Json, Page, Redirect
from proofkey.errors import ProofkeyError
from proofkey.protocol.client_authentication import build_basic
from proofkey.protocol.text import Pairs
from tests.authorization_server.driver import SECRET, Desk, Visitor, open_desk, request

NAMES = st.one_of(
    st.sampled_from(
        ["client_id", "redirect_uri", "response_type", "scope", "state", "nonce", "prompt", "max_age", "resource",
         "code_challenge", "code_challenge_method", "login_hint", "id_token_hint", "response_mode", "request",
         "request_uri",
         "grant_type", "code", "code_verifier", "refresh_token", "client_secret", "token", "token_type_hint",
         "access_token", "post_logout_redirect_uri", "username", "password", "decision"]
    ),
    st.text(max_size=8),
)  # fmt: skip
VALUES = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        ["web", "native", "https://rp.test/cb", "code", "form_post", "openid", "S256", "none", "login", "0",
         "authorization_code",
         "refresh_token", "client_credentials", "https://api.test", "x" * 5000, "\x00",
         "a.1.b", "e30.e30.AA"]
    ),
)  # fmt: skip
PAIRS = st.lists(st.tuples(NAMES, VALUES), max_size=6)
HEADERS = st.lists(
    st.one_of(st.text(max_size=20), st.sampled_from([build_basic("web", SECRET), "Bearer a.b.c", "Basic Og=="])),
    max_size=2,
).map(tuple)


def _desk() -> tuple[Desk, Visitor, str]:
    async def prepare() -> tuple[Desk, Visitor, str]:
        desk = await open_desk()
        visitor = Visitor(desk.core)
        id_, _ = await visitor.page()
        return desk, visitor, id_

    return asyncio.run(prepare())


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(pairs=PAIRS, headers=HEADERS, on_top=st.booleans())
def test_every_endpoint_answers_or_refuses(
    pairs: list[tuple[str, str]], headers: tuple[str, ...], on_top: bool
) -> None:
    desk, visitor, id_ = _desk()
    sent: Pairs = (*(tuple(request().items()) if on_top else ()), *pairs)
    core, browser = desk.core, visitor.browser
    calls: list[Callable[[], Awaitable[Answer]]] = [
        lambda: core.authorize(sent, browser),
        lambda: core.sign_in(id_, sent, browser),
        lambda: core.consent(id_, sent, browser),
        lambda: core.push(sent, headers, "peer"),
        lambda: core.token(sent, headers, "peer"),
        lambda: core.revoke(sent, headers, "peer"),
        lambda: core.userinfo(headers, sent),
        lambda: core.end_session(sent, browser),
        lambda: core.interaction(sent[0][1] if sent else "", browser),
        lambda: core.confirm_end_session(sent[0][1] if sent else "", sent, browser),
    ]
    for call in calls:
        try:
            answer = asyncio.run(_awaited(call))
        except ProofkeyError:
            continue
        assert isinstance(answer, Redirect | FormPost | Page | Json)
        assert not (isinstance(answer, Redirect) and "code=" in answer.url.partition("?")[2].split("&")[0])


async def _awaited(call: Callable[[], Awaitable[Answer]]) -> Answer:
    return await call()
