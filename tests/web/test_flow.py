"""A whole flow against the real authorization server, inside a FastAPI application."""

import base64
import json
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from fastapi import FastAPI

from tests.web.asgi import FORM, Reply, ask
from tests.web.real_server import CALLBACK, CHALLENGE, PASSWORD, SECRET, VERIFIER, build_policy, build_server

ISSUER = "https://app.test/idp"


class Visitor:
    """A browser of few lines: follows the server's own addresses and keeps its cookies."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self._cookies: dict[str, str] = {}

    async def go(self, method: str, url: str, **form: str) -> Reply:
        parts = urlsplit(url)
        cookie = "; ".join(f"{name}={value}" for name, value in self._cookies.items()).encode()
        body = urlencode(form).encode()
        headers = [FORM, (b"origin", b"https://app.test")] if form else []
        headers += [(b"cookie", cookie)] if cookie else []
        reply = await ask(self._app, method, parts.path, *headers, query=parts.query.encode(), body=body)
        for line in reply.headers.getlist("set-cookie"):
            name, _, value = line.partition(";")[0].partition("=")
            self._cookies[name] = value
            if "Max-Age=0" in line:
                del self._cookies[name]
        return reply


@pytest.mark.spec("6749-4.1.3-a", "9207-2-a", "OC-5.3-a", "6749-5.1-a")
async def test_a_person_signs_in_consents_and_the_client_gets_its_tokens() -> None:
    host = FastAPI()
    build_server(build_policy(ISSUER)).mount(host, "/idp")
    query = {
        "client_id": "web",
        "redirect_uri": CALLBACK,
        "response_type": "code",
        "scope": "openid",
        "state": "s" * 1200,
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    }
    async with host.router.lifespan_context(host):
        visitor = Visitor(host)
        begun = await visitor.go("GET", f"{ISSUER}/authorize?{urlencode(query)}")
        address = begun.headers["location"]
        login = await visitor.go("GET", address)
        wrong = await visitor.go("POST", address, username="ann", password="wrong")
        right = await visitor.go("POST", address, username="ann", password=PASSWORD)
        consent = await visitor.go("GET", right.headers["location"])
        done = await visitor.go("POST", address, decision="allow")
        again = await visitor.go("POST", address, decision="allow")
        answer = parse_qs(urlsplit(done.headers["location"]).query)
        form = {"grant_type": "authorization_code", "code": answer["code"][0], "code_verifier": VERIFIER}
        redeem = urlencode(form).encode()
        basic = b"Basic " + base64.b64encode(f"web:{SECRET}".encode())
        token = await ask(host, "POST", "/idp/token", FORM, (b"authorization", basic), body=redeem)
        bearer = b"Bearer " + json.loads(token.body)["access_token"].encode()
        info = await ask(host, "GET", "/idp/userinfo", (b"authorization", bearer))
        keys = await ask(host, "GET", "/idp/jwks")
    assert (begun.status, login.status, wrong.status, right.status, consent.status) == (303, 200, 400, 303, 200)
    assert "form-action 'self' https://rp.test;" in login.headers["content-security-policy"]
    assert 'data-page="consent"' in consent.text
    assert (done.status, again.status) == (303, 403)
    assert done.headers["location"].startswith(f"{CALLBACK}?")
    assert (answer["state"], answer["iss"]) == (["s" * 1200], [ISSUER])
    assert (token.status, token.headers["cache-control"]) == (200, "no-store")
    assert (info.status, json.loads(info.body)) == (200, {"sub": "u1"})
    assert json.loads(keys.body)["keys"]


@pytest.mark.spec("6749-10.12-b", "threats §2.40")
async def test_another_browser_cannot_finish_the_flow() -> None:
    host = FastAPI()
    build_server(build_policy(ISSUER)).mount(host, "/idp")
    query = {"client_id": "web", "redirect_uri": CALLBACK, "response_type": "code", "code_challenge": CHALLENGE}
    async with host.router.lifespan_context(host):
        begun = await Visitor(host).go(
            "GET", f"{ISSUER}/authorize?{urlencode({**query, 'code_challenge_method': 'S256'})}"
        )
        other = Visitor(host)
        shown = await other.go("GET", begun.headers["location"])
        posted = await other.go("POST", begun.headers["location"], username="ann", password=PASSWORD)
    assert shown.status == posted.status == 403
    assert "SES-14" in shown.text
    assert "set-cookie" not in posted.headers
