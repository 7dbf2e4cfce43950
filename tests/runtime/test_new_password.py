"""What a new password must be."""

import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from proofkey.errors import ConfigurationError, PasswordRefused
from proofkey.findings import Finding
from proofkey.protocol.text import Secret
from proofkey.runtime import new_password
from proofkey.runtime.new_password import check_password


def check(text: str, username: str = "ann", service_name: str = "Proofkey") -> None:
    check_password(Secret(text), username=username, service_name=service_name)


@pytest.mark.spec("N63-3.1.1.2-5", "N63-3.1.1.2-2", "N63-3.1.1.2-3/4")
@pytest.mark.parametrize(
    "text",
    [
        "correct horse battery staple zebra",
        "brave-otter-river-41",
        "nur kleine buchstaben hier",
        "зелёный трамвай у моста",
        "緑の電車が橋の上を走る夜の景色",
        "x7#Kq9!vLw2@Zr5",
        "ann likes seventeen purple tractors",
        "correct horse battery staple zebra " * 6,
        "🦊🐙🦑🌵🍄🪐🧭🪗🛶🧊🪁🎈🥁🧩🪃",
    ],
)
def test_a_long_password_is_taken_whatever_it_is_made_of(text: str):
    check(text)


@pytest.mark.spec("N63-3.1.1.2-1")
@pytest.mark.parametrize("text", ["", "x", "Xk9#pQ2!vL7@wR", "é" * 14, "e\u0301" * 14])
def test_fewer_than_15_characters_are_refused_with_the_reason(text: str):
    with pytest.raises(PasswordRefused) as caught:
        check(text)
    assert caught.value.finding is Finding.PASSWORD_TOO_SHORT


@pytest.mark.spec("N63-3.1.1.2-b")
@pytest.mark.parametrize(
    "text",
    [
        "Password1!Password1!",
        "passwordpassword",
        "P@ssw0rdP@ssw0rd",
        "aaaaaaaaaaaaaaaaaaaa",
        "abcdefghijklmnop",
        "123456789012345",
        "qwertyuiopasdfgh",
        "iloveyouiloveyou",
        "123456789987654321",
        "QWERTY123456789",
        "letmeinletmeinletmein",
        "a" * 1024,
        "password1 " * 100,
    ],
)
def test_a_well_known_or_guessable_password_is_refused_with_the_reason(text: str):
    with pytest.raises(PasswordRefused) as caught:
        check(text)
    assert caught.value.finding is Finding.PASSWORD_COMMON


@pytest.mark.spec("N63-3.1.1.2-b")
@pytest.mark.parametrize(
    ("text", "username", "service_name"),
    [
        ("annabelle.smithers@example.org", "annabelle.smithers@example.org", ""),
        ("AnnabelleSmithers", "annabelle.smithers", ""),
        ("annabelle.smithers.2026", "annabelle.smithers", ""),
        ("annabelleannabelle1", "annabelle", ""),
        ("Acme Rockets Portal", "ann", "Acme Rockets Portal"),
        ("acmerocketsportal!!", "ann", "Acme Rockets Portal"),
        ("zyqvuxjkpwmfzyqvuxjkpwmf", "zyqvuxjkpwmf", ""),
    ],
)
def test_the_username_or_the_service_name_is_refused_with_the_reason(text: str, username: str, service_name: str):
    with pytest.raises(PasswordRefused) as caught:
        check(text, username, service_name)
    assert caught.value.finding is Finding.PASSWORD_CONTEXT


@pytest.mark.spec("N63-3.1.1.2-2")
def test_a_password_that_is_strong_behind_its_first_64_characters_is_taken():
    check("a" * 64 + " velvet cactus orbits the harbour")


def test_a_password_that_cannot_be_hashed_is_refused_here_too():
    with pytest.raises(PasswordRefused) as caught:
        check("x" * 1025)
    assert caught.value.finding is Finding.PASSWORD_TOO_LONG


def test_one_persons_names_do_not_judge_anothers_password():
    """zxcvbn keeps context words in a global: threads must not see each other's."""

    def judged(number: int) -> bool:
        own = number % 2 == 0
        try:
            check("zyqvuxjk pwmfgrub 17", "zyqvuxjk.pwmfgrub" if own else "ben", "")
        except PasswordRefused:
            return own
        return not own

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(judged, range(40)))


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch):
    new_password._zxcvbn.cache_clear()
    new_password._well_known.cache_clear()
    monkeypatch.setitem(sys.modules, "zxcvbn", None)
    with pytest.raises(ConfigurationError) as caught:
        check("correct horse battery staple zebra")
    assert caught.value.finding is Finding.EXTRA_MISSING
    new_password._zxcvbn.cache_clear()
