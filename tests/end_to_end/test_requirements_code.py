"""requirements.md §1.2 from outside: PKCE, and what a code is bound to."""

import re
from pathlib import Path

import pytest

from proofkey.protocol.text import Secret
from proofkey.testing.relying_party import Value
from tests.end_to_end.provider_kit import CALLBACK, WITH_QUERY, Provider, error_of, sent_back

pytestmark = [pytest.mark.timeout(180)]

GOOD = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


@pytest.mark.spec("9700-2.1.1-b", "O21-4.1.1-a", "V10-10.4.6", "F2-5.3.2.2-5", "7636-4.2-a")
@pytest.mark.parametrize("client", ["first", "spa"])
@pytest.mark.parametrize(
    ("challenge", "method"),
    [
        (None, None),
        (None, "S256"),
        ("", "S256"),
        (GOOD, None),
        (GOOD, ""),
        (GOOD, "plain"),
        (GOOD, "s256"),
        (GOOD, "S512"),
        (GOOD[:42], "S256"),
        (GOOD + "x", "S256"),
        (GOOD[:42] + "+", "S256"),
        (GOOD[:42] + "=", "S256"),
        (GOOD[:42] + "\u00e9", "S256"),
    ],
)
def test_no_code_without_a_proper_challenge(
    op: Provider, client: str, challenge: str | None, method: str | None
) -> None:
    started = op.party(client).start(code_challenge=challenge, code_challenge_method=method)
    answer = sent_back(op.ask("GET", started.url))
    assert (answer["error"], answer["state"]) == ("invalid_request", started.state)


@pytest.mark.spec("9700-2.1.1-a", "7636-4.2-a", "6749-4.1.2-a")
@pytest.mark.parametrize(
    "verifier",
    [None, "", "w" * 43, "v" * 42, "v" * 129, "v" * 42 + "+", "v" * 42 + " ", "v" * 42 + "\u00e9", "case"],
)
def test_a_wrong_verifier_is_refused_and_burns_nothing(op: Provider, verifier: str | None) -> None:
    party = op.party("first")
    code, started = party.code(op.person())
    sent = started.verifier.reveal().swapcase() if verifier == "case" else verifier
    assert error_of(party.redeem(code, started, code_verifier=sent)) == (400, "invalid_grant")
    assert party.redeem(code, started).status_code == 200


@pytest.mark.spec("9700-4.8.2-a")
def test_a_verifier_nobody_asked_for_is_refused(op: Provider) -> None:
    party = op.party("loose")
    nothing: dict[str, Value] = {"code_challenge": None, "code_challenge_method": None}
    code, started = party.code(op.person(), **nothing)
    assert error_of(party.redeem(code, started)) == (400, "invalid_grant")
    assert party.redeem(code, started, code_verifier=None).status_code == 200


@pytest.mark.spec("9700-2.1.1-a")
def test_a_client_that_may_go_without_pkce_is_held_to_it_once_it_uses_it(op: Provider) -> None:
    party = op.party("loose")
    code, started = party.code(op.person())
    assert error_of(party.redeem(code, started, code_verifier=None)) == (400, "invalid_grant")
    assert party.redeem(code, started).status_code == 200


@pytest.mark.spec("6749-4.1.3-a", "O21-10.2-a", "threats §1.4")
def test_a_code_is_its_clients_and_its_addresss(op: Provider) -> None:
    party = op.party("first", redirect_uri=WITH_QUERY)
    code, started = party.code(op.person())
    for other in ("other", "rsa", "spa"):
        assert error_of(op.party(other).redeem(code, started)) == (400, "invalid_grant")
    for uri in (CALLBACK, f"{WITH_QUERY}&b=2", "https://evil.test/"):
        assert error_of(party.redeem(code, started, redirect_uri=uri)) == (400, "invalid_grant")
    assert party.redeem(code, started, redirect_uri=None).status_code == 200


@pytest.mark.spec("6749-4.1.3-a")
@pytest.mark.parametrize("code", ["", "x", "x" * 43, "\u00e9" * 20, "x" * 5000])
def test_a_code_that_never_was_is_refused(op: Provider, code: str) -> None:
    party = op.party("first")
    started = party.start()
    expected = "invalid_grant" if code else "invalid_request"
    assert error_of(party.redeem(Secret(code), started)) == (400, expected)


@pytest.mark.spec("O21-7.5.2-a", "6749-4.1.2-a")
def test_a_valid_replay_revokes_all_and_an_invalid_one_nothing(op: Provider) -> None:
    party = op.party("first")
    code, started = party.code(op.person())
    tokens = party.tokens(party.redeem(code, started))
    for invalid in (
        party.redeem(code, started, code_verifier="w" * 43),
        party.redeem(code, started, code_verifier=None),
        party.redeem(code, started, redirect_uri=WITH_QUERY),
        op.party("other").redeem(code, started),
        op.party("spa").redeem(code, started),
    ):
        assert error_of(invalid) == (400, "invalid_grant")
    wrong_secret = op.party("first", secret=Secret("wrong" + "x" * 40), http=op.http())
    assert error_of(wrong_secret.redeem(code, started))[1] == "invalid_client"
    assert party.userinfo(tokens.access_token).status_code == 200
    newer = party.tokens(party.refresh(tokens.refresh_token))

    assert error_of(party.redeem(code, started)) == (400, "invalid_grant")

    for token in (tokens, newer):
        assert party.userinfo(token.access_token).status_code == 401
        assert error_of(party.refresh(token.refresh_token)) == (400, "invalid_grant")


@pytest.mark.spec("V10-10.4.3", "F2-5.3.2.1-11")
@pytest.mark.parametrize(("seconds", "status"), [(55, 200), (61, 400)])
def test_a_code_lives_a_minute(later: Provider, seconds: int, status: int) -> None:
    party = later.party("first")
    code, started = party.code(later.person())
    later.turn(seconds)
    answer = party.redeem(code, started)
    assert answer.status_code == status
    if status == 400:
        assert error_of(answer) == (400, "invalid_grant")


@pytest.mark.spec("O21-7.7-a", "F2-5.4.1-4", "7636-4.4-a", "N63-5.1")
def test_secrets_have_256_bits_and_none_stands_in_the_database(op: Provider) -> None:
    party = op.party("first")
    person = op.stranger("ida")
    code, started = party.code(person)
    waiting, _ = party.code(person)
    tokens = party.tokens(party.redeem(code, started))
    assert tokens.refresh_token is not None
    assert tokens.id_token is not None
    cookies = [cookie.value for cookie in person.browser.client.cookies.jar if cookie.value]
    for opaque in (code.reveal(), waiting.reveal(), *cookies):
        assert re.fullmatch(r"[A-Za-z0-9_-]{43}", opaque)
    assert len(tokens.refresh_token.reveal()) > 80
    assert len({party.code(person)[0].reveal() for _ in range(5)}) == 5
    stored = b"".join(file.read_bytes() for file in database_files(op))
    assert person.username.encode() in stored, "the database was read"
    secrets = [
        *(code, waiting, started.verifier, person.password),
        *(tokens.access_token, tokens.refresh_token, tokens.id_token),
        *map(Secret, cookies),
    ]
    for secret in secrets:
        assert secret.reveal().encode() not in stored
    assert (op.config.parent / "master.key").read_bytes() not in stored
    made = [one for one in op.seen if len(one) > 8 and len(set(one)) > 3]  # not what tests filled up with x
    assert made
    assert not [one for one in made if one.encode() in stored]


def database_files(op: Provider) -> list[Path]:
    return sorted(op.config.parent.glob("server.db*"))
