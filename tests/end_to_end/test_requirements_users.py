"""requirements.md §4 from outside: people, passwords, throttles, what operators switch off, and the log."""

import json
import sqlite3
from contextlib import closing
from datetime import datetime
from typing import Any

import httpx2
import pytest

from proofkey.protocol.text import Secret
from proofkey.testing.relying_party import Person, RelyingParty
from tests.end_to_end.provider_kit import (
    CLIENTS,
    COMPOSED,
    DECOMPOSED,
    LONG,
    PEOPLE,
    Provider,
    claims_of,
    error_of,
    fresh,
    is_refused_without_location,
    page_of,
    sent_back,
)

pytestmark = [pytest.mark.timeout(180)]


def login_page(op: Provider, client: httpx2.Client) -> httpx2.Response:
    started = client.get(op.party("first").start().url)
    return client.get(started.headers["location"])


def try_login(op: Provider, username: str, password: str, client: httpx2.Client | None = None) -> httpx2.Response:
    """What the login form answers."""
    client = client or op.http()
    form = {"username": username, "password": password}
    return client.post(login_page(op, client).url, data=form, headers={"sec-fetch-site": "same-origin"})


def is_let_in(answer: httpx2.Response) -> bool:
    return answer.status_code == 303 and "code" in sent_back(answer)


# --- passwords -------------------------------------------------------------------------------------------------


@pytest.mark.spec("N63-3.1.1.2-2", "V6-6.2.9", "N63-3.1.1.2-3/4", "N63-3.1.1.2-9", "V6-6.2.8")
@pytest.mark.parametrize(
    ("username", "password", "right"),
    [
        ("long", LONG, True),
        ("long", LONG[:72], False),
        ("long", LONG[:-1], False),
        ("long", LONG[:73] + "X" + LONG[74:], False),
        ("long", LONG + "x", False),
        ("noir", COMPOSED, True),
        ("noir", DECOMPOSED, True),
        ("noir", COMPOSED.upper(), False),
        ("noir", f" {COMPOSED}", False),
        ("noir", COMPOSED.replace("\u00e9", "e"), False),
        ("  LONG ", LONG, True),
        ("\uff4c\uff4f\uff4e\uff47", LONG, True),
    ],
)
def test_the_whole_password_counts_and_nothing_of_it_is_changed_but_its_unicode_form(
    later: Provider, username: str, password: str, right: bool
) -> None:
    later.turn(60)
    assert is_let_in(try_login(later, username, password)) is right


@pytest.mark.spec("N63-3.1.1.2-1", "N63-3.1.1.2-2", "N63-3.1.1.2-5", "N63-3.1.1.2-b", "V6-6.2.1", "V6-6.2.4")
@pytest.mark.parametrize(
    ("password", "finding"),
    [
        ("fourteen chars", "USR-02"),
        ("correct horse battery staple zebra", None),
        (fresh() * 5, None),
        ("Password1!Password1!", "USR-04"),
        ("123456789012345678", "USR-04"),
        ("newcomer newcomer", "USR-05"),
        ("\u00e9" * 513, "USR-03"),
    ],
)
def test_what_a_new_password_must_be(op: Provider, password: str, finding: str | None) -> None:
    done = op.run("user", "add", "newcomer", stdin=password)
    assert done.returncode == (2 if finding else 0), done.stderr
    assert (finding or "") in done.stderr
    assert password not in done.stderr + done.stdout
    if finding is None:
        assert is_let_in(try_login(op, "newcomer", password))
        assert op.run("user", "delete", "newcomer").returncode == 0


@pytest.mark.spec("N63-hash", "ASVS-C", "V11-11.4.2")
def test_passwords_are_stored_as_argon2id_with_salts_of_their_own(op: Provider) -> None:
    with closing(sqlite3.connect(f"file:{op.config.parent / 'server.db'}?mode=ro", uri=True)) as database:
        stored = [row[0] for row in database.execute("SELECT password_hash FROM users WHERE deleted_at IS NULL")]
    assert len(stored) > 10
    assert len({one.split("$")[4] for one in stored}) == len(stored)
    for one in stored:
        _, kind, _, parameters, salt, _ = one.split("$")
        cost = {name: int(value) for name, value in (pair.split("=") for pair in parameters.split(","))}
        assert kind == "argon2id"
        assert cost["m"] >= 19 * 1024
        assert cost["t"] >= 2
        assert cost["p"] >= 1
        assert len(salt) >= 22


@pytest.mark.spec("V6-6.3.8", "V6-6.1.1")
def test_unknown_disabled_and_wrong_look_alike_and_take_alike(op: Provider) -> None:
    assert op.run("user", "disable", "quiet").returncode == 0
    attempts = [
        ("nobody", "wrong password here"),
        ("quiet", "wrong password here"),
        ("quiet", PEOPLE["quiet"]),
        ("timed", "wrong password here"),
    ]
    answers = [try_login(op, name, password) for name, password in attempts]
    texts = [answer.text.replace(name, "NAME") for answer, (name, _) in zip(answers, attempts, strict=True)]
    assert len(set(texts)) == 1
    assert {one.status_code for one in answers} == {400}
    assert {page_of(one) for one in answers} == {"login"}
    assert len({tuple(sorted(set(one.headers) - {"date"})) for one in answers}) == 1


@pytest.mark.spec("N63-3.2.2", "V6-6.1.1", "V6-6.3.1")
def test_after_five_failures_an_account_waits_and_nobody_else_does(later: Provider) -> None:
    later.turn(4000)
    client = later.http()
    for _ in range(5):
        assert try_login(later, "gus", "wrong password here", client).status_code == 400
    for password in ("wrong password here", PEOPLE["gus"]):
        waiting = try_login(later, "gus", password, client)
        assert (waiting.status_code, page_of(waiting)) == (429, "login")
        assert 1 <= int(waiting.headers["retry-after"]) <= 30
    elsewhere = try_login(later, "gus", PEOPLE["gus"])
    assert elsewhere.status_code == 429, "the account waits wherever it is tried"
    there = later.http(**{"x-forwarded-for": client.headers["x-forwarded-for"]})
    assert is_let_in(try_login(later, "ida", PEOPLE["ida"], there)), "another account from there"

    later.turn(31)

    assert is_let_in(try_login(later, "gus", PEOPLE["gus"], client))
    for _ in range(5):
        assert try_login(later, "gus", "wrong password here").status_code == 400, "counted anew after a success"


@pytest.mark.spec("N63-3.2.2")
def test_the_wait_doubles_and_the_owner_is_not_locked_out(later: Provider) -> None:
    later.turn(4000)
    for _ in range(5):
        try_login(later, "fred", "wrong password here")
    waits = []
    for _ in range(4):
        waits.append(int(try_login(later, "fred", "x").headers["retry-after"]))
        later.turn(waits[-1] + 1)
        assert try_login(later, "fred", "wrong password here").status_code == 400
    assert [round(wait / 30) for wait in waits] == [1, 2, 4, 8]
    later.turn(4000)
    assert is_let_in(try_login(later, "fred", PEOPLE["fred"]))


@pytest.mark.spec("V6-6.1.1", "V6-6.3.1")
def test_spraying_over_many_names_is_slowed_down_by_address(later: Provider) -> None:
    client = later.http()
    page = login_page(later, client)
    statuses = []
    for number in range(110):
        form = {"username": f"sprayed{number}", "password": "x"}
        statuses.append(client.post(page.url, data=form, headers={"sec-fetch-site": "same-origin"}).status_code)
    assert set(statuses[:90]) == {400}
    assert 429 in statuses
    assert is_let_in(try_login(later, "ida", PEOPLE["ida"])), "from another address"


# --- what operators do while the server runs -------------------------------------------------------------------


class Witness:
    """A person with everything that a login gives: cookie, tokens, a code, an open consent page."""

    def __init__(self, op: Provider, username: str, client_id: str = "first") -> None:
        self.op = op
        self.party = op.party(client_id)
        self.person = op.stranger(username)
        self.tokens = self.party.sign_in(self.person)
        self.code, self.started = self.party.code(self.person)

    def is_all_dead(self) -> bool:
        party = self.party
        return (
            party.userinfo(self.tokens.access_token).status_code == 401
            and party.refresh(self.tokens.refresh_token).status_code in (400, 401)
            and not self.has_cookie()
        )

    def has_cookie(self) -> bool:
        client = self.person.browser.client
        answer = client.get(self.party.start(prompt="none").url)
        return answer.status_code == 303 and "code" in sent_back(answer)


@pytest.mark.spec("V7-7.4.*", "9700-4.14.2-d", "interfaces: user", "threats §1.5")
@pytest.mark.parametrize(
    ("command", "username", "back"),
    [
        (["disable"], "cleo", False),
        (["delete"], "dora", False),
        (["sign-out"], "eve", True),
        (["password"], "hugo", False),
    ],
)
def test_a_command_ends_everything_of_a_person_at_once(
    op: Provider, command: list[str], username: str, back: bool
) -> None:
    witness, bystander = Witness(op, username), Witness(op, "ann")
    done = op.run("user", *command, username, stdin="an entirely new passphrase, 77")
    op.seen.add("an entirely new passphrase, 77")
    assert done.returncode == 0, done.stderr
    assert witness.is_all_dead()
    assert error_of(witness.party.redeem(witness.code, witness.started)) == (400, "invalid_grant")
    assert is_let_in(try_login(op, username, PEOPLE[username])) is back
    if command == ["password"]:
        assert is_let_in(try_login(op, username, "an entirely new passphrase, 77"))
        assert op.run("user", "password", username, stdin=PEOPLE[username]).returncode == 0
    assert not bystander.is_all_dead()


@pytest.mark.spec("9700-4.14.2-d", "interfaces: client", "threats §1.5")
def test_a_client_that_is_switched_off_gets_nothing_and_its_tokens_are_dead(op: Provider) -> None:
    witness = Witness(op, "ann", "doomed")
    assert op.run("client", "disable", "doomed").returncode == 0
    party = witness.party
    assert party.userinfo(witness.tokens.access_token).status_code == 401
    assert error_of(party.refresh(witness.tokens.refresh_token)) == (401, "invalid_client")
    assert error_of(party.redeem(witness.code, witness.started)) == (401, "invalid_client")
    assert error_of(party.revoke(witness.tokens.access_token)) == (401, "invalid_client")
    assert is_refused_without_location(op.ask("GET", party.start().url))
    assert is_refused_without_location(op.ask("GET", party.start(prompt="none").url))
    assert op.party("first").sign_in(witness.person).id_token is not None, "the person stays signed in"


@pytest.mark.spec("V7-7.4.*")
def test_a_person_who_is_switched_off_while_a_page_is_open_does_not_get_through(op: Provider) -> None:
    client = op.http()
    assert op.run("user", "add", "late", stdin="an entirely new passphrase, 78").returncode == 0
    op.seen.add("an entirely new passphrase, 78")
    started = client.get(op.party("web").start().url)
    page = client.get(started.headers["location"])
    form = {"username": "late", "password": "an entirely new passphrase, 78"}
    own = {"sec-fetch-site": "same-origin"}
    consent = client.get(client.post(page.url, data=form, headers=own).headers["location"])
    assert page_of(consent) == "consent"
    assert op.run("user", "disable", "late").returncode == 0
    answer = client.post(consent.url, data={"decision": "allow"}, headers=own)
    assert "code=" not in answer.headers.get("location", "")
    assert page_of(client.get(consent.url)) == "login"


@pytest.mark.spec("OC-sub", "V6-6.3.2")
def test_a_name_that_comes_again_is_another_person(op: Provider) -> None:
    subs = []
    for _ in range(2):
        added = op.run("user", "add", "again", "--json", stdin="an entirely new passphrase, 79")
        subs.append(json.loads(added.stdout)["sub"])
        assert op.run("user", "delete", "again").returncode == 0
    op.seen.add("an entirely new passphrase, 79")
    assert subs[0] != subs[1]
    assert all(len(sub) >= 22 and "again" not in sub for sub in subs)


@pytest.mark.spec("9700-4.15-a")
def test_clients_that_are_added_while_it_runs_work_at_once(op: Provider) -> None:
    added = op.run("client", "add", "newborn", "--redirect-uri", "https://new.test/cb", "--json")
    made = json.loads(added.stdout)
    party = op.party("first", redirect_uri="https://new.test/cb")  # the same address, which is not this client's
    assert is_refused_without_location(op.ask("GET", party.start().url))
    secret = Secret(made["client_secret"])
    assert len(secret.reveal()) >= 32
    newborn = RelyingParty(op.issuer, "newborn", redirect_uri="https://new.test/cb", secret=secret, http=op.http())
    assert newborn.sign_in(op.person()).id_token is not None


# --- the log ---------------------------------------------------------------------------------------------------


@pytest.mark.spec("V16-16.3.1", "V13/V16", "V16-16.2.5")
def test_each_sign_in_is_told_with_who_where_how_and_when(op: Provider) -> None:
    before = op.log_size()
    client = op.http()
    peer = client.headers["x-forwarded-for"]
    assert try_login(op, "hugo", "wrong password here", client).status_code == 400
    assert is_let_in(try_login(op, "hugo", PEOPLE["hugo"], client))
    events = [one for one in op.events(before) if one.get("peer") == peer]
    (failed,) = [one for one in events if one.get("finding") == "USR-01"]
    (begun,) = [one for one in events if one["event"] == "sign_in.begun"]
    assert failed["sub"] == begun["sub"] == "sub-of-hugo"
    assert failed["reason"] == "wrong password"
    assert begun["client_id"] == "first"
    assert begun["factor"] == "pwd"
    for one in (failed, begun):
        assert datetime.fromisoformat(one["time"]).utcoffset() is not None
        assert one["time"].endswith("Z")
        assert one["correlation"]


@pytest.mark.spec("V16-16.2.5", "V16-16.4.1")
@pytest.mark.parametrize(
    "text", ["x\nevent=forged", 'x", "event": "forged', "x\r\n{}", "\u202ex", "x\x1b[2J", "\u2028x"]
)
def test_what_is_sent_cannot_write_a_line_of_its_own(op: Provider, text: str) -> None:
    before = op.log_size()
    try_login(op, text, "x")
    op.ask("GET", "/authorize", params={"client_id": text, "redirect_uri": text, "state": text})
    op.ask("POST", "/token", data={"grant_type": text, "client_id": text})
    op.ask("POST", "/token", data={"grant_type": text}, headers={"authorization": "Basic eDp5"})
    events: list[dict[str, Any]] = op.events(before)
    assert events
    assert {"forged"}.isdisjoint(one["event"] for one in events)
    raw = op.server.log.read_text()[before:]
    assert raw.isascii()
    assert "\x1b" not in raw


@pytest.mark.spec("V16-16.2.5", "9700-4.9.3-a", "X-secrets")
def test_no_secret_stands_in_the_log_however_a_request_goes_wrong(op: Provider) -> None:
    party, person = op.party("form"), op.stranger("ann")
    code, started = party.code(person)
    tokens = party.tokens(party.redeem(code, started))
    assert tokens.refresh_token is not None
    assert tokens.id_token is not None
    for secret in (code, tokens.access_token, tokens.refresh_token, tokens.id_token, started.verifier):
        value = secret.reveal()
        op.ask(
            "GET", "/authorize", params={"client_id": "form", "redirect_uri": "https://x.test/", "state": value}
        )
        op.ask("GET", f"/interaction/{value[:100]}")
        op.ask("POST", "/token", data={"grant_type": "refresh_token", "refresh_token": value, "client_id": "spa"})
        op.ask("POST", "/token", data={"grant_type": "authorization_code", "code": value, "client_id": "spa"})
        op.ask("POST", "/userinfo", data={"access_token": value})
        op.ask("GET", "/end-session", params={"id_token_hint": value})
        party.revoke(Secret(value))
    try_login(op, "ann", "ann's mistyped passphrase")
    wrong = op.party("form", secret=Secret("a wrong secret of forty characters, 1234"), http=op.http())
    wrong.client_token()
    log = op.server.log.read_text()
    secrets = [
        *(code.reveal(), started.verifier.reveal(), person.password.reveal()),
        *(tokens.access_token.reveal(), tokens.refresh_token.reveal(), tokens.id_token.reveal()),
        *("ann's mistyped passphrase", "a wrong secret of forty characters, 1234"),
        *(one["client_secret"] for one in CLIENTS if "client_secret" in one),
    ]
    assert not [secret[:5] for secret in secrets if secret in log]
    assert len(log) > 1000


def test_the_check_of_the_log_would_find_a_secret(op: Provider) -> None:
    events = op.events()
    assert any("sub-of-ann" in str(one) for one in events)
    assert claims_of(op.party("first").sign_in(op.person()).id_token)["sub"] == "sub-of-ann"
    assert isinstance(op.person(), Person)
