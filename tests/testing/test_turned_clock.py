"""The aids that tests turn and count."""

import pytest

from proofkey.protocol.text import decode_base64url
from proofkey.testing.clock import TurnedClock
from proofkey.testing.entropy import CountingEntropy


def test_a_turned_clock_stands_until_it_is_turned():
    clock = TurnedClock(100)
    before = clock.monotonic()
    assert (clock.now(), clock.now()) == (100, 100)
    clock.turn(2.5)
    assert (clock.now(), clock.monotonic() - before) == (102, 2.5)
    clock.turn(0.5)
    assert clock.now() == 103


def test_only_the_wall_clock_goes_back():
    clock = TurnedClock(100)
    before = clock.monotonic()
    clock.turn_wall(-60)
    assert (clock.now(), clock.monotonic()) == (40, before)
    with pytest.raises(ValueError, match="never"):
        clock.turn(-1)


def test_counting_entropy_repeats_itself_run_by_run_and_never_within_one():
    one, two, other = CountingEntropy(), CountingEntropy(), CountingEntropy("other seed")
    first = [one() for _ in range(50)]
    assert first == [two() for _ in range(50)]
    assert len(set(first)) == 50
    assert other() not in first
    assert all(len(text) == 43 and decode_base64url(text) for text in first)
    assert one.count == 50
