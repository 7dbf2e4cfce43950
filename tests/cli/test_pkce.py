"""`proofkey pkce`."""

import json

import pytest

from proofkey.protocol.pkce import check_code_verifier, check_verifier_matches
from proofkey.protocol.text import Secret
from tests.cli.conftest import RunCli

VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


@pytest.mark.spec("7636-4.2-a")
def test_a_pair_belongs_together(cli: RunCli):
    pair = json.loads(cli("pkce", "--json").out)
    check_code_verifier(pair["code_verifier"])
    check_verifier_matches(Secret(pair["code_verifier"]), pair["code_challenge"])
    assert pair["code_challenge_method"] == "S256"


def test_the_pair_is_printed_line_by_line(cli: RunCli):
    ran = cli("pkce")
    assert [line.split()[0] for line in ran.out.splitlines()] == [
        "code_verifier", "code_challenge", "code_challenge_method",
    ]  # fmt: skip
    assert ran.err == ""


@pytest.mark.spec("RFC 7636 §B")
def test_the_pair_of_the_standard_verifies(cli: RunCli):
    ran = cli("pkce", "--verify", VERIFIER, CHALLENGE)
    assert (ran.status, ran.out) == (0, "ok The verifier matches the challenge.\n")
    assert json.loads(cli("pkce", "--json", "--verify", VERIFIER, CHALLENGE).out) == {"matches": True}


@pytest.mark.spec("7636-4.2-a")
@pytest.mark.parametrize(
    ("verifier", "challenge", "finding"),
    [
        (VERIFIER, CHALLENGE[:-1] + "N", "PKCE-15"),
        (VERIFIER[:-1], CHALLENGE, "PKCE-13"),
        ("x" * 129, CHALLENGE, "PKCE-13"),
        (VERIFIER[:-1] + "+", CHALLENGE, "PKCE-13"),
        (VERIFIER, CHALLENGE[:-1], "PKCE-12"),
        (VERIFIER, CHALLENGE + "=", "PKCE-12"),
        ("-" * 43, "-" * 43, "PKCE-15"),
    ],
)
def test_a_pair_that_does_not_match_is_a_finding(cli: RunCli, verifier: str, challenge: str, finding: str):
    ran = cli("pkce", "--verify", verifier, challenge)
    assert ran.status == 1
    assert ran.out.startswith("FAIL ")
    assert f"({finding})" in ran.out
    document = json.loads(cli("pkce", "--json", "--verify", verifier, challenge).out)
    assert (document["matches"], document["finding"]) == (False, finding)


def test_verify_takes_two_values(cli: RunCli):
    assert cli("pkce", "--verify", VERIFIER).status == 2
