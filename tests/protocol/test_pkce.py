"""PKCE: the vector of RFC 7636, and every way in which a pair does not fit."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofkey.errors import InvalidGrant, InvalidRequest, OAuthError
from proofkey.findings import Finding
from proofkey.protocol.pkce import (
    challenge_of,
    check_code_challenge,
    check_code_verifier,
    check_verifier_matches,
)
from proofkey.protocol.text import Secret

VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
UNRESERVED = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"


@pytest.mark.spec("7636-B")
def test_vector_of_appendix_b() -> None:
    assert challenge_of(VERIFIER) == CHALLENGE
    check_code_challenge(CHALLENGE, "S256")
    check_verifier_matches(Secret(VERIFIER), CHALLENGE)


@pytest.mark.spec("7636-4.2-a")
@pytest.mark.parametrize("verifier", ["a" * 43, "a" * 128, UNRESERVED, "~._-" * 11])
def test_verifier_of_unreserved_characters_passes(verifier: str) -> None:
    check_code_verifier(verifier)
    check_verifier_matches(Secret(verifier), challenge_of(verifier))


@pytest.mark.spec("7636-4.2-a")
@pytest.mark.parametrize(
    "verifier",
    [
        "",
        "a" * 42,
        "a" * 129,
        "+" + "a" * 43,
        "/" + "a" * 43,
        "a" * 43 + "=",
        "a" * 43 + "\n",
        " " + "a" * 43,
        "é" * 43,
        "a" * 42 + "\0",
        "%41" * 20,
        "a" * 10_000,
    ],
    ids=lambda verifier: f"{len(verifier)} {verifier[:3] + verifier[-1:]!a}",
)
def test_verifier_of_another_form_is_refused_before_it_is_hashed(verifier: str) -> None:
    for check in (
        lambda: check_code_verifier(verifier),
        lambda: challenge_of(verifier),
        lambda: check_verifier_matches(Secret(verifier), CHALLENGE),
    ):
        with pytest.raises(InvalidGrant) as refusal:
            check()
        assert refusal.value.finding is Finding.PKCE_VERIFIER_MALFORMED


@pytest.mark.spec("9700-2.1.1-a", "9700-4.8.2-a")
@pytest.mark.parametrize(
    ("verifier", "challenge", "finding"),
    [
        (None, CHALLENGE, Finding.PKCE_VERIFIER_MISSING),
        (VERIFIER[:-1] + "l", CHALLENGE, Finding.PKCE_VERIFIER_WRONG),
        (CHALLENGE, CHALLENGE, Finding.PKCE_VERIFIER_WRONG),
        (VERIFIER, CHALLENGE.lower(), Finding.PKCE_VERIFIER_WRONG),
        (VERIFIER, "", Finding.PKCE_VERIFIER_WRONG),
        (VERIFIER, None, Finding.PKCE_VERIFIER_UNASKED),
        ("x", None, Finding.PKCE_VERIFIER_UNASKED),
    ],
    ids=["missing", "another", "the challenge itself", "case", "empty challenge", "unasked", "unasked, malformed"],
)
def test_verifier_that_does_not_belong_to_the_challenge_is_refused(
    verifier: str | None, challenge: str | None, finding: Finding
) -> None:
    with pytest.raises(InvalidGrant) as refusal:
        check_verifier_matches(None if verifier is None else Secret(verifier), challenge)
    assert refusal.value.finding is finding
    assert refusal.value.error == "invalid_grant"


def test_neither_verifier_nor_challenge_passes() -> None:
    check_verifier_matches(None, None)


@pytest.mark.spec("V10-10.4.6", "9700-2.1.1-b", "7636-4.2-a")
@pytest.mark.parametrize(
    ("challenge", "method", "finding"),
    [
        (None, "S256", Finding.PKCE_CHALLENGE_MISSING),
        (None, None, Finding.PKCE_CHALLENGE_MISSING),
        (CHALLENGE, None, Finding.PKCE_METHOD_WRONG),
        (CHALLENGE, "plain", Finding.PKCE_METHOD_WRONG),
        (CHALLENGE, "s256", Finding.PKCE_METHOD_WRONG),
        (CHALLENGE, "S256 ", Finding.PKCE_METHOD_WRONG),
        (CHALLENGE[:-1], "S256", Finding.PKCE_CHALLENGE_MALFORMED),
        (CHALLENGE + "A", "S256", Finding.PKCE_CHALLENGE_MALFORMED),
        (CHALLENGE + "\n", "S256", Finding.PKCE_CHALLENGE_MALFORMED),
        (CHALLENGE[:-1] + "+", "S256", Finding.PKCE_CHALLENGE_MALFORMED),
        (CHALLENGE[:-1] + "=", "S256", Finding.PKCE_CHALLENGE_MALFORMED),
        (CHALLENGE[:-1] + "~", "S256", Finding.PKCE_CHALLENGE_MALFORMED),
    ],
)
def test_challenge_that_is_not_s256_is_refused(
    challenge: str | None, method: str | None, finding: Finding
) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        check_code_challenge(challenge, method)
    assert refusal.value.finding is finding


@given(st.text(alphabet=UNRESERVED, min_size=43, max_size=128), st.text(max_size=140))
def test_a_verifier_opens_its_own_challenge_only(verifier: str, other: str) -> None:
    challenge = challenge_of(verifier)
    check_code_challenge(challenge, "S256")
    check_verifier_matches(Secret(verifier), challenge)
    if other != verifier:
        with pytest.raises(OAuthError):
            check_verifier_matches(Secret(other), challenge)


def test_importing_pkce_loads_no_cryptography() -> None:
    import subprocess

    code = "import sys, proofkey.protocol.pkce; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(run.stdout.split())
    assert not {"cryptography", "joserfc", "json", "asyncio", "urllib.parse"} & loaded
    assert len([name for name in loaded if name.startswith("proofkey")]) <= 7
