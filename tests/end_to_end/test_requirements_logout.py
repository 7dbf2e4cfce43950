"""requirements.md §1.8 from outside: sessions at the server and how they end."""

from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx2
import pytest

from proofkey.protocol.text import Secret
from proofkey.testing.headless import read_page
from proofkey.testing.relying_party import Person, RelyingParty
from tests.end_to_end.provider_kit import (
    BYE,
    Provider,
    claims_of,
    error_of,
    is_refused_without_location,
    page_of,
)

pytestmark = [pytest.mark.timeout(180)]

HOUR = 3600
STATE = "s /\u00e9&"


def is_signed_in(party: RelyingParty, person: Person) -> bool:
    return "code" in party.authorize(person, party.start(prompt="none"))


def end_session(op: Provider, client: httpx2.Client, method: str = "GET", **query: str) -> httpx2.Response:
    if method == "GET":
        return client.get(f"{op.url('/end-session')}?{urlencode(query)}")
    return client.post(op.url("/end-session"), data=query)


def signed_in(op: Provider, username: str = "hugo") -> tuple[httpx2.Client, Person, str, RelyingParty]:
    """A browser, its person, an ID token of its session, and the client."""
    client, party = op.http(), op.party("first")
    person = op.stranger(username, client)
    id_token = party.sign_in(person).id_token
    assert id_token is not None
    return client, person, id_token.reveal(), party


@pytest.mark.spec("RL-2-a", "RL-3-a", "RL-2-c", "ST-4")
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("with_client_id", [True, False])
def test_with_a_hint_of_this_session_it_ends_at_once(op: Provider, method: str, with_client_id: bool) -> None:
    client, person, hint, party = signed_in(op)
    query = {"id_token_hint": hint, "post_logout_redirect_uri": BYE, "state": STATE}
    query |= {"client_id": "first"} if with_client_id else {}
    assert is_signed_in(party, person)
    answer = end_session(op, client, method, **query)
    assert answer.status_code == 303
    assert answer.headers["location"] == f"{BYE}?{urlencode({'state': STATE})}"
    assert not is_signed_in(party, person)


@pytest.mark.spec("RL-2-a")
def test_without_an_address_to_return_to_a_page_says_so(op: Provider) -> None:
    client, person, hint, party = signed_in(op)
    answer = end_session(op, client, id_token_hint=hint)
    assert (answer.status_code, page_of(answer)) == (200, "logged-out")
    assert not is_signed_in(party, person)
    again = end_session(op, client, id_token_hint=hint, post_logout_redirect_uri=BYE)
    assert again.headers["location"] == BYE, "who is signed out already is led back as well"


@pytest.mark.spec("RL-2-a")
def test_an_expired_hint_still_ends_its_session(later: Provider) -> None:
    client, person, hint, party = signed_in(later)
    later.turn(1000)
    answer = end_session(later, client, id_token_hint=hint, post_logout_redirect_uri=BYE)
    assert answer.headers["location"] == BYE
    assert not is_signed_in(party, person)


@pytest.mark.spec("RL-2-b", "V10-10.6.2", "6749-10.12-b", "X-logout-post")
@pytest.mark.parametrize("kind", ["no hint", "hint of another session", "hint of another person"])
def test_a_person_is_asked_unless_the_hint_is_of_this_session(op: Provider, kind: str) -> None:
    client, person, _, party = signed_in(op)
    foreign = signed_in(op, "ida" if "person" in kind else "hugo")[2]
    query = {"post_logout_redirect_uri": BYE, "state": "s", "client_id": "first"}
    query |= {"id_token_hint": foreign} if "hint of" in kind else {}
    page = end_session(op, client, **query)
    assert (page.status_code, page_of(page)) == (200, "logout")
    assert is_signed_in(party, person), "asking ends nothing"
    action = read_page(page.text)[1][0].action
    for foreign_post in (
        client.post(action, data={"decision": "allow"}, headers={"sec-fetch-site": "cross-site"}),
        client.post(action, data={"decision": "allow"}, headers={"origin": "https://evil.test"}),
        op.ask("POST", action, data={"decision": "allow"}),
    ):
        assert foreign_post.status_code == 403
    assert is_signed_in(party, person)
    answer = client.post(action, data={"decision": "allow"}, headers={"sec-fetch-site": "same-origin"})
    assert answer.headers["location"] == f"{BYE}?state=s"
    assert not is_signed_in(party, person)


@pytest.mark.spec("RL-3-a", "RL-2-a", "9700-2.1-a", "X-redir-a")
@pytest.mark.parametrize(
    "changes",
    [
        {"post_logout_redirect_uri": f"{BYE}/"},
        {"post_logout_redirect_uri": f"{BYE}?x=1"},
        {"post_logout_redirect_uri": BYE.upper()},
        {"post_logout_redirect_uri": "https://evil.test/"},
        {"post_logout_redirect_uri": "https://rp.test@evil.test/bye"},
        {"post_logout_redirect_uri": "https://rp.test/x/../bye"},
        {"post_logout_redirect_uri": "javascript:alert(1)"},
        {"client_id": "rsa"},
        {"client_id": "nobody"},
        {"id_token_hint": "a.b.c"},
        {"id_token_hint": "spoilt"},
        {"id_token_hint": "access token"},
        {"id_token_hint": "", "client_id": ""},
        {"id_token_hint": "", "client_id": "nobody"},
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_faulty_logout_leads_nowhere_and_ends_nothing(
    op: Provider, changes: dict[str, str], method: str
) -> None:
    client, person, hint, party = signed_in(op)
    if changes.get("id_token_hint") == "spoilt":
        changes = {"id_token_hint": hint[:-4] + "AAAA"}
    if changes.get("id_token_hint") == "access token":
        changes = {"id_token_hint": party.sign_in(person).access_token.reveal()}
    query = {"id_token_hint": hint, "client_id": "first", "post_logout_redirect_uri": BYE, **changes}
    assert is_refused_without_location(end_session(op, client, method, **query))
    assert is_signed_in(party, person)


@pytest.mark.spec("6749-3.1-a")
def test_a_logout_parameter_twice_is_refused(op: Provider) -> None:
    query = urlencode([("post_logout_redirect_uri", BYE), ("post_logout_redirect_uri", "https://evil.test/")])
    assert is_refused_without_location(op.ask("GET", f"/end-session?client_id=first&{query}"))


@pytest.mark.spec("RL-3-a")
def test_who_comes_without_a_session_and_a_hint_gets_a_link_not_a_redirect(op: Provider) -> None:
    answer = op.ask("GET", f"/end-session?{urlencode({'client_id': 'first', 'post_logout_redirect_uri': BYE})}")
    assert (answer.status_code, page_of(answer)) == (200, "logged-out")
    assert "location" not in answer.headers
    assert BYE in answer.text


@pytest.mark.spec("BL-2.7-a", "9700-4.14.2-d", "V7-7.4.1")
def test_logout_ends_what_was_granted_for_the_time_of_the_session(op: Provider) -> None:
    client, person, hint, party = signed_in(op)
    online = party.sign_in(person, scope="openid")
    offline = party.sign_in(person, scope="openid offline_access")
    waiting, started = party.code(person)
    end_session(op, client, id_token_hint=hint)
    assert party.userinfo(online.access_token).status_code == 401
    assert party.userinfo(offline.access_token).status_code == 200
    assert party.refresh(offline.refresh_token).status_code == 200
    assert error_of(party.redeem(waiting, started)) == (400, "invalid_grant"), "a code that nobody took yet"


# --- the cookie ------------------------------------------------------------------------------------------------


def sign_in_cookie(client: httpx2.Client) -> str:
    (found,) = [cookie for cookie in client.cookies.jar if "sign-in" in cookie.name]
    assert found.value is not None
    return found.value


@pytest.mark.spec("V7-7.2.4", "N63-5.1", "V7-7.2.3", "threats §1.4")
def test_each_sign_in_makes_a_new_cookie_and_voids_the_old_one(op: Provider) -> None:
    client, person, _, party = signed_in(op)
    old = sign_in_cookie(client)
    sid = claims_of(party.sign_in(person).id_token)["sid"]
    renewed = party.sign_in(person, prompt="login").id_token
    new = sign_in_cookie(client)
    assert new != old
    assert claims_of(renewed)["sid"] == sid, "other tabs and applications stay signed in"
    assert is_signed_in(party, person)
    for handle, taken in ((new, True), (old, False)):
        thief = op.stranger("hugo")
        plant(op, thief.browser.client, handle)
        assert is_signed_in(party, thief) is taken


def plant(op: Provider, client: httpx2.Client, handle: str) -> None:
    name = f"proofkey-sign-in-{urlsplit(op.issuer).port}"
    client.cookies.set(name, handle, domain="127.0.0.1", path="/")


@pytest.mark.spec("V7-7.2.4", "threats §1.4")
def test_a_cookie_that_was_planted_is_replaced(op: Provider) -> None:
    client = op.http()
    plant(op, client, "p" * 43)
    op.party("first").code(op.stranger("hugo", client))
    assert sign_in_cookie(client) != "p" * 43


@pytest.mark.spec("V7-7.2.4")
def test_another_person_in_the_same_browser_ends_the_first_ones_session(op: Provider) -> None:
    client, _, _, party = signed_in(op, "hugo")
    online = party.sign_in(Person(op.stranger("hugo", client).browser, "hugo", Secret("")), scope="openid")
    assert party.userinfo(online.access_token).status_code == 200
    tokens = party.sign_in(op.stranger("ida", client), prompt="login", scope="openid")
    assert claims_of(tokens.id_token)["sub"] == "sub-of-ida"
    assert party.userinfo(online.access_token).status_code == 401


@pytest.mark.spec("N63-5.1", "N63-5.1.1", "10017-6.1.3.2-a")
def test_cookies_are_opaque_and_out_of_reach_for_scripts(op: Provider) -> None:
    with op.http() as client:
        started = client.get(op.party("first").start().url)
        page = client.get(started.headers["location"])
        form = {"username": "hugo", "password": op.person("hugo").password.reveal()}
        answer = client.post(page.url, data=form, headers={"sec-fetch-site": "same-origin"})
    lines = [*started.headers.get_list("set-cookie"), *answer.headers.get_list("set-cookie")]
    assert len(lines) == 4, "the flow's, the sign-in's, the flow's end, and the device's"
    for line in lines:
        (morsel,) = SimpleCookie(line).values()
        assert morsel.key.startswith(("proofkey-flow-", "proofkey-sign-in-", "proofkey-device-"))
        assert str(urlsplit(op.issuer).port) in morsel.key, "ports of a host share cookies"
        assert morsel["httponly"]
        assert morsel["samesite"] == "Lax"
        assert morsel["path"] == "/"
        assert not morsel["domain"]
        assert len(morsel.value) == 43 or morsel["max-age"] == "0"


@pytest.mark.spec("N63-2.2.3", "V7-7.3.1/2")
def test_a_session_ends_after_an_hour_of_rest_and_after_a_day_of_use(later: Provider) -> None:
    party = later.party("first")
    resting = later.stranger("hugo")
    party.code(resting)
    later.turn(HOUR + 1)
    assert not is_signed_in(party, resting)
    busy = later.stranger("ida")
    party.code(busy)
    for _ in range(26):
        later.turn(3300)
        assert is_signed_in(party, busy)
    later.turn(3300)
    assert not is_signed_in(party, busy), "24.75 hours"


@pytest.mark.spec("SESS-state", "OD-4.2-a")
def test_logout_by_frames_is_not_there(op: Provider) -> None:
    document: dict[str, Any] = op.ask("GET", "/.well-known/openid-configuration").json()
    for member in ("check_session_iframe", "frontchannel_logout_supported"):
        assert member not in document
