"""requirements.md §1.7 from outside: pairwise subjects, the account chooser, sign-out by hint, step-up."""

import json
import re
import time
from typing import Annotated, Any

import httpx2
import pytest
from fastapi import Depends, FastAPI, Security

from proofkey.fastapi import AccessToken, Protect
from proofkey.protocol.text import Instant, Secret
from proofkey.testing.relying_party import Person, RelyingParty, Value
from proofkey.testing.server import serving
from tests.end_to_end.provider_kit import API, BYE, Provider, claims_of, page_of, sent_back

pytestmark = [pytest.mark.timeout(180)]


def names(party: RelyingParty, person: Person) -> dict[str, Any]:
    """Under which name a client knows the person, wherever it is said."""
    tokens = party.sign_in(person, scope="openid offline_access")
    endpoint = party.metadata.introspection_endpoint or ""
    refresh_token = tokens.refresh_token.reveal() if tokens.refresh_token else ""
    return {
        "introspection": party.post(endpoint, {"token": tokens.access_token.reveal()}).json()["sub"],
        "introspection of the refresh token": party.post(endpoint, {"token": refresh_token}).json()["sub"],
        "id_token": claims_of(tokens.id_token)["sub"],
        "access_token": claims_of(tokens.access_token)["sub"],
        "userinfo": party.userinfo(tokens.access_token).json()["sub"],
    }


# --- pairwise subjects -----------------------------------------------------------------------------------------


@pytest.mark.spec("OC-8.1-a", "OC-2-a")
def test_a_sector_knows_a_person_by_one_name_and_another_by_another(op: Provider) -> None:
    known = {
        client: names(op.party(client), op.person()) for client in ("shop", "shop2", "bank", "sector", "first")
    }
    for said in known.values():
        assert len(set(said.values())) == 1, said
    sub = {client: said["id_token"] for client, said in known.items()}
    assert sub["shop"] == sub["shop2"] == sub["sector"]
    assert len({sub["shop"], sub["bank"], sub["first"]}) == 3
    assert sub["first"] == "sub-of-ann"
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", sub["shop"])
    assert names(op.party("shop"), op.stranger("ann"))["id_token"] == sub["shop"], "the same for ever"
    assert names(op.party("shop"), op.person("bob"))["id_token"] != sub["shop"]


@pytest.mark.spec("OC-8.1-a", "OC-12.2-a")
def test_two_sectors_share_nothing_by_which_they_could_compare(op: Provider) -> None:
    person, said = op.person(), list[dict[str, Any]]()
    for client in ("shop", "bank"):
        party = op.party(client)
        tokens = party.sign_in(person, scope="openid offline_access orders:read")
        again = party.tokens(party.refresh(tokens.refresh_token))
        assert claims_of(again.id_token)["sub"] == claims_of(tokens.id_token)["sub"]
        assert claims_of(again.id_token)["sid"] == claims_of(tokens.id_token)["sid"]
        said.append({**claims_of(tokens.id_token), **claims_of(tokens.access_token)})
    for claim in ("sub", "sid", "authorization_id", "jti"):
        assert said[0][claim] != said[1][claim], claim


@pytest.mark.spec("OC-8.1-a", "OC-3.1.2.2-a", "OC-3.1.2.2-b")
def test_hints_and_the_claims_parameter_use_the_name_that_the_client_knows(op: Provider) -> None:
    party = op.party("shop")
    anns, bobs = (party.sign_in(op.person(name)).id_token for name in ("ann", "bob"))
    assert anns is not None
    assert bobs is not None

    def error(**changes: Value) -> str | None:
        return party.authorize(op.person(), party.start(prompt="none", **changes)).get("error")

    assert error(id_token_hint=anns.reveal()) is None
    assert error(id_token_hint=bobs.reveal()) == "login_required"
    for name, expected in ((claims_of(anns)["sub"], None), ("sub-of-ann", "login_required")):
        wish = json.dumps({"id_token": {"sub": {"value": name}}})
        assert error(claims=wish) == expected


@pytest.mark.spec("OC-8.1-a", "RL-2-a")
def test_a_client_of_a_pairwise_subject_signs_out_with_its_hint(op: Provider) -> None:
    party, person = op.party("shop"), op.stranger("hugo")
    hint = party.sign_in(person).id_token
    assert hint is not None
    parameters = {"id_token_hint": hint.reveal(), "post_logout_redirect_uri": BYE}
    answer = person.browser.client.get(op.url("/end-session"), params=parameters)
    assert answer.headers["location"] == BYE
    assert party.authorize(person, party.start(prompt="none"))["error"] == "login_required"


@pytest.mark.spec("OC-8.1-a")
@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--redirect", "https://a.test/cb", "--redirect", "https://b.test/cb", "--pairwise"), "one host"),
        (("--native", "--redirect", "http://127.0.0.1/cb", "--pairwise"), "one host"),
        (("--native", "--redirect", "com.acme.app:/cb", "--pairwise"), "one host"),
    ],
)
def test_a_sector_that_cannot_be_told_is_refused(op: Provider, words: tuple[str, ...], reason: str) -> None:
    done = op.run("client", "add", "sectorless", *words)
    assert done.returncode == 2
    assert reason in done.stderr


# --- the account chooser ---------------------------------------------------------------------------------------


class Chooser:
    """A browser at the page that `prompt=select_account` brings."""

    def __init__(self, op: Provider, party: RelyingParty, person: Person, **changes: Value) -> None:
        self.op, self.client = op, person.browser.client
        self.started = party.start(prompt="select_account", **changes)
        self.page = self.client.get(self.client.get(self.started.url).headers["location"])

    def send(self, **form: str) -> httpx2.Response:
        headers = {"origin": self.op.server.url, "sec-fetch-site": "same-origin"}
        return self.client.post(str(self.page.url), data=form, headers=headers)


@pytest.mark.spec("OC-3.1.2.1-c", "ST-3")
def test_who_is_signed_in_may_go_on_without_a_password(op: Provider) -> None:
    party, person = op.party("first"), op.stranger("hugo")
    before = claims_of(party.sign_in(person).id_token)
    chooser = Chooser(op, party, person)
    assert page_of(chooser.page) == "login"
    assert "Choose an account" in chooser.page.text
    assert "Continue as <strong>hugo</strong>" in chooser.page.text
    code = Secret(sent_back(chooser.send(account="current"))["code"])
    after = claims_of(party.tokens(party.redeem(code, chooser.started)).id_token)
    assert (after["sub"], after["sid"]) == (before["sub"], before["sid"])
    assert after["auth_time"] == before["auth_time"], "nobody has signed in anew"


@pytest.mark.spec("OC-3.1.2.1-c")
def test_somebody_else_may_sign_in_instead(op: Provider) -> None:
    party, person = op.party("first"), op.stranger("hugo")
    party.code(person)
    chooser = Chooser(op, party, person)
    answer = sent_back(chooser.send(username="bob", password=op.person("bob").password.reveal()))
    tokens = party.tokens(party.redeem(Secret(answer["code"]), chooser.started))
    assert claims_of(tokens.id_token)["sub"] == "sub-of-bob"


@pytest.mark.spec("OC-3.1.2.1-c", "OC-3.1.2.3-a")
@pytest.mark.parametrize("changes", [{"prompt": "login select_account"}, {"max_age": "0"}])
def test_where_a_new_sign_in_is_asked_for_nobody_may_just_go_on(op: Provider, changes: dict[str, Value]) -> None:
    party, person = op.party("first"), op.stranger("hugo")
    party.code(person)
    chooser = Chooser(op, party, person)
    chooser.started = party.start(**{"prompt": "select_account", **changes})
    chooser.page = chooser.client.get(chooser.client.get(chooser.started.url).headers["location"])
    assert "Continue as" not in chooser.page.text
    answer = chooser.send(account="current")
    assert answer.headers["location"] == str(chooser.page.url), "the same page again, and no code"


@pytest.mark.spec("OC-3.1.2.1-c", "6749-10.12-b / OC-3.1.2.3-b")
def test_the_choice_counts_only_for_the_account_that_the_page_showed(op: Provider) -> None:
    party, person = op.party("first"), op.stranger("hugo")
    party.code(person)
    chooser = Chooser(op, party, person)
    party.authorize(Person(person.browser, "bob", op.person("bob").password), party.start(prompt="login"))
    answer = chooser.send(account="current")
    assert answer.headers["location"] == str(chooser.page.url)
    assert "Continue as <strong>bob</strong>" in chooser.client.get(str(chooser.page.url)).text
    with op.http() as foreign:
        headers = {"origin": "https://evil.test", "sec-fetch-site": "cross-site"}
        assert foreign.post(str(chooser.page.url), data={"account": "current"}, headers=headers).status_code == 403


@pytest.mark.spec("OC-3.1.2.1-c")
def test_a_stranger_gets_the_plain_login_page(op: Provider) -> None:
    chooser = Chooser(op, op.party("first"), op.stranger("hugo"))
    assert "Continue as" not in chooser.page.text
    assert chooser.send(account="current").headers["location"] == str(chooser.page.url)


# --- hints at sign-out -----------------------------------------------------------------------------------------


@pytest.mark.spec("RL-2-a", "RL-4", "OC-3.1.2.2-a")
def test_a_hint_that_proves_nothing_gives_a_page_and_an_expired_one_of_ours_signs_out(later: Provider) -> None:
    party, person = later.party("eddsa"), later.stranger("ida")
    hint = party.sign_in(person).id_token
    assert hint is not None
    for spoilt in (hint.reveal()[:-6] + "AAAAAA", "x.y.z", ""):
        parameters = {"id_token_hint": spoilt, "post_logout_redirect_uri": BYE}
        answer = person.browser.client.get(later.url("/end-session"), params=parameters)
        assert "location" not in answer.headers
        assert page_of(answer) in ("error", "logout")
    later.turn(1000)
    parameters = {"id_token_hint": hint.reveal(), "post_logout_redirect_uri": BYE}
    answer = person.browser.client.get(later.url("/end-session"), params=parameters)
    assert answer.headers["location"] == BYE


class ServerClock:
    """The server's turned clock, for an API beside it."""

    def __init__(self, op: Provider) -> None:
        self._op = op

    def now(self) -> Instant:
        return Instant(self._op.now())

    def monotonic(self) -> float:
        return time.monotonic()


# --- step-up at an API -----------------------------------------------------------------------------------------


@pytest.mark.spec("9470-4-a")
def test_an_api_that_asks_for_a_newer_sign_in_gets_it(later: Provider) -> None:
    """RFC 9470: the API refuses, its challenge goes into a new authorization request, the new token is taken."""
    api = Protect(issuer=later.issuer, audience=API, clock=ServerClock(later))
    app = FastAPI(lifespan=api.lifespan)

    @app.get("/transfer", dependencies=[Depends(api.step_up(max_age=60, acr_values=["urn:op:password"]))])
    async def transfer(token: Annotated[AccessToken, Security(api, scopes=["orders:read"])]) -> str:
        return token.acr or ""

    party, person = later.party("first"), later.stranger("ida")
    token = party.sign_in(person).access_token
    later.turn(120)
    renewed = party.sign_in(person).access_token
    assert claims_of(renewed)["auth_time"] == claims_of(token)["auth_time"]
    with serving(app) as url:

        def call(token: Secret) -> httpx2.Response:
            return httpx2.get(
                f"{url}/transfer", headers={"authorization": f"Bearer {token.reveal()}"}, trust_env=False
            )

        refused = call(renewed)
        assert refused.status_code == 401, refused.text
        challenge = dict(re.findall(r'(\w+)="([^"]*)"', refused.headers["www-authenticate"]))
        assert challenge["error"] == "insufficient_user_authentication"
        asked = {name: challenge[name] for name in ("max_age", "acr_values")}
        answer = call(party.sign_in(person, **asked).access_token)
        assert (answer.status_code, answer.json()) == (200, "urn:op:password")
