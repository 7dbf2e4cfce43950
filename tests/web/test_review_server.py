"""Forms that other sites send, and addresses that everybody could write."""

from urllib.parse import urlencode

import pytest

from proofkey.errors import ConfigurationError
from proofkey.web.peer import TrustedProxies
from proofkey.web.respond import Responder
from tests.web.asgi import FORM, ask
from tests.web.fake_core import FakeCore
from tests.web.test_server import SIGNED_IN, serving


@pytest.mark.spec("RL-2-a", "RL-2-b")
async def test_a_logout_form_of_another_site_is_asked_again_with_the_cookies() -> None:
    """SameSite=Lax keeps the cookie from that form; the answer must not take it away, and must see the session."""
    query = {"client_id": "web", "state": "a&b\r\nX: y"}
    async with serving() as (core, app):
        foreign = (b"origin", b"https://evil.test")
        reply = await ask(app, "POST", "/end-session", FORM, foreign, body=urlencode(query).encode())
        assert (reply.status, core.asked) == (303, [])
        assert reply.headers["location"] == f"https://op.test/end-session?{urlencode(query)}"
        assert "set-cookie" not in reply.headers
        await ask(app, "GET", "/end-session", query=urlencode(query).encode())
        await ask(app, "POST", "/end-session", FORM, SIGNED_IN, foreign, body=urlencode(query).encode())
        await ask(app, "POST", "/end-session", FORM, body=urlencode(query).encode())
    assert [(name, args[0]) for name, args in core.asked] == [("end_session", tuple(query.items()))] * 3


async def test_the_page_of_those_who_stay_says_so() -> None:
    from proofkey.authorization_server.answers import Page

    core = FakeCore()
    core.next = Page(name="logout", context={"stayed": True})
    async with serving(core) as (_, app):
        reply = await ask(app, "POST", f"/end-session/{'A' * 43}", FORM, body=b"decision=deny")
    assert 'data-page="logout"' in reply.text
    assert "still signed in" in reply.text
    assert "<form" not in reply.text


@pytest.mark.spec("threats §2.28", "9700-4.13-a")
@pytest.mark.parametrize("network", ["0.0.0.0/0", "::/0", "10.0.0.1/0"])
def test_nobody_trusts_the_whole_internet(network: str) -> None:
    with pytest.raises(ConfigurationError):
        TrustedProxies(["127.0.0.1/32", network])


@pytest.mark.parametrize("seconds", [60, 3600])
async def test_the_cookie_of_a_flow_lives_as_long_as_the_flow(seconds: int) -> None:
    responder = Responder("https://op.test", TrustedProxies(), flow_seconds=seconds)
    response = responder.respond(await FakeCore().authorize((), None))  # type: ignore[arg-type]  # not looked at
    assert f"; Max-Age={seconds};" in response.headers["set-cookie"]
