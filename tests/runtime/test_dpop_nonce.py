"""RFC 9449 §8, §9: nonces that every node makes alike."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofkey.errors import ConfigurationError
from proofkey.protocol.text import Instant, Secret
from proofkey.runtime.dpop_nonce import DpopNonces

SECRET = Secret("s" * 43)
START = Instant(1_800_000_000)  # the beginning of a span of 150 s


def at(seconds: int) -> Instant:
    return Instant(START + seconds)


@pytest.mark.spec("9449-9-a", "9449-8-a")
def test_all_nodes_with_one_secret_have_the_same_nonce() -> None:
    one, other = DpopNonces(SECRET), DpopNonces(Secret("s" * 43))
    assert one.current(START) == other.current(at(149))
    assert other.began(one.current(START), at(10)) == START


@pytest.mark.spec("9449-8-a")
@pytest.mark.parametrize(
    "other", [DpopNonces(Secret("t" * 43)), DpopNonces(SECRET, label="other"), DpopNonces(SECRET, lifetime=500)]
)
def test_another_secret_label_or_lifetime_gives_other_nonces(other: DpopNonces) -> None:
    assert other.began(DpopNonces(SECRET).current(START), START) is None


@pytest.mark.spec("9449-9-a")
@pytest.mark.parametrize(
    ("later", "good"), [(0, True), (149, True), (150, True), (299, True), (300, False), (10_000, False)]
)
def test_a_nonce_is_good_in_its_span_and_in_the_next(later: int, good: bool) -> None:
    nonces = DpopNonces(SECRET)
    assert (nonces.began(nonces.current(START), at(later)) is not None) is good


@pytest.mark.parametrize(("before", "good"), [(10, True), (11, False), (150, False)])
def test_a_nonce_of_a_node_whose_clock_is_a_little_ahead_is_good(before: int, good: bool) -> None:
    nonces = DpopNonces(SECRET)
    assert (nonces.began(nonces.current(START), at(-before)) is not None) is good


@pytest.mark.spec("9449-9-a", "RFC 9449 §8.2")
def test_a_client_is_told_the_next_nonce_while_its_own_is_still_good() -> None:
    nonces = DpopNonces(SECRET)
    first = nonces.current(START)
    assert nonces.successor(first, at(149)) is None
    assert nonces.successor(first, at(150)) == nonces.current(at(150)) != first


@pytest.mark.spec("9449-8-a", "RFC 9449 §8.1")
def test_nonces_look_random_and_hold_what_the_header_may_hold() -> None:
    nonces = DpopNonces(SECRET)
    made = {nonces.current(at(150 * number)) for number in range(40)}
    assert len(made) == 40
    assert all(len(nonce) == 43 and nonce.replace("-", "").replace("_", "").isalnum() for nonce in made)
    assert repr(nonces) == "DpopNonces('***')"


def test_what_was_made_is_not_kept_for_ever() -> None:
    nonces = DpopNonces(SECRET)
    for number in range(100):
        nonces.current(at(150 * number))
    assert len(nonces._made) < 20


@given(st.text(max_size=50), st.integers(0, 2**40))
def test_no_guess_is_taken(guess: str, now: int) -> None:
    assert DpopNonces(SECRET).began(guess, Instant(now)) is None


@pytest.mark.parametrize(("secret", "lifetime"), [(Secret("short"), 300), (SECRET, 39)])
def test_a_weak_secret_or_a_short_life_stops_the_start(secret: Secret, lifetime: int) -> None:
    with pytest.raises(ConfigurationError):
        DpopNonces(secret, lifetime=lifetime)
