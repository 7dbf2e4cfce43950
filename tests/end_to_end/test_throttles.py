"""Throttles over HTTP: two workers count together, and nothing that a stranger writes into a request helps."""

from collections.abc import Generator

import httpx2
import pytest

from proofkey.protocol.text import Secret
from proofkey.testing.relying_party import RelyingParty
from tests.end_to_end.provider_kit import NO_TLS, PEOPLE, Provider, page_of, running_provider, sent_back
from tests.end_to_end.test_races import children, connections

pytestmark = [pytest.mark.timeout(180)]
WRONG = "wrong password here"
FREE = 5
SPOOFED = ("x-forwarded-for", "forwarded", "x-real-ip", "true-client-ip", "x-client-ip", "cf-connecting-ip")


@pytest.fixture(scope="module")
def direct(tmp_path_factory: pytest.TempPathFactory) -> Generator[Provider]:
    """No proxy is trusted: everybody here has one address, whatever their headers say."""
    people = {name: PEOPLE[name] for name in ("ann", "bob", "cleo")}
    folder = tmp_path_factory.mktemp("direct")
    with running_provider(folder, people=people, trusted_proxies=[]) as provider:
        yield provider


def try_login(op: Provider, username: str, password: str, client: httpx2.Client) -> httpx2.Response:
    """What the login form answers, also to somebody who is signed in."""
    started = client.get(op.party("first").start(prompt="login").url)
    page = client.get(started.headers["location"])
    assert page_of(page) == "login"
    form = {"username": username, "password": password}
    return client.post(page.url, data=form, headers={"sec-fetch-site": "same-origin"})


def is_let_in(answer: httpx2.Response) -> bool:
    return answer.status_code == 303 and "code" in sent_back(answer)


def on_each_worker(op: Provider, count: int) -> list[httpx2.Client]:
    """So many clients with a connection each; both workers hold some of them."""
    workers = children(op.server.pid)
    assert len(workers) == 2
    for _ in range(50):
        clients = [op.http() for _ in range(count)]
        for client in clients:
            client.get(op.url("/jwks"))
        if all(connections(worker) > 0 for worker in workers):
            return clients
        for client in clients:
            client.close()
    raise AssertionError("one worker sat idle")


@pytest.mark.spec("N63-3.2.2", "V6-6.3.1", "threats §2 row 29", "threats §3 item 23")
def test_strangers_close_an_account_on_both_workers_and_its_owner_goes_on(direct: Provider) -> None:
    home = direct.http()
    assert is_let_in(try_login(direct, "ann", PEOPLE["ann"], home))
    assert sum("device" in name for name in home.cookies) == 1
    strangers = on_each_worker(direct, 8)
    statuses = [try_login(direct, "ann", WRONG, stranger).status_code for stranger in strangers]
    assert statuses == [400] * FREE + [429] * (8 - FREE)
    for stranger in strangers:
        waiting = try_login(direct, "ANN", PEOPLE["ann"], stranger)
        assert (waiting.status_code, page_of(waiting)) == (429, "login")
        assert 1 <= int(waiting.headers["retry-after"]) <= 30

    assert try_login(direct, "ann", WRONG, home).status_code == 400
    assert is_let_in(try_login(direct, "ann", PEOPLE["ann"], home))

    direct.turn(31)

    assert is_let_in(try_login(direct, "ann", PEOPLE["ann"], direct.http())), "nor is a new browser, after a while"


@pytest.mark.spec("N63-3.2.2")
def test_a_new_password_voids_what_browsers_were_known_by(direct: Provider) -> None:
    home, new = direct.http(), "tall-grass-over-the-dunes-61"
    assert is_let_in(try_login(direct, "bob", PEOPLE["bob"], home))
    direct.turn(2)
    assert direct.run("user", "password", "bob", stdin=new).returncode == 0
    direct.seen.add(new)
    stranger = direct.http()
    assert [try_login(direct, "bob", WRONG, stranger).status_code for _ in range(FREE)] == [400] * FREE
    assert try_login(direct, "bob", new, home).status_code == 429
    direct.turn(31)
    assert is_let_in(try_login(direct, "bob", new, home))
    assert try_login(direct, "bob", WRONG, stranger).status_code == 400


@pytest.mark.spec("V6-6.1.1", "threats §2 row 28")
@pytest.mark.parametrize("header", SPOOFED)
def test_an_address_that_a_stranger_writes_is_not_believed(direct: Provider, header: str) -> None:
    """The account waits after five failures however many addresses are invented; so does a client."""
    direct.turn(7200)
    client_id = f"invented by {header}"
    statuses = []
    for number in range(25):
        address = f"198.51.100.{number}"
        invented = direct.http(**{header: f"for={address}" if header == "forwarded" else address})
        guesser = RelyingParty(direct.issuer, client_id, secret=Secret("w" * 40), http=invented)
        statuses.append(guesser.client_token().status_code)
    assert set(statuses[:20]) == {401}
    assert statuses[-1] == 429


@pytest.mark.spec("6749-2.3.1-b", "threats §2 row 28", "threats §3 item 23")
def test_neither_grant_nor_endpoint_nor_spelling_gives_a_guesser_more(direct: Provider) -> None:
    party = direct.party("guessed", secret=Secret("wrong" * 9), http=direct.http())
    answers = [party.client_token() for _ in range(21)]
    assert [one.status_code for one in answers[-2:]] == [401, 429]
    limited = answers[-1]
    assert limited.headers["content-type"] == "application/json"
    assert limited.json()["error"] == "temporarily_unavailable"
    assert int(limited.headers["retry-after"]) >= 1
    wrong = direct.party("guessed", secret=Secret("also wrong" * 4), http=direct.http())
    headers, pairs = wrong.authenticated({"token": "x"})
    for path in ("/revoke", "/introspect", "/par"):
        assert direct.ask("POST", path, data=dict(pairs), headers=headers).status_code == 429, path
    for client in on_each_worker(direct, 6):
        refresh = direct.party("guessed", secret=Secret("w" * 40), http=client).token(
            grant_type="refresh_token", refresh_token="x"
        )
        assert refresh.status_code == 429, "both workers"
    in_body = direct.party("guessed", secret=Secret("w" * 40), http=direct.http(), method="client_secret_post")
    assert in_body.client_token().status_code == 429
    for path in ("//token", "/token/", "/Token", "/./token", "/x/../token", "/%74oken/"):
        with httpx2.Client(trust_env=False, verify=NO_TLS) as client:
            answer = client.post(direct.issuer + path, data={"grant_type": "client_credentials"}, headers=headers)
        assert answer.status_code in (404, 429), path
    assert direct.party("machine", http=direct.http()).client_token().status_code == 200, "another client there"


@pytest.mark.spec("V6-6.1.1", "V6-6.3.1")
def test_spraying_stands_in_the_log_by_its_name(direct: Provider) -> None:
    direct.turn(86_400)
    before = direct.log_size()
    client = direct.http()
    statuses = [try_login(direct, f"sprayed{number}", WRONG, client).status_code for number in range(102)]
    assert statuses[0] == 400
    assert statuses[-1] == 429
    rules = {event.get("rule") for event in direct.events(before) if event.get("finding") == "RL-01"}
    assert rules & {"sign-in address", "sign-in sprayed"}
    assert not any("sprayed1" in str(event) for event in direct.events(before)), "no list of the names"
