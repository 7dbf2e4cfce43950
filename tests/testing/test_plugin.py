"""The pytest plugin, as a user's own tests see it."""

import json
import subprocess
import sys

import pytest

pytest_plugins = ["pytester"]

APP = """
from typing import Annotated

from fastapi import Depends, FastAPI, Security

from proofkey.fastapi import AccessToken, Login, Protect, Session

api = Protect(issuer="https://id.example.com", audience="https://api.example.com")
app = FastAPI(lifespan=api.lifespan)
login = Login(
    issuer="https://id.example.com", client_id="web", client_secret="Kx3m9Q_vT7bLw2ZrN8sYd5HfJc1Pg6Ua-example",
    public_url="https://www.example.com", audience="https://api.example.com",
)
web = FastAPI()
login.mount(web)


@app.get("/orders")
async def orders(token: Annotated[AccessToken, Security(api, scopes=["orders:read"])]) -> list[str]:
    return [f"an order of {token.sub}"]


@app.get("/report", dependencies=[Depends(api.role("admin"))])
async def report() -> dict[str, int]:
    return {"orders": 1}


@web.get("/me")
async def me(session: Annotated[Session, Depends(login.user)]) -> dict[str, str]:
    tokens = await login.core.access_token(session.id)
    return {"name": session.name, "sub": session.sub, "token": tokens.access_token.reveal()}
"""


API_TESTS = """
import pytest
from fastapi.testclient import TestClient

from app import api, app


@pytest.fixture
def client(issuer):
    with issuer.stand_in_for(api):
        yield TestClient(app)


def test_a_token_with_the_scope(client, token_for):
    answer = client.get("/orders", headers=token_for(scope="orders:read", sub="ann"))
    assert answer.json() == ["an order of ann"]


def test_a_token_without_the_scope(client, token_for):
    answer = client.get("/orders", headers=token_for(scope="orders:write"))
    assert answer.status_code == 403
    assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]


def test_roles(client, token_for):
    assert client.get("/report", headers=token_for(roles=["admin"])).status_code == 200
    assert client.get("/report", headers=token_for(roles=["staff"])).status_code == 403


def test_a_token_that_expires(client, token_for, clock):
    headers = token_for(scope="orders:read", expires_in=60)
    assert client.get("/orders", headers=headers).status_code == 200
    clock.turn(60 + 11)
    assert client.get("/orders", headers=headers).status_code == 401


def test_a_token_for_another_api(client, token_for):
    headers = token_for(scope="orders:read", aud="https://other.example.com")
    assert client.get("/orders", headers=headers).status_code == 401


def test_no_token(client):
    assert client.get("/orders").status_code == 401


def test_no_hostile_token_gets_in(client, hostile_tokens):
    report = hostile_tokens.check(client, "/orders", scope="orders:read")
    assert report.conforms, str(report)
    assert hostile_tokens.check(client, "/report", roles=["admin"]).conforms


def test_the_api_trusts_its_own_issuer_again_afterwards(issuer):
    own, audience = api.verifier, issuer.audience
    with issuer.stand_in_for(api):
        assert api.verifier is not own
    assert (api.verifier, issuer.audience) == (own, audience)
"""

WEB_TESTS = """
from typing import Annotated

import pytest
from fastapi import Depends, FastAPI
from fastapi.testclient import TestClient

from app import api, app, login, web
from proofkey.fastapi import Login, Session


@pytest.fixture
def browser():
    with TestClient(web, base_url=login.public_url, follow_redirects=False) as client:
        yield client


def test_a_person(browser, login_as):
    browser.cookies.update(login_as(login, sub="ann", claims={"name": "Ann Arbor"}))
    me = browser.get("/me").json()
    assert (me["name"], me["sub"]) == ("Ann Arbor", "ann")


def test_the_person_s_token_is_one_for_the_api(browser, login_as, issuer):
    browser.cookies.update(login_as(login, sub="ann", roles=["admin"], scopes=["openid", "orders:read"]))
    token = browser.get("/me").json()["token"]
    with issuer.stand_in_for(api):
        headers = {"Authorization": f"Bearer {token}"}
        assert TestClient(app).get("/orders", headers=headers).json() == ["an order of ann"]
        assert TestClient(app).get("/report", headers=headers).status_code == 200


def test_two_people_are_two(browser, login_as):
    ann, bob = login_as(login, sub="ann"), login_as(login, sub="bob")
    for cookie, sub in ((ann, "ann"), (bob, "bob")):
        browser.cookies.clear()
        browser.cookies.update(cookie)
        assert browser.get("/me").json()["sub"] == sub


def test_nobody(browser):
    assert browser.get("/me").status_code == 401
    answer = browser.get("/me", headers={"accept": "text/html"})
    assert answer.headers["location"] == "/auth/login?next=/me"


def test_a_session_ages_by_the_clock_of_its_login(login_as, clock):
    aging = Login(
        issuer="https://id.example.com", client_id="web", public_url="https://old.example.com",
        clock=clock, idle=600,
    )
    old = FastAPI()
    aging.mount(old)

    @old.get("/me")
    async def me(session: Annotated[Session, Depends(aging.user)]) -> str:
        return session.sub

    browser = TestClient(old, base_url=aging.public_url)
    browser.cookies.update(login_as(aging))
    assert browser.get("/me").status_code == 200
    clock.turn(601)
    assert browser.get("/me").status_code == 401
"""


@pytest.mark.spec("issue 2: aids for tests")
def test_a_user_tests_an_api_and_a_web_app_with_the_fixtures(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(app=APP, test_api=API_TESTS, test_web=WEB_TESTS)
    ran = pytester.runpytest_inprocess("-p", "no:randomly", "-p", "no:cacheprovider", "-W", "error")
    ran.assert_outcomes(passed=API_TESTS.count("\ndef test_") + WEB_TESTS.count("\ndef test_"))


def test_the_fixtures_are_listed_with_what_they_do(pytester: pytest.Pytester) -> None:
    ran = pytester.runpytest_inprocess("--fixtures", "-p", "no:cacheprovider")
    for name, words in {
        "clock": "Stands still until",
        "issuer": "An issuer in this process",
        "token_for": "gives request headers",
        "login_as": "gives the cookie of a signed-in browser",
    }.items():
        ran.stdout.re_match_lines([rf"{name}( .*)? -- .*plugin\.py.*"])
        ran.stdout.fnmatch_lines([f"*{words}*"])


COSTLY = ("cryptography", "joserfc", "httpx2", "starlette", "fastapi", "streamlit", "pydantic", "asyncio", "anyio")


def test_a_run_that_does_not_use_it_pays_next_to_nothing() -> None:
    program = (
        "import json, sys, pytest\n"
        "before = set(sys.modules)\n"
        "import proofkey.testing.plugin\n"
        "print(json.dumps(sorted(set(sys.modules) - before)))\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(json.loads(ran.stdout))
    assert loaded == {"proofkey", "proofkey.testing", "proofkey.testing.plugin"}
    assert not loaded & set(COSTLY)
